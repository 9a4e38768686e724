use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleetfix_model::{Class, Classify as _};

use super::*;

const PASSWORD: &[u8] = "pässword".as_bytes();

fn same(key: &SigningKey, text: &str, password: Option<&[u8]>) {
    let read = SigningKey::from_pem(text.as_bytes(), password).unwrap();
    assert_eq!(read.public_key(), key.public_key());
    assert!(key.public_key().verify(b"message", &read.sign(b"message").unwrap()));
}

#[test]
fn what_we_write_we_read() {
    let key = SigningKey::generate().unwrap();
    let encrypted = key.to_cosign_pem(PASSWORD).unwrap();
    assert!(encrypted.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
    assert!(encrypted.ends_with("-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
    assert!(!encrypted.contains('\r'));
    same(&key, &encrypted, Some(PASSWORD));
    same(&key, &encrypted.replace("SIGSTORE", "COSIGN"), Some(PASSWORD));
    same(&key, &encrypted.replace('\n', "\r\n"), Some(PASSWORD));
    let plain = key.to_pkcs8_pem();
    assert!(plain.starts_with("-----BEGIN PRIVATE KEY-----\n") && !plain.contains('\r'));
    same(&key, &plain, None);
    // A password for a key that needs none: the environment may have one for another key.
    same(&key, &plain, Some(PASSWORD));
    let empty = key.to_cosign_pem(b"").unwrap();
    same(&key, &empty, Some(b""));
    assert_ne!(empty, key.to_cosign_pem(b"").unwrap(), "salt and nonce are new each time");
}

#[test]
fn sec1_is_read() {
    use aws_lc_rs::encoding::EcPrivateKeyRfc5915Der;
    let key = SigningKey::generate().unwrap();
    let der: EcPrivateKeyRfc5915Der<'_> = key.pair.private_key().as_der().unwrap();
    same(&key, &pem::encode(SEC1_LABEL, der.as_ref()), None);
}

#[test]
fn a_signature_holds_for_its_message_alone() {
    let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let signature = key.sign(b"message").unwrap();
    assert!(key.public_key().verify(b"message", &signature));
    assert!(!key.public_key().verify(b"massage", &signature));
    assert!(!other.public_key().verify(b"message", &signature));
}

/// An error with its causes.
fn refused(text: &str, password: Option<&[u8]>) -> String {
    let error = SigningKey::from_pem(text.as_bytes(), password).unwrap_err();
    assert_eq!(error.class(), Class::Input, "{error}");
    let mut line = error.to_string();
    let mut next = std::error::Error::source(&error);
    while let Some(cause) = next {
        line = format!("{line}: {cause}");
        next = cause.source();
    }
    line
}

#[test]
fn each_file_that_is_no_key_says_why() {
    let key = SigningKey::generate().unwrap();
    let (plain, public) = (key.to_pkcs8_pem(), key.public_key().to_pem());
    let rsa = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let rsa =
        aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&rsa).unwrap();
    let ed25519 = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
    let curve = |with| EcdsaKeyPair::generate(with).unwrap().to_pkcs8v1().unwrap();
    let p384 = curve(&aws_lc_rs::signature::ECDSA_P384_SHA384_ASN1_SIGNING);
    let p521 = curve(&aws_lc_rs::signature::ECDSA_P521_SHA512_ASN1_SIGNING);
    let table: Vec<(&str, String, &str)> = vec![
        ("empty", String::new(), "not a private key: empty, expected one PEM block"),
        (
            "no PEM",
            "{}".into(),
            "not a private key: does not start with `-----BEGIN`, expected one PEM block and nothing before it",
        ),
        (
            "two blocks",
            format!("{}{}", &*plain, &*plain),
            "not a private key: something follows PEM block `PRIVATE KEY`, expected exactly one block",
        ),
        (
            "parameters first",
            format!("{}{}", &*pem::encode("EC PARAMETERS", b"x"), &*plain),
            "not a private key: something follows PEM block `EC PARAMETERS`, expected exactly one block",
        ),
        ("public key", public, "a public key, expected the private one that belongs to it"),
        (
            "certificate",
            plain.replace("PRIVATE KEY", "CERTIFICATE"),
            "PEM block `CERTIFICATE`, expected a private key: `ENCRYPTED SIGSTORE PRIVATE KEY`, `ENCRYPTED COSIGN PRIVATE KEY`, `PRIVATE KEY` or `EC PRIVATE KEY`",
        ),
        (
            "junk in the block",
            pem::encode(PKCS8_LABEL, b"junk").to_string(),
            "PEM block `PRIVATE KEY` holds no private key",
        ),
        (
            "RSA",
            pem::encode(PKCS8_LABEL, rsa.as_ref()).to_string(),
            "private key of kind RSA, expected ECDSA P-256",
        ),
        (
            "RSA, traditional",
            pem::encode("RSA PRIVATE KEY", b"x").to_string(),
            "private key of kind RSA, expected ECDSA P-256",
        ),
        (
            "Ed25519",
            pem::encode(PKCS8_LABEL, ed25519.as_ref()).to_string(),
            "private key of kind Ed25519, expected ECDSA P-256",
        ),
        (
            "P-384",
            pem::encode(PKCS8_LABEL, p384.as_ref()).to_string(),
            "private key of kind ECDSA P-384, expected ECDSA P-256",
        ),
        (
            "P-521",
            pem::encode(PKCS8_LABEL, p521.as_ref()).to_string(),
            "private key of kind ECDSA P-521, expected ECDSA P-256",
        ),
    ];
    for (what, text, expected) in table {
        assert_eq!(refused(&text, None), expected, "{what}");
        assert_eq!(refused(&text, Some(PASSWORD)), expected, "{what}");
    }
}

#[test]
fn passwords() {
    let key = SigningKey::generate().unwrap();
    let encrypted = key.to_cosign_pem(PASSWORD).unwrap();
    let missing = "the key is encrypted and there is no password [give --key-password-file, or set COSIGN_PASSWORD]";
    assert_eq!(refused(&encrypted, None), missing);
    for wrong in ["", "password", "pässword\n"] {
        assert_eq!(
            refused(&encrypted, Some(wrong.as_bytes())),
            "wrong password: it does not open the key"
        );
    }
    // Encrypted as cosign does, and no ECDSA P-256 key inside.
    let ed25519 = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
    let other = pem::encode(SIGSTORE_LABEL, &cosign::encrypt(ed25519.as_ref(), PASSWORD).unwrap());
    assert_eq!(
        refused(&other, Some(PASSWORD)),
        "private key of kind Ed25519, expected ECDSA P-256"
    );
}

#[test]
fn a_damaged_encrypted_key_is_named_and_nothing_panics() {
    let key = SigningKey::generate().unwrap();
    let encrypted = key.to_cosign_pem(PASSWORD).unwrap();
    let json =
        String::from_utf8(pem::parse(encrypted.as_bytes()).unwrap().contents.to_vec()).unwrap();
    let field = |name: &str| {
        let after = json.split_once(&format!("\"{name}\":\"")).unwrap().1;
        after.split_once('"').unwrap().0.to_owned()
    };
    let table = [
        ("no JSON", "junk".to_owned(), "the block holds no JSON"),
        ("doubled key", json.replacen('{', "{\"kdf\":1,", 1), "the block holds no JSON"),
        (
            "another derivation",
            json.replace("\"scrypt\"", "\"argon2\""),
            "its key derivation is not scrypt",
        ),
        (
            "another cipher",
            json.replace("nacl/secretbox", "aes"),
            "its cipher is not nacl/secretbox",
        ),
        (
            "short nonce",
            json.replace(&field("nonce"), &STANDARD.encode([0; 23])),
            "its nonce is not 24 bytes",
        ),
        (
            "long nonce",
            json.replace(&field("nonce"), &STANDARD.encode([0; 25])),
            "its nonce is not 24 bytes",
        ),
        ("nonce is no base64", json.replace(&field("nonce"), "!"), "its nonce is not 24 bytes"),
        ("no ciphertext", json.replace(&field("ciphertext"), ""), "it has no ciphertext"),
        (
            "ciphertext of a tag",
            json.replace(&field("ciphertext"), &STANDARD.encode([0; 16])),
            "it has no ciphertext",
        ),
    ];
    for (what, json, expected) in table {
        let text = pem::encode(SIGSTORE_LABEL, json.as_bytes());
        let expected = format!("not a key that cosign encrypted: {expected}");
        assert_eq!(refused(&text, Some(PASSWORD)), expected, "{what}");
    }
    // Parameters that would take a day or all memory are refused at once.
    for (from, to) in
        [("32768", "2147483648"), ("\"r\":8", "\"r\":800"), ("\"p\":1", "\"p\":100000")]
    {
        let text = pem::encode(SIGSTORE_LABEL, json.replace(from, to).as_bytes());
        let reason = refused(&text, Some(PASSWORD));
        assert!(reason.starts_with("not a key that cosign encrypted: "), "{reason}");
    }
    let mut changed = STANDARD.decode(field("ciphertext")).unwrap();
    changed[20] ^= 1;
    let text = json.replace(&field("ciphertext"), &STANDARD.encode(changed));
    let text = pem::encode(SIGSTORE_LABEL, text.as_bytes());
    assert_eq!(refused(&text, Some(PASSWORD)), "wrong password: it does not open the key");
}

#[test]
fn debug_prints_the_public_half_only() {
    let key = SigningKey::generate().unwrap();
    let printed = format!("{key:?}");
    assert!(printed.contains(&key.public_key().key_id()));
    let secret = key.pkcs8.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    assert!(!printed.contains(&secret) && !printed.contains("pkcs8"), "{printed}");
}

#[test]
fn files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.key");
    let missing = SigningKey::from_pem_file(&path, None).unwrap_err();
    assert_eq!(missing.to_string(), format!("cannot read {}", path.display()));
    assert_eq!(missing.class(), Class::Input);
    let key = SigningKey::generate().unwrap();
    std::fs::write(&path, key.to_pkcs8_pem().as_bytes()).unwrap();
    let read = SigningKey::from_pem_file(&path, None).unwrap();
    assert_eq!(read.public_key(), key.public_key());
    std::fs::write(&path, key.public_key().to_pem()).unwrap();
    let public = SigningKey::from_pem_file(&path, None).unwrap_err();
    assert_eq!(public.to_string(), format!("key file {}", path.display()));
    std::fs::write(&path, vec![b' '; pem::MAX_SIZE + 1]).unwrap();
    assert!(matches!(SigningKey::from_pem_file(&path, None), Err(Error::TooLarge { .. })));
    assert!(matches!(SigningKey::from_pem_file(dir.path(), None), Err(Error::Read { .. })));
}
