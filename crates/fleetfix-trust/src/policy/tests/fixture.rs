//! People, their keys, and a policy that names them.

use fleetfix_model::document::policy::{
    BuilderRule, Principal, PrincipalKind, ReleaseKeys, Role, RoleRule, Scope, Separation,
    TrustedIdentity, TrustedKey,
};
use fleetfix_model::document::{Approval, TrustPolicy, approval, policy};
use fleetfix_model::name::PrincipalName;
use fleetfix_model::{Digest, Timestamp, media};

use crate::dsse::Envelope;
use crate::policy::Policy;
use crate::statement::Statement;
use crate::test_key::TestKey;

pub(super) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn now() -> Timestamp {
    time("2026-01-10T00:00:00Z")
}

pub(super) fn name(text: &str) -> PrincipalName {
    text.parse().unwrap()
}

pub(super) fn trusted(key: &TestKey) -> TrustedKey {
    TrustedKey { public_key: key.public().to_pem(), not_before: None, not_after: None }
}

fn person(who: &str, keys: Vec<TrustedKey>) -> Principal {
    let kind = PrincipalKind::Person;
    Principal { name: name(who), kind, keys, identities: Vec::new() }
}

pub(super) fn mail(subject: &str) -> TrustedIdentity {
    let issuer = "https://login.example.com".to_owned();
    TrustedIdentity { issuer, subject: subject.to_owned(), not_before: None, not_after: None }
}

pub(super) fn rule(role: Role, who: &[&str], threshold: u32, scope: Option<Scope>) -> RoleRule {
    RoleRule { role, principals: who.iter().map(|one| name(one)).collect(), threshold, scope }
}

/// Alice (two keys), Bob and Carol approve, two of them; Dave asks; Erin, who has a mail and no key,
/// writes; `ci` builds.
pub(super) struct Team {
    pub(super) alice: TestKey,
    pub(super) alice2: TestKey,
    pub(super) bob: TestKey,
    pub(super) carol: TestKey,
    pub(super) dave: TestKey,
    pub(super) ci: TestKey,
    pub(super) release: TestKey,
    pub(super) document: TrustPolicy,
}

impl Team {
    pub(super) fn new() -> Self {
        let [alice, alice2, bob, carol, dave, ci, release] =
            std::array::from_fn(|_| TestKey::new());
        let mut build_system = person("ci", vec![trusted(&ci)]);
        build_system.kind = PrincipalKind::BuildSystem;
        let document = TrustPolicy {
            api_version: fleetfix_model::document::ApiVersion::V1alpha1,
            kind: policy::TrustPolicyKind::TrustPolicy,
            annotations: std::collections::BTreeMap::new(),
            requires: Vec::new(),
            principals: vec![
                person("alice", vec![trusted(&alice), trusted(&alice2)]),
                person("bob", vec![trusted(&bob)]),
                person("carol", vec![trusted(&carol)]),
                person("dave", vec![trusted(&dave)]),
                build_system,
                Principal { identities: vec![mail("erin@example.com")], ..person("erin", vec![]) },
            ],
            roles: vec![
                rule(Role::Approver, &["alice", "bob", "carol"], 2, None),
                rule(Role::Builder, &["ci"], 1, None),
            ],
            release: ReleaseKeys { keys: vec![trusted(&release)] },
            separation: vec![Separation {
                role: Role::Approver,
                not: vec![Role::Requester, Role::Author],
            }],
            builders: vec![BuilderRule {
                principal: name("ci"),
                builder_id: "https://fleetfix/builder".to_owned(),
                build_types: vec!["https://fleetfix/build/v1".to_owned()],
                source_prefix: Some("https://github.com/openshift".to_owned()),
            }],
            required: Vec::new(),
            base_images: Vec::new(),
            break_glass: None,
        };
        Self { alice, alice2, bob, carol, dave, ci, release, document }
    }

    pub(super) fn policy(&self) -> Policy {
        Policy::new(self.document.clone()).unwrap()
    }
}

pub(super) fn bundle() -> Digest {
    Digest::of("bundle")
}

pub(super) fn approval(who: &str) -> Approval {
    Approval {
        api_version: fleetfix_model::document::ApiVersion::V1alpha1,
        kind: approval::ApprovalKind::Approval,
        annotations: std::collections::BTreeMap::new(),
        requires: Vec::new(),
        principal: name(who),
        role: Role::Approver,
        request: Digest::of("request"),
        plan: Digest::of("plan"),
        channels: vec!["stable".parse().unwrap()],
        findings: vec!["coverage/4.20.7".parse().unwrap()],
        shown: Digest::of("text"),
        reason: "reviewed".to_owned(),
        issued: time("2026-01-09T00:00:00Z"),
        expires: time("2026-01-16T00:00:00Z"),
    }
}

pub(super) fn envelope(statement: &[u8], keys: &[&TestKey]) -> Vec<u8> {
    let mut envelope = Envelope::new(statement.to_vec());
    for key in keys {
        envelope.sign_with(*key).unwrap();
    }
    envelope.to_bytes().unwrap()
}

pub(super) fn signed(approval: &Approval, key: &TestKey) -> Vec<u8> {
    let statement = Statement::new(bundle(), media::APPROVAL_PREDICATE, approval);
    envelope(&statement.to_bytes().unwrap(), &[key])
}
