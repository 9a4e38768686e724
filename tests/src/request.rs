//! A fix request with the files that it names, as an engineer lays them out.

use std::fs;
use std::path::{Path, PathBuf};

use crate::base::{ARCHITECTURES, program};
use crate::payload::{ORIGIN, RELEASES};

/// The identity of the fix: its ticket.
pub const FIX_ID: &str = "OCPBUGS-61296";

/// The commit of the fix for 4.20.
pub const COMMIT_420: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The commit of the fix for 4.21.
pub const COMMIT_421: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// Writes `request.yaml` and the fixed programs into a directory. Returns the request's path.
///
/// # Panics
/// If the directory cannot be written.
pub fn write(dir: &Path) -> PathBuf {
    for minor in ["4.20", "4.21"] {
        for architecture in ARCHITECTURES {
            let out = dir.join("out").join(minor).join(architecture);
            fs::create_dir_all(&out).expect("a directory for files");
            fs::write(out.join("control-plane-operator"), program("fixed", architecture))
                .expect("a file");
        }
    }
    let path = dir.join("request.yaml");
    fs::write(&path, text()).expect("a request");
    path
}

/// The request: two release lines, three versions, two bases.
pub fn text() -> String {
    format!(
        "apiVersion: fleetfix.openshift.io/v1alpha1
kind: FixRequest
title: LDAP logins fail after the certificate rotation
tickets: [{FIX_ID}]
severity: critical
requester: rita
component: hypershift
fixes:
- minor: \"4.20\"
  source: https://github.com/openshift/hypershift
  commit: {COMMIT_420}
  pullRequests: [7110]
  authors: [amir]
  files:
  - path: /usr/bin/control-plane-operator
    from: out/4.20/{{arch}}/control-plane-operator
- minor: \"4.21\"
  source: https://github.com/openshift/hypershift
  commit: {COMMIT_421}
  pullRequests: [7111]
  authors: [amir]
  files:
  - path: /usr/bin/control-plane-operator
    from: out/4.21/{{arch}}/control-plane-operator
affected:
- platform: AWS
  introduced: 4.20.1
  fixedIn: 4.20.3
  versions: [4.20.1, 4.20.2]
- platform: AWS
  introduced: 4.21.0
  fixedIn: 4.21.1
  versions: [4.21.0]
payloadTemplates:
- {ORIGIN}/{RELEASES}:{{version}}-multi
"
    )
}

/// The request for the first release line only: one base.
pub fn text_420() -> String {
    let text = text();
    let part = |from: &str, to: &str| {
        let start = text.find(from).unwrap_or_else(|| panic!("no `{from}` in the request"));
        let end = text[start..].find(to).map_or(text.len(), |at| start + at);
        text[start..end].to_owned()
    };
    let second_fix = part("- minor: \"4.21\"", "affected:");
    let second_affected = part("- platform: AWS\n  introduced: 4.21", "payloadTemplates:");
    text.replace(&second_fix, "").replace(&second_affected, "")
}
