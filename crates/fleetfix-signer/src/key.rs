//! A private key: ECDSA P-256.

use std::path::Path;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};
use fleetfix_trust::{PublicKey, Sign, SignError, pem};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::{cosign, file};

/// What cosign writes today.
const SIGSTORE_LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
/// What cosign wrote before version 2.
const COSIGN_LABEL: &str = "ENCRYPTED COSIGN PRIVATE KEY";
/// PKCS #8 (RFC 5958).
const PKCS8_LABEL: &str = "PRIVATE KEY";
/// SEC 1 (RFC 5915), as `openssl ecparam -genkey -noout` writes it.
const SEC1_LABEL: &str = "EC PRIVATE KEY";
/// The labels that are read, for messages.
pub(crate) const LABELS: &str = "`ENCRYPTED SIGSTORE PRIVATE KEY`, `ENCRYPTED COSIGN PRIVATE KEY`, `PRIVATE KEY` or `EC PRIVATE KEY`";

/// A private key that signs with ECDSA P-256 and SHA-256.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for SigningKey {
    /// The public half only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new key.
    pub fn generate() -> Result<Self, Error> {
        let failed = |_| Error::Crypto { what: "generate a key" };
        Self::from_pair(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(failed)?)
    }

    /// Reads a key file; `password` opens an encrypted one and is ignored for a plain one.
    pub fn from_pem_file(path: &Path, password: Option<&[u8]>) -> Result<Self, Error> {
        let text = file::read(path, pem::MAX_SIZE)?;
        Self::from_pem(&text, password)
            .map_err(|source| Error::InFile { path: path.to_owned(), source: Box::new(source) })
    }

    /// Reads a key from PEM; `password` opens an encrypted one and is ignored for a plain one.
    pub fn from_pem(text: &[u8], password: Option<&[u8]>) -> Result<Self, Error> {
        let block = pem::parse(text).map_err(Error::Pem)?;
        match block.label.as_str() {
            SIGSTORE_LABEL | COSIGN_LABEL => {
                let password = password.ok_or(Error::NoPassword)?;
                let pkcs8 = cosign::decrypt(&block.contents, password)?;
                Self::from_der(&pkcs8, &block.label)
            }
            PKCS8_LABEL | SEC1_LABEL => Self::from_der(&block.contents, &block.label),
            fleetfix_trust::key::PEM_LABEL => Err(Error::PublicKey),
            "RSA PRIVATE KEY" => Err(Error::Kind { found: "RSA".to_owned() }),
            _ => Err(Error::Label { found: block.label }),
        }
    }

    /// The key as cosign writes it: PEM around the key encrypted with `password`, LF line ends.
    pub fn to_cosign_pem(&self, password: &[u8]) -> Result<String, Error> {
        let contents = cosign::encrypt(&self.pkcs8, password)?;
        Ok(String::clone(&pem::encode(SIGSTORE_LABEL, &contents)))
    }

    /// The key as plain PKCS #8 PEM: whoever reads it can sign.
    pub fn to_pkcs8_pem(&self) -> Zeroizing<String> {
        pem::encode(PKCS8_LABEL, &self.pkcs8)
    }

    /// PKCS #8 or SEC 1 DER.
    fn from_der(der: &[u8], label: &str) -> Result<Self, Error> {
        match EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der) {
            Ok(pair) => Self::from_pair(pair),
            Err(_) => Err(match other_kind(der) {
                Some(kind) => Error::Kind { found: kind.to_owned() },
                None => Error::NotAKey { label: label.to_owned() },
            }),
        }
    }

    fn from_pair(pair: EcdsaKeyPair) -> Result<Self, Error> {
        let failed = |_| Error::Crypto { what: "write the key" };
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed)?;
        let public = PublicKey::from_der(spki.as_ref())
            .map_err(|_| Error::Crypto { what: "read the public key" })?;
        let pkcs8 = Zeroizing::new(pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec());
        Ok(Self { pair, public, pkcs8 })
    }
}

impl Sign for SigningKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|e| SignError {
            key: self.public.to_string(),
            transient: false,
            source: e.into(),
        })?;
        Ok(signature.as_ref().to_vec())
    }
}

/// What the DER is, where it is a private key of another kind: only for the message.
fn other_kind(der: &[u8]) -> Option<&'static str> {
    use aws_lc_rs::signature::{
        ECDSA_P256K1_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
        ECDSA_P521_SHA512_ASN1_SIGNING,
    };
    let curves = [
        (&ECDSA_P384_SHA384_ASN1_SIGNING, "ECDSA P-384"),
        (&ECDSA_P521_SHA512_ASN1_SIGNING, "ECDSA P-521"),
        (&ECDSA_P256K1_SHA256_ASN1_SIGNING, "ECDSA secp256k1"),
    ];
    let curve =
        curves.iter().find(|(with, _)| EcdsaKeyPair::from_private_key_der(with, der).is_ok());
    if let Some((_, name)) = curve {
        return Some(name);
    }
    if RsaKeyPair::from_pkcs8(der).is_ok() {
        return Some("RSA");
    }
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).is_ok().then_some("Ed25519")
}

#[cfg(test)]
mod tests;
