//! Other people's programs that must accept what we write: each with a home of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::child::{self, Output};
use crate::keys::KeyPair;
use crate::tools::tool;

/// The clients, with one home directory.
#[derive(Debug)]
pub struct Clients {
    home: TempDir,
}

impl Default for Clients {
    fn default() -> Self {
        Self::new()
    }
}

impl Clients {
    /// An empty home.
    pub fn new() -> Self {
        let home =
            tempfile::Builder::new().prefix("clients-").tempdir().expect("a temporary directory");
        Self { home }
    }

    /// A path in the home directory.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.home.path().join(relative)
    }

    /// Runs a tool. Loopback registries speak plain HTTP; see each client for its flag.
    pub fn run(&self, name: &str, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
        let mut command = child::command(tool(name), self.home.path());
        command.current_dir(self.home.path()).env("COSIGN_PASSWORD", crate::keys::PASSWORD);
        child::run(command.args(args))
    }

    /// crane: speaks plain HTTP to loopback by itself.
    pub fn crane(&self, args: &[&str]) -> Output {
        self.run("crane", args)
    }

    /// skopeo that accepts every image.
    pub fn skopeo(&self, args: &[&str]) -> Output {
        self.run("skopeo", [&["--insecure-policy"], args].concat())
    }

    /// cosign: speaks plain HTTP to loopback by itself.
    pub fn cosign(&self, args: &[&str]) -> Output {
        self.run("cosign", args)
    }

    /// oras.
    pub fn oras(&self, args: &[&str]) -> Output {
        self.run("oras", args)
    }

    /// Copies everything below `from` (`oci:DIR:TAG` or a registry reference) as it is.
    pub fn copy(&self, from: &str, to: &str) {
        let place = |side: &str, reference: &str| match reference.strip_prefix("oci:") {
            Some(layout) => vec![format!("--{side}-oci-layout"), layout.to_owned()],
            None => vec![format!("--{side}-plain-http"), reference.to_owned()],
        };
        let args = [vec!["cp".to_owned()], place("from", from), place("to", to)].concat();
        self.run("oras", args).success();
    }

    /// Converts one platform of `from` (skopeo's spelling) to an OCI layout and unpacks it there.
    /// Returns the root directory.
    pub fn unpack(&self, from: &str, architecture: &str, into: &Path) -> PathBuf {
        fs::create_dir_all(into).expect("a directory to unpack into");
        let layout = into.join("layout");
        let to = format!("oci:{}:image", layout.display());
        let override_arch = ["--override-os", "linux", "--override-arch", architecture];
        let copy = ["copy", "--quiet", "--src-tls-verify=false", from, &to];
        self.skopeo(&[&override_arch[..], &copy].concat()).success();
        let image = format!("{}:image", layout.display());
        let bundle = into.join("bundle");
        let bundle_text = bundle.display().to_string();
        let root = rustix::process::geteuid().is_root();
        assert!(root, "owners and devices of an unpacked image need root: run the tests as root");
        self.run("umoci", ["unpack", "--image", &image, &bundle_text]).success();
        bundle.join("rootfs")
    }

    /// skopeo under a policy: images below `scope` (`HOST/PATH`) need a signature by `key`, all
    /// others are refused. Copies `reference` with all its platforms to nowhere in particular.
    pub fn copy_signed(&self, scope: &str, key: &KeyPair, reference: &str) -> Output {
        let dir = tempfile::tempdir_in(self.home.path()).expect("a temporary directory");
        let path = |name: &str| dir.path().join(name).display().to_string();
        let signed = json!([{"type": "sigstoreSigned", "keyPath": key.public()}]);
        let policy =
            json!({"default": [{"type": "reject"}], "transports": {"docker": {scope: signed}}});
        fs::write(path("policy.json"), policy.to_string()).expect("a policy");
        let host = scope.split('/').next().unwrap_or_default();
        let lookaside = format!("docker:\n  {host}:\n    use-sigstore-attachments: true\n");
        fs::create_dir(path("registries.d")).expect("a directory");
        fs::write(path("registries.d/lookaside.yaml"), lookaside).expect("a configuration");
        let (policy, registries, to) =
            (path("policy.json"), path("registries.d"), format!("dir:{}", path("copy")));
        let from = format!("docker://{reference}");
        self.run(
            "skopeo",
            [
                "--policy",
                &policy,
                "--registries.d",
                &registries,
                "copy",
                "--all",
                "--src-tls-verify=false",
                &from,
                &to,
            ],
        )
    }

    /// cosign: is there a signature by `key`?
    pub fn verify(&self, key: &KeyPair, reference: &str) -> Output {
        self.cosign(&["verify", "--key", &key.public(), "--insecure-ignore-tlog=true", reference])
    }

    /// cosign: is there an attestation of this type by `key`?
    pub fn verify_attestation(
        &self,
        key: &KeyPair,
        predicate_type: &str,
        reference: &str,
    ) -> Output {
        let key = key.public();
        self.cosign(&[
            "verify-attestation",
            "--key",
            &key,
            "--type",
            predicate_type,
            "--insecure-ignore-tlog=true",
            reference,
        ])
    }

    /// python-tuf or go-tuf: downloads `target`, knowing only `root`; `local` remembers. The path
    /// of the target is its stdout.
    pub fn tuf(&self, client: Tuf, root: &Path, url: &str, local: &Path, target: &str) -> Output {
        let (metadata, targets) = (format!("{url}/metadata"), format!("{url}/targets"));
        let script = match client {
            Tuf::Python => vec![tool("tuf-client.py").into_os_string()],
            Tuf::Go => Vec::new(),
        };
        let args = [
            root.as_os_str(),
            metadata.as_ref(),
            targets.as_ref(),
            local.as_os_str(),
            target.as_ref(),
        ];
        let args = script.into_iter().chain(args.map(OsStr::to_os_string));
        self.run(if client == Tuf::Python { "python" } else { "go-tuf" }, args)
    }
}

/// A TUF client that is not ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tuf {
    /// python-tuf.
    Python,
    /// go-tuf.
    Go,
}
