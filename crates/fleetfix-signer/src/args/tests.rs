use std::ffi::OsString;
use std::path::Path;

use fleetfix_model::{Class, Classify as _};
use fleetfix_trust::Sign as _;

use super::*;

fn key_file(dir: &Path) -> (SigningKey, KeyArgs) {
    let key = SigningKey::generate().unwrap();
    let path = dir.join("a.key");
    std::fs::write(&path, key.to_cosign_pem(b"secret").unwrap()).unwrap();
    (key, KeyArgs { key: Some(path), key_password_file: None })
}

#[test]
fn the_password_comes_from_the_file_or_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    let (key, mut args) = key_file(dir.path());
    let read = args.signing_key_with(Some("secret".into())).unwrap();
    assert_eq!(read.public_key(), key.public_key());
    let failed = |args: &KeyArgs, env: Option<&str>| {
        let Error::InFile { source, .. } =
            args.signing_key_with(env.map(OsString::from)).unwrap_err()
        else {
            panic!("not in the file")
        };
        *source
    };
    assert!(matches!(failed(&args, None), Error::NoPassword));
    // Set and empty is the empty password, as for cosign.
    assert!(matches!(failed(&args, Some("")), Error::WrongPassword));
    let password = dir.path().join("password");
    args.key_password_file = Some(password.clone());
    for text in ["secret", "secret\n", "secret\r\n"] {
        std::fs::write(&password, text).unwrap();
        let read = args.signing_key_with(Some("of another key".into())).unwrap();
        assert_eq!(read.public_key(), key.public_key(), "{text:?}");
    }
    for text in ["secret\n\n", " secret", ""] {
        std::fs::write(&password, text).unwrap();
        assert!(matches!(failed(&args, Some("secret")), Error::WrongPassword), "{text:?}");
    }
    std::fs::remove_file(&password).unwrap();
    assert!(matches!(args.signing_key_with(None), Err(Error::Read { .. })));
}

#[test]
fn no_key_is_a_matter_of_usage() {
    let error = KeyArgs::default().signing_key_with(None).unwrap_err();
    assert_eq!(error.to_string(), "no key [give --key FILE]");
    assert_eq!(error.class(), Class::Usage);
}
