use fleetfix_model::document::Fix;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const MALFORMED: &str = "not an in-toto statement";

fn digest() -> Digest {
    Digest::of("subject")
}

fn ours(predicate: Value) -> Vec<u8> {
    Statement::new(digest(), media::FIX_PREDICATE, predicate).to_bytes().unwrap()
}

#[test]
fn the_bytes() {
    let mut statement = Statement::new(digest(), media::FIX_PREDICATE, json!({"b": 1, "a": 2}));
    statement.name = Some("image".to_owned());
    let expected = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","predicate":{{"a":2,"b":1}},"predicateType":"https://fleetfix.openshift.io/fix/v1","subject":[{{"digest":{{"sha256":"{}"}},"name":"image"}}]}}"#,
        digest().hex()
    );
    let bytes = statement.to_bytes().unwrap();
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
    assert_eq!(Statement::parse(&bytes, media::FIX_PREDICATE, digest()).unwrap(), statement);
    assert_eq!(predicate_type(&bytes).unwrap(), media::FIX_PREDICATE);
}

#[test]
fn ours_have_one_spelling_and_one_subject() {
    let text = String::from_utf8(ours(json!({"a": 1}))).unwrap();
    let hex = digest().hex();
    let subject = format!(r#"[{{"digest":{{"sha256":"{hex}"}}}}]"#);
    let table: Vec<(&str, String, String)> = vec![
        ("empty", String::new(), MALFORMED.into()),
        ("white space", text.replace(":1", ": 1"), MALFORMED.into()),
        ("order", text.replace(r#"{"_type":"https://in-toto.io/Statement/v1","#, "{")
            .replace("}]}", r#"}],"_type":"https://in-toto.io/Statement/v1"}"#), MALFORMED.into()),
        ("escape", text.replace("fix/v1", "fix\\/v1"), MALFORMED.into()),
        ("trailing data", format!("{text}\n"), MALFORMED.into()),
        ("unknown field", text.replace("\"predicate\"", "\"more\":1,\"predicate\""), MALFORMED.into()),
        ("doubled key", text.replace("{\"a\":1}", "{\"a\":1,\"a\":1}"), MALFORMED.into()),
        ("version 0.1", text.replace("Statement/v1", "Statement/v0.1"),
            "statement of type `https://in-toto.io/Statement/v0.1`, expected `https://in-toto.io/Statement/v1`".into()),
        ("another predicate", text.replace("fix/v1", "fix/v2"),
            "predicate of type `https://fleetfix.openshift.io/fix/v2`, expected `https://fleetfix.openshift.io/fix/v1`".into()),
        ("no subject", text.replace(&subject, "[]"),
            "0 subjects or digests, expected exactly one subject with one `sha256` digest".into()),
        ("two subjects", text.replace(&subject, &format!("[{0},{0}]", &subject[1..subject.len() - 1])),
            "2 subjects or digests, expected exactly one subject with one `sha256` digest".into()),
        ("two digests", text.replace("{\"sha256\"", "{\"sha1\":\"00\",\"sha256\""),
            "2 subjects or digests, expected exactly one subject with one `sha256` digest".into()),
        ("uri", text.replace("}}]", "},\"uri\":\"x\"}]"),
            "2 subjects or digests, expected exactly one subject with one `sha256` digest".into()),
        ("null subject", text.replace(&subject, "null"), MALFORMED.into()),
        ("subject null", text.replace(&subject, "[null]"), MALFORMED.into()),
        ("sha512", text.replace("sha256", "sha512"),
            format!("about nothing with a `sha256` digest, expected sha256:{hex}")),
        ("prefix in the digest", text.replace(&hex, &format!("sha256:{hex}")),
            format!("about nothing with a `sha256` digest, expected sha256:{hex}")),
        ("another subject", text.replace(&hex, &Digest::of("other").hex()),
            format!("about {}, expected sha256:{hex}", Digest::of("other"))),
    ];
    for (what, changed, reason) in table {
        assert_ne!(changed, text, "{what} changes nothing");
        let error =
            Statement::parse(changed.as_bytes(), media::FIX_PREDICATE, digest()).unwrap_err();
        assert_eq!(error.to_string(), reason, "{what}");
    }
}

#[test]
fn those_of_others_may_be_spelled_freely() {
    let parse =
        |text: &str| Statement::parse(text.as_bytes(), media::PROVENANCE_PREDICATE, digest());
    let hex = digest().hex();
    let good = format!(
        r#" {{ "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1",
        "subject": [ {{ "name": "a", "digest": {{ "sha1": "00" }} }},
                     {{ "name": "b", "digest": {{ "sha256": "{hex}", "sha1": "00" }}, "uri": "x" }} ],
        "predicate": {{ "z": 1, "a": 2 }} }} "#
    );
    assert_eq!(parse(&good).unwrap().name.as_deref(), Some("b"));
    let table = [
        ("doubled key", good.replace("\"z\"", "\"a\"")),
        ("doubled digest", good.replace("\"sha256\": ", "\"sha256\": \"00\", \"sha256\": ")),
        ("no predicate", good.replace("\"predicate\":", "\"predicated\":")),
        ("not about it", good.replace(&hex, &Digest::of("x").hex())),
        ("another type", good.replace("provenance/v1", "provenance/v0.2")),
    ];
    for (what, text) in table {
        assert_ne!(text, good, "{what} changes nothing");
        assert!(parse(&text).is_err(), "{what}");
    }
}

#[test]
fn the_predicate_is_a_document_with_its_rules() {
    let fix = json!({
        "apiVersion": "fleetfix.openshift.io/v1alpha1", "kind": "Fix",
        "id": "FIX-1", "revision": 1, "tickets": ["OCPBUGS-1"], "component": "etcd", "minor": "4.20",
        "plan": digest(), "baseRepository": "quay.io/o/r", "base": digest(), "platforms": [],
    });
    let read = |predicate: Value| {
        Statement::parse(&ours(predicate), media::FIX_PREDICATE, digest())
            .and_then(Statement::document::<Fix>)
    };
    assert_eq!(read(fix.clone()).unwrap().predicate.revision, 1);
    for (field, value) in
        [("kind", json!("Approval")), ("more", json!(1)), ("requires", json!(["magic"]))]
    {
        let mut bad = fix.clone();
        bad[field] = value;
        assert!(matches!(read(bad), Err(Error::Predicate(_))), "{field}");
    }
}

proptest! {
    #[test]
    fn a_changed_byte_is_refused_or_says_something_else(at in 0_usize..200, byte in any::<u8>()) {
        let good = ours(json!({"text": "some words", "list": [1, 2]}));
        let mut bad = good.clone();
        let at = at % bad.len();
        bad[at] = byte;
        if let Ok(read) = Statement::parse(&bad, media::FIX_PREDICATE, digest()) {
            prop_assert_eq!(read.to_bytes().unwrap(), bad);
        }
    }

    #[test]
    fn other_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Statement::parse(&bytes, media::FIX_PREDICATE, digest());
        let _ = Statement::parse(&bytes, media::PROVENANCE_PREDICATE, digest());
    }
}
