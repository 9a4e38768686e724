//! Keys of people and programs.

use std::path::PathBuf;

use crate::child;
use crate::client::Clients;
use crate::tools::tool;

/// The password of every encrypted key here.
pub const PASSWORD: &str = "correct horse";

/// A key pair on disk.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The private key, PEM.
    pub private: PathBuf,
    /// The public key, PEM.
    pub public: PathBuf,
}

impl KeyPair {
    /// The private key's path as text.
    pub fn private(&self) -> String {
        self.private.display().to_string()
    }

    /// The public key's path as text.
    pub fn public(&self) -> String {
        self.public.display().to_string()
    }

    /// The public key, PEM.
    ///
    /// # Panics
    /// If the file is gone.
    pub fn public_pem(&self) -> String {
        std::fs::read_to_string(&self.public).expect("a public key")
    }
}

/// Flags of our programs that sign with `key`: the key's file and that of its password.
pub fn flags(clients: &Clients, key: &KeyPair) -> [String; 4] {
    let password = clients.path("password");
    std::fs::write(&password, PASSWORD).expect("a password file");
    ["--key".into(), key.private(), "--key-password-file".into(), password.display().to_string()]
}

/// A signature over `message`, ECDSA with SHA-256, DER in hexadecimal: what a TUF role holds.
///
/// # Panics
/// If there is no room for files.
pub fn sign(clients: &Clients, key: &KeyPair, message: &[u8]) -> String {
    let (from, to) = (clients.path("message"), clients.path("signature"));
    std::fs::write(&from, message).expect("a message");
    let args = ["dgst", "-sha256", "-sign", &key.private(), "-out"].map(str::to_owned);
    let args = args.into_iter().chain([to.display().to_string(), from.display().to_string()]);
    child::run(child::command(tool("openssl"), &clients.path("")).args(args)).success();
    hex::encode(std::fs::read(to).expect("a signature"))
}

/// A cosign key pair, encrypted with [`PASSWORD`]. Takes 0.3 s: the password is stretched.
pub fn cosign(clients: &Clients, name: &str) -> KeyPair {
    let prefix = clients.path(name).display().to_string();
    clients.cosign(&["generate-key-pair", "--output-key-prefix", &prefix]).success();
    KeyPair { private: format!("{prefix}.key").into(), public: format!("{prefix}.pub").into() }
}

/// An ECDSA P-256 key pair: PKCS#8 without a password.
pub fn plain(clients: &Clients, name: &str) -> KeyPair {
    let key = KeyPair {
        private: clients.path(&format!("{name}.pem")),
        public: clients.path(&format!("{name}.pub")),
    };
    let openssl = |args: &[&str]| {
        child::run(child::command(tool("openssl"), &clients.path("")).args(args)).success();
    };
    let (private, public) = (key.private(), key.public());
    openssl(&[
        "genpkey",
        "-algorithm",
        "EC",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-out",
        &private,
    ]);
    openssl(&["pkey", "-in", &private, "-pubout", "-out", &public]);
    key
}
