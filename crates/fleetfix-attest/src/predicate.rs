//! A predicate that somebody else wrote.

use std::path::Path;

use fleetfix_model::{canonical, media};
use fleetfix_task::{Failure, file};
use serde_json::Value;

use crate::Error;

/// Reads a predicate: a JSON object without duplicate keys. It is signed in canonical form, which
/// has no fractions; one that has them is refused rather than changed.
pub fn read(path: &Path) -> Result<Value, Failure> {
    let bytes = file::read_bounded(path, canonical::MAX_SIZE as u64)?;
    let value = canonical::from_bounded_json(&bytes)
        .map_err(|source| Error::Predicate { path: path.to_owned(), source })?;
    if !value.is_object() {
        return Err(Error::NotAnObject { path: path.to_owned() }.into());
    }
    Ok(value)
}

/// `uri` must be one: in-toto's `TypeURI` and SLSA's builder id are compared as text, and a name that
/// is no URI could be anybody's (in-toto/attestation `spec/v1/field_types.md`, "`TypeURI`").
pub fn check_uri(flag: &str, uri: &str) -> Result<(), Failure> {
    let plain = uri.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
    let scheme = uri.split_once(':').is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            && !rest.is_empty()
    });
    if plain && scheme && uri.len() <= 500 {
        return Ok(());
    }
    let shown: String = uri.chars().take(100).collect();
    Err(Failure::usage(format_args!(
        "{flag} `{shown}` is not a URI, such as https://example.com/x/v1"
    )))
}

/// `uri` must be one, and not of a predicate of ours: what we say of an image follows from a plan that
/// was held against it, and an approval from what its approver was shown. Compared without regard to
/// case, so that nothing looks like ours either.
pub fn check_type(uri: &str) -> Result<(), Failure> {
    check_uri("--predicate-type", uri)?;
    let start = uri.get(..media::OUR_PREDICATES.len()).unwrap_or(uri);
    if !start.eq_ignore_ascii_case(media::OUR_PREDICATES) {
        return Ok(());
    }
    let failure =
        Failure::usage(format_args!("--predicate-type {uri}: never signed as it is given"));
    Err(failure
        .hint("attest a plan's images with --plan, approve a bundle with `fleetfix approve`"))
}

#[cfg(test)]
mod tests {
    use fleetfix_model::{Class, Classify};

    use super::*;

    #[test]
    fn predicates_are_objects() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("predicate.json");
        for (text, expected) in [
            ("{\"b\":1, \"a\":[true]}", None),
            ("[]", Some("expected a JSON object")),
            ("{\"score\":7.5}", Some("floating point")),
            ("{\"a\":1,\"a\":2}", Some("duplicate key")),
            ("{", Some("EOF")),
            ("", Some("EOF")),
        ] {
            std::fs::write(&path, text).unwrap();
            match (read(&path), expected) {
                (Ok(_), None) => {}
                (Err(failure), Some(expected)) => {
                    assert_eq!(failure.class(), Class::Input, "{text}");
                    assert!(failure.line().contains(expected), "{text}: {}", failure.line());
                }
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
        assert_eq!(read(&dir.path().join("missing")).unwrap_err().class(), Class::Input);
    }

    #[test]
    fn uris() {
        for good in ["https://cyclonedx.org/bom", "urn:example:x", "https://example.com/x/v1"] {
            assert!(check_uri("--x", good).is_ok(), "{good}");
        }
        for bad in ["", "cyclonedx", "https:", "1a:b", "https://a b", "https://a\n", ":x"] {
            let failure = check_uri("--x", bad).unwrap_err();
            assert_eq!(failure.class(), Class::Usage, "{bad:?}");
        }
    }

    #[test]
    fn our_own_predicates_are_not_for_everybody() {
        for ours in [
            media::FIX_PREDICATE,
            media::APPROVAL_PREDICATE,
            "https://fleetfix.openshift.io/anything",
            "HTTPS://FleetFix.openshift.io/fix/v1",
        ] {
            let failure = check_type(ours).unwrap_err();
            assert_eq!(failure.class(), Class::Usage);
            assert!(failure.line().contains("--plan"), "{failure}");
        }
        for other in [media::SBOM_PREDICATE, "https://example.com/fleetfix.openshift.io/"] {
            assert!(check_type(other).is_ok(), "{other}");
        }
    }
}
