//! Public keys: ECDSA P-256 and P-384, and RSA for release keys of others.
//!
//! ECDSA P-256 with SHA-256 is the one kind that cosign, `containers/image` and TUF clients agree
//! on, so it is what fleetfix signs with. RSA with PKCS #1 v1.5 and SHA-256 is verified as well:
//! Red Hat's release key 3 is one. Ed25519 is left out: cosign signs with its prehashed form,
//! `containers/image` verifies the plain one.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use fleetfix_model::{Class, Classify, Digest};

use crate::{der, pem};

/// PEM label of a `SubjectPublicKeyInfo` (RFC 7468, section 13).
pub const PEM_LABEL: &str = "PUBLIC KEY";

/// Sizes of RSA moduli that are accepted, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// `rsaEncryption` (RFC 8017, appendix A.1).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// `id-ecPublicKey` (RFC 5480, section 2.1.1).
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// `secp256r1` (RFC 5480, section 2.1.1.1).
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// `secp384r1` (RFC 5480, section 2.1.1.1).
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

/// What a key verifies with.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256, signatures as ASN.1 DER.
    EcdsaP256,
    /// ECDSA on P-384 with SHA-384, signatures as ASN.1 DER.
    EcdsaP384,
    /// RSA, PKCS #1 v1.5 with SHA-256, 2048 to 8192 bits.
    Rsa,
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ECDSA P-256",
            Self::EcdsaP384 => "ECDSA P-384",
            Self::Rsa => "RSA",
        })
    }
}

/// Why bytes are not a public key of ours.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not one PEM block.
    #[error("public key")]
    Pem(#[source] pem::Error),
    /// A PEM block of something else.
    #[error("PEM block `{found}`, expected `{PEM_LABEL}`")]
    Label {
        /// Label found.
        found: String,
    },
    /// Not the strict DER of a `SubjectPublicKeyInfo`.
    #[error("not a public key: expected the DER of a SubjectPublicKeyInfo (RFC 5280)")]
    NotSpki,
    /// A public key of a kind that is not used here.
    #[error("public key of kind {found}, expected ECDSA P-256, ECDSA P-384 or RSA")]
    Kind {
        /// Kind found.
        found: String,
    },
    /// An RSA key that is too small or too large.
    #[error("RSA key of {bits} bits, expected {} to {}", RSA_BITS.start(), RSA_BITS.end())]
    RsaSize {
        /// Bits of the modulus.
        bits: usize,
    },
    /// The numbers in it are no key: a point that is not on the curve, an even exponent.
    #[error("{algorithm} key whose numbers are not a key")]
    Invalid {
        /// What it claims to be.
        algorithm: Algorithm,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Pem(e) => e.class(),
            Self::Label { .. }
            | Self::NotSpki
            | Self::Kind { .. }
            | Self::RsaSize { .. }
            | Self::Invalid { .. } => Class::Input,
        }
    }
}

/// A public key. Two values are equal if they are the same key.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    der: Vec<u8>,
    parsed: ParsedPublicKey,
}

impl PublicKey {
    /// From one PEM block `PUBLIC KEY`.
    pub fn from_pem(text: &str) -> Result<Self, Error> {
        Self::from_pem_bytes(text.as_bytes())
    }

    /// From the bytes of a file with one PEM block `PUBLIC KEY`.
    pub fn from_pem_bytes(text: &[u8]) -> Result<Self, Error> {
        let pem = pem::parse(text).map_err(Error::Pem)?;
        if pem.label != PEM_LABEL {
            return Err(Error::Label { found: pem.label });
        }
        Self::from_der(&pem.contents)
    }

    /// From the DER of a `SubjectPublicKeyInfo` (RFC 5280, section 4.1).
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let algorithm = algorithm(der)?;
        let with: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::EcdsaP256 => &ECDSA_P256_SHA256_ASN1,
            Algorithm::EcdsaP384 => &ECDSA_P384_SHA384_ASN1,
            Algorithm::Rsa => &RSA_PKCS1_2048_8192_SHA256,
        };
        let parsed = ParsedPublicKey::new(with, der).map_err(|_| Error::Invalid { algorithm })?;
        Ok(Self { algorithm, der: der.to_vec(), parsed })
    }

    /// The key as PEM: LF line ends, the last one included.
    pub fn to_pem(&self) -> String {
        String::clone(&pem::encode(PEM_LABEL, &self.der))
    }

    /// The DER of the `SubjectPublicKeyInfo`.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What the key verifies with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The SHA-256 of the DER in hex: what cosign's `hint` encodes in base64 and what
    /// `openssl pkey -pubin -outform DER | sha256sum` prints.
    pub fn key_id(&self) -> String {
        Digest::of(&self.der).hex()
    }

    /// True if `signature` is this key's on `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for PublicKey {}

impl std::hash::Hash for PublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.der.hash(state);
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm, self.key_id())
    }
}

impl std::fmt::Display for PublicKey {
    /// The first 12 digits of the key id.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&Digest::of(&self.der).short())
    }
}

/// Reads the `SubjectPublicKeyInfo` as far as its kind, strictly.
fn algorithm(spki: &[u8]) -> Result<Algorithm, Error> {
    let mut body = der::only(spki, der::SEQUENCE).ok_or(Error::NotSpki)?;
    let mut identifier = der::take(&mut body, der::SEQUENCE).ok_or(Error::NotSpki)?;
    let key = der::only(body, der::BIT_STRING).ok_or(Error::NotSpki)?;
    // The first byte counts unused bits; a key has none.
    let Some((0, key)) = key.split_first() else { return Err(Error::NotSpki) };
    let oid = der::take(&mut identifier, der::OBJECT_ID).ok_or(Error::NotSpki)?;
    match oid {
        RSA => {
            if der::only(identifier, der::NULL) != Some(&[]) {
                return Err(Error::NotSpki);
            }
            rsa(key)
        }
        EC => {
            let curve = der::only(identifier, der::OBJECT_ID).ok_or(Error::NotSpki)?;
            match curve {
                P256 => point(key, 32, Algorithm::EcdsaP256),
                P384 => point(key, 48, Algorithm::EcdsaP384),
                other => Err(Error::Kind { found: format!("ECDSA on {}", curve_name(other)) }),
            }
        }
        other => Err(Error::Kind { found: kind_name(other) }),
    }
}

/// An uncompressed point (SEC 1, section 2.3.3): a second form would give the key a second id.
fn point(key: &[u8], width: usize, algorithm: Algorithm) -> Result<Algorithm, Error> {
    match key.split_first() {
        Some((4, numbers)) if numbers.len() == 2 * width => Ok(algorithm),
        Some((2 | 3, number)) if number.len() == width => {
            Err(Error::Kind { found: format!("{algorithm} with a compressed point") })
        }
        _ => Err(Error::Invalid { algorithm }),
    }
}

/// `RSAPublicKey` (RFC 8017, appendix A.1.1).
fn rsa(key: &[u8]) -> Result<Algorithm, Error> {
    let mut numbers = der::only(key, der::SEQUENCE).ok_or(Error::NotSpki)?;
    let modulus = der::take_positive(&mut numbers).ok_or(Error::NotSpki)?;
    der::take_positive(&mut numbers).ok_or(Error::NotSpki)?;
    if !numbers.is_empty() {
        return Err(Error::NotSpki);
    }
    let leading = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = modulus.len() * 8 - leading;
    if RSA_BITS.contains(&bits) { Ok(Algorithm::Rsa) } else { Err(Error::RsaSize { bits }) }
}

fn curve_name(oid: &[u8]) -> String {
    match der::dotted(oid).as_str() {
        "1.3.132.0.35" => "P-521".to_owned(),
        "1.3.132.0.33" => "P-224".to_owned(),
        "1.3.132.0.10" => "secp256k1".to_owned(),
        other => format!("curve {other}"),
    }
}

fn kind_name(oid: &[u8]) -> String {
    match der::dotted(oid).as_str() {
        "1.3.101.112" => "Ed25519".to_owned(),
        "1.3.101.113" => "Ed448".to_owned(),
        "1.3.101.110" => "X25519".to_owned(),
        "1.2.840.113549.1.1.10" => "RSA for PSS only".to_owned(),
        "1.2.840.10040.4.1" => "DSA".to_owned(),
        other => format!("algorithm {other}"),
    }
}

#[cfg(test)]
mod tests;
