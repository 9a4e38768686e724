//! Throwaway keys for the tests of this crate, which itself cannot sign.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
};

use crate::key::{Algorithm, PublicKey};
use crate::sign::{Sign, SignError};

/// A private key made for one test.
#[derive(Clone)]
pub(crate) struct TestKey {
    pair: Arc<EcdsaKeyPair>,
    public: PublicKey,
}

impl TestKey {
    /// A new ECDSA P-256 key.
    pub(crate) fn new() -> Self {
        Self::of(Algorithm::EcdsaP256)
    }

    /// A new ECDSA key.
    pub(crate) fn of(algorithm: Algorithm) -> Self {
        let (with, head): (_, &[u8]) = match algorithm {
            Algorithm::EcdsaP256 => (
                &ECDSA_P256_SHA256_ASN1_SIGNING,
                &[
                    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
                ],
            ),
            Algorithm::EcdsaP384 => (
                &ECDSA_P384_SHA384_ASN1_SIGNING,
                &[
                    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                    0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
                ],
            ),
            Algorithm::Rsa => panic!("no RSA here"),
        };
        let pair = Arc::new(EcdsaKeyPair::generate(with).unwrap());
        let der = [head, pair.public_key().as_ref()].concat();
        Self { pair, public: PublicKey::from_der(&der).unwrap() }
    }

    /// The public half.
    pub(crate) fn public(&self) -> PublicKey {
        self.public.clone()
    }
}

impl Sign for TestKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec())
    }
}

/// A key that never signs.
pub(crate) struct BrokenKey(pub(crate) PublicKey);

impl Sign for BrokenKey {
    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignError> {
        Err(SignError { key: self.0.to_string(), transient: true, source: "gone".into() })
    }
}
