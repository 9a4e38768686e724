//! What a client may do, and what of it comes from the environment.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Error, Mirror};

/// Settings of a client. The default reads no environment: no credentials, no mirrors, no
/// certificates but the system's, plain HTTP with loopback only.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where names of documents are read from.
    pub mirrors: Vec<Mirror>,
    /// Files of credentials; the first that has one for a repository decides.
    pub auth_files: Vec<AuthFile>,
    /// Hosts (`host` or `host:port`) besides loopback that are spoken to without TLS.
    pub plain_http: BTreeSet<String>,
    /// Certificates besides the system's.
    pub certificates: Certificates,
    /// Sizes of tries and waits.
    pub limits: Limits,
}

/// A file of credentials.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthFile {
    /// Its path.
    pub path: PathBuf,
    /// Whether it was named by the user, so that it has to be there.
    pub required: bool,
}

/// Issuers that are trusted in addition to the system's, as PEM. What is missing, empty or not a
/// certificate is passed over.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Certificates {
    /// A file of certificates.
    pub file: Option<PathBuf>,
    /// Directories of such files.
    pub dirs: Vec<PathBuf>,
}

/// How long and how often is tried. All requests share these.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest silence while a body moves, in either direction.
    pub idle: Duration,
    /// Longest wait for an answer to a request without a large body.
    pub answer: Duration,
    /// Longest wait for an answer after an upload: a registry may move the blob to its storage first.
    pub upload_answer: Duration,
    /// How often a request is made at most.
    pub tries: u32,
    /// Wait before the second try; it doubles with each further one.
    pub first_wait: Duration,
    /// Longest wait of our own choice.
    pub longest_wait: Duration,
    /// Longest wait that a registry may ask for (`Retry-After`); more is cut to this.
    pub longest_retry_after: Duration,
    /// No new try starts this long after the first one, plus the time that moving a body took.
    pub deadline: Duration,
    /// Least throughput in bytes per second, looked at once [`Self::pace_after`] was spent.
    pub least_rate: u64,
    /// Time to gain speed.
    pub pace_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            answer: Duration::from_mins(1),
            upload_answer: Duration::from_mins(5),
            tries: 5,
            first_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(5),
            longest_retry_after: Duration::from_mins(1),
            deadline: Duration::from_mins(5),
            least_rate: 16 << 10,
            pace_after: Duration::from_mins(1),
        }
    }
}

impl Limits {
    /// The same with another wait before the second try; the longest wait of our own choice keeps
    /// its proportion to it.
    #[must_use]
    pub fn waiting(self, first_wait: Duration) -> Self {
        let default = Self::default();
        let ratio = default.longest_wait.as_millis() / default.first_wait.as_millis();
        let ratio = u32::try_from(ratio).unwrap_or(u32::MAX);
        Self { first_wait, longest_wait: first_wait.saturating_mul(ratio), ..self }
    }

    /// The same with another deadline. Where it is sooner, a single wait is no larger a part of it
    /// than it is by default, so that there is time for another try.
    #[must_use]
    pub fn within(self, deadline: Duration) -> Self {
        Self {
            connect: self.connect.min(deadline / 10),
            idle: self.idle.min(deadline / 10),
            answer: self.answer.min(deadline / 5),
            upload_answer: self.upload_answer.min(deadline),
            pace_after: self.pace_after.min(deadline / 5),
            deadline,
            ..self
        }
    }
}

impl Options {
    /// What the environment says. `authfile` goes before it; an empty variable counts as unset.
    ///
    /// Credentials: `authfile` or `REGISTRY_AUTH_FILE` alone, else in this order
    /// `$XDG_RUNTIME_DIR/containers/auth.json` (default `/run/containers/$UID/auth.json`, `user`
    /// being that number), `$XDG_CONFIG_HOME/containers/auth.json` (default `~/.config`), `$DOCKER_CONFIG/config.json` (default `~/.docker`), as containers-auth.json(5)
    /// has it. Certificates: `SSL_CERT_FILE` and each entry of `SSL_CERT_DIR`.
    pub fn from_env(
        authfile: Option<PathBuf>,
        variable: impl Fn(&str) -> Option<OsString>,
        user: Option<u32>,
    ) -> Self {
        let path = |name: &str| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = path("HOME");
        let below_home = |dir: &str| home.as_ref().map(|home| home.join(dir));
        let auth_files = match authfile.or_else(|| path("REGISTRY_AUTH_FILE")) {
            Some(path) => vec![AuthFile { path, required: true }],
            None => [
                path("XDG_RUNTIME_DIR")
                    .map(|dir| dir.join("containers"))
                    .or_else(|| Some(format!("/run/containers/{}", user?).into()))
                    .map(|dir| dir.join("auth.json")),
                path("XDG_CONFIG_HOME")
                    .or_else(|| below_home(".config"))
                    .map(|dir| dir.join("containers/auth.json")),
                path("DOCKER_CONFIG")
                    .or_else(|| below_home(".docker"))
                    .map(|dir| dir.join("config.json")),
            ]
            .into_iter()
            .flatten()
            .map(|path| AuthFile { path, required: false })
            .collect(),
        };
        let dirs = variable("SSL_CERT_DIR")
            .map(|dirs| {
                std::env::split_paths(&dirs).filter(|d| !d.as_os_str().is_empty()).collect()
            })
            .unwrap_or_default();
        Self {
            auth_files,
            certificates: Certificates { file: path("SSL_CERT_FILE"), dirs },
            ..Self::default()
        }
    }

    /// Allows plain HTTP with `hosts`.
    pub fn with_plain_http<'a>(
        mut self,
        hosts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Error> {
        for host in hosts {
            let parsed = url::Url::parse(&format!("http://{host}/"));
            let whole = parsed.is_ok_and(|url| {
                url.path() == "/"
                    && url.username().is_empty()
                    && url.query().is_none()
                    && url.fragment().is_none()
            });
            if !whole || host.ends_with('/') {
                return Err(Error::Host { found: host.chars().take(100).collect() });
            }
            self.plain_http.insert(host.to_ascii_lowercase());
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn from(authfile: Option<&str>, env: &[(&str, &str)]) -> Options {
        let env: BTreeMap<String, OsString> =
            env.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
        Options::from_env(authfile.map(PathBuf::from), |name| env.get(name).cloned(), None)
    }

    fn files(options: &Options) -> Vec<String> {
        options.auth_files.iter().map(|f| f.path.display().to_string()).collect()
    }

    #[test]
    fn where_credentials_are_looked_for() {
        type Row = (
            Option<&'static str>,
            &'static [(&'static str, &'static str)],
            &'static [&'static str],
        );
        const HOME: (&str, &str) = ("HOME", "/h");
        let table: [Row; 7] = [
            (None, &[], &[]),
            (None, &[HOME], &["/h/.config/containers/auth.json", "/h/.docker/config.json"]),
            (
                None,
                &[
                    HOME,
                    ("XDG_RUNTIME_DIR", "/run/u"),
                    ("XDG_CONFIG_HOME", "/c"),
                    ("DOCKER_CONFIG", "/d"),
                ],
                &["/run/u/containers/auth.json", "/c/containers/auth.json", "/d/config.json"],
            ),
            (None, &[HOME, ("REGISTRY_AUTH_FILE", "/a")], &["/a"]),
            (Some("/f"), &[HOME, ("REGISTRY_AUTH_FILE", "/a")], &["/f"]),
            (
                None,
                &[HOME, ("REGISTRY_AUTH_FILE", ""), ("XDG_RUNTIME_DIR", ""), ("DOCKER_CONFIG", "")],
                &["/h/.config/containers/auth.json", "/h/.docker/config.json"],
            ),
            (None, &[("DOCKER_CONFIG", "/d")], &["/d/config.json"]),
        ];
        for (authfile, env, expected) in table {
            assert_eq!(files(&from(authfile, env)), expected, "{authfile:?} {env:?}");
        }
        let unset = Options::from_env(None, |_| None, Some(1000));
        assert_eq!(files(&unset), ["/run/containers/1000/auth.json"]);
        assert!(from(Some("/f"), &[]).auth_files[0].required);
        assert!(!from(None, &[HOME]).auth_files[0].required);
    }

    #[test]
    fn shorter_deadlines_leave_time_for_another_try() {
        let (default, seconds) = (Limits::default(), Duration::from_secs);
        let short = default.clone().within(seconds(10));
        assert_eq!(
            (short.idle, short.answer, short.pace_after),
            (seconds(1), seconds(2), seconds(2))
        );
        assert_eq!((short.upload_answer, short.deadline), (seconds(10), seconds(10)));
        let long = default.clone().within(seconds(3600));
        assert_eq!((long.idle, long.answer), (default.idle, default.answer));
        let quick = default.clone().waiting(Duration::from_millis(2));
        assert_eq!(quick.longest_wait, Duration::from_millis(50));
    }

    #[test]
    fn every_entry_of_ssl_cert_dir_counts() {
        let options = from(None, &[("SSL_CERT_DIR", "/a::/b"), ("SSL_CERT_FILE", "")]);
        assert_eq!(options.certificates.dirs, [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(options.certificates.file, None);
    }

    #[test]
    fn plain_http_takes_hosts_only() {
        let good =
            Options::default().with_plain_http(["Registry.example:5000", "10.0.0.1"]).unwrap();
        assert_eq!(
            good.plain_http,
            ["10.0.0.1", "registry.example:5000"].map(str::to_owned).into()
        );
        for bad in ["", "http://a", "a/b", "a/", "u@a", "a?b", "a:port"] {
            assert!(Options::default().with_plain_http([bad]).is_err(), "{bad}");
        }
    }
}
