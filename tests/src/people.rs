//! Who takes part: keys of people and programs, and the policy that trusts them.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::client::Clients;
use crate::keys::{self, KeyPair};

/// Predicate types that the policy requires of every patched image, by the builder.
pub const REQUIRED: [&str; 3] = [
    "https://fleetfix.openshift.io/fix/v1",
    "https://cyclonedx.org/bom",
    "https://slsa.dev/provenance/v1",
];

/// The principals.
#[derive(Clone, Debug)]
pub struct People {
    /// Signs and attests images at build time; cosign's encrypted form.
    pub builder: KeyPair,
    /// Approvers, of whom two are needed.
    pub alice: KeyPair,
    /// See [`People::alice`].
    pub bob: KeyPair,
    /// The requester, who has a key and may not approve.
    pub rita: KeyPair,
    /// Signs images at the fleet.
    pub release: KeyPair,
    /// Signs TUF's root and delegations.
    pub root: KeyPair,
    /// Owns the policy.
    pub policy_owner: KeyPair,
    /// Two publishers, both needed.
    pub publishers: [KeyPair; 2],
    /// May pause a bundle.
    pub pause: KeyPair,
    /// Signs TUF's snapshot and timestamp.
    pub online: KeyPair,
    /// The policy, YAML.
    pub policy: PathBuf,
}

impl People {
    /// Makes keys and policy.
    ///
    /// # Panics
    /// If the policy cannot be written.
    pub fn new(clients: &Clients) -> Self {
        let plain = |name: &str| keys::plain(clients, name);
        let people = Self {
            builder: keys::cosign(clients, "builder"),
            alice: keys::cosign(clients, "alice"),
            bob: plain("bob"),
            rita: plain("rita"),
            release: plain("release"),
            root: plain("root"),
            policy_owner: plain("policy-owner"),
            publishers: [plain("pat"), plain("quinn")],
            pause: plain("pause"),
            online: plain("online"),
            policy: clients.path("policy.yaml"),
        };
        fs::write(&people.policy, people.policy_text()).expect("a policy");
        people
    }

    /// The policy: two approvers who did not ask, write or build; a builder; required predicates.
    pub fn policy_text(&self) -> String {
        let mut text =
            "apiVersion: fleetfix.openshift.io/v1alpha1\nkind: TrustPolicy\nprincipals:\n"
                .to_owned();
        let principals = [
            ("laptop", "buildSystem", &self.builder),
            ("alice", "person", &self.alice),
            ("bob", "person", &self.bob),
            ("rita", "person", &self.rita),
        ];
        for (name, kind, key) in principals {
            let _ = write!(text, "- name: {name}\n  kind: {kind}\n  keys:\n{}", public_key(key));
        }
        // Amir writes fixes and signs nothing: the policy knows him, so that he can be told apart.
        text += "- name: amir\n  kind: person\n  identities:\n  - issuer: https://login.example.com\n    subject: amir@example.com\n";
        text += "roles:\n- role: builder\n  principals: [laptop]\n  threshold: 1\n";
        text += "- role: approver\n  principals: [alice, bob, rita]\n  threshold: 2\n";
        text += "release:\n  keys:\n";
        text += &public_key(&self.release);
        text += "separation:\n- role: approver\n  not: [requester, author, builder]\nrequired:\n";
        for predicate in REQUIRED {
            let _ = write!(
                text,
                "- artefact: image\n  predicateType: {predicate}\n  role: builder\n  count: 1\n"
            );
        }
        text
    }
}

fn public_key(key: &KeyPair) -> String {
    let pem = key.public_pem();
    let lines: Vec<&str> = pem.lines().collect();
    format!("  - publicKey: |\n      {}\n", lines.join("\n      "))
}
