//! The documents around the image.

use std::collections::BTreeMap;

use fleetfix_model::{Descriptor, Digest, media};
use fleetfix_registry::Store;
use fleetfix_signer::SigningKey;
use serde_json::{Value, json};

use super::images::{Image, Shape};
use super::{Attestation, FLEET, Made, Recipe, Who, public, put};

const API: &str = "fleetfix.openshift.io/v1alpha1";
pub(crate) const COMMIT: &str = "1111111111111111111111111111111111111111";
const BASE_REPOSITORY: &str = "quay.io/payload/etcd";

pub(crate) fn base() -> Digest {
    Digest::of("base index")
}

pub(crate) fn base_child(architecture: &str) -> Digest {
    Digest::of(format!("base {architecture}"))
}

pub(crate) fn request() -> Value {
    json!({
        "apiVersion": API, "kind": "FixRequest", "id": "FIX-1", "tickets": ["OCPBUGS-1"], "requester": "rae",
        "component": "etcd",
        "fixes": [{"minor": "4.20", "commit": COMMIT, "authors": ["art"],
            "files": [{"path": "/usr/bin/etcd", "from": "etcd"}]}],
        "affected": [{"platform": "AWS", "introduced": "4.20.0"}],
        "waivers": [waiver()],
    })
}

fn waiver() -> Value {
    json!({"finding": "impact/etcd", "by": "ann", "reason": "known"})
}

/// The content of the one file, for one architecture.
fn content(architecture: &str) -> Digest {
    Digest::of(format!("etcd for {architecture}"))
}

pub(crate) fn plan(shape: Shape, request: Digest) -> Value {
    let platforms: Vec<_> = shape
        .architectures()
        .iter()
        .map(|a| json!({"platform": format!("linux/{a}"), "digest": base_child(a)}))
        .collect();
    let contents: Vec<_> = shape
        .architectures()
        .iter()
        .map(|a| json!({"architecture": a, "from": "etcd", "digest": content(a), "size": 7}))
        .collect();
    json!({
        "apiVersion": API, "kind": "FixPlan", "id": "FIX-1", "revision": 1, "tickets": ["OCPBUGS-1"],
        "request": request, "requester": "rae", "component": "etcd",
        "fixes": [{"minor": "4.20", "commit": COMMIT, "authors": ["art"],
            "files": [{"path": "/usr/bin/etcd", "contents": contents}]}],
        "bases": [{"digest": base(), "repository": BASE_REPOSITORY, "mediaType": shape.media_types()[0],
            "minor": "4.20", "origin": "payload", "platforms": platforms,
            "hypershiftLabels": ["io.openshift.hypershift.control-plane-operator-skips-haproxy"]}],
        "rows": [{"platform": "AWS", "version": "4.20.1", "status": "covered", "base": base()}],
        "delivery": [], "impact": [], "checks": [],
        "findings": [{"id": "impact/etcd", "level": "blocking", "message": "etcd rolls",
            "waiver": waiver()}],
    })
}

pub(crate) fn attestations(image: &Image, plan: Digest) -> Vec<Attestation> {
    let on = image.index.digest;
    let platforms: Vec<_> = image
        .shape
        .architectures()
        .iter()
        .zip(&image.children)
        .map(|(a, child)| {
            json!({"platform": format!("linux/{a}"), "manifest": child.digest, "base": base_child(a),
                "files": [{"path": "/usr/bin/etcd", "digest": content(a), "size": 7}]})
        })
        .collect();
    let fix = json!({
        "apiVersion": API, "kind": "Fix", "id": "FIX-1", "revision": 1, "tickets": ["OCPBUGS-1"],
        "component": "etcd", "minor": "4.20", "plan": plan, "baseRepository": BASE_REPOSITORY,
        "base": base(), "commit": COMMIT, "platforms": platforms,
    });
    let provenance = json!({
        "buildDefinition": {"buildType": "https://fleetfix.openshift.io/patch/v1",
            "externalParameters": {"plan": plan}},
        "runDetails": {"builder": {"id": "https://ci.example/builder"}},
    });
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1});
    [
        (media::SBOM_PREDICATE, sbom),
        (media::FIX_PREDICATE, fix),
        (media::PROVENANCE_PREDICATE, provenance),
    ]
    .map(|(predicate_type, predicate)| Attestation {
        on,
        subject: on,
        predicate_type: predicate_type.into(),
        predicate,
        by: Who::Builder,
    })
    .into()
}

pub(crate) fn bundle(
    image: &Image,
    request: Digest,
    plan: Digest,
    statements: Vec<(String, Digest)>,
) -> Value {
    let index = image.index.digest;
    let platforms: Vec<_> = image
        .shape
        .architectures()
        .iter()
        .zip(&image.children)
        .map(|(a, child)| json!({"platform": format!("linux/{a}"), "manifest": child}))
        .collect();
    let attestations: Vec<_> = statements
        .into_iter()
        .map(|(predicate_type, statement)| {
            let mut one = json!({"subject": index, "predicateType": predicate_type, "role": "builder", "count": 1});
            if predicate_type != media::PROVENANCE_PREDICATE {
                one["statement"] = json!(statement);
            }
            one
        })
        .collect();
    json!({
        "apiVersion": API, "kind": "FixBundle", "id": "FIX-1", "revision": 1, "tickets": ["OCPBUGS-1"],
        "component": "etcd", "request": request, "plan": plan, "fleet": FLEET,
        "images": [{"minor": "4.20", "repository": "etcd", "tag": image.tag, "index": image.index,
            "platforms": platforms, "base": {"repository": BASE_REPOSITORY, "digest": base()},
            "commit": COMMIT, "attestations": attestations}],
        "affects": [{"platform": "AWS", "minor": "4.20", "introduced": "4.20.0",
            "versions": [{"version": "4.20.1", "image": index}]}],
        "delivery": [], "impact": [],
        "rollback": {"possible": true, "reason": "x", "previous": [{"image": index, "base": base()}]},
    })
}

pub(crate) async fn put_bundle(
    store: &Store,
    bundle: &[u8],
    request: &[u8],
    plan: &[u8],
    recipe: &Recipe,
) -> Descriptor {
    let config = put(store, media::OCI_EMPTY, b"{}").await;
    let layers = [
        put(store, media::FIX_BUNDLE, bundle).await,
        put(store, media::FIX_REQUEST, request).await,
        put(store, media::FIX_PLAN, plan).await,
    ];
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": media::OCI_MANIFEST, "artifactType": media::FIX_BUNDLE,
        "config": config, "layers": layers,
    });
    (recipe.artifact)(&mut manifest);
    let manifest = super::canonical(&manifest);
    store.put_tag(&"fix-1-r1".parse().unwrap(), media::OCI_MANIFEST, &manifest).await.unwrap();
    Descriptor::of(media::OCI_MANIFEST, &manifest)
}

pub(crate) fn approval(name: &str, request: Digest, plan: Digest) -> Value {
    json!({
        "apiVersion": API, "kind": "Approval", "principal": name, "role": "approver", "request": request,
        "plan": plan, "channels": ["stable"], "findings": ["impact/etcd"], "shown": Digest::of("shown"),
        "reason": "looked at it", "issued": "2026-05-30T00:00:00Z", "expires": "2026-06-30T00:00:00Z",
    })
}

pub(crate) fn approvals(bundle: Digest, request: Digest, plan: Digest) -> Vec<Attestation> {
    [("ann", Who::Ann), ("bob", Who::Bob)]
        .map(|(name, by)| Attestation {
            on: bundle,
            subject: bundle,
            predicate_type: media::APPROVAL_PREDICATE.into(),
            predicate: approval(name, request, plan),
            by,
        })
        .into()
}

pub(crate) fn channel(made: &Made) -> Value {
    let mut approvals = made.approvals.clone();
    approvals.sort();
    json!({
        "apiVersion": API, "kind": "Channel", "name": "stable", "fleet": FLEET,
        "bundles": [{"id": "FIX-1", "revision": 1, "bundle": made.bundle, "repository": "bundles",
            "tag": "fix-1-r1", "state": "active", "counted": "2026-05-31T00:00:00Z", "approvals": approvals}],
    })
}

pub(crate) fn policy(keys: &BTreeMap<Who, SigningKey>) -> Value {
    let person = |name: &str, who: &[Who]| {
        let keys: Vec<_> = who.iter().map(|who| public(keys, *who)).collect();
        json!({"name": name, "kind": "person", "keys": keys})
    };
    json!({
        "apiVersion": API, "kind": "TrustPolicy",
        "principals": [
            {"name": "ci", "kind": "buildSystem", "keys": [public(keys, Who::Builder)]},
            person("ann", &[Who::Ann, Who::AnnAgain]),
            person("bob", &[Who::Bob]),
            person("rae", &[Who::Rae]),
            person("art", &[Who::Art]),
        ],
        "roles": [
            {"role": "builder", "principals": ["ci"], "threshold": 1},
            {"role": "approver", "principals": ["ann", "bob", "rae", "art"], "threshold": 2},
        ],
        "release": {"keys": [public(keys, Who::Release)]},
        "separation": [{"role": "approver", "not": ["requester", "author", "builder"]}],
        "builders": [{"principal": "ci", "builderId": "https://ci.example/builder",
            "buildTypes": ["https://fleetfix.openshift.io/patch/v1"]}],
        "required": [{"artefact": "image", "predicateType": media::PROVENANCE_PREDICATE, "role": "builder", "count": 1}],
    })
}
