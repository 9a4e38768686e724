use proptest::prelude::*;

use super::*;
use crate::test_key::{BrokenKey, TestKey};

fn signed(payload: &[u8], keys: &[&TestKey]) -> Envelope {
    let mut envelope = Envelope::new(payload.to_vec());
    for key in keys {
        envelope.sign_with(*key).unwrap();
    }
    envelope
}

#[test]
fn pae_is_that_of_the_specification() {
    // DSSE `protocol.md`, "Test Vectors".
    assert_eq!(
        pae_of("http://example.com/HelloWorld", b"hello world"),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
    assert_eq!(pae(b""), b"DSSEv1 28 application/vnd.in-toto+json 0 ");
}

#[test]
fn what_we_write_we_read() {
    let (a, b) = (TestKey::new(), TestKey::new());
    let envelope = signed(b"{}", &[&a, &b]);
    let bytes = envelope.to_bytes().unwrap();
    let read = Envelope::parse(&bytes).unwrap();
    assert_eq!(read, envelope);
    assert_eq!(read.to_bytes().unwrap(), bytes);
    let keys = [a.public(), TestKey::new().public(), b.public()];
    assert_eq!(read.verify(&keys), [&keys[0], &keys[2]]);
    assert_eq!(read.payload_digest(), Digest::of("{}"));
}

#[test]
fn one_key_counts_once() {
    let key = TestKey::new();
    let mut envelope = signed(b"{}", &[&key]);
    // Two different signatures by one key.
    let other = signed(b"{}", &[&key]);
    assert_ne!(envelope.signatures, other.signatures);
    envelope.signatures.extend(other.signatures);
    assert_eq!(envelope.signatures.len(), 2);
    let keys = [key.public(), key.public()];
    assert_eq!(envelope.verify(&keys).len(), 1);
}

#[test]
fn a_key_id_decides_nothing() {
    let (key, other) = (TestKey::new(), TestKey::new());
    let mut envelope = signed(b"{}", &[&key]);
    envelope.signatures[0].keyid = Some(other.public().key_id());
    let read = Envelope::parse(&envelope.to_bytes().unwrap()).unwrap();
    assert_eq!(read.verify(&[other.public(), key.public()]), [&key.public()]);
    assert!(read.verify(&[other.public()]).is_empty());
}

#[test]
fn signing_again_changes_nothing() {
    let key = TestKey::new();
    let mut envelope = signed(b"{}", &[&key]);
    let before = envelope.clone();
    envelope.sign_with(&key).unwrap();
    assert_eq!(envelope, before);
    assert!(envelope.sign_with(&BrokenKey(TestKey::new().public())).is_err());
    assert_eq!(envelope, before);
}

#[test]
fn refusals() {
    let good = signed(b"{\"a\":1}", &[&TestKey::new()]);
    let text = String::from_utf8(good.to_bytes().unwrap()).unwrap();
    let sig = STANDARD.encode(&good.signatures[0].sig);
    let many = format!("[{}]", vec![r#"{"sig":"AA=="}"#; MAX_SIGNATURES + 1].join(","));
    let list = format!(r#"[{{"keyid":"","sig":"{sig}"}}]"#);
    let long = STANDARD.encode(vec![0; MAX_SIGNATURE + 1]);
    let table: Vec<(&str, String, &str)> = vec![
        ("empty", String::new(), "not a DSSE envelope"),
        ("a list", format!("[\"\",\"{}\",{list}]", media::IN_TOTO), "not a DSSE envelope"),
        ("null hint", text.replace("\"keyid\":\"\"", "\"keyid\":null"), "not a DSSE envelope"),
        ("trailing data", format!("{text} x"), "not a DSSE envelope"),
        (
            "unknown field",
            text.replace("{\"payload\"", "{\"x\":1,\"payload\""),
            "not a DSSE envelope",
        ),
        (
            "doubled payload",
            text.replace("{\"payload\"", "{\"payload\":\"\",\"payload\""),
            "not a DSSE envelope",
        ),
        (
            "no signatures",
            text.replace(&format!(",\"signatures\":{list}"), ""),
            "not a DSSE envelope",
        ),
        ("signatures null", text.replace(&list, "null"), "not a DSSE envelope"),
        ("empty signatures", text.replace(&list, "[]"), "DSSE envelope without signatures"),
        (
            "many",
            text.replace(&list, &many),
            "DSSE envelope with 65 signatures, at most 64 are read",
        ),
        (
            "another type",
            text.replace("in-toto+json", "in-toto+xml"),
            "payload type `application/vnd.in-toto+xml`, expected `application/vnd.in-toto+json`",
        ),
        (
            "type with parameter",
            text.replace("+json", "+json;v=1"),
            "payload type `application/vnd.in-toto+json;v=1`, expected `application/vnd.in-toto+json`",
        ),
        (
            "url alphabet",
            text.replace(&sig, "_-__"),
            "field `signatures[0].sig` is not standard base64",
        ),
        (
            "no padding",
            text.replace("eyJhIjoxfQ==", "eyJhIjoxfQ"),
            "field `payload` is not standard base64",
        ),
        (
            "loose bits",
            text.replace("eyJhIjoxfQ==", "eyJhIjoxfR=="),
            "field `payload` is not standard base64",
        ),
        (
            "white space",
            text.replace("eyJhIjox", "eyJh\\nIjox"),
            "field `payload` is not standard base64",
        ),
        (
            "long signature",
            text.replace(&sig, &long),
            "field `signatures[0].sig` of 2049 bytes, at most 2048 are read",
        ),
    ];
    for (what, changed, expected) in table {
        assert_ne!(changed, text, "{what} changes nothing");
        assert_eq!(
            Envelope::parse(changed.as_bytes()).unwrap_err().to_string(),
            expected,
            "{what}"
        );
    }
}

#[test]
fn a_changed_byte_is_never_accepted_as_something_else() {
    let key = TestKey::new();
    let keys = [key.public()];
    let good = signed(br#"{"a":"some text","b":[1,2,3]}"#, &[&key]);
    let bytes = good.to_bytes().unwrap();
    for at in 0..bytes.len() {
        for bit in [1, 2, 0x20, 0x80] {
            let mut bad = bytes.clone();
            bad[at] ^= bit;
            if let Ok(read) = Envelope::parse(&bad)
                && !read.verify(&keys).is_empty()
            {
                assert_eq!(read, good, "byte {at}");
            }
        }
    }
}

#[test]
fn the_annotations_of_a_layer() {
    let annotations = annotations(media::FIX_PREDICATE);
    assert_eq!(annotations["predicateType"], media::FIX_PREDICATE);
    assert_eq!(annotations["dev.cosignproject.cosign/signature"], "");
}

proptest! {
    #[test]
    fn other_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Envelope::parse(&bytes);
    }

    #[test]
    fn any_payload_goes_through(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut envelope = Envelope::new(payload.clone());
        envelope.signatures.push(Signature { keyid: Some("hint".into()), sig: vec![1, 2, 3] });
        let read = Envelope::parse(&envelope.to_bytes().unwrap()).unwrap();
        prop_assert_eq!(read.payload(), payload);
    }
}
