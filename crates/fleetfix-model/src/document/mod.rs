//! The documents of fleetfix (`fleetfix.openshift.io/v1alpha1`).
//!
//! | document | who writes it | form |
//! |---|---|---|
//! | [`FixRequest`] | an engineer | YAML |
//! | [`FixPlan`] | `fleetfix-plan` | canonical JSON |
//! | [`FixBundle`] | `fleetfix-bundle` | canonical JSON, layer 0 of an OCI artifact |
//! | [`Approval`] | a person, with `fleetfix approve` | predicate of an in-toto statement |
//! | [`Fix`] | `fleetfix-attest` | predicate of an in-toto statement |
//! | [`Channel`], [`Pause`] | publishers | canonical JSON, a TUF target |
//! | [`TrustPolicy`] | policy owners | YAML when written, canonical JSON as a TUF target |
//!
//! Every document starts with `apiVersion`, `kind`, `annotations` and `requires`. Unknown fields are refused; free
//! `annotations` may be ignored; `requires` names features that a reader must know, so that
//! today's reader refuses a document of tomorrow that it would misread.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub mod approval;
pub mod bundle;
pub mod channel;
pub mod delivery;
pub mod finding;
pub mod fix;
pub mod pause;
pub mod plan;
pub mod policy;
pub mod request;
pub mod rollout;
mod shared;

pub use approval::Approval;
pub use bundle::FixBundle;
pub use channel::Channel;
pub use fix::Fix;
pub use pause::Pause;
pub use plan::FixPlan;
pub use policy::TrustPolicy;
pub use request::FixRequest;

use crate::terminal::forges;
use crate::{Class, Classify, ToCanonical as _, canonical, yaml};

/// The version of all documents.
pub const API_VERSION: &str = "fleetfix.openshift.io/v1alpha1";

/// Features that this reader knows and that a document may name in `requires`.
pub const FEATURES: &[&str] = &[];

/// Free text that readers may ignore, keyed by a reverse domain name.
pub type Annotations = BTreeMap<String, String>;

/// The one value of `apiVersion`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ApiVersion {
    /// `fleetfix.openshift.io/v1alpha1`
    #[default]
    #[serde(rename = "fleetfix.openshift.io/v1alpha1")]
    V1alpha1,
}

/// A document of ours: it says its kind and what a reader must know.
pub trait Document: Serialize + DeserializeOwned {
    /// The value of `kind`.
    const KIND: &'static str;

    /// Features that a reader must know.
    fn requires(&self) -> &[String];

    /// Rules that the types cannot hold: what is empty, doubled or contradicts itself. The error
    /// names the field.
    fn check(&self) -> Result<(), Rule>;
}

/// A rule of a document that does not hold.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("field `{field}`: {what}")]
pub struct Rule {
    /// Path of the field.
    pub field: String,
    /// What is wrong and what is expected.
    pub what: String,
}

impl Rule {
    /// `field` breaks a rule.
    pub fn new(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { field: field.into(), what: what.into() }
    }
}

/// Why bytes are not a document of ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The YAML is not the document.
    #[error(transparent)]
    Yaml(#[from] yaml::Error),
    /// The bytes are not the document's canonical JSON.
    #[error("{subject}: {kind}")]
    Canonical {
        /// Where the bytes come from.
        subject: String,
        /// The kind that was expected.
        kind: &'static str,
        /// What is wrong with them.
        #[source]
        source: canonical::Error,
    },
    /// A rule does not hold.
    #[error("{subject}: {kind}")]
    Rule {
        /// Where the bytes come from.
        subject: String,
        /// The kind of the document.
        kind: &'static str,
        /// The rule.
        #[source]
        source: Rule,
    },
    /// The document requires a feature that this reader does not know.
    #[error(
        "{subject}: {kind} requires `{feature}`, which this version does not know: use a newer fleetfix"
    )]
    Feature {
        /// Where the bytes come from.
        subject: String,
        /// The kind of the document.
        kind: &'static str,
        /// The feature.
        feature: String,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Yaml(e) => e.class(),
            Self::Canonical { source, .. } => source.class(),
            Self::Rule { .. } | Self::Feature { .. } => Class::Input,
        }
    }
}

/// Reads a document that a person wrote; `file` is for messages.
pub fn from_yaml<T: Document>(file: &str, text: &[u8]) -> Result<T, Error> {
    checked(file, yaml::from_yaml(file, text)?)
}

/// Reads a document from its canonical bytes; `subject` says in messages where they come from.
///
/// What is read is written again and compared: serde also takes a list for an object, `null` for
/// what is absent, and a default that is spelled out, and each would be a second form of one
/// document.
pub fn from_canonical<T: Document>(subject: &str, bytes: &[u8]) -> Result<T, Error> {
    let wrong = |source| Error::Canonical { subject: subject.to_owned(), kind: T::KIND, source };
    let document: T = checked(subject, canonical::from_canonical(bytes).map_err(wrong)?)?;
    let again = document.to_canonical().map_err(wrong)?;
    if again != bytes {
        return Err(wrong(canonical::not_canonical(&again, bytes)));
    }
    Ok(document)
}

fn checked<T: Document>(subject: &str, document: T) -> Result<T, Error> {
    if let Some(feature) = document.requires().iter().find(|f| !FEATURES.contains(&f.as_str())) {
        let feature = feature.chars().take(100).collect();
        return Err(Error::Feature { subject: subject.to_owned(), kind: T::KIND, feature });
    }
    document.check().map_err(|source| Error::Rule {
        subject: subject.to_owned(),
        kind: T::KIND,
        source,
    })?;
    Ok(document)
}

/// Declares a document: the struct with the header fields, its kind, and [`Document`].
macro_rules! document {
    ($(#[$meta:meta])* $name:ident, $kind_type:ident { $($(#[$field_meta:meta])* $field:ident : $type:ty,)* } check($this:ident) $check:block) => {
        /// The one value of this document's `kind`.
        #[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
        pub enum $kind_type {
            /// The name of the document.
            #[default]
            $name,
        }

        $(#[$meta])*
        #[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            /// Version of the format.
            pub api_version: crate::document::ApiVersion,
            /// Kind of the document.
            pub kind: $kind_type,
            /// Free text that readers may ignore.
            #[serde(default, skip_serializing_if = "crate::document::Annotations::is_empty")]
            pub annotations: crate::document::Annotations,
            /// Features that a reader must know, or refuse the document.
            #[serde(default, skip_serializing_if = "Vec::is_empty")]
            pub requires: Vec<String>,
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl crate::document::Document for $name {
            const KIND: &'static str = stringify!($name);

            fn requires(&self) -> &[String] {
                &self.requires
            }

            fn check(&self) -> Result<(), crate::document::Rule> {
                let $this = self;
                $check
            }
        }
    };
}
pub(crate) use document;

/// `items` must be sorted by `key` and free of doubles: lists in what is signed have one order.
pub(crate) fn sorted_unique<T, K: Ord>(
    field: &str,
    items: &[T],
    key: impl Fn(&T) -> K,
) -> Result<(), Rule> {
    let broken = items.windows(2).position(|pair| match pair {
        [a, b] => key(a) >= key(b),
        _ => false,
    });
    match broken {
        Some(i) => {
            Err(Rule::new(format!("{field}[{}]", i + 1), "not in ascending order, or doubled"))
        }
        None => Ok(()),
    }
}

/// `items` must not hold one key twice.
pub(crate) fn unique<T, K: Ord>(
    field: &str,
    items: &[T],
    key: impl Fn(&T) -> K,
) -> Result<(), Rule> {
    let mut seen = std::collections::BTreeSet::new();
    match items.iter().position(|item| !seen.insert(key(item))) {
        Some(i) => Err(Rule::new(format!("{field}[{i}]"), "stands there twice")),
        None => Ok(()),
    }
}

/// `items` must not be empty.
pub(crate) fn not_empty<T>(field: &str, items: &[T]) -> Result<(), Rule> {
    if items.is_empty() { Err(Rule::new(field, "must not be empty")) } else { Ok(()) }
}

/// `text` must be one short line that a terminal can show: it stands in front of approvers.
pub(crate) fn line(field: &str, text: &str) -> Result<(), Rule> {
    if text.trim().is_empty() || text.len() > 500 || text.chars().any(forges) {
        return Err(Rule::new(
            field,
            "must be one line of 1 to 500 bytes without control characters",
        ));
    }
    Ok(())
}

/// `text` must be one line that a terminal can show: a longer one, that a tool may have written.
pub(crate) fn text(field: &str, text: &str) -> Result<(), Rule> {
    if text.len() > MAX_TEXT || text.chars().any(forges) {
        let what =
            format!("must be one line of at most {MAX_TEXT} bytes without control characters");
        return Err(Rule::new(field, what));
    }
    Ok(())
}

/// Longest [`text`], in bytes: a message with a few references and digests in it.
const MAX_TEXT: usize = 2000;

/// Names below a fleet's prefix that hold bundles and the states of channels.
const OWN_REPOSITORIES: [&str; 2] = [crate::fleet::BUNDLES, crate::fleet::CHANNELS];

/// `repository` must not be one that the fleet has for itself.
pub(crate) fn not_our_own(field: &str, repository: &str) -> Result<(), Rule> {
    if OWN_REPOSITORIES.contains(&repository) {
        let what = "`bundles` and `channels` are repositories of the fleet itself";
        return Err(Rule::new(field, what));
    }
    Ok(())
}
