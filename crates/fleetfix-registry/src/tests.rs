//! The store interface over layouts, copies and attachments over both kinds of places.

mod attach;
mod copy;
mod layout;
mod referrers;

use std::path::Path;

use fleetfix_model::Repository;

use crate::{Client, Store, testing};

/// A store in the subdirectory `name` of `dir`.
fn layout_store(dir: &Path, name: &str) -> Store {
    Client::new(testing::options()).unwrap().store(&Repository::Layout(dir.join(name)))
}

/// All files below `dir` with their content.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().display().to_string();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
