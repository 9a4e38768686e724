//! Whose certificates are believed.
//!
//! The usual crate lets `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the system's store; Tekton sets
//! the latter on every step, and a cluster's own issuer must not make public registries unknown. So
//! the system's store is loaded from its places, and what the variables name is added.

use std::path::{Path, PathBuf};

use reqwest::{Certificate, ClientBuilder};
use rustls_native_certs::load_certs_from_paths;

use crate::options::Certificates;

/// Where systems keep their bundle, the first one that is there being it (Go,
/// `src/crypto/x509/root_linux.go` and `root_bsd.go`).
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// Directories for systems without a bundle (the same source).
const DIRS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// All issuers: the system's and the added ones.
pub(super) fn roots(added: &Certificates) -> Vec<Certificate> {
    let mut found = of(system_paths());
    found.extend(of((added.file.clone(), added.dirs.clone())));
    if found.is_empty() {
        // Systems that keep certificates elsewhere than in files.
        let native = rustls_native_certs::load_native_certs().certs;
        found.extend(native.iter().map(|der| der.to_vec()));
    }
    found.sort_unstable();
    found.dedup();
    found.iter().filter_map(|der| Certificate::from_der(der).ok()).collect()
}

/// Sets the issuers of a client. One that cannot be parsed is left out, as everywhere else.
pub(super) fn trusting(
    builder: impl Fn() -> ClientBuilder,
    roots: &[Certificate],
) -> Result<reqwest::Client, reqwest::Error> {
    let build = |roots: &[Certificate]| builder().tls_certs_only(roots.to_vec()).build();
    build(roots).or_else(|_| {
        let usable = |root: &&Certificate| build(std::slice::from_ref(*root)).is_ok();
        let usable: Vec<Certificate> = roots.iter().filter(usable).cloned().collect();
        build(&usable)
    })
}

fn system_paths() -> (Option<PathBuf>, Vec<PathBuf>) {
    match BUNDLES.iter().map(Path::new).find(|path| path.is_file()) {
        Some(bundle) => (Some(bundle.to_owned()), Vec::new()),
        None => (None, DIRS.iter().map(PathBuf::from).collect()),
    }
}

/// Faults are passed over: a missing or empty entry is the rule in containers, and a certificate
/// that is not there fails by name at the first handshake that needs it.
fn of((file, dirs): (Option<PathBuf>, Vec<PathBuf>)) -> Vec<Vec<u8>> {
    let file = file.filter(|path| path.is_file());
    let mut found = load_certs_from_paths(file.as_deref(), None).certs;
    for dir in dirs.iter().filter(|dir| dir.is_dir()) {
        found.extend(load_certs_from_paths(None, Some(dir)).certs);
    }
    found.iter().map(|der| der.to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A certificate of its own issuer that nobody else knows.
    const OWN: &str = "-----BEGIN CERTIFICATE-----\n\
        MIIBhzCCAS2gAwIBAgIUXELTBBkqQWwawlrL09GDEIwkB7swCgYIKoZIzj0EAwIw\n\
        GDEWMBQGA1UEAwwNZmxlZXRmaXggdGVzdDAgFw0yNjExMjMwMTUzMjNaGA8yMDgx\n\
        MDgyNjAxNTMyM1owGDEWMBQGA1UEAwwNZmxlZXRmaXggdGVzdDBZMBMGByqGSM49\n\
        AgEGCCqGSM49AwEHA0IABBQ6ucoDpss5IJU/kOY6S/Ljx0gPzVjrW40GKtZ1fnS5\n\
        Jo5ssrKiIq8+wr8gAzVCO+b8d+pcyfSpNjtYMgTYoKCjUzBRMB0GA1UdDgQWBBQE\n\
        GXEJgJXp399r+FuWsChwFjvy4jAfBgNVHSMEGDAWgBQEGXEJgJXp399r+FuWsChw\n\
        Fjvy4jAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIAUi3iI9jBng\n\
        s+2agDChtxBLNnNNydvnrUYNyKWXFse3AiEA/jYkw5+9/XwUci+K9SNN7qUW1xPM\n\
        qU1cgAbcPROktFA=\n\
        -----END CERTIFICATE-----";
    /// A PEM block around something that is no certificate.
    const BROKEN: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    fn count(file: Option<PathBuf>, dirs: Vec<PathBuf>) -> usize {
        roots(&Certificates { file, dirs }).len()
    }

    #[test]
    fn variables_add_and_never_replace() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("own.pem"), OWN).unwrap();
        std::fs::create_dir(at("certs")).unwrap();
        std::fs::write(at("certs/also-own.pem"), OWN).unwrap();
        std::fs::create_dir(at("empty")).unwrap();
        std::fs::write(at("empty.pem"), "").unwrap();
        std::fs::write(at("text.pem"), "no certificate").unwrap();
        let system = count(None, vec![]);
        for (file, dirs, more) in [
            (Some("own.pem"), vec![], 1),
            (None, vec!["certs"], 1),
            (Some("own.pem"), vec!["absent", "empty", "certs"], 1),
            (Some("absent.pem"), vec!["absent"], 0),
            (Some("empty.pem"), vec!["empty"], 0),
            (Some("text.pem"), vec![], 0),
            (Some("certs"), vec!["own.pem"], 0),
        ] {
            let found = count(file.map(at), dirs.iter().map(|d| at(d)).collect());
            assert_eq!(found, system + more, "{file:?} {dirs:?}");
        }
    }

    #[test]
    fn a_broken_certificate_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("both.pem");
        std::fs::write(&path, format!("{BROKEN}{OWN}")).unwrap();
        let added = of((Some(path), vec![]));
        assert_eq!(added.len(), 2, "the reader does not look inside");
        let both: Vec<Certificate> =
            added.iter().map(|der| Certificate::from_der(der).unwrap()).collect();
        assert!(reqwest::Client::builder().tls_certs_only(both.clone()).build().is_err());
        trusting(reqwest::Client::builder, &both).unwrap();
    }
}
