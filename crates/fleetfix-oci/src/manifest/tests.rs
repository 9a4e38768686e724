use proptest::prelude::*;

use super::*;

const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn descriptor() -> String {
    format!(r#"{{"mediaType":"a/b","digest":"{D}","size":0}}"#)
}

#[test]
fn kind_and_media_type() {
    let d = descriptor();
    let image = format!(r#"{{"schemaVersion":2,"config":{d},"layers":[{d}]}}"#);
    let index = r#"{"schemaVersion":2,"manifests":[]}"#;
    let typed = |m: &str| format!(r#"{{"mediaType":"{m}","manifests":[]}}"#);
    let ok: [(Option<&str>, &str, &str, Kind); 7] = [
        (None, &image, media::OCI_MANIFEST, Kind::Image),
        (Some(media::DOCKER_MANIFEST), &image, media::DOCKER_MANIFEST, Kind::Image),
        (None, index, media::OCI_INDEX, Kind::Index),
        (None, &typed(media::DOCKER_INDEX), media::DOCKER_INDEX, Kind::Index),
        (
            Some("application/vnd.oci.image.index.v1+json; charset=utf-8"),
            index,
            media::OCI_INDEX,
            Kind::Index,
        ),
        (Some("a/b"), r#"{"mediaType":"a/b"}"#, "a/b", Kind::Other),
        (Some("a/b"), "{}", "a/b", Kind::Other),
    ];
    for (given, text, media_type, kind) in ok {
        let manifest = Manifest::parse(given, text.as_bytes()).unwrap();
        assert_eq!((manifest.media_type.as_str(), manifest.kind), (media_type, kind), "{text}");
        assert_eq!(manifest.descriptor(), Descriptor::of(media_type, text.as_bytes()));
    }
    let both = format!(r#"{{"config":{d},"layers":[],"manifests":[]}}"#);
    let bad: [(Option<&str>, &str); 9] = [
        (None, ""),
        (None, "[]"),
        (None, "{}"),
        (None, r#"{"mediaType":1}"#),
        (None, r#"{"layers":[],"layers":[]}"#),
        (None, &both),
        (Some(media::OCI_INDEX), &image),
        (Some(media::OCI_MANIFEST), index),
        (Some(media::OCI_INDEX), &typed(media::DOCKER_INDEX)),
    ];
    for (given, text) in bad {
        assert!(Manifest::parse(given, text.as_bytes()).is_err(), "{given:?} {text}");
    }
    let large = format!(r#"{{"layers":[],"x":"{}"}}"#, "x".repeat(MAX_SIZE));
    assert!(matches!(Manifest::parse(None, large.as_bytes()), Err(Error::TooLarge { .. })));
}

#[test]
fn descriptors_are_checked() {
    for (broken, field) in [
        (r#"{"layers":[1]}"#.to_owned(), "layers[0]"),
        (r#"{"layers":[{"digest":"sha256:00","size":1}]}"#.to_owned(), "layers[0].mediaType"),
        (
            r#"{"layers":[{"mediaType":"a","digest":"sha256:00","size":1}]}"#.to_owned(),
            "layers[0].digest",
        ),
        (
            format!(r#"{{"layers":[{{"mediaType":"a","digest":"{D}","size":-1}}]}}"#),
            "layers[0].size",
        ),
        (format!(r#"{{"layers":[{{"mediaType":"a","digest":"{D}"}}]}}"#), "layers[0].size"),
        (r#"{"layers":{}}"#.to_owned(), "layers"),
    ] {
        match Manifest::parse(None, broken.as_bytes()).unwrap().layers() {
            Err(Error::Field { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{broken}: {other:?}"),
        }
    }
    let image = Manifest::parse(None, br#"{"layers":[]}"#).unwrap();
    assert!(image.config().is_err());
    assert_eq!(image.subject_descriptor().unwrap(), None);
}

#[test]
fn which_children_are_images() {
    let child = |media_type: &str, rest: &str| {
        let text = format!(r#"{{"mediaType":"{media_type}","digest":"{D}","size":1{rest}}}"#);
        RawDescriptor::parse("x", "y", &serde_json::from_str(&text).unwrap()).unwrap()
    };
    let unknown = r#","platform":{"os":"unknown","architecture":"unknown"}"#;
    let reference = format!(
        r#","annotations":{{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":"{D}"}}"#
    );
    let arm = r#","platform":{"os":"linux","architecture":"arm64","variant":"v8"}"#;
    assert!(child(media::OCI_MANIFEST, "").is_image());
    assert!(child(media::DOCKER_MANIFEST, arm).is_image());
    assert_eq!(child(media::OCI_MANIFEST, arm).platform().unwrap().to_string(), "linux/arm64/v8");
    assert!(!child(media::OCI_MANIFEST, unknown).is_image());
    assert!(!child(media::OCI_MANIFEST, &reference).is_image());
    assert!(!child(media::OCI_INDEX, arm).is_image());
    let artifact = r#","artifactType":"application/vnd.x""#;
    assert!(!child(media::OCI_MANIFEST, artifact).is_image());
    assert!(child(media::OCI_MANIFEST, &format!("{artifact}{arm}")).is_image(), "it can be run");
    let config = format!(r#","artifactType":"{}""#, media::OCI_CONFIG);
    assert!(child(media::OCI_MANIFEST, &config).is_image());
    assert_eq!(child(media::OCI_MANIFEST, &reference).refers_to(), Some(D.parse().unwrap()));
    assert_eq!(
        child(media::OCI_MANIFEST, r#","platform":{"os":"a b","architecture":"c"}"#).platform(),
        None
    );
}

proptest! {
    #[test]
    fn any_bytes_parse_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Manifest::parse(None, &bytes);
    }

    #[test]
    fn one_changed_byte_never_panics(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let d = descriptor();
        let mut bytes = format!(r#"{{"schemaVersion":2,"config":{d},"layers":[{d}],"annotations":{{"a":"b"}}}}"#).into_bytes();
        let i = at.index(bytes.len());
        bytes[i] = to;
        if let Ok(manifest) = Manifest::parse(None, &bytes) {
            let _ = (manifest.config(), manifest.layers(), manifest.children(), manifest.annotations());
        }
    }
}
