//! Who signs a role, as root and targets say it, and whether enough did.

use serde_json::{Map, Value, json};
use tough::schema::{self, Delegations, Root, Signed, Snapshot, Targets, Timestamp};

use super::error::Error;
use super::keys::{key_id, key_object, public_key};
use super::role_file::RoleFile;
use super::roles::{Authority, PerRole, Role};
use crate::key::PublicKey;

/// What a root says beside what every role has (TUF specification 1.0.33, section 4.3).
pub(crate) fn root(authorities: &PerRole<Authority>) -> Map<String, Value> {
    let top = [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp];
    let roles: Map<String, Value> = top
        .into_iter()
        .map(|role| (role.name().to_owned(), role_keys(authorities.get(role))))
        .collect();
    let keys = keys(top.into_iter().map(|role| authorities.get(role)));
    [
        ("consistent_snapshot".to_owned(), json!(true)),
        ("keys".to_owned(), Value::Object(keys)),
        ("roles".to_owned(), Value::Object(roles)),
    ]
    .into_iter()
    .collect()
}

/// What the targets role says: no targets of its own, and the delegations (section 4.5). All of them
/// are terminating: a name that one of them could give is given by no other.
pub(crate) fn targets(authorities: &PerRole<Authority>) -> Map<String, Value> {
    let delegated = |role: Role| {
        let mut entry = role_keys(authorities.get(role));
        if let Some(entry) = entry.as_object_mut() {
            entry.insert("name".to_owned(), json!(role.name()));
            entry.insert("paths".to_owned(), json!(role.path().into_iter().collect::<Vec<_>>()));
            entry.insert("terminating".to_owned(), json!(true));
        }
        entry
    };
    let keys = keys(Role::DELEGATED.into_iter().map(|role| authorities.get(role)));
    let roles: Vec<Value> = Role::DELEGATED.into_iter().map(delegated).collect();
    [
        ("delegations".to_owned(), json!({ "keys": keys, "roles": roles })),
        ("targets".to_owned(), json!({})),
    ]
    .into_iter()
    .collect()
}

fn role_keys(authority: &Authority) -> Value {
    let mut ids: Vec<String> = authority.keys.iter().map(key_id).collect();
    ids.sort_unstable();
    json!({ "keyids": ids, "threshold": authority.threshold })
}

fn keys<'a>(authorities: impl Iterator<Item = &'a Authority>) -> Map<String, Value> {
    authorities
        .flat_map(|authority| &authority.keys)
        .map(|key| (key_id(key), key_object(key)))
        .collect()
}

/// The ids under which `key` may sign `role`, as the signed parts of root and targets have it.
pub(crate) fn key_ids(role: Role, key: &PublicKey, root: &Value, targets: &Value) -> Vec<String> {
    let (entry, keys) = if Role::DELEGATED.contains(&role) {
        let delegations = targets.get("delegations");
        let roles = delegations.and_then(|d| d.get("roles")).and_then(Value::as_array);
        let is_it = |entry: &&Value| entry.get("name").and_then(Value::as_str) == Some(role.name());
        (roles.into_iter().flatten().find(is_it), delegations.and_then(|d| d.get("keys")))
    } else {
        (root.get("roles").and_then(|roles| roles.get(role.name())), root.get("keys"))
    };
    let ids = entry.and_then(|entry| entry.get("keyids")).and_then(Value::as_array);
    let is_key = |id: &&str| {
        let object = keys.and_then(|keys| keys.get(id));
        object.and_then(public_key).is_some_and(|listed| listed == *key)
    };
    ids.into_iter().flatten().filter_map(Value::as_str).filter(is_key).map(str::to_owned).collect()
}

/// Good signatures and the threshold of a role file that has not enough of them.
pub(crate) fn shortfall(
    file: &RoleFile,
    root: &Value,
    targets: &Value,
) -> Result<Option<(u64, u64)>, Error> {
    let role = file.role();
    let bytes = file.to_bytes()?;
    let wrong =
        |e: serde_json::Error| Error::NotARoleFile { file: file.file_name(), what: e.to_string() };
    let verified = if Role::DELEGATED.contains(&role) {
        let delegations = targets.get("delegations").cloned().unwrap_or_default();
        let delegations: Delegations = serde_json::from_value(delegations).map_err(wrong)?;
        let signed: Signed<Targets> = serde_json::from_slice(&bytes).map_err(wrong)?;
        delegations.verify_role(&signed, role.name())
    } else {
        let root: Root = serde_json::from_value(root.clone()).map_err(wrong)?;
        match role {
            Role::Root => {
                root.verify_role(&serde_json::from_slice::<Signed<Root>>(&bytes).map_err(wrong)?)
            }
            Role::Snapshot => root
                .verify_role(&serde_json::from_slice::<Signed<Snapshot>>(&bytes).map_err(wrong)?),
            Role::Timestamp => root
                .verify_role(&serde_json::from_slice::<Signed<Timestamp>>(&bytes).map_err(wrong)?),
            Role::Targets | Role::Publishers | Role::Policy | Role::Pause => {
                root.verify_role(&serde_json::from_slice::<Signed<Targets>>(&bytes).map_err(wrong)?)
            }
        }
    };
    match verified {
        Ok(()) => Ok(None),
        Err(schema::Error::SignatureThreshold { threshold, valid, .. }) => {
            Ok(Some((valid, threshold)))
        }
        Err(other) => Err(Error::NotARoleFile { file: file.file_name(), what: other.to_string() }),
    }
}
