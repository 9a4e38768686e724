//! Programs of a base that stay as they are while others of their Go module are replaced: a fix in
//! what they share may be meant for them too.
//!
//! Only what was learnt of layers that are read anyway is used ([`replaced`](crate::replaced)).

use std::collections::BTreeMap;

use fleetfix_oci::change::{Action, Change};
use fleetfix_oci::layer::{Items, display};
use fleetfix_oci::tree::{Final, Place, Target, Tree};

/// Most programs that a note names.
const MAX_NAMED: usize = 20;

/// Programs of one module, of which not all are replaced. Paths are those of the image, lossily.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Staying {
    /// Path of the module.
    module: String,
    /// Those that are replaced, as they were asked for.
    replaced: Vec<String>,
    /// The others.
    others: Vec<String>,
}

/// What stays of the modules of which `changes` replace a program, by module. `items` is what the
/// changes come to on that tree.
pub(crate) fn one_module(
    tree: &Tree,
    changes: &[Change],
    items: &Items,
) -> Result<Vec<Staying>, fleetfix_oci::Error> {
    let mut modules: BTreeMap<&str, (Vec<String>, Vec<Place>)> = BTreeMap::new();
    for change in changes {
        let Action::Write { .. } = change.action else { continue };
        let found = tree.resolve(change.path.as_str().as_bytes(), Final::Follow)?;
        let Some(Target::File { content, .. }) = found.map(|found| found.target) else { continue };
        if let Some(module) = tree.remark(&content) {
            let (replaced, places) = modules.entry(module).or_default();
            replaced.push(change.path.to_string());
            places.push(content);
        }
    }
    let staying = modules.into_iter().map(|(module, (replaced, places))| {
        // Other names of a content that is replaced have a note of their own.
        let mut others = tree.remarked(module, &places);
        others.retain(|path| !items.hides(path));
        let others = others.iter().map(|path| display(path)).collect();
        Staying { module: module.to_owned(), replaced, others }
    });
    Ok(staying.filter(|found| !found.others.is_empty()).collect())
}

impl std::fmt::Display for Staying {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { module, replaced, others } = self;
        let some = |paths: &[String]| {
            let named = paths.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
            match paths.len().checked_sub(MAX_NAMED) {
                None | Some(0) => named,
                Some(more) => format!("{named} and {more} more"),
            }
        };
        write!(
            f,
            "of the programs of Go module {module}, {} {} replaced, and these stay as they are: {}",
            some(replaced),
            if replaced.len() == 1 { "is" } else { "are" },
            some(others)
        )
    }
}
