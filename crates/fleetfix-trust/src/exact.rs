//! Typed values in one spelling.
//!
//! Derived readers take more than they write: a list in place of an object, `null` in place of an
//! absent field, a default that is spelled out. What is signed or judged here is written again after
//! it was read, and must come out the same.

use fleetfix_model::canonical;
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

#[cfg(test)]
mod tests {
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
}
