//! cosign's encrypted key files: a PEM block around JSON with scrypt parameters, a nonce and a `NaCl`
//! secret box of the PKCS #8 key (cosign `pkg/cosign/keys.go`, go-tuf `encrypted/encrypted.go`).
//!
//! Key derivation and cipher are those of the `sigstore` crate. What it would do badly is checked
//! first: a nonce of another length makes it panic, and it calls a wrong password an unsupported key
//! type after deriving the key three times.

use fleetfix_model::canonical;
use sigstore::crypto::signing_key::kdf;
use sigstore::errors::SigstoreError;
use zeroize::Zeroizing;

use crate::error::Error;

/// Opens the contents of an encrypted block: the PKCS #8 DER.
pub(crate) fn decrypt(contents: &[u8], password: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    check(contents)?;
    let opened = kdf::decrypt(contents, password).map_err(|e| match e {
        // Its name for a box that does not open.
        SigstoreError::PrivateKeyEncryptError(_) => Error::WrongPassword,
        other => Error::NotCosign { what: other.to_string() },
    })?;
    Ok(Zeroizing::new(opened))
}

/// Closes `pkcs8` with `password`: the contents of an encrypted block.
pub(crate) fn encrypt(pkcs8: &[u8], password: &[u8]) -> Result<Vec<u8>, Error> {
    kdf::encrypt(pkcs8, password).map_err(|_| Error::Crypto { what: "encrypt the key" })
}

fn check(contents: &[u8]) -> Result<(), Error> {
    let value = canonical::from_bounded_json(contents)
        .map_err(|_| Error::NotCosign { what: "the block holds no JSON".to_owned() })?;
    let field = |path: &str| value.pointer(path).and_then(|v| v.as_str()).unwrap_or_default();
    let decoded = |path: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(field(path)).unwrap_or_default()
    };
    // XSalsa20-Poly1305 has a nonce of 24 bytes and a tag of 16.
    let table = [
        (field("/kdf/name") == kdf::NAME_SCRYPT, "its key derivation is not scrypt"),
        (field("/cipher/name") == kdf::NAME_SECRET_BOX, "its cipher is not nacl/secretbox"),
        (
            decoded("/cipher/nonce").len() == kdf::BOX_NONCE_SIZE as usize,
            "its nonce is not 24 bytes",
        ),
        (decoded("/ciphertext").len() > 16, "it has no ciphertext"),
    ];
    match table.iter().find(|(good, _)| !good) {
        Some((_, what)) => Err(Error::NotCosign { what: (*what).to_owned() }),
        None => Ok(()),
    }
}
