//! Payloads by version, and by every name that they are known by.

use std::collections::BTreeMap;
use std::fmt;

use fleetfix_model::{Digest, Reference, Version};

use crate::Error;
use crate::payload::Payload;

/// What tells the payloads of one another. A version has one for each single architecture and one
/// for several; they name different images.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Key {
    /// The version, as the exact string.
    pub version: Version,
    /// The one architecture that it is for; absent: several, which sorts first.
    pub architecture: Option<String>,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.architecture {
            Some(architecture) => write!(f, "{} for {architecture}", self.version),
            None => write!(f, "{} for several architectures", self.version),
        }
    }
}

/// Payloads that were read, each once.
#[derive(Clone, Debug, Default)]
pub struct Index {
    payloads: BTreeMap<Key, Payload>,
    names: BTreeMap<Reference, Key>,
    digests: BTreeMap<Digest, Key>,
}

impl Index {
    /// Takes a payload and the name that it was found by. Another image under the same key is
    /// refused: nobody could tell which of the two a cluster runs.
    pub fn insert(&mut self, payload: Payload) -> Result<(), Error> {
        let key = payload.key();
        if let Some(known) = self.payloads.get(&key)
            && known.digest != payload.digest
        {
            return Err(Error::TwoPayloads {
                key,
                first: Box::new(known.reference.clone()),
                other: Box::new(payload.reference),
            });
        }
        self.names.insert(payload.reference.clone(), key.clone());
        self.digests.insert(payload.digest, key.clone());
        self.payloads.entry(key).or_insert(payload);
        Ok(())
    }

    /// A further name of a payload that is there: another tag, or the name of a mirror.
    pub fn name(&mut self, name: Reference, digest: Digest) {
        if let Some(key) = self.digests.get(&digest) {
            self.names.insert(name, key.clone());
        }
    }

    /// Takes what another index has of other versions.
    pub fn extend(&mut self, other: Self) {
        self.payloads.extend(other.payloads);
        self.names.extend(other.names);
        self.digests.extend(other.digests);
    }

    /// The payloads of a version, that for several architectures first.
    pub fn of(&self, version: &Version) -> impl Iterator<Item = &Payload> {
        let from = Key { version: version.clone(), architecture: None };
        let of = version.clone();
        self.payloads.range(from..).take_while(move |(key, _)| key.version == of).map(|(_, p)| p)
    }

    /// The payload that stands for a version: that for several architectures, if there is one. What
    /// is made from its images runs wherever those of the other run.
    pub fn first(&self, version: &Version) -> Option<&Payload> {
        self.of(version).next()
    }

    /// The payload that a cluster names, by digest, tag or the name of a mirror.
    pub fn find(&self, name: &Reference) -> Option<&Payload> {
        let by_digest = name.digest.and_then(|digest| self.digests.get(&digest));
        let key = by_digest.or_else(|| self.names.get(name))?;
        self.payloads.get(key)
    }

    /// All of them, by version, those for several architectures first.
    pub fn iter(&self) -> impl Iterator<Item = &Payload> {
        self.payloads.values()
    }

    /// The versions, sorted, each once.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        let mut last = None;
        self.payloads.keys().map(|key| &key.version).filter(move |version| {
            let new = last != Some(*version);
            last = Some(*version);
            new
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use fleetfix_model::Platform;

    use super::*;
    use crate::Stream;

    fn payload(version: &str, architecture: Option<&str>, name: &str) -> Payload {
        let stream = if architecture.is_some() { Stream::Single } else { Stream::Multi };
        let platform = Platform::linux(architecture.unwrap_or("amd64"));
        Payload {
            reference: format!("quay.io/a/release:{name}").parse().unwrap(),
            digest: Digest::of(format!("{version} {architecture:?}")),
            version: version.parse().unwrap(),
            stream,
            platforms: vec![platform.clone()],
            read_from: platform,
            components: BTreeMap::new(),
            differing: BTreeSet::new(),
        }
    }

    fn index() -> Index {
        let mut index = Index::default();
        for (version, architecture, name) in [
            ("4.20.1", Some("amd64"), "4.20.1-x86_64"),
            ("4.20.1", Some("arm64"), "4.20.1-aarch64"),
            ("4.20.1", None, "4.20.1-multi"),
            ("4.20.10", Some("amd64"), "4.20.10-x86_64"),
            ("4.20.2-rc.1", Some("amd64"), "4.20.2-rc.1-x86_64"),
        ] {
            index.insert(payload(version, architecture, name)).unwrap();
        }
        index
    }

    #[test]
    fn a_version_has_one_payload_of_each_kind() {
        let index = index();
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert_eq!(index.first(&version("4.20.1")).unwrap().stream, Stream::Multi);
        let names: Vec<String> =
            index.of(&version("4.20.1")).map(|p| p.reference.to_string()).collect();
        let expected =
            ["multi", "x86_64", "aarch64"].map(|end| format!("quay.io/a/release:4.20.1-{end}"));
        assert_eq!(names, expected);
        assert!(index.first(&version("4.20.1+build")).is_none(), "an exact string");
        let versions: Vec<String> = index.versions().map(ToString::to_string).collect();
        assert_eq!(versions, ["4.20.1", "4.20.2-rc.1", "4.20.10"]);
    }

    #[test]
    fn the_names_of_a_payload() {
        let mut index = index();
        let digest = Digest::of("4.20.1 None");
        index.name("registry.example/b/other:tag".parse().unwrap(), digest);
        let table = [
            ("quay.io/a/release:4.20.1-multi", Some("4.20.1")),
            ("quay.io/a/release:4.20.3-multi", None),
            ("registry.example/b/other:tag", Some("4.20.1")),
            ("elsewhere.example/r:4.20.10-x86_64", None),
            (&format!("elsewhere.example/r@{digest}"), Some("4.20.1")),
            (&format!("quay.io/a/release:4.20.10-x86_64@{digest}"), Some("4.20.1")),
        ];
        for (name, version) in table {
            let found = index.find(&name.parse().unwrap()).map(|p| p.version.to_string());
            assert_eq!(found.as_deref(), version, "{name}");
        }
    }

    #[test]
    fn two_images_for_one_key() {
        let mut index = index();
        let same = payload("4.20.1", None, "another-tag");
        index.insert(same).unwrap();
        let mut other = payload("4.20.1", None, "other");
        other.digest = Digest::of("other");
        let error = index.insert(other).unwrap_err();
        assert!(matches!(error, Error::TwoPayloads { .. }), "{error}");
    }
}
