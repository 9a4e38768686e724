//! Throwaway keys and the policy that goes with them, for a chain on one machine.
//!
//! A key directory has one file per key, named for what the key may do: `root-olga.key`,
//! `approver-alice.key`. A directory that people bring has the same names, and their `policy.yaml`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use fleetfix_model::document::ApiVersion;
use fleetfix_model::media;
use fleetfix_model::name::PrincipalName;
use fleetfix_plan::yaml::render;
use fleetfix_signer::SigningKey;
use fleetfix_task::{Failure, file};
use fleetfix_trust::Sign as _;
use serde_json::{Value, json};

/// The keys that are made where none are given: (file, principal of the policy, role in it).
const KEYS: &[(&str, Option<(&str, &str)>)] = &[
    ("root-olga", None),
    ("root-otto", None),
    ("policy-olga", None),
    ("policy-otto", None),
    ("publisher-pat", None),
    ("publisher-quinn", None),
    ("pause-pat", None),
    ("online", None),
    ("release", None),
    ("builder-laptop", Some(("laptop", "builder"))),
    ("approver-alice", Some(("alice", "approver"))),
    ("approver-bob", Some(("bob", "approver"))),
];

/// Issuer of those who have no key here. `.invalid` never resolves (RFC 2606).
const NO_ISSUER: &str = "https://rehearsal.invalid";

/// A directory of keys.
#[derive(Clone, Debug)]
pub struct KeyDirectory {
    dir: PathBuf,
}

impl KeyDirectory {
    /// A directory that is there.
    pub fn open(dir: &Path) -> Result<Self, Failure> {
        let this = Self { dir: dir.to_owned() };
        for needed in ["policy.yaml", "online.key", "release.key"] {
            if !dir.join(needed).is_file() {
                return Err(Failure::input(format!("{}: no {needed}", dir.display()))
                    .hint("a key directory holds policy.yaml, online.key, release.key and root-, policy-, publisher-, pause-, builder- and approver-NAME.key"));
            }
        }
        Ok(this)
    }

    /// Makes the keys that are missing, and a policy that trusts them. The keys are not encrypted:
    /// whoever can read the directory can sign, and nothing here deserves more trust than that.
    /// `named` are those whom the request names: the policy has to know them to keep them apart from
    /// who approves.
    pub fn create(dir: &Path, named: &BTreeSet<PrincipalName>) -> Result<Self, Failure> {
        create_private_dir(dir)?;
        let mut people: Vec<(&str, &str, String)> = Vec::new();
        let mut release = String::new();
        for (name, principal) in KEYS {
            let path = dir.join(format!("{name}.key"));
            let key = if path.exists() {
                SigningKey::from_pem_file(&path, None)?
            } else {
                let key = SigningKey::generate()?;
                file::write_atomic_private(&path, key.to_pkcs8_pem().as_bytes())?;
                key
            };
            let public = key.public_key().to_pem();
            file::write_atomic(&dir.join(format!("{name}.pub")), public.as_bytes())?;
            match principal {
                Some((who, role)) => people.push((who, role, public)),
                None if *name == "release" => release = public,
                None => {}
            }
        }
        let policy = dir.join("policy.yaml");
        if !policy.exists() {
            file::write_atomic(&policy, policy_text(&people, named, &release).as_bytes())?;
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// The one key file of this name.
    pub fn one(&self, name: &str) -> String {
        self.dir.join(format!("{name}.key")).display().to_string()
    }

    /// The key files `<role>-<name>.key` with their names, sorted.
    pub fn of(&self, role: &str) -> Result<Vec<(String, String)>, Failure> {
        let read = |source| fleetfix_task::Error::Read { path: self.dir.clone(), source };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(read)? {
            let path = entry.map_err(read)?.path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            let name = name
                .strip_prefix(role)
                .and_then(|n| n.strip_prefix('-'))
                .and_then(|n| n.strip_suffix(".key"));
            if let Some(name) = name {
                found.push((name.to_owned(), path.display().to_string()));
            }
        }
        found.sort();
        if found.is_empty() {
            return Err(Failure::input(format!("{}: no {role}-NAME.key", self.dir.display())));
        }
        Ok(found)
    }

    /// The policy's file.
    pub fn policy(&self) -> String {
        self.dir.join("policy.yaml").display().to_string()
    }
}

fn create_private_dir(dir: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| fleetfix_task::Error::Write { path: dir.to_owned(), source }.into())
}

/// Two approvers who are not the builder, every predicate that the chain writes required.
fn policy_text(
    people: &[(&str, &str, String)],
    named: &BTreeSet<PrincipalName>,
    release: &str,
) -> String {
    let key = |(name, role, public): &(&str, &str, String)| {
        let kind = if *role == "builder" { "buildSystem" } else { "person" };
        json!({"name": name, "kind": kind, "keys": [{"publicKey": public}]})
    };
    let strangers =
        named.iter().filter(|name| people.iter().all(|(who, _, _)| *who != name.as_str()));
    let identity = |name: &PrincipalName| json!({"name": name, "kind": "person", "identities": [{"issuer": NO_ISSUER, "subject": name}]});
    let principals: Vec<Value> = people.iter().map(key).chain(strangers.map(identity)).collect();
    let roles = ["builder", "approver"].map(|role| {
        let holders: Vec<&str> =
            people.iter().filter(|(_, r, _)| *r == role).map(|(name, _, _)| *name).collect();
        json!({"role": role, "principals": holders, "threshold": holders.len()})
    });
    let required = [media::FIX_PREDICATE, media::SBOM_PREDICATE, media::PROVENANCE_PREDICATE].map(
        |predicate| json!({"artefact": "image", "predicateType": predicate, "role": "builder", "count": 1}),
    );
    let policy = json!({
        "apiVersion": ApiVersion::V1alpha1,
        "kind": "TrustPolicy",
        "annotations": {
            "fleetfix.openshift.io/rehearsal": "keys and policy were generated on one machine",
        },
        "principals": principals,
        "roles": roles,
        "release": {"keys": [{"publicKey": release}]},
        "separation": [{"role": "approver", "not": ["requester", "author", "builder"]}],
        "required": required,
    });
    format!(
        "# Made by fleetfix for a rehearsal on one machine: whoever holds the key directory is everybody below.\n{}",
        render(&policy)
    )
}

#[cfg(test)]
mod tests {
    use fleetfix_model::document::{TrustPolicy, from_yaml};

    use super::*;

    /// Words that YAML reads as something else than text are names as well.
    #[test]
    fn a_policy_names_whomever_the_request_names() {
        let names = ["null", "true", "12", "1e3", "no", "amir"];
        let strangers = names.iter().map(|name| name.parse().unwrap()).collect();
        let public = SigningKey::generate().unwrap().public_key().to_pem();
        let people = [("laptop", "builder", public.clone()), ("amir", "approver", public.clone())];
        let text = policy_text(&people, &strangers, &public);
        let policy: TrustPolicy = from_yaml("policy.yaml", text.as_bytes()).unwrap();
        let mut there: Vec<&str> = policy.principals.iter().map(|p| p.name.as_str()).collect();
        there.sort_unstable();
        assert_eq!(there, ["12", "1e3", "amir", "laptop", "no", "null", "true"]);
    }
}
