use super::*;
use crate::test_key::{BrokenKey, TestKey};

const REFERENCE: &str = "quay.io/fleet/etcd:fix-1-r1-0123456789ab";

fn digest() -> Digest {
    Digest::of("manifest")
}

#[test]
fn the_bytes_are_those_of_cosign() {
    let bytes = Payload::new(REFERENCE, digest()).to_bytes().unwrap();
    let expected = format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{REFERENCE}"}},"image":{{"docker-manifest-digest":"{}"}},"type":"cosign container image signature"}},"optional":null}}"#,
        digest()
    );
    assert_eq!(String::from_utf8(bytes).unwrap(), expected);
}

#[test]
fn what_we_write_we_read_and_optional_is_free() {
    let payload = Payload::new(REFERENCE, digest());
    assert_eq!(Payload::parse(&payload.to_bytes().unwrap()).unwrap(), payload);
    let text = String::from_utf8(payload.to_bytes().unwrap()).unwrap();
    for optional in ["{}", r#"{"creator":"x","timestamp":1}"#, "[]"] {
        let text = text.replace("null", optional);
        assert_eq!(Payload::parse(text.as_bytes()).unwrap().docker_reference, REFERENCE);
    }
}

#[test]
fn malformed_payloads() {
    let good = String::from_utf8(Payload::new(REFERENCE, digest()).to_bytes().unwrap()).unwrap();
    let table = [
        ("empty", String::new()),
        ("a list", format!("[{},null]", &good[12..good.len() - 17])),
        ("trailing data", format!("{good}x")),
        ("no optional", good.replace(r#","optional":null"#, "")),
        ("field beside critical", good.replace("null}", r#"null,"more":1}"#)),
        ("field in critical", good.replace(r#""type":"#, r#""more":1,"type":"#)),
        ("field in identity", good.replace(r#""docker-ref"#, r#""more":1,"docker-ref"#)),
        ("field in image", good.replace(r#""docker-man"#, r#""more":1,"docker-man"#)),
        ("doubled critical", good.replace(r#"{"critical"#, r#"{"critical":{},"critical"#)),
        (
            "doubled digest",
            good.replace(r#""docker-man"#, r#""docker-manifest-digest":1,"docker-man"#),
        ),
        ("doubled in optional", good.replace("null", r#"{"a":1,"a":2}"#)),
        ("sha512", good.replace("sha256:", "sha512:")),
        ("upper case", good.replace(&digest().hex(), &digest().hex().to_uppercase())),
        ("no type", good.replace(r#","type":"cosign container image signature""#, "")),
        ("null type", good.replace(r#""cosign container image signature""#, "null")),
        ("reference is no text", good.replace(&format!("\"{REFERENCE}\""), "7")),
    ];
    for (what, text) in table {
        assert_ne!(text, good, "{what} changes nothing");
        let error = Payload::parse(text.as_bytes()).unwrap_err();
        assert!(matches!(error, Error::Malformed(_)), "{what}: {error}");
    }
    let other = good.replace("cosign container image", "atomic container");
    assert!(matches!(Payload::parse(other.as_bytes()), Err(Error::Type { .. })));
    let large = good.replace("null", &format!("\"{}\"", "x".repeat(MAX_SIZE)));
    assert!(matches!(Payload::parse(large.as_bytes()), Err(Error::TooLarge { .. })));
}

fn one(candidate: &Candidate, keys: &[PublicKey]) -> Result<Good, Rejection> {
    judge(std::slice::from_ref(candidate), keys, digest(), REFERENCE).remove(0)
}

#[test]
fn each_candidate_counts_or_says_why_not() {
    let (key, other) = (TestKey::new(), TestKey::new());
    let keys = [other.public(), key.public()];
    let good = sign(&Payload::new(REFERENCE, digest()), &key).unwrap();
    assert_eq!(one(&good, &keys).unwrap().key, key.public());
    assert_eq!(*one(&good, &keys).unwrap().payload, Payload::new(REFERENCE, digest()));

    let signed = |payload: Payload| sign(&payload, &key).unwrap();
    let raw = |payload: &[u8]| Candidate {
        payload: payload.to_vec(),
        signature: Some(STANDARD.encode(key.sign(payload).unwrap())),
    };
    let with = |signature: Option<&str>| Candidate {
        signature: signature.map(str::to_owned),
        ..good.clone()
    };
    let in_url_alphabet = format!("{}_-", good.signature.as_deref().unwrap());
    let broken = format!("{}\n", good.signature.as_deref().unwrap());
    let stranger = sign(&Payload::new(REFERENCE, digest()), &TestKey::new()).unwrap();
    let table: Vec<(&str, Candidate, String)> = vec![
        ("no annotation", with(None), "no annotation `dev.cosignproject.cosign/signature`".into()),
        ("not base64", with(Some(&in_url_alphabet)), "its signature is not standard base64".into()),
        ("line end", with(Some(&broken)), "its signature is not standard base64".into()),
        ("empty", with(Some("")), "signed by none of the 2 keys".into()),
        ("another key", stranger, "signed by none of the 2 keys".into()),
        ("no payload", raw(b"{}"), "signed, but not a simple-signing payload".into()),
        (
            "another image",
            signed(Payload::new(REFERENCE, Digest::of("other"))),
            format!("signed for {}, expected {}", Digest::of("other"), digest()),
        ),
        (
            "another repository",
            signed(Payload::new("quay.io/evil/etcd:1", digest())),
            format!("signed as `quay.io/evil/etcd:1`, expected `{REFERENCE}`"),
        ),
        (
            "a bare repository, as cosign signs by default",
            signed(Payload::new("quay.io/fleet/etcd", digest())),
            format!("signed as `quay.io/fleet/etcd`, expected `{REFERENCE}`"),
        ),
    ];
    for (what, candidate, reason) in table {
        assert_eq!(one(&candidate, &keys).unwrap_err().to_string(), reason, "{what}");
    }
    assert!(matches!(one(&good, &[]), Err(Rejection::NoKey { keys: 0 })));
}

#[test]
fn the_layer_and_back() {
    let good = sign(&Payload::new(REFERENCE, digest()), &TestKey::new()).unwrap();
    assert_eq!(Candidate::from_layer(good.payload.clone(), &good.annotations()), good);
    let none = Candidate { payload: vec![], signature: None };
    assert_eq!(Candidate::from_layer(vec![], &none.annotations()), none);
}

#[test]
fn a_changed_byte_is_never_accepted() {
    let key = TestKey::new();
    let keys = [key.public()];
    let good = sign(&Payload::new(REFERENCE, digest()), &key).unwrap();
    for at in 0..good.payload.len() {
        for bit in [1, 0x20] {
            let mut bad = good.clone();
            bad.payload[at] ^= bit;
            assert!(one(&bad, &keys).is_err(), "byte {at} of the payload");
        }
    }
    let signature = good.signature.clone().unwrap().into_bytes();
    for at in 0..signature.len() {
        for bit in [1, 0x20] {
            let mut bad = signature.clone();
            bad[at] ^= bit;
            let Ok(text) = String::from_utf8(bad) else { continue };
            let bad = Candidate { signature: Some(text), ..good.clone() };
            assert!(one(&bad, &keys).is_err(), "byte {at} of the signature");
        }
    }
}

#[test]
fn a_key_that_does_not_sign_is_named() {
    let key = BrokenKey(TestKey::new().public());
    let error = sign(&Payload::new(REFERENCE, digest()), &key).unwrap_err();
    assert_eq!(error.to_string(), format!("key {} did not sign", key.0));
    assert_eq!(error.class(), Class::Environment);
}
