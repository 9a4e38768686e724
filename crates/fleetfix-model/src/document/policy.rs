//! The trust policy: which people and build systems may do what, how many of each, until when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Rule, document, not_empty, unique};
use crate::Timestamp;
use crate::name::{ChannelName, ComponentTag, PrincipalName};

/// The name of the TUF target that holds the policy.
pub const TARGET_NAME: &str = "policy.json";

document! {
    /// There is no built-in policy and no `Default`: who is trusted is said by somebody, or nobody
    /// is.
    ///
    /// ```compile_fail
    /// let anybody = fleetfix_model::document::TrustPolicy::default();
    /// ```
    TrustPolicy, TrustPolicyKind {
        /// People and build systems.
        principals: Vec<Principal>,
        /// Who has which role, and how many it takes.
        roles: Vec<RoleRule>,
        /// The keys that `publish` signs images with: all that clusters need to trust.
        release: ReleaseKeys,
        /// Roles that one principal must not fill for the same bundle.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        separation: Vec<Separation>,
        /// What each build system may claim.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        builders: Vec<BuilderRule>,
        /// Predicates that an artefact must carry.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        required: Vec<RequiredPredicate>,
        /// Repositories that base images may come from; empty: any that a payload names.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        base_images: Vec<BaseImageRule>,
        /// What is allowed when there is no time for the ordinary way.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        break_glass: Option<BreakGlass>,
    }
    check(this) {
        unique("principals", &this.principals, |p| p.name.clone())?;
        not_empty("release.keys", &this.release.keys)?;
        for (i, principal) in this.principals.iter().enumerate() {
            principal.check(&format!("principals[{i}]"))?;
        }
        for (i, key) in this.release.keys.iter().enumerate() {
            key.check(&format!("release.keys[{i}]"))?;
        }
        for (i, rule) in this.roles.iter().enumerate() {
            rule.check(&format!("roles[{i}]"), &this.principals)?;
        }
        Ok(())
    }
}

/// What a principal may be for a bundle.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Asks for a fix.
    Requester,
    /// Wrote the fix.
    Author,
    /// Builds and attests images.
    Builder,
    /// Approves bundles.
    Approver,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Requester => "requester",
            Self::Author => "author",
            Self::Builder => "builder",
            Self::Approver => "approver",
        })
    }
}

/// A person or a build system.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Principal {
    /// Name.
    pub name: PrincipalName,
    /// Person or build system.
    pub kind: PrincipalKind,
    /// Keys. Thresholds count principals, so a second key is no second voice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<TrustedKey>,
    /// Keyless identities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<TrustedIdentity>,
}

impl Principal {
    fn check(&self, field: &str) -> Result<(), Rule> {
        if self.keys.is_empty() && self.identities.is_empty() {
            return Err(Rule::new(format!("{field}.keys"), "a principal has a key or an identity"));
        }
        self.keys
            .iter()
            .enumerate()
            .try_for_each(|(i, key)| key.check(&format!("{field}.keys[{i}]")))
    }
}

/// What kind of principal.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PrincipalKind {
    /// A person.
    Person,
    /// A build system.
    BuildSystem,
}

/// A public key and when it is good.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustedKey {
    /// `SubjectPublicKeyInfo` as PEM (RFC 7468), as `cosign public-key` prints it.
    pub public_key: String,
    /// Not good before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Not good from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
}

impl TrustedKey {
    fn check(&self, field: &str) -> Result<(), Rule> {
        if self.public_key.len() > 8192
            || !self.public_key.starts_with("-----BEGIN PUBLIC KEY-----\n")
        {
            return Err(Rule::new(
                format!("{field}.publicKey"),
                "must be one PEM block `PUBLIC KEY` of at most 8192 bytes",
            ));
        }
        window(field, self.not_before, self.not_after)
    }

    /// True if the key is good at `time`.
    pub fn is_good_at(&self, time: Timestamp) -> bool {
        self.not_before.is_none_or(|t| t <= time) && self.not_after.is_none_or(|t| time < t)
    }
}

fn window(
    field: &str,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
) -> Result<(), Rule> {
    match (not_before, not_after) {
        (Some(from), Some(to)) if from >= to => {
            Err(Rule::new(format!("{field}.notAfter"), "must come after `notBefore`"))
        }
        _ => Ok(()),
    }
}

/// A keyless identity, both parts compared exactly.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustedIdentity {
    /// OIDC issuer.
    pub issuer: String,
    /// Subject of the certificate.
    pub subject: String,
    /// Not good before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Not good from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
}

/// Who has a role, and how many of them it takes. All rules whose scope matches must hold.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleRule {
    /// The role.
    pub role: Role,
    /// Who has it.
    pub principals: Vec<PrincipalName>,
    /// How many different principals must speak.
    pub threshold: u32,
    /// Where the rule holds; absent: everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
}

impl RoleRule {
    fn check(&self, field: &str, principals: &[Principal]) -> Result<(), Rule> {
        unique(&format!("{field}.principals"), &self.principals, Clone::clone)?;
        if let Some(i) =
            self.principals.iter().position(|name| !principals.iter().any(|p| p.name == *name))
        {
            return Err(Rule::new(format!("{field}.principals[{i}]"), "is none of `principals`"));
        }
        let reachable =
            usize::try_from(self.threshold).is_ok_and(|n| (1..=self.principals.len()).contains(&n));
        if !reachable {
            return Err(Rule::new(
                format!("{field}.threshold"),
                "must be 1 to the number of `principals`",
            ));
        }
        Ok(())
    }
}

/// Where a rule holds; every field that is there must match.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scope {
    /// Channels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ChannelName>,
    /// Components.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<ComponentTag>,
    /// Prefixes of repositories, cut at `/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
}

/// The keys of release signatures; one good signature by one of them is enough, as in
/// containers-policy.json(5) `keyPaths`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseKeys {
    /// The keys.
    pub keys: Vec<TrustedKey>,
}

/// Who fills `role` must not fill one of `not` for the same bundle.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Separation {
    /// The role.
    pub role: Role,
    /// The roles it excludes.
    pub not: Vec<Role>,
}

/// What a build system may claim in provenance.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuilderRule {
    /// The build system.
    pub principal: PrincipalName,
    /// `runDetails.builder.id` (SLSA provenance v1), compared exactly.
    pub builder_id: String,
    /// `buildDefinition.buildType`, one of these.
    pub build_types: Vec<String>,
    /// Prefix of the source's URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_prefix: Option<String>,
}

/// A predicate that an artefact must carry.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequiredPredicate {
    /// On what.
    pub artefact: Artefact,
    /// Predicate type, compared exactly.
    pub predicate_type: String,
    /// Role of who signed.
    pub role: Role,
    /// How many different principals of that role.
    pub count: u32,
}

/// What a predicate is required on.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Artefact {
    /// Each patched index.
    Image,
    /// The bundle's manifest.
    Bundle,
}

/// A repository that base images may come from.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BaseImageRule {
    /// Prefix of the repository, cut at `/`.
    pub prefix: String,
    /// Keys that must have signed the base; empty: its digest in a payload is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<TrustedKey>,
}

/// What is allowed in an emergency, and what must follow.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BreakGlass {
    /// Who may.
    pub principals: Vec<PrincipalName>,
    /// Approvals that are enough at first.
    pub threshold: u32,
    /// Seconds after which a bundle published this way expires.
    pub expires_seconds: u32,
    /// Seconds within which the ordinary threshold must be met, or the bundle pauses.
    pub second_approval_seconds: u32,
    /// True if a second build with the same digests is needed.
    pub second_build: bool,
}
