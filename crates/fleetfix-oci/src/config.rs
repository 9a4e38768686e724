//! The configuration of an image, kept raw: Docker writes fields that no specification has
//! (image-spec v1.1 config.md; "any extra fields ... MUST NOT generate an error").

use std::collections::BTreeMap;

use fleetfix_model::canonical::from_bounded_json;
use fleetfix_model::{Digest, Platform};
use serde_json::{Map, Value};

use crate::Error;
use crate::manifest::{platform, strings};
use crate::numbers::Kept;

/// Largest configuration that is read, in bytes.
pub const MAX_SIZE: u64 = fleetfix_model::canonical::MAX_SIZE as u64;

/// A configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The JSON in its order. A string stands for each number that canonical JSON cannot hold.
    pub raw: Map<String, Value>,
    subject: String,
    numbers: Kept,
}

impl Config {
    /// Parses `bytes`.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let subject = format!("image configuration {}", Digest::of(bytes));
        let (numbers, plain) = match bytes.len() as u64 {
            // Refused below.
            size if size > MAX_SIZE => (Kept::default(), bytes.to_vec()),
            _ => Kept::out_of(bytes),
        };
        match from_bounded_json(&plain) {
            Ok(Value::Object(raw)) => Ok(Self { raw, subject, numbers }),
            Ok(_) => Err(Error::field(subject, ".", "is not an object")),
            Err(source) => Err(Error::Json { subject, source }),
        }
    }

    /// Names it in messages.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What the image runs on.
    pub fn platform(&self) -> Result<Platform, Error> {
        platform(&self.raw)
            .ok_or_else(|| Error::field(&self.subject, "architecture", "or `os` is not a word"))
    }

    /// The labels; empty where there are none.
    pub fn labels(&self) -> Result<BTreeMap<String, String>, Error> {
        match self.raw.get("config") {
            None | Some(Value::Null) => Ok(BTreeMap::new()),
            Some(Value::Object(config)) => {
                let labels = strings(config, "Labels");
                let number = |labels: &BTreeMap<String, String>| {
                    labels.values().any(|value| self.numbers.is_one(value))
                };
                match labels {
                    Ok(labels) if number(&labels) => Err("has a value that is not a string"),
                    other => other,
                }
                .map_err(|reason| Error::field(&self.subject, "config.Labels", reason))
            }
            Some(_) => Err(Error::field(&self.subject, "config", "is not an object")),
        }
    }

    /// When the image was made, as it says itself.
    pub fn created(&self) -> Option<&str> {
        self.raw.get("created").and_then(Value::as_str)
    }

    /// Digests of the unpacked layers, the lowest first.
    pub fn diff_ids(&self) -> Result<Vec<Digest>, Error> {
        let field = "rootfs.diff_ids";
        let Some(Value::Array(items)) = self.raw.get("rootfs").and_then(|r| r.get("diff_ids"))
        else {
            return Err(Error::field(&self.subject, field, "is not a list"));
        };
        let parse = |item: &Value| item.as_str().and_then(|text| text.parse().ok());
        items
            .iter()
            .map(parse)
            .collect::<Option<_>>()
            .ok_or_else(|| Error::field(&self.subject, field, "holds what is no digest"))
    }

    /// The bytes of the configuration as it is now.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.numbers.put_back(&Value::Object(self.raw.clone()).to_string()).into_bytes()
    }
}
