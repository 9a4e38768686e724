//! The bundle document and its OCI form, with a golden for each.
//!
//! `UPDATE_GOLDENS=1 cargo test -p fleetfix-bundle` writes them anew; look at the difference before
//! you commit it.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::PathBuf;

use fleetfix_bundle::Error;
use fleetfix_bundle::artifact::Artifact;
use fleetfix_bundle::document::{Part, bundle};
use fleetfix_bundle::evidence::Evidence;
use fleetfix_bundle::image::Image;
use fleetfix_bundle::input::Input;
use fleetfix_model::document::bundle::PatchedPlatform;
use fleetfix_model::document::plan::{Row, Status};
use fleetfix_model::document::{FixBundle, FixPlan, FixRequest, from_canonical, from_yaml};
use fleetfix_model::{
    Class, Classify, Descriptor, Digest, HostedPlatform, Repository, ToCanonical, media,
};

fn request() -> FixRequest {
    let bytes = include_bytes!("../../fleetfix-model/tests/data/request.yaml");
    from_yaml("request.yaml", bytes).unwrap()
}

/// A plan of [`request`] that covers two versions with two bases.
fn plan() -> FixPlan {
    let bytes = include_bytes!("../../fleetfix-model/tests/goldens/fix-plan.json");
    let mut plan: FixPlan = from_canonical("fix-plan.json", bytes).unwrap();
    plan.request = request().canonical_digest().unwrap();
    let mut second = plan.bases[0].clone();
    second.digest = Digest::of("second base");
    plan.rows.retain(|row| row.status != Status::Gap);
    plan.rows.insert(
        1,
        Row {
            platform: HostedPlatform::Aws,
            version: "4.20.7".parse().unwrap(),
            status: Status::Covered,
            payload: Some(Digest::of("p7")),
            base: Some(second.digest),
            reason: None,
        },
    );
    plan.bases.push(second);
    plan.bases.sort_by_key(|base| base.digest);
    from_canonical("plan", &plan.to_canonical().unwrap()).unwrap()
}

const NOW: &str = "2026-06-01T00:00:00Z";

fn input() -> Input {
    Input::new(request(), plan(), NOW.parse().unwrap()).unwrap()
}

fn fleet() -> Repository {
    "quay.io/fleet".parse().unwrap()
}

/// What would be found at the build place: everything.
fn parts(input: &Input) -> Vec<Part<'_>> {
    input
        .plan
        .bases
        .iter()
        .map(|base| {
            let index =
                Descriptor::of(media::OCI_INDEX, format!("patched {}", base.digest).as_bytes());
            let platforms: Vec<_> = base
                .platforms
                .iter()
                .map(|p| {
                    let content = format!("patched {} {}", base.digest, p.platform);
                    PatchedPlatform {
                        platform: p.platform.clone(),
                        manifest: Descriptor::of(media::OCI_MANIFEST, content.as_bytes()),
                    }
                })
                .collect();
            let evidence = Evidence {
                fix: Digest::of(format!("fix {}", base.digest)),
                sbom: Digest::of(format!("sbom {}", base.digest)),
            };
            let tag = input.plan.image_tag(base.digest).unwrap();
            Part { base, image: Image { tag, index, platforms, digests: Vec::new() }, evidence }
        })
        .collect()
}

fn golden(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name);
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, bytes).unwrap();
    }
    assert_eq!(
        String::from_utf8_lossy(bytes),
        String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()),
        "{name} changed; if that is meant, run with UPDATE_GOLDENS=1"
    );
}

#[test]
fn goldens_hold() {
    let input = input();
    let bundle = bundle(&input, &fleet(), parts(&input)).unwrap();
    let artifact = Artifact::new(&bundle, &input).unwrap();
    golden("manifest.json", &artifact.manifest);
    let [config, document, request, plan] = artifact.blobs.try_into().unwrap();
    golden("bundle.json", &document.1);
    assert_eq!(from_canonical::<FixBundle>("bundle", &document.1).unwrap(), bundle);
    assert_eq!((config.1.as_slice(), config.0.media_type.as_str()), (&b"{}"[..], media::OCI_EMPTY));
    assert_eq!(
        (document.0.media_type.as_str(), document.0.digest),
        (media::FIX_BUNDLE, bundle.canonical_digest().unwrap())
    );
    assert_eq!(
        (request.0.media_type.as_str(), request.0.digest),
        (media::FIX_REQUEST, bundle.request)
    );
    assert_eq!((plan.0.media_type.as_str(), plan.0.digest), (media::FIX_PLAN, bundle.plan));
}

#[test]
fn the_order_of_what_was_found_does_not_matter() {
    let input = input();
    let mut reversed = parts(&input);
    reversed.reverse();
    let one = bundle(&input, &fleet(), parts(&input)).unwrap();
    assert_eq!(one, bundle(&input, &fleet(), reversed).unwrap());
}

#[test]
fn every_covered_version_has_the_image_of_its_base() {
    let input = input();
    let bundle = bundle(&input, &fleet(), parts(&input)).unwrap();
    assert_eq!(bundle.affects.len(), 1);
    let affects = &bundle.affects[0];
    let versions: Vec<_> = affects.versions.iter().map(|v| v.version.to_string()).collect();
    assert_eq!(versions, ["4.20.0", "4.20.7"]);
    for version in &affects.versions {
        let row = input.plan.rows.iter().find(|row| row.version == version.version).unwrap();
        let image = bundle.images.iter().find(|i| i.index.digest == version.image).unwrap();
        assert_eq!(Some(image.base.digest), row.base);
        let previous = bundle.rollback.previous.iter().find(|p| p.image == version.image).unwrap();
        assert_eq!(Some(previous.base), row.base);
    }
    assert_eq!(affects.excluded.len(), 1);
    assert!(bundle.rollback.possible);
}

#[test]
fn what_cannot_be_taken_back_says_why() {
    let mut input = input();
    input.plan.irreversible = Some("it rewrites stored objects".into());
    let rollback = bundle(&input, &fleet(), parts(&input)).unwrap().rollback;
    assert!(!rollback.possible);
    assert_eq!(rollback.reason, "it rewrites stored objects");
}

#[test]
fn request_and_plan_belong_together() {
    let mut other = request();
    other.title = Some("another title".into());
    let mut revision = plan();
    revision.revision = 2;
    let mut blocked = plan();
    for finding in &mut blocked.findings {
        finding.waiver = None;
    }
    let refused = |request: FixRequest, plan: FixPlan, part: &str| {
        let error = Input::new(request, plan, NOW.parse().unwrap()).unwrap_err();
        assert_eq!(error.class(), Class::Refused, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(other, plan(), "not from the given one");
    refused(request(), revision, "another fix or revision");
    refused(request(), blocked, "coverage/4.20.7");
    let mut over = plan();
    for waiver in over.findings.iter_mut().filter_map(|finding| finding.waiver.as_mut()) {
        waiver.expires = Some(NOW.parse().unwrap());
    }
    refused(request(), over, "coverage/4.20.7");
}

#[test]
fn a_version_that_is_not_affected_is_not_covered() {
    let mut input = input();
    input.request.affected[0].platform = HostedPlatform::Azure;
    let error = bundle(&input, &fleet(), parts(&input)).unwrap_err();
    assert!(matches!(error, Error::NotAffected { .. }), "{error}");
}

#[test]
fn a_version_without_an_image_is_refused() {
    let input = input();
    let mut one = parts(&input);
    one.truncate(1);
    let error = bundle(&input, &fleet(), one).unwrap_err();
    assert!(matches!(error, Error::NoImage { .. }), "{error}");
}

#[test]
fn a_fleet_is_a_registry() {
    let input = input();
    let error = bundle(&input, &"oci:fleet".parse().unwrap(), parts(&input)).unwrap_err();
    assert!(matches!(error, Error::Rule(_)), "{error}");
}
