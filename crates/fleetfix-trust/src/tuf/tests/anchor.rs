//! The trust anchor, and the roots that follow it.

use fleetfix_model::{Class, Classify as _};
use serde_json::{Value, json};

use super::fixture::{Fleet, NOW, add_root, day, refused, resigned, time};
use crate::test_key::TestKey;
use crate::tuf::edit::key_id;
use crate::tuf::{Error, verify};

#[tokio::test]
async fn freeze_at_an_expired_root() {
    let fleet = Fleet::new().await;
    let mut root: Value = serde_json::from_slice(&fleet.root).unwrap();
    root["signed"]["expires"] = json!(NOW);
    let keys: Vec<_> = fleet.keys.root.iter().collect();
    let root = resigned("1.root.json", &root["signed"], &keys);
    let mut state = fleet.state.clone();
    state.metadata.insert("1.root.json".into(), root.clone());
    let error = verify(&root, &state, time(NOW), None).await.unwrap_err();
    assert!(matches!(&error, Error::Expired { role, .. } if role == "root"), "{error}");
    // A newer root mends it: the end of a root on the way does not matter.
    add_root(&mut state, 2, |signed| signed["expires"] = json!(day(9)), &keys);
    assert!(verify(&root, &state, time(NOW), None).await.is_ok());
}

#[tokio::test]
async fn the_trust_anchor_is_a_signed_root() {
    let fleet = Fleet::new().await;
    let ask = async |root: &[u8]| verify(root, &fleet.state, time(NOW), None).await.unwrap_err();
    for root in [&b""[..], b"{}", b"junk", &fleet.state.metadata["timestamp.json"]] {
        assert!(matches!(ask(root).await, Error::NotARoot(_)));
    }
    let mut root: Value = serde_json::from_slice(&fleet.root).unwrap();
    let keys = &fleet.keys.root;
    let one = resigned("1.root.json", &root["signed"], &[&keys[0]]);
    assert!(matches!(ask(&one).await, Error::RootNotSigned { valid: 1, threshold: 2 }));
    let other = Fleet::new().await;
    let error = ask(&other.root).await;
    assert!(matches!(&error, Error::OtherRoot { file } if file == "1.root.json"), "{error}");
    assert_eq!(error.class(), Class::Refused);
    // Without the repository's own root file it is the timestamp that does not fit.
    let mut state = fleet.state.clone();
    state.metadata.remove("1.root.json");
    let error = verify(&other.root, &state, time(NOW), None).await.unwrap_err();
    assert!(matches!(error, Error::BelowThreshold { valid: 0, .. }), "{error}");
    for (field, value) in [("consistent_snapshot", json!(false)), ("spec_version", json!("2.0"))] {
        root["signed"][field] = value;
        let odd = resigned("1.root.json", &root["signed"], &keys.iter().collect::<Vec<_>>());
        let mut state = fleet.state.clone();
        state.metadata.insert("1.root.json".into(), odd.clone());
        let error = verify(&odd, &state, time(NOW), None).await.unwrap_err();
        let named = match field {
            "consistent_snapshot" => {
                matches!(error, Error::NotConsistent { .. } | Error::Missing { .. })
            }
            _ => matches!(error, Error::SpecVersion { .. }),
        };
        assert!(named, "{field}: {error}");
        root["signed"]["consistent_snapshot"] = json!(true);
    }
}

#[tokio::test]
async fn a_chain_of_roots_is_followed() {
    let fleet = Fleet::new().await;
    let mut state = fleet.state.clone();
    let old: Vec<_> = fleet.keys.root.iter().collect();
    let new = TestKey::new();
    let id = key_id(&new.public());
    let pem = new.public().to_pem();
    let rotate = |signed: &mut Value| {
        signed["keys"][&id] = json!({
            "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem},
        });
        signed["roles"]["root"] = json!({"keyids": [id], "threshold": 1});
    };
    let with = |signers: &[&TestKey]| {
        let mut state = state.clone();
        add_root(&mut state, 2, rotate, signers);
        state
    };
    let good = with(&[old[0], old[1], &new]);
    let repository = fleet.verify(&good).await.unwrap();
    assert_eq!(repository.version("root"), 2);
    assert_eq!(repository.root(), good.metadata["2.root.json"]);
    // The new root file is a trust anchor as well.
    let anchor = good.metadata["2.root.json"].clone();
    assert!(verify(&anchor, &good, time(NOW), None).await.is_ok());
    for (signers, valid, threshold) in
        [(&[&new][..], 0, 2), (&[old[0], &new], 1, 2), (&[old[0], old[1]], 0, 1)]
    {
        match refused(&fleet, &with(signers)).await {
            Error::BelowThreshold { file, valid: v, threshold: t } => {
                assert_eq!((file.as_str(), v, t), ("2.root.json", valid, threshold));
            }
            other => panic!("{other}"),
        }
    }
    // A root that skips a version, and one that cannot be read, which is not the same as none.
    add_root(&mut state, 2, |_| (), &old);
    add_root(&mut state, 3, |_| (), &old);
    let mut skips = state.clone();
    skips.metadata.insert("2.root.json".into(), state.metadata["3.root.json"].clone());
    match refused(&fleet, &skips).await {
        Error::Version { file, found: 3, expected: 2 } => assert_eq!(file, "2.root.json"),
        other => panic!("{other}"),
    }
    let mut broken = state.clone();
    broken.metadata.insert("3.root.json".into(), b"{".to_vec());
    match refused(&fleet, &broken).await {
        Error::Malformed { file, .. } => assert_eq!(file, "3.root.json"),
        other => panic!("{other}"),
    }
    assert_eq!(fleet.verify(&state).await.unwrap().version("root"), 3);
}
