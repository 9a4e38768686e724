//! Attacks by whoever holds the place where a fleet lies: what is there was made well, and then
//! something is taken away, exchanged or changed by one byte.

use std::fs;
use std::path::Path;

use crate::fleet::{Fleet, NOW, files, has_failed};
use fleetfix_audit::Error;
use fleetfix_audit::channel::{Anchor, Target, verify};
use fleetfix_model::verdict::Outcome;
use fleetfix_model::{Class, Classify, Digest};
use fleetfix_oci::layout::Layout;

fn layout(fleet: &Fleet, name: &str) -> Layout {
    Layout::open(fleet.dir().join(name)).unwrap()
}

fn remove_blob(fleet: &Fleet, name: &str, digest: Digest) {
    fs::remove_file(layout(fleet, name).blob_path(digest)).unwrap();
}

/// Takes a tag away as `fleetfix-oci` would write the index without it.
fn remove_tag(fleet: &Fleet, name: &str, tag: &str) {
    let path = fleet.dir().join(name).join("index.json");
    let mut index: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let entries = index["manifests"].as_array_mut().unwrap();
    let count = entries.len();
    entries.retain(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] != tag);
    assert_eq!(entries.len(), count - 1, "{tag}");
    fs::write(path, index.to_string()).unwrap();
}

type Attack = (&'static str, fn(&Fleet), Outcome, &'static str);

#[tokio::test]
async fn things_taken_away_or_exchanged() {
    let attacks: [Attack; 12] = [
        ("the image's tag", |f| remove_tag(f, "etcd", &f.made.tag), Outcome::Refused, "tag"),
        ("the bundle's tag", |f| remove_tag(f, "bundles", "fix-1-r1"), Outcome::Refused, "tag"),
        (
            "the image's tag at another image",
            |f| {
                let tag = f.made.tag.parse().unwrap();
                layout(f, "etcd").set_tag(&tag, &f.made.children[0]).unwrap();
            },
            Outcome::Refused,
            "tag",
        ),
        ("the index", |f| remove_blob(f, "etcd", f.made.index.digest), Outcome::Refused, "index"),
        (
            "a manifest",
            |f| remove_blob(f, "etcd", f.made.children[1].digest),
            Outcome::Refused,
            "manifest",
        ),
        (
            "a layer",
            |f| remove_blob(f, "etcd", Digest::of("layer of arm64")),
            Outcome::Refused,
            "layer",
        ),
        (
            "the bundle's manifest",
            |f| remove_blob(f, "bundles", f.made.bundle.digest),
            Outcome::Refused,
            "artifact",
        ),
        (
            "an approval's envelope",
            |f| remove_blob(f, "bundles", f.made.approvals[0]),
            Outcome::Refused,
            "approvals",
        ),
        (
            "all approvals",
            |f| {
                remove_tag(f, "bundles", &format!("sha256-{}.att", f.made.bundle.digest.hex()));
            },
            Outcome::NoneFound,
            "approvals",
        ),
        (
            "a child's signatures",
            |f| {
                remove_tag(f, "etcd", &format!("sha256-{}.sig", f.made.children[0].digest.hex()));
            },
            Outcome::NoneFound,
            "releaseSignature",
        ),
        (
            "the fleet's images",
            |f| fs::remove_dir_all(f.dir().join("etcd")).unwrap(),
            Outcome::Refused,
            "image",
        ),
        (
            "a target of the TUF state",
            |f| {
                let (name, _) = f.state.targets.first_key_value().unwrap();
                let digest = format!("sha256:{}", name.split('.').next().unwrap());
                remove_blob(f, "channels", digest.parse().unwrap());
            },
            Outcome::Refused,
            "state",
        ),
    ];
    for (name, attack, outcome, check) in attacks {
        let fleet = Fleet::new().await;
        attack(&fleet);
        let audit = fleet.verify().await.unwrap();
        let verdict = audit.concluded.verdict;
        assert!(has_failed(&verdict.checks, check), "{name}: `{check}` did not fail:\n{verdict}");
        assert_eq!(verdict.outcome, outcome, "{name}:\n{verdict}");
        assert!(audit.verified.is_none(), "{name}");
    }
}

/// Every file of the fleet, a sample of its bytes, two bits each: the verification as a whole
/// refuses. That every single byte is seen by the check of the layout is a test of its own.
#[tokio::test]
async fn one_changed_byte_is_never_accepted() {
    const SAMPLES: usize = 6;
    let fleet = Fleet::new().await;
    let (mut tried, mut seen) = (0, 0);
    for path in files(&fleet.dir()) {
        let good = fs::read(&path).unwrap();
        for sample in 0..SAMPLES.min(good.len()) {
            let mut bad = good.clone();
            let at = sample * (good.len() - 1) / (SAMPLES - 1).max(1);
            bad[at.min(good.len() - 1)] ^= if sample % 2 == 0 { 0x01 } else { 0x20 };
            fs::write(&path, &bad).unwrap();
            tried += 1;
            match fleet.verify().await {
                Ok(audit) => {
                    assert!(audit.verified.is_none(), "{} byte {at}", path.display());
                    assert_eq!(audit.concluded.verdict.outcome, Outcome::Refused);
                    seen += usize::from(!audit.concluded.verdict.checks.is_empty());
                }
                // The tag of the channel itself is gone then.
                Err(error) => assert!(matches!(error, Error::Absent { .. }), "{error}"),
            }
        }
        fs::write(&path, good).unwrap();
    }
    assert!(fleet.verify().await.unwrap().verified.is_some());
    assert!(tried > 200 && seen > 200, "{tried} {seen}");
}

#[tokio::test]
async fn an_older_state_is_refused_once_a_newer_one_was_seen() {
    let fleet = Fleet::new().await;
    let next = fleet.next_state([].into()).await;
    fleet.put_state(&next).await;
    let memory = fleet.temp.path().join("memory");
    let newer = fleet.verify_at(&fleet.place(), Some(&memory), NOW).await.unwrap();
    assert!(newer.verified.is_some(), "{}", newer.concluded.verdict);
    fleet.put_state(&fleet.state).await;
    let older = fleet.verify_at(&fleet.place(), Some(&memory), NOW).await.unwrap();
    assert_eq!(older.concluded.verdict.outcome, Outcome::Refused, "{}", older.concluded.verdict);
    let (class, why) = older.concluded.ending().unwrap();
    assert_eq!(class, Class::Refused);
    assert!(why.contains("went back to version 1"), "{why}");
    // Who remembers nothing cannot know, and is told so.
    let forgetful = fleet.verify().await.unwrap();
    assert_eq!(forgetful.concluded.verdict.outcome, Outcome::VerifiedFreshnessUnknown);
}

#[tokio::test]
async fn a_state_that_nobody_refreshed_has_ended() {
    let fleet = Fleet::new().await;
    for (now, good) in [("2026-06-01T23:59:59Z", true), ("2026-06-02T00:00:00Z", false)] {
        let audit = fleet.verify_at(&fleet.place(), None, now).await.unwrap();
        assert_eq!(audit.verified.is_some(), good, "{now}");
    }
}

#[tokio::test]
async fn another_root_is_refused_and_a_broken_one_is_the_callers_mistake() {
    let fleet = Fleet::new().await;
    let place = fleet.place();
    let target = Target { place: &place, fleet: None, name: None };
    let other = Fleet::new().await;
    let anchor = |root| Anchor { root, state: None, now: crate::fleet::time(NOW) };
    let audit = verify(&fleet.client, &target, &anchor(&other.root)).await.unwrap();
    assert_eq!(audit.concluded.verdict.outcome, Outcome::Refused);
    for root in [&b""[..], b"{}", b"[", &fleet.root[1..]] {
        let error = verify(&fleet.client, &target, &anchor(root)).await.unwrap_err();
        assert!(matches!(error, Error::Root(_)), "{error}");
        assert_eq!(error.class(), Class::Input, "{error}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_the_callers_mistake() {
    let fleet = Fleet::new().await;
    let anchor = Anchor { root: &fleet.root, state: None, now: crate::fleet::time(NOW) };
    let dir = fleet.dir().display().to_string();
    for (place, class) in [
        (format!("oci:{dir}/channels:other"), Class::Input),
        (format!("oci:{dir}/nowhere:current"), Class::Input),
        (format!("oci:{dir}/channels@{}", Digest::of("x")), Class::Input),
        (format!("tuf:{dir}/nowhere"), Class::Usage),
    ] {
        let place = place.parse().unwrap();
        let target = Target { place: &place, fleet: None, name: None };
        let error = verify(&fleet.client, &target, &anchor).await.unwrap_err();
        assert_eq!(error.class(), class, "{place}: {error}");
    }
    let name = "canary".parse().unwrap();
    let place = fleet.place();
    let target = Target { place: &place, fleet: None, name: Some(&name) };
    let audit = verify(&fleet.client, &target, &anchor).await.unwrap();
    assert_eq!(audit.concluded.verdict.outcome, Outcome::NoneFound);
}

#[tokio::test]
async fn a_damaged_memory_is_no_verdict() {
    let fleet = Fleet::new().await;
    let memory = fleet.temp.path().join("memory");
    fs::create_dir(&memory).unwrap();
    fs::write(memory.join("tuf-seen.json"), "{").unwrap();
    let error = fleet.verify_at(&fleet.place(), Some(&memory), NOW).await.unwrap_err();
    assert!(matches!(error, Error::State(_)), "{error}");
    assert_eq!(error.class(), Class::Input);
    assert!(Path::new(&memory).exists());
}
