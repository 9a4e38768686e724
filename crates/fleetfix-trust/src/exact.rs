//! Typed values in one spelling.
//!
//! Derived readers take more than they write: a list in place of an object, `null` in place of an
//! absent field, a default that is spelled out. What is signed or judged here is written again after
//! it was read, and must come out the same.

use fleetfix_model::document::{self, Document};
use fleetfix_model::{ToCanonical as _, canonical};
use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::Value;

const OTHER_SPELLING: &str = "another spelling than the one it is written in: a list for an object, or a null or default for \
     an absent field";

/// Reads a value whose every field is spelled as it would be written. The order of fields is free.
pub(crate) fn typed<T: Serialize + DeserializeOwned>(value: &Value) -> Result<T, canonical::Error> {
    let read: T = canonical::typed(value.clone())?;
    let again = serde_json::to_value(&read).map_err(canonical::Error::NoForm)?;
    if again == *value {
        return Ok(read);
    }
    let source = serde_json::Error::custom(OTHER_SPELLING);
    Err(canonical::Error::Type { field: ".".to_owned(), source })
}

/// Reads a document of ours from the one form that it has; `subject` is for messages.
pub(crate) fn document<T: Document>(subject: &str, bytes: &[u8]) -> Result<T, document::Error> {
    let read: T = document::from_canonical(subject, bytes)?;
    if read.to_canonical().is_ok_and(|again| again == bytes) {
        return Ok(read);
    }
    Err(document::Error::Rule {
        subject: subject.to_owned(),
        kind: T::KIND,
        source: document::Rule::new(".", OTHER_SPELLING),
    })
}

#[cfg(test)]
mod tests {
    use fleetfix_model::document::Pause;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct Pair {
        a: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        b: Option<u32>,
    }

    #[test]
    fn one_spelling_only() {
        assert_eq!(typed::<Pair>(&json!({"a": 1})).unwrap(), Pair { a: 1, b: None });
        assert_eq!(typed::<Pair>(&json!({"b": 2, "a": 1})).unwrap(), Pair { a: 1, b: Some(2) });
        for value in
            [json!([1]), json!([1, 2]), json!({"a": 1, "b": null}), json!({"a": 1, "c": 2})]
        {
            assert!(typed::<Pair>(&value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_document_has_one_form() {
        let good = json!({
            "apiVersion": document::API_VERSION, "kind": "Pause", "channel": "stable", "bundles": [],
        });
        let read = |value: &Value| document::<Pause>("x", &value.to_canonical().unwrap());
        assert!(read(&good).is_ok());
        let mut spelled = good.clone();
        spelled["requires"] = json!([]);
        let list = json!([document::API_VERSION, "Pause", {}, [], "stable", []]);
        for value in [spelled, list] {
            assert!(read(&value).is_err(), "{value}");
        }
    }
}
