//! One role file: what is signed, and the signatures so far.

use std::collections::BTreeMap;

use fleetfix_model::{Timestamp, ToCanonical as _, canonical};
use serde_json::{Map, Value, json};

use super::error::Error;
use super::keys::key_id;
use super::roles::Role;
use crate::sign::Sign;
use crate::tuf::canonical_json;

/// Version of the TUF specification that the files follow.
const SPEC_VERSION: &str = "1.0.33";

/// A role file in the making. Its bytes without signatures are what several people in different places
/// sign; [`RoleFile::merge`] brings the signatures together.
#[derive(Clone, Debug, PartialEq)]
pub struct RoleFile {
    role: Role,
    version: u64,
    signed: Value,
    to_sign: Vec<u8>,
    /// Hex signature by key id: sorted, so that the order of signing does not show.
    signatures: BTreeMap<String, String>,
}

impl RoleFile {
    /// A file with `content` beside what every role has.
    pub(crate) fn new(
        role: Role,
        version: u64,
        expires: Timestamp,
        content: Map<String, Value>,
    ) -> Result<Self, Error> {
        let mut signed = content;
        signed.insert("_type".to_owned(), json!(role.kind()));
        signed.insert("spec_version".to_owned(), json!(SPEC_VERSION));
        signed.insert("version".to_owned(), json!(version));
        signed.insert("expires".to_owned(), json!(expires));
        Self::from_signed(role, version, Value::Object(signed), BTreeMap::new())
    }

    fn from_signed(
        role: Role,
        version: u64,
        signed: Value,
        signatures: BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let form = |source| Error::NoForm { role, source: canonical::Error::NoForm(source) };
        let to_sign = canonical_json(&signed).map_err(form)?;
        Ok(Self { role, version, signed, to_sign, signatures })
    }

    /// Reads a role file, signed or not: `file` is its name, which says the role and the version.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        let wrong =
            |what: &str| Error::NotARoleFile { file: file.to_owned(), what: what.to_owned() };
        let value = canonical::from_bounded_json(bytes).map_err(|e| wrong(&e.to_string()))?;
        let stem =
            file.strip_suffix(".json").ok_or_else(|| wrong("its name does not end in .json"))?;
        let role = Role::from_name(stem.rsplit('.').next().unwrap_or(stem));
        let role = role.ok_or_else(|| wrong("its name is not that of a role"))?;
        let signed = value.get("signed").filter(|signed| signed.is_object());
        let signed = signed.ok_or_else(|| wrong("it has no field `signed`"))?.clone();
        if signed.get("_type").and_then(Value::as_str) != Some(role.kind()) {
            return Err(wrong("its `_type` is of another role"));
        }
        let version = signed.get("version").and_then(Value::as_u64);
        let version = version.ok_or_else(|| wrong("it has no `version`"))?;
        if role.file_name(version) != file {
            return Err(wrong("its name has another version"));
        }
        let mut signatures = BTreeMap::new();
        for entry in value.get("signatures").and_then(Value::as_array).into_iter().flatten() {
            let field = |name| entry.get(name).and_then(Value::as_str).map(str::to_owned);
            let (Some(id), Some(sig)) = (field("keyid"), field("sig")) else {
                return Err(wrong("a signature lacks `keyid` or `sig`"));
            };
            signatures.insert(id, sig);
        }
        Self::from_signed(role, version, signed, signatures)
    }

    /// The role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The name of the file.
    pub fn file_name(&self) -> String {
        self.role.file_name(self.version)
    }

    /// The bytes that are signed: OLPC canonical JSON of `signed`.
    pub fn to_sign(&self) -> &[u8] {
        &self.to_sign
    }

    /// What is signed.
    pub(crate) fn signed(&self) -> &Value {
        &self.signed
    }

    /// An object in what is signed; empty if there is none.
    pub(crate) fn field(&self, name: &str) -> Map<String, Value> {
        self.signed.get(name).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// Replaces a field of what is signed; signatures made before are void.
    pub(crate) fn set_field(&mut self, name: &str, value: Value) -> Result<(), Error> {
        if let Some(signed) = self.signed.as_object_mut() {
            signed.insert(name.to_owned(), value);
        }
        let signed = std::mem::take(&mut self.signed);
        *self = Self::from_signed(self.role, self.version, signed, BTreeMap::new())?;
        Ok(())
    }

    /// What is signed, to make the next version of it.
    pub(crate) fn into_content(self) -> Map<String, Value> {
        match self.signed {
            Value::Object(signed) => signed,
            _ => Map::new(),
        }
    }

    /// Adds the signature of `key`, whether or not the role lists it; changes nothing if a good one is
    /// there already.
    pub fn add(&mut self, key: &dyn Sign) -> Result<(), Error> {
        self.add_as(&key_id(key.public_key()), key)
    }

    /// Adds the signature of `key` under the id that the metadata gives it.
    pub(crate) fn add_as(&mut self, id: &str, key: &dyn Sign) -> Result<(), Error> {
        let is_good = |hex: &String| {
            hex::decode(hex).is_ok_and(|sig| key.public_key().verify(&self.to_sign, &sig))
        };
        if !self.signatures.get(id).is_some_and(is_good) {
            self.signatures.insert(id.to_owned(), hex::encode(key.sign(&self.to_sign)?));
        }
        Ok(())
    }

    /// Takes over the signatures of `other`, which must say the same.
    pub fn merge(&mut self, other: Self) -> Result<(), Error> {
        if self.to_sign != other.to_sign {
            return Err(Error::OtherContent { file: self.file_name() });
        }
        for (id, sig) in other.signatures {
            self.signatures.entry(id).or_insert(sig);
        }
        Ok(())
    }

    /// The file: canonical JSON (RFC 8785).
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let signature = |(id, sig): (&String, &String)| json!({ "keyid": id, "sig": sig });
        let signatures: Vec<Value> = self.signatures.iter().map(signature).collect();
        json!({ "signatures": signatures, "signed": self.signed })
            .to_canonical()
            .map_err(|source| Error::NoForm { role: self.role, source })
    }
}
