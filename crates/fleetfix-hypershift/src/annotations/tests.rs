//! Patches on small objects.

use fleetfix_model::{Class, Classify as _};

use super::*;

const RELEASE: &str =
    "quay.io/r/release@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const BASE: &str =
    "quay.io/a/b@sha256:1111111111111111111111111111111111111111111111111111111111111111";
const NEW: &str =
    "quay.io/a/b@sha256:2222222222222222222222222222222222222222222222222222222222222222";
const OTHER: &str =
    "quay.io/a/b@sha256:3333333333333333333333333333333333333333333333333333333333333333";

fn object(annotations: &Value) -> Value {
    json!({
        "apiVersion": "hypershift.openshift.io/v1beta1", "kind": "HostedCluster",
        "metadata": {"namespace": "ocm", "name": "c", "annotations": annotations},
        "spec": {"release": {"image": RELEASE}, "platform": {"type": "AWS"}},
        "status": {"version": {"history": [
            {"state": "Completed", "version": "4.20.1", "image": RELEASE},
            {"state": "Completed", "version": "4.20.0", "image": "quay.io/r/release:old"},
        ]}},
    })
}

fn waiver() -> Waiver {
    Waiver {
        finding: survives_upgrade(HostedPlatform::Aws, "4.20".parse().unwrap()).unwrap(),
        by: "alice".parse().unwrap(),
        reason: "the guard takes it away".to_owned(),
        expires: None,
    }
}

fn patched(
    object: &Value,
    component: &str,
    method: DeliveryMethod,
    place: Place<'_>,
) -> Result<Patch, Error> {
    let cluster = HostedCluster::read("hc.json", object)?;
    let (component, waiver) = (component.parse().unwrap(), waiver());
    let (image, base) = (NEW.parse().unwrap(), BASE.parse().unwrap());
    let fix =
        Fix { component: &component, method, image: &image, base: &base, waiver: Some(&waiver) };
    patch(&cluster, fix, place)
}

/// What is done, without the tests of the release in front.
fn change(operations: &[Value]) -> Value {
    let tests = [
        json!({"op": "test", "path": "/spec/release/image", "value": RELEASE}),
        json!({"op": "test", "path": "/spec/controlPlaneRelease", "value": null}),
    ];
    assert_eq!(operations[..2], tests);
    Value::from(operations[2..].to_vec())
}

#[test]
fn both_annotations_and_their_inverses() {
    use DeliveryMethod::{ControlPlaneOperatorImage as Cpo, ImageOverrides as Overrides};
    let overrides = "/metadata/annotations/hypershift.openshift.io~1image-overrides";
    let cpo = "/metadata/annotations/hypershift.openshift.io~1control-plane-operator-image";
    let set = |path: &str, old: Value, op: &str, new: &str| json!([{"op": "test", "path": path, "value": old}, {"op": op, "path": path, "value": new}]);
    let gone = |path: &str, old: &str| json!([{"op": "test", "path": path, "value": old}, {"op": "remove", "path": path}]);
    let etcd = format!("etcd={NEW}");
    let both_before = format!("oauth-server={OTHER},etcd={BASE}");
    let both_after = format!("etcd={NEW},oauth-server={OTHER}");
    let others = format!("cli={OTHER}");
    let with_others = format!("cli={OTHER},etcd={NEW}");
    let table = [
        (
            "etcd",
            Overrides,
            json!({"x": "y"}),
            set(overrides, json!(null), "add", &etcd),
            gone(overrides, &etcd),
        ),
        (
            "etcd",
            Overrides,
            json!({IMAGE_OVERRIDES: both_before}),
            set(overrides, json!(both_before), "replace", &both_after),
            set(overrides, json!(both_after), "replace", &both_before),
        ),
        (
            "etcd",
            Overrides,
            json!({IMAGE_OVERRIDES: others}),
            set(overrides, json!(others), "replace", &with_others),
            set(overrides, json!(with_others), "replace", &others),
        ),
        ("hypershift", Cpo, json!({"x": "y"}), set(cpo, json!(null), "add", NEW), gone(cpo, NEW)),
        (
            "hypershift",
            Cpo,
            json!({CPO_IMAGE: BASE}),
            set(cpo, json!(BASE), "replace", NEW),
            set(cpo, json!(NEW), "replace", BASE),
        ),
    ];
    for (component, method, annotations, there, back) in table {
        let made = patched(&object(&annotations), component, method, Place::default()).unwrap();
        assert_eq!(change(&made.patch), there, "{annotations}");
        assert_eq!(change(&made.inverse), back, "{annotations}");
        assert!(made.warnings[0].contains("accepted by alice"), "{:?}", made.warnings);
    }
    // No map of annotations: it comes as a whole, and only our key goes.
    let made = patched(&object(&json!(null)), "etcd", Overrides, Place::default()).unwrap();
    let all = "/metadata/annotations";
    let expected = json!([
        {"op": "test", "path": all, "value": null},
        {"op": "add", "path": all, "value": {IMAGE_OVERRIDES: etcd}},
    ]);
    assert_eq!(change(&made.patch), expected);
    assert_eq!(change(&made.inverse), gone(overrides, &etcd));
    // It is so already.
    let there = object(&json!({IMAGE_OVERRIDES: etcd}));
    let made = patched(&there, "etcd", Overrides, Place::default()).unwrap();
    assert!(made.patch.is_empty() && made.inverse.is_empty());
}

#[test]
fn an_old_operator_is_given_the_base_instead_of_nothing() {
    let method = DeliveryMethod::ImageOverrides;
    for (operator, removed) in [("0.1.73", false), ("0.1.74", true), ("0.2.0", true)] {
        let operator = operator.parse().unwrap();
        let place = Place { operator: Some(&operator), ..Place::default() };
        let made = patched(&object(&json!({})), "etcd", method, place).unwrap();
        let last = made.inverse.last().unwrap();
        assert_eq!(last["op"], if removed { "remove" } else { "replace" }, "{operator}");
        if !removed {
            assert_eq!(last["value"], format!("etcd={BASE}"));
        }
    }
}

#[test]
fn a_release_is_tested_once() {
    let mut object = object(&json!({}));
    let method = DeliveryMethod::ControlPlaneRelease;
    let made = patched(&object, "cli", method, Place::default()).unwrap();
    let path = "/spec/controlPlaneRelease";
    let add = json!([{"op": "add", "path": path, "value": {"image": NEW}}]);
    assert_eq!(change(&made.patch), add);
    assert_eq!(made.inverse[1], json!({"op": "test", "path": path, "value": {"image": NEW}}));
    assert_eq!(made.inverse[2..], [json!({"op": "remove", "path": path})]);
    assert_eq!(made.warnings.len(), 5, "{:?}", made.warnings);
    // A cluster that has one is looked at by that one.
    object["spec"]["controlPlaneRelease"] = json!({"image": BASE});
    let error = patched(&object, "cli", method, Place::default()).unwrap_err().to_string();
    assert!(error.contains("does not say which version"), "{error}");
    object["status"]["controlPlaneVersion"] =
        json!({"history": [{"state": "Completed", "version": "4.20.1", "image": BASE}]});
    let made = patched(&object, "cli", method, Place::default()).unwrap();
    assert_eq!(made.patch[2]["op"], "replace");
    assert_eq!(made.inverse[2], json!({"op": "replace", "path": path, "value": {"image": BASE}}));
}

#[test]
fn what_is_refused() {
    use DeliveryMethod::{ControlPlaneOperatorImage as Cpo, ImageOverrides as Overrides};
    let autoscaler = "hypershift.openshift.io/cluster-autoscaler-image";
    let table = [
        ("hypershift", Overrides, json!({}), "ignored without a word"),
        ("etcd", Cpo, json!({}), "not of `etcd`"),
        ("etcd", DeliveryMethod::OverridesYaml, json!({}), "render overrides"),
        ("etcd", Overrides, json!({IMAGE_OVERRIDES: "etcd"}), "no `tag=image`"),
        ("etcd", Overrides, json!({IMAGE_OVERRIDES: "cli=a,cli=b"}), "`cli` twice"),
        (
            "etcd",
            Overrides,
            json!({IMAGE_OVERRIDES: format!("etcd={OTHER}")}),
            "fixes could be lost",
        ),
        ("hypershift", Cpo, json!({CPO_IMAGE: OTHER}), "fixes could be lost"),
        ("hypershift", Cpo, json!({CPO_IMAGE: "quay.io/a/b:tag"}), "fixes could be lost"),
        ("hypershift", Cpo, json!({CPO_IMAGE: ""}), "delete its key"),
        ("cluster-autoscaler", Overrides, json!({autoscaler: "x"}), "beats image-overrides"),
    ];
    for (component, method, annotations, why) in table {
        let error =
            patched(&object(&annotations), component, method, Place::default()).unwrap_err();
        assert_eq!(error.class(), Class::Refused, "{error}");
        assert!(error.to_string().contains(why), "{error}");
    }
    let there = object(&json!({CPO_IMAGE: OTHER}));
    let replaces = [OTHER.to_owned()];
    let place = Place { replaces: &replaces, ..Place::default() };
    assert!(patched(&there, "hypershift", Cpo, place).is_ok());
}

#[test]
fn owners_and_updates_under_way() {
    let method = DeliveryMethod::ImageOverrides;
    let owned = json!([{"kind": "AppliedManifestWork", "name": "w"}]);
    let managed = |manager: &str| {
        let key = format!("f:{IMAGE_OVERRIDES}");
        json!([{"manager": manager, "fieldsV1": {"f:metadata": {"f:annotations": {key: {}}}}}])
    };
    let history =
        |state: &str, image: &str| json!([{"state": state, "version": "4.20.2", "image": image}]);
    let table = [
        ("/metadata/ownerReferences", owned, Some("AppliedManifestWork w writes this object")),
        ("/metadata/managedFields", managed("work-agent"), Some("`work-agent` writes")),
        ("/metadata/managedFields", managed("kubectl-annotate"), None),
        ("/status/version/history", history("Partial", RELEASE), Some("`Partial`")),
        (
            "/status/version/history",
            history("Completed", "quay.io/r/release:x"),
            Some("wait for it"),
        ),
        ("/status/version/history", json!([]), Some("does not say which version")),
    ];
    for (path, value, why) in table {
        let mut object = object(&json!({}));
        let (parent, name) = path.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[name] = value;
        let made = patched(&object, "etcd", method, Place::default());
        match why {
            None => assert!(made.is_ok(), "{made:?}"),
            Some(why) => {
                let error = made.unwrap_err();
                assert!(
                    error.class() == Class::Refused && error.to_string().contains(why),
                    "{error}"
                );
            }
        }
        if path.contains("metadata") {
            let place = Place { for_owner: true, ..Place::default() };
            assert!(patched(&object, "etcd", method, place).is_ok());
        }
    }
}

#[test]
fn nobody_accepted_it() {
    let cluster = HostedCluster::read("hc.json", &object(&json!({}))).unwrap();
    let (component, image, base) =
        ("etcd".parse().unwrap(), NEW.parse().unwrap(), BASE.parse().unwrap());
    let method = DeliveryMethod::ImageOverrides;
    let fix = Fix { component: &component, method, image: &image, base: &base, waiver: None };
    let error = patch(&cluster, fix, Place::default()).unwrap_err();
    assert_eq!(error.class(), Class::Refused);
    assert!(error.to_string().contains("`delivery/aws/4.20/survives-upgrade`"), "{error}");
}

#[test]
fn what_is_no_hosted_cluster() {
    let table = [
        ("/kind", json!("Pod"), "field `kind`"),
        ("/apiVersion", json!("v1"), "field `kind`"),
        ("/spec/platform/type", json!("Moon"), "field `spec.platform.type`"),
        ("/spec/release/image", json!(1), "field `spec.release.image`"),
        ("/metadata/name", json!(null), "field `metadata.name`"),
        ("/metadata/annotations", json!({"a": 1}), "field `metadata.annotations`"),
        ("/metadata/annotations", json!([]), "field `metadata.annotations`"),
    ];
    for (path, value, place) in table {
        let mut object = object(&json!({}));
        *object.pointer_mut(path).unwrap() = value;
        let error = HostedCluster::read("hc.json", &object).unwrap_err();
        assert_eq!(error.class(), Class::Input);
        assert!(error.to_string().contains(place), "{error}");
    }
    assert!(HostedCluster::read("hc.json", &json!([])).is_err());
}
