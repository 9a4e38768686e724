//! The canonical form of JSON, for whoever signs or pins a document by hand.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Names sorted, no white space: RFC 8785 as far as our documents and TUF's roles need it, which
/// have neither fractions nor names beyond ASCII.
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            let field = |(name, value): (&&String, &&Value)| {
                format!("{}:{}", json!(name), canonical(value))
            };
            format!("{{{}}}", sorted.iter().map(field).collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}
