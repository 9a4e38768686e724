use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair as RsaPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256};

use super::*;
use crate::sign::Sign as _;
use crate::test_key::TestKey;

fn rsa() -> (RsaPair, PublicKey) {
    let pair = RsaPair::generate(KeySize::Rsa2048).unwrap();
    let der = pair.public_key().as_der().unwrap();
    let key = PublicKey::from_der(der.as_ref()).unwrap();
    (pair, key)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = match content.len() {
        n @ 0..0x80 => vec![u8::try_from(n).unwrap()],
        n @ 0x80..0x100 => vec![0x81, u8::try_from(n).unwrap()],
        n => vec![0x82, u8::try_from(n >> 8).unwrap(), u8::try_from(n & 0xff).unwrap()],
    };
    [&[tag][..], &length, content].concat()
}

/// A `SubjectPublicKeyInfo` of any kind.
fn spki(oid: &[u8], parameters: &[u8], key: &[u8]) -> Vec<u8> {
    let identifier = element(0x30, &[element(0x06, oid), parameters.to_vec()].concat());
    let bits = element(0x03, &[&[0], key].concat());
    element(0x30, &[identifier, bits].concat())
}

#[test]
fn each_kind_verifies_its_own() {
    let (pair, rsa) = rsa();
    let mut signature = vec![0; pair.public_modulus_len()];
    let rng = aws_lc_rs::rand::SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &rng, b"message", &mut signature).unwrap();
    let mut pss = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PSS_SHA256, &rng, b"message", &mut pss).unwrap();
    let (p256, p384) = (TestKey::new(), TestKey::of(Algorithm::EcdsaP384));
    let table = [
        (rsa.clone(), signature, Algorithm::Rsa),
        (p256.public(), p256.sign(b"message").unwrap(), Algorithm::EcdsaP256),
        (p384.public(), p384.sign(b"message").unwrap(), Algorithm::EcdsaP384),
    ];
    for (i, (key, signature, algorithm)) in table.iter().enumerate() {
        assert_eq!(key.algorithm(), *algorithm);
        assert!(key.verify(b"message", signature), "{key:?}");
        assert!(!key.verify(b"massage", signature), "{key:?}");
        assert!(!key.verify(b"message", &[]), "{key:?}");
        assert!(!key.verify(b"message", &signature[1..]), "{key:?}");
        for (j, (other, ..)) in table.iter().enumerate() {
            assert_eq!(other.verify(b"message", signature), i == j);
            assert_eq!(other == key, i == j);
        }
    }
    assert!(!rsa.verify(b"message", &pss), "PSS is not what cosign and containers/image verify");
}

#[test]
fn pem_has_one_spelling_and_the_id_is_of_the_der() {
    let key = TestKey::new().public();
    let pem = key.to_pem();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert!(pem.ends_with("\n-----END PUBLIC KEY-----\n") && !pem.contains('\r'));
    for text in [pem.clone(), pem.replace('\n', "\r\n"), pem.trim().to_owned()] {
        let read = PublicKey::from_pem(&text).unwrap();
        assert_eq!((read.to_pem(), read.key_id()), (pem.clone(), key.key_id()));
    }
    assert_eq!(key.key_id(), Digest::of(key.der()).hex());
    assert!(key.key_id().starts_with(&key.to_string()));
}

#[test]
fn refusals() {
    const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
    const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    const UNKNOWN: &[u8] = &[0x2a, 0x03];
    let kind = |found: &str| Error::Kind { found: found.to_owned() };
    let invalid = Error::Invalid { algorithm: Algorithm::EcdsaP256 };
    let good = TestKey::new().public().der().to_vec();
    let point = good[good.len() - 65..].to_vec();
    let null = [0x05, 0];
    let rsa_key = |modulus: &[u8], exponent: &[u8]| {
        element(0x30, &[element(0x02, modulus), element(0x02, exponent)].concat())
    };
    let mut odd = vec![0xff; 128];
    odd.insert(0, 0);
    let mut off_curve = point.clone();
    *off_curve.last_mut().unwrap() ^= 1;
    let compressed = [&[2][..], &point[1..33]].concat();
    let with = |at: usize, byte: u8| {
        let mut der = good.clone();
        der[at] = byte;
        der
    };
    let table: Vec<(&str, Vec<u8>, Error)> = vec![
        ("nothing", vec![], Error::NotSpki),
        ("the point alone", point.clone(), Error::NotSpki),
        ("a byte more", [&good[..], &[0]].concat(), Error::NotSpki),
        ("a byte less", good[..good.len() - 1].to_vec(), Error::NotSpki),
        ("unused bits", with(25, 1), Error::NotSpki),
        ("long length", [&[0x30, 0x81], &good[1..]].concat(), Error::NotSpki),
        ("Ed25519", spki(ED25519, &[], &[7; 32]), kind("Ed25519")),
        ("P-521", spki(EC, &element(6, P521), &[4; 133]), kind("ECDSA on P-521")),
        ("unknown", spki(UNKNOWN, &[], &[7; 32]), kind("algorithm 1.2.3")),
        ("no curve", spki(EC, &null, &point), Error::NotSpki),
        (
            "compressed",
            spki(EC, &element(6, P256), &compressed),
            kind("ECDSA P-256 with a compressed point"),
        ),
        ("off the curve", spki(EC, &element(6, P256), &off_curve), invalid.clone()),
        ("short point", spki(EC, &element(6, P256), &point[..64]), invalid.clone()),
        ("infinity", spki(EC, &element(6, P256), &[0]), invalid),
        ("small RSA", spki(RSA, &null, &rsa_key(&odd, &[3])), Error::RsaSize { bits: 1024 }),
        ("RSA without NULL", spki(RSA, &[], &rsa_key(&odd, &[3])), Error::NotSpki),
        ("RSA, long integer", spki(RSA, &null, &rsa_key(&[0, 1], &[3])), Error::NotSpki),
        ("RSA, negative", spki(RSA, &null, &rsa_key(&odd[1..], &[3])), Error::NotSpki),
    ];
    for (what, der, expected) in table {
        assert_eq!(PublicKey::from_der(&der).unwrap_err(), expected, "{what}");
    }
    let private = pem::encode("PRIVATE KEY", &good);
    let label = Error::Label { found: "PRIVATE KEY".to_owned() };
    assert_eq!(PublicKey::from_pem(&private).unwrap_err(), label);
    assert_eq!(PublicKey::from_pem("").unwrap_err(), Error::Pem(pem::Error::Empty));
}

#[test]
fn a_changed_byte_is_another_key_or_none() {
    for key in [TestKey::new().public(), rsa().1] {
        for at in 0..key.der().len() {
            for bit in [1, 0x80] {
                let mut der = key.der().to_vec();
                der[at] ^= bit;
                if let Ok(other) = PublicKey::from_der(&der) {
                    assert_ne!(other, key, "byte {at}");
                    assert_ne!(other.key_id(), key.key_id(), "byte {at}");
                }
            }
        }
    }
}
