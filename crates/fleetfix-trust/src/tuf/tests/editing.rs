//! Putting states together.

use std::collections::BTreeMap;

use super::fixture::{CHANNEL, Fleet, NOW, day, time};
use crate::key::Algorithm;
use crate::test_key::{BrokenKey, TestKey};
use crate::tuf::edit::{Authority, Current, Draft, Error, PerRole, Role, RoleFile};
use crate::tuf::{TufState, verify};

#[tokio::test]
async fn a_new_repository_holds() {
    let fleet = Fleet::new().await;
    let repository = fleet.verify(&fleet.state).await.unwrap();
    assert_eq!(repository.target(CHANNEL).unwrap().into_inner(), b"{\"channel\":1}");
    assert_eq!(repository.target("channel.other.json"), None);
    assert_eq!(repository.target_role(CHANNEL), Some("publishers"));
    assert_eq!(repository.target_role("policy.json"), Some("policy"));
    assert_eq!(repository.channel_names(), ["stable".parse().unwrap()]);
    assert_eq!(repository.roles().count(), 7);
    assert!(repository.roles().all(|role| role.version == 1));
    let names: Vec<_> = fleet.state.metadata.keys().map(String::as_str).collect();
    let expected = [
        "1.pause.json",
        "1.policy.json",
        "1.publishers.json",
        "1.root.json",
        "1.snapshot.json",
        "1.targets.json",
        "timestamp.json",
    ];
    assert_eq!(names, expected);
    assert_eq!(fleet.state.targets.len(), 2);
}
