use std::collections::BTreeMap;

use fleetfix_model::Descriptor;
use serde_json::json;

use super::*;
use crate::Error;
use crate::config::Config;
use crate::layer::Layer;
use crate::manifest::Manifest;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn d(n: u8) -> Digest {
    Digest::from_sha256([n; 32])
}

fn layer() -> Layer {
    let algorithm = crate::layer::Algorithm::Gzip;
    Layer { algorithm, digest: d(0xaa), size: 77, diff_id: d(0xbb), archive_size: 4096 }
}

const DOCKER_CONFIG: &str = r#"{"architecture":"amd64","config":{"Env":["PATH=/bin"],"Labels":{"z":"1","vcs-ref":"old","io.openshift.hypershift.restricted-psa":"true","a":"2"},"OnBuild":null},"container_config":{"Labels":{"vcs-ref":"old"}},"created":"2026-01-02T03:04:05.678Z","docker_version":"1.13","history":[{"created":"2026-01-01T00:00:00Z","created_by":"a"},{"created":"2026-01-02T00:00:00Z","created_by":"b","empty_layer":true}],"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:0101010101010101010101010101010101010101010101010101010101010101"]},"x-unknown":{"b":1,"a":[null]}}"#;

fn manifest(media_type: &str, config_type: &str, config: &str, more: &str) -> Manifest {
    let config = Descriptor::of(config_type, config.as_bytes());
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{media_type}","config":{{"mediaType":"{}","size":{},"digest":"{}","x":1,"data":"e30="}},"layers":[{{"mediaType":"l","size":5,"digest":"{}","urls":["http://x"]}}]{more}}}"#,
        config.media_type,
        config.size,
        config.digest,
        d(2),
    );
    Manifest::parse(None, text.as_bytes()).unwrap()
}

fn patch<'a>(
    layer: &'a Layer,
    commit: Option<&'a Commit>,
    labels: &'a BTreeMap<String, String>,
) -> ImagePatch<'a> {
    let base = Base { name: Some("quay.io/org/app"), digest: d(9) };
    ImagePatch { layer, base, commit, labels }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_docker_image() {
    let base =
        manifest(media::DOCKER_MANIFEST, media::DOCKER_CONFIG, DOCKER_CONFIG, r#","extra":[1]"#);
    let (layer, commit) = (layer(), COMMIT.parse().unwrap());
    let labels = [("new".to_owned(), "label".to_owned())].into();
    let patched =
        image(&base, DOCKER_CONFIG.as_bytes(), patch(&layer, Some(&commit), &labels)).unwrap();
    let expected = r#"{"architecture":"amd64","config":{"Env":["PATH=/bin"],"Labels":{"z":"1","vcs-ref":"0123456789abcdef0123456789abcdef01234567","io.openshift.hypershift.restricted-psa":"true","a":"2","org.opencontainers.image.base.name":"quay.io/org/app","org.opencontainers.image.base.digest":"sha256:0909090909090909090909090909090909090909090909090909090909090909","org.opencontainers.image.revision":"0123456789abcdef0123456789abcdef01234567","new":"label"},"OnBuild":null},"container_config":{"Labels":{"vcs-ref":"old"}},"created":"2026-01-02T03:04:05.678Z","docker_version":"1.13","history":[{"created":"2026-01-01T00:00:00Z","created_by":"a"},{"created":"2026-01-02T00:00:00Z","created_by":"b","empty_layer":true},{"created":"2026-01-02T03:04:05.678Z","created_by":"fleetfix-patch"}],"os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:0101010101010101010101010101010101010101010101010101010101010101","sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]},"x-unknown":{"b":1,"a":[null]}}"#;
    assert_eq!(text(&patched.config_bytes), expected);
    assert_eq!(patched.config, Descriptor::of(media::DOCKER_CONFIG, &patched.config_bytes));
    assert_eq!(patched.layer.media_type, media::DOCKER_LAYER_GZIP);
    let expected = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"{}","size":{},"digest":"{}","x":1}},"layers":[{{"mediaType":"l","size":5,"digest":"{}","urls":["http://x"]}},{{"mediaType":"{}","digest":"{}","size":77}}],"extra":[1]}}"#,
        media::DOCKER_MANIFEST,
        media::DOCKER_CONFIG,
        patched.config.size,
        patched.config.digest,
        d(2),
        media::DOCKER_LAYER_GZIP,
        d(0xaa),
    );
    assert_eq!(text(&patched.manifest_bytes), expected);
    assert_eq!(patched.manifest, Descriptor::of(media::DOCKER_MANIFEST, expected.as_bytes()));
}

#[test]
fn an_oci_image_without_history_labels_and_commit() {
    let config = format!(
        r#"{{"os":"linux","architecture":"arm64","rootfs":{{"diff_ids":["{}"],"type":"layers"}}}}"#,
        d(1)
    );
    let more = r#","annotations":{"org.opencontainers.image.revision":"old","k":"v"}"#;
    let base = manifest(media::OCI_MANIFEST, media::OCI_CONFIG, &config, more);
    let (layer, none) = (layer(), BTreeMap::new());
    let patched = image(&base, config.as_bytes(), patch(&layer, None, &none)).unwrap();
    let expected = format!(
        r#"{{"os":"linux","architecture":"arm64","rootfs":{{"diff_ids":["{}","{}"],"type":"layers"}},"config":{{"Labels":{{"org.opencontainers.image.base.name":"quay.io/org/app","org.opencontainers.image.base.digest":"{}"}}}}}}"#,
        d(1),
        d(0xbb),
        d(9),
    );
    assert_eq!(text(&patched.config_bytes), expected);
    assert_eq!(patched.layer.media_type, media::OCI_LAYER_GZIP);
    let manifest: Value = serde_json::from_slice(&patched.manifest_bytes).unwrap();
    let annotations = json!({
        "org.opencontainers.image.revision": "old",
        "k": "v",
        "org.opencontainers.image.base.name": "quay.io/org/app",
        "org.opencontainers.image.base.digest": d(9),
    });
    assert_eq!(manifest["annotations"].to_string(), annotations.to_string());
    // With a commit the annotation follows, and an empty history stays empty.
    let config = config.replacen('{', r#"{"history":[],"#, 1);
    let base = super::tests::manifest(media::OCI_MANIFEST, media::OCI_CONFIG, &config, more);
    let commit = COMMIT.parse().unwrap();
    let patched = image(&base, config.as_bytes(), patch(&layer, Some(&commit), &none)).unwrap();
    let manifest: Value = serde_json::from_slice(&patched.manifest_bytes).unwrap();
    assert_eq!(manifest["annotations"]["org.opencontainers.image.revision"], COMMIT);
    assert!(text(&patched.config_bytes).starts_with(r#"{"history":[],"#));
}

#[test]
fn a_base_without_a_name_takes_the_old_one_away() {
    let config = DOCKER_CONFIG
        .replace(r#""a":"2""#, r#""org.opencontainers.image.base.name":"ubi","a":"2""#);
    let base = manifest(media::DOCKER_MANIFEST, media::DOCKER_CONFIG, &config, "");
    let (layer, none) = (layer(), BTreeMap::new());
    let patch =
        ImagePatch { base: Base { name: None, digest: d(9) }, ..patch(&layer, None, &none) };
    let patched = image(&base, config.as_bytes(), patch).unwrap();
    let labels = Config::parse(&patched.config_bytes).unwrap().labels().unwrap();
    assert_eq!(labels.get("org.opencontainers.image.base.name"), None);
    assert_eq!(labels["vcs-ref"], "old", "no commit is known: what the base says stays");
    let order = r#"restricted-psa":"true","a":"2","org.opencontainers.image.base.digest""#;
    assert!(text(&patched.config_bytes).contains(order), "the order stays");
}

#[test]
fn bases_that_contradict_themselves() {
    let (layer, none) = (layer(), BTreeMap::new());
    let try_config = |config: &str| {
        let base = manifest(media::DOCKER_MANIFEST, media::DOCKER_CONFIG, config, "");
        image(&base, config.as_bytes(), patch(&layer, None, &none)).unwrap_err()
    };
    let one = "\"sha256:0101010101010101010101010101010101010101010101010101010101010101\"";
    let two = DOCKER_CONFIG.replace(one, &format!("{one},{one}"));
    assert!(matches!(try_config(&two), Error::LayerCount { layers: 1, diff_ids: 2, .. }));
    assert!(matches!(try_config(&DOCKER_CONFIG.replace(one, "1")), Error::Field { .. }));
    assert!(matches!(try_config("[]"), Error::Field { .. }));
    assert!(matches!(try_config("{}"), Error::Field { .. }));
    assert!(matches!(try_config(""), Error::Json { .. }));
    assert!(matches!(
        try_config(&DOCKER_CONFIG.replace(r#""z":"1""#, r#""z":1"#)),
        Error::Field { .. }
    ));
    assert!(matches!(
        try_config(&DOCKER_CONFIG.replace(r#""config":{"#, r#""config":7,"y":{"#)),
        Error::Field { .. }
    ));

    let base = manifest(media::DOCKER_MANIFEST, media::DOCKER_CONFIG, DOCKER_CONFIG, "");
    assert!(matches!(
        image(&base, b"{}", patch(&layer, None, &none)),
        Err(Error::WrongDigest { .. })
    ));
    let artifact = manifest(media::OCI_MANIFEST, media::OCI_EMPTY, "{}", "");
    assert!(matches!(
        image(&artifact, b"{}", patch(&layer, None, &none)),
        Err(Error::WrongMediaType { .. })
    ));
    let list = Manifest::parse(None, br#"{"manifests":[]}"#).unwrap();
    assert!(matches!(
        image(&list, b"{}", patch(&layer, None, &none)),
        Err(Error::WrongMediaType { .. })
    ));
}

fn entry(media_type: &str, digest: Digest, more: &str) -> String {
    format!(r#"{{"mediaType":"{media_type}","size":10,"digest":"{digest}"{more}}}"#)
}

const AMD64: &str = r#","platform":{"architecture":"amd64","os":"linux","os.version":"x"}"#;
const ARM64: &str =
    r#","x":"kept","platform":{"architecture":"arm64","os":"linux","variant":"v8"}"#;

fn about(digest: Digest) -> String {
    format!(
        r#","platform":{{"architecture":"unknown","os":"unknown"}},"annotations":{{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":"{digest}"}}"#
    )
}

fn patched(digests: &[(u8, u8)], media_type: &str) -> BTreeMap<Digest, Descriptor> {
    let to = |n| Descriptor { media_type: media_type.into(), digest: d(n), size: 123 };
    digests.iter().map(|(from, n)| (d(*from), to(*n))).collect()
}

#[test]
fn an_oci_index_keeps_order_and_strangers() {
    let m = media::OCI_MANIFEST;
    let list = [
        entry(m, d(1), AMD64),
        entry(m, d(5), &about(d(1))),
        entry("application/x-thing", d(6), ""),
        entry(m, d(2), ARM64),
        entry(m, d(7), &about(d(99))),
    ];
    let text_of = |list: &[String], annotations: &str| {
        format!(
            r#"{{"schemaVersion":2,"manifests":[{}],"mediaType":"{}","unknown":{{"b":0,"a":1}}{annotations}}}"#,
            list.join(","),
            media::OCI_INDEX
        )
    };
    let base = Manifest::parse(None, text_of(&list, "").as_bytes()).unwrap();
    let from = Base { name: Some("quay.io/org/app"), digest: base.digest() };
    let new = index(&base, &patched(&[(1, 0x11), (2, 0x12)], m), from, None).unwrap();
    let at = |n: u8, from: &str| {
        from.replace(r#""size":10"#, r#""size":123"#)
            .replace(&d(n & 0xf).to_string(), &d(n).to_string())
    };
    let list = [at(0x11, &list[0]), list[2].clone(), at(0x12, &list[3]), list[4].clone()];
    let annotations = format!(
        r#","annotations":{{"org.opencontainers.image.base.name":"quay.io/org/app","org.opencontainers.image.base.digest":"{}"}}"#,
        base.digest()
    );
    assert_eq!(text(&new.bytes), text_of(&list, &annotations));
    assert_eq!(new.index, Descriptor::of(media::OCI_INDEX, &new.bytes));
    let digests =
        |list: &[crate::manifest::RawDescriptor]| list.iter().map(|x| x.digest).collect::<Vec<_>>();
    assert_eq!((digests(&new.kept), digests(&new.dropped)), (vec![d(6), d(7)], vec![d(5)]));
}

#[test]
fn a_docker_list_has_no_annotations() {
    let m = media::DOCKER_MANIFEST;
    let text_of = |digest: Digest, size: u8| {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}}"#,
            media::DOCKER_INDEX,
            entry(m, digest, AMD64).replace("10", &size.to_string())
        )
    };
    let base = Manifest::parse(None, text_of(d(1), 10).as_bytes()).unwrap();
    let from = Base { name: Some("quay.io/org/app"), digest: base.digest() };
    let commit = COMMIT.parse().unwrap();
    let new = index(&base, &patched(&[(1, 3)], m), from, Some(&commit)).unwrap();
    assert_eq!(text(&new.bytes), text_of(d(3), 123));
}

#[test]
fn no_image_stays_behind() {
    let m = media::OCI_MANIFEST;
    let parse = |list: &[String]| {
        let text =
            format!(r#"{{"mediaType":"{}","manifests":[{}]}}"#, media::OCI_INDEX, list.join(","));
        Manifest::parse(None, text.as_bytes()).unwrap()
    };
    let from = Base { name: None, digest: d(0) };
    let base = parse(&[entry(m, d(1), AMD64), entry(m, d(2), ARM64)]);
    let error = index(&base, &patched(&[(1, 3)], m), from, None).unwrap_err();
    assert!(matches!(error, Error::Unpatched { child, .. } if child == d(2)));
    let base = parse(&[entry(m, d(1), AMD64), entry(media::OCI_INDEX, d(2), "")]);
    let error = index(&base, &patched(&[(1, 3)], m), from, None).unwrap_err();
    assert!(matches!(error, Error::NestedIndex { child, .. } if child == d(2)));
    let image = Manifest::parse(None, br#"{"layers":[]}"#).unwrap();
    assert!(matches!(
        index(&image, &BTreeMap::new(), from, None),
        Err(Error::WrongMediaType { .. })
    ));
}

#[test]
fn numbers_of_others_stay_as_they_are_written() {
    let more = r#""x-load":[1.50,1e400,18446744073709551616,-0]"#;
    let config = DOCKER_CONFIG.replacen('{', &format!("{{{more},"), 1);
    let config = Config::parse(config.as_bytes()).unwrap();
    assert!(text(&config.to_bytes()).starts_with(&format!("{{{more},")));
}
