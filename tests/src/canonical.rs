//! The canonical form of JSON, for whoever signs or pins a document by hand.

use serde_json::Value;

/// Names sorted, no white space: RFC 8785 as far as our documents and TUF's roles need it, which
/// have neither fractions nor names beyond ASCII.
pub fn canonical(value: &Value) -> String {
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    sorted.to_string()
}
