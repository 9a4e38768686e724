//! Everything that lies in a fleet on disk: who holds a directory can change any byte of it, so
//! every blob is hashed, whether the channel needs it or not, and `index.json` must be exactly
//! what we write for what lies there.
//!
//! - A blob is a file under `blobs/`; its name is its digest, or it is refused.
//! - `oci-layout` and `index.json` have one spelling.
//! - A directory below is one, not a link to one.
//! - Every entry of `index.json` has media type, size and tag of what it names, and its tag is one
//!   that something in the fleet accounts for: see [`tags`](mod@tags).
//!
//! Other files beside them have no effect on anything that is read, and are named only.

mod files;
mod index;
pub mod tags;

use std::path::{Path, PathBuf};

use crate::Error;
use crate::judgement::Judged;

use files::{Found, find};
use tags::Known;

/// Name of the check of all of it.
pub const CHECK: &str = "layout";

/// What is accounted for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// A whole fleet, as `fleetfix-publish` writes it.
    Fleet {
        /// Its prefix.
        dir: PathBuf,
    },
    /// One layout that anybody may have written: its blobs are hashed, and that is all.
    One {
        /// Its directory.
        dir: PathBuf,
    },
}

/// Looks at every file. Blocks: for a thread that may.
pub fn check(scope: &Scope) -> Judged {
    match scope {
        Scope::Fleet { dir } => {
            let subject = format!("oci:{}", dir.display());
            match find(dir) {
                Ok(found) => Judged::all(CHECK, subject, fleet(dir, &found)),
                Err(error) => Judged::error(CHECK, subject, &error),
            }
        }
        Scope::One { dir } => {
            Judged::all(CHECK, format!("oci:{}", dir.display()), vec![contents(dir).0])
        }
    }
}

/// The same from async code: hashing gigabytes must not keep a signal waiting.
pub async fn check_in_thread(scope: Scope) -> Judged {
    let subject = match &scope {
        Scope::Fleet { dir } | Scope::One { dir } => format!("oci:{}", dir.display()),
    };
    match tokio::task::spawn_blocking(move || check(&scope)).await {
        Ok(judged) => judged,
        Err(_) => Judged::error(CHECK, subject, &Error::Abandoned),
    }
}

fn fleet(dir: &Path, found: &Found) -> Vec<Judged> {
    let mut parts = Vec::new();
    let mut indexes = Vec::new();
    for layout in &found.layouts {
        let (judged, index) = contents(layout);
        // Without its blobs nothing can be said about the tags.
        if judged.is_good()
            && let Some(index) = index
        {
            indexes.push((layout.as_path(), index));
        }
        parts.push(judged);
    }
    if indexes.len() == found.layouts.len() {
        let known = Known::collect(dir, &indexes);
        parts.extend(indexes.iter().map(|(layout, index)| known.check(layout, index)));
    }
    for link in &found.linked {
        let detail = "a link to a directory: nothing behind it was looked at";
        parts.push(Judged::refused("link", link.display(), detail));
    }
    if !found.strays.is_empty() {
        let names: Vec<_> = found.strays.iter().take(10).map(|p| p.display().to_string()).collect();
        let detail = format!("{} files beside the layouts, which nobody reads", found.strays.len());
        parts.push(Judged::not_made("strayFiles", names.join(", "), detail));
    }
    parts
}

/// The files of one layout.
fn contents(dir: &Path) -> (Judged, Option<index::Index>) {
    let subject = format!("oci:{}", dir.display());
    let (index_judged, index) = index::check(dir);
    let parts = vec![index::check_marker(dir), index_judged, files::check_blobs(dir)];
    (Judged::all("files", subject, parts), index)
}

#[cfg(test)]
mod tests;
