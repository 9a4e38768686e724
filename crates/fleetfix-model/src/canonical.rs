//! Canonical JSON: RFC 8785, with integers only and within ±2^53.
//!
//! A document has exactly one form. [`from_canonical`] reads the bytes, checks their bounds, and
//! then writes them again: whatever comes out different (white space, another key order, a
//! duplicate key, another escape) is refused, so that a digest names one document and a document
//! has one digest.

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::{Class, Classify, Digest};

/// Largest document that is read, in bytes.
pub const MAX_SIZE: usize = 8 << 20;
/// Deepest nesting that is read.
pub const MAX_DEPTH: usize = 64;
/// Largest magnitude of an integer: 2^53, where `IEEE 754` doubles, and so `RFC 8785`, stop being exact.
pub const MAX_INTEGER: u64 = 1 << 53;

/// Why bytes are not a canonical document of the expected type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More bytes than [`MAX_SIZE`].
    #[error("{size} bytes, at most {MAX_SIZE} are read")]
    TooLarge {
        /// Size found.
        size: usize,
    },
    /// Not JSON, too deep, a duplicate key, a fraction or too large a number.
    #[error("not JSON that can be canonical")]
    Syntax(#[source] serde_json::Error),
    /// JSON, but not in its canonical form.
    #[error(
        "not in canonical form (RFC 8785): differs from byte {offset} on; expected `{expected}`, found `{found}`"
    )]
    NotCanonical {
        /// First byte that differs.
        offset: usize,
        /// A few canonical characters from there.
        expected: String,
        /// A few actual characters from there.
        found: String,
    },
    /// Canonical JSON, but not the document.
    #[error("field `{field}`")]
    Type {
        /// Path of the field.
        field: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A value of ours that has no canonical form: a defect.
    #[error("no canonical form")]
    NoForm(#[source] serde_json::Error),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::TooLarge { .. }
            | Self::Syntax(_)
            | Self::NotCanonical { .. }
            | Self::Type { .. } => Class::Input,
            Self::NoForm(_) => Class::Bug,
        }
    }
}

/// Values with canonical bytes.
pub trait ToCanonical {
    /// The canonical bytes: no newline at the end.
    fn to_canonical(&self) -> Result<Vec<u8>, Error>;

    /// The digest of the canonical bytes.
    fn canonical_digest(&self) -> Result<Digest, Error> {
        self.to_canonical().map(Digest::of)
    }
}

impl<T: Serialize> ToCanonical for T {
    fn to_canonical(&self) -> Result<Vec<u8>, Error> {
        let value = serde_json::to_value(self).map_err(Error::NoForm)?;
        check_numbers(&value).map_err(Error::NoForm)?;
        canonical_bytes(&value)
    }
}

fn canonical_bytes(value: &Value) -> Result<Vec<u8>, Error> {
    serde_json_canonicalizer::to_vec(value).map_err(Error::NoForm)
}

/// Reads a document from its canonical bytes.
pub fn from_canonical<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let value = from_bounded_json(bytes)?;
    let canonical = canonical_bytes(&value)?;
    if canonical != bytes {
        return Err(not_canonical(&canonical, bytes));
    }
    typed(value)
}

/// Reads JSON of any spelling, within the same bounds and without duplicate keys: for documents of
/// others, and for ours while they are written.
pub fn from_bounded_json(bytes: &[u8]) -> Result<Value, Error> {
    if bytes.len() > MAX_SIZE {
        return Err(Error::TooLarge { size: bytes.len() });
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut reader).map_err(Error::Syntax)?;
    reader.end().map_err(Error::Syntax)?;
    Ok(value)
}

/// A typed document from a JSON value; errors name the field.
pub fn typed<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    serde_path_to_error::deserialize(value).map_err(|e| {
        let field = e.path().to_string();
        Error::Type { field, source: e.into_inner() }
    })
}

/// Says where `found` departs from the canonical bytes.
pub(crate) fn not_canonical(expected: &[u8], found: &[u8]) -> Error {
    let offset = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    let some = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes.get(offset..).unwrap_or_default()).chars().take(24).collect()
    };
    Error::NotCanonical { offset, expected: some(expected), found: some(found) }
}

fn custom(message: impl std::fmt::Display) -> serde_json::Error {
    serde::de::Error::custom(message)
}

fn check_numbers(value: &Value) -> Result<(), serde_json::Error> {
    match value {
        Value::Number(number) => check_number(number).map_err(custom),
        Value::Array(items) => items.iter().try_for_each(check_numbers),
        Value::Object(map) => map.values().try_for_each(check_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

fn check_number(number: &Number) -> Result<(), String> {
    let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    match magnitude {
        Some(n) if n <= MAX_INTEGER => Ok(()),
        Some(_) => Err(format!("number {number} is beyond ±2^53")),
        None => Err(format!("number {number} is not an integer")),
    }
}

/// Builds a [`Value`], refusing what `serde_json` would let pass: duplicate keys, which it
/// resolves silently, and nesting beyond our own bound.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, d: D) -> Result<Value, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON without fractions")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Value, E> {
        let number = Number::from(n);
        check_number(&number).map_err(E::custom)?;
        Ok(Value::Number(number))
    }

    fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Value, E> {
        let number = Number::from(n);
        check_number(&number).map_err(E::custom)?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, s: &str) -> Result<Value, E> {
        Ok(Value::String(s.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(serde::de::Error::custom(format_args!("duplicate key `{key}`")));
            }
            let value = entries.next_value_seed(inner)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_form_only() {
        let good = br#"{"a":[1,-2,null,true],"b":"\u0001\u00e9"}"#;
        // RFC 8785 writes é as it is and control characters as \u escapes.
        let canonical = "{\"a\":[1,-2,null,true],\"b\":\"\\u0001é\"}".as_bytes();
        assert!(from_canonical::<Value>(canonical).is_ok());
        assert!(matches!(from_canonical::<Value>(good), Err(Error::NotCanonical { .. })));
        let table: [&[u8]; 12] = [
            b"",
            b"{} ",
            b" {}",
            b"{}{}",
            b"{\"b\":1,\"a\":1}",
            b"{\"a\":1,\"a\":1}",
            b"{\"a\": 1}",
            b"1.0",
            b"1e3",
            b"9007199254740993",
            b"-9007199254740993",
            b"\"\xff\"",
        ];
        for bytes in table {
            assert!(from_canonical::<Value>(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn bounds() {
        let deep = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();
        assert!(from_canonical::<Value>(&deep(MAX_DEPTH)).is_ok());
        assert!(from_canonical::<Value>(&deep(MAX_DEPTH + 1)).is_err());
        assert!(from_canonical::<Value>(&deep(100_000)).is_err());
        let long = format!("\"{}\"", "a".repeat(MAX_SIZE));
        assert!(matches!(from_canonical::<Value>(long.as_bytes()), Err(Error::TooLarge { .. })));
        assert!(from_canonical::<Value>(b"9007199254740992").is_ok());
        assert!((MAX_INTEGER + 1).to_canonical().is_err());
        assert!(0.5.to_canonical().is_err());
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_we_write_we_read(value in json()) {
            let bytes = value.to_canonical().unwrap();
            prop_assert_eq!(from_canonical::<Value>(&bytes).unwrap(), value);
        }

        #[test]
        fn other_bytes_never_panic_and_are_stable(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = from_canonical::<Value>(&bytes) {
                prop_assert_eq!(value.to_canonical().unwrap(), bytes);
            }
        }
    }
}
