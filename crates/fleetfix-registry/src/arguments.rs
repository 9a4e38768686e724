//! Flags that every command with registries has.

use std::path::PathBuf;
use std::time::Duration;

use crate::{Client, Error, Mirror, Options};

/// Flags of a client.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RegistryArgs {
    /// Read NAME and all below it from PLACE: `quay.io/a/b=oci:DIR` or `quay.io/a/b=registry/path`.
    #[arg(
        long = "mirror",
        value_name = "NAME=PLACE",
        env = "FLEETFIX_MIRROR",
        value_delimiter = ',',
        help_heading = "Registries"
    )]
    pub mirrors: Vec<Mirror>,
    /// Credentials, as podman and docker write them.
    #[arg(long, value_name = "FILE", env = "REGISTRY_AUTH_FILE", help_heading = "Registries")]
    pub authfile: Option<PathBuf>,
    /// Speak plain HTTP with `HOST` or `HOST:PORT`; loopback needs no permission.
    #[arg(
        long,
        value_name = "HOST",
        env = "FLEETFIX_PLAIN_HTTP",
        value_delimiter = ',',
        help_heading = "Registries"
    )]
    pub plain_http: Vec<String>,
    /// Wait before a request that failed is made again, such as `200ms`; it doubles each time.
    #[arg(
        long,
        value_name = "TIME",
        env = "FLEETFIX_RETRY_WAIT",
        value_parser = time,
        help_heading = "Registries"
    )]
    pub retry_wait: Option<Duration>,
    /// Longest time that a registry may take without success or progress, tries included, such as
    /// `5m`.
    #[arg(
        long,
        value_name = "TIME",
        env = "FLEETFIX_REGISTRY_TIMEOUT",
        value_parser = time,
        help_heading = "Registries"
    )]
    pub registry_timeout: Option<Duration>,
}

/// A time that is worth the name, such as `200ms` or `1m 30s`.
fn time(text: &str) -> Result<Duration, String> {
    let expected = || "expected a time such as `200ms` or `1m 30s`, at most a day".to_owned();
    let time: jiff::SignedDuration = text.parse().map_err(|_| expected())?;
    let time = Duration::try_from(time).map_err(|_| expected())?;
    let day = Duration::from_hours(24);
    if time.is_zero() || time > day { Err(expected()) } else { Ok(time) }
}

impl RegistryArgs {
    /// A client with these flags and the environment's credentials and certificates. The one
    /// place in this crate that reads the environment; proxies are the HTTP client's own business.
    pub fn client(&self) -> Result<Client, Error> {
        let authfile = self.authfile.clone().filter(|path| !path.as_os_str().is_empty());
        let mut options =
            Options::from_env(authfile, |name| std::env::var_os(name), fleetfix_oci::kept::user())
                .with_plain_http(
                    self.plain_http.iter().map(String::as_str).filter(|h| !h.is_empty()),
                )?;
        options.mirrors.clone_from(&self.mirrors);
        if let Some(wait) = self.retry_wait {
            options.limits = options.limits.waiting(wait);
        }
        if let Some(deadline) = self.registry_timeout {
            options.limits = options.limits.within(deadline);
        }
        Client::new(options)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        registry: RegistryArgs,
    }

    #[test]
    fn flags() {
        let command = Command::try_parse_from([
            "x",
            "--mirror",
            "quay.io/a=oci:/m/a,quay.io/b=localhost:5000/b",
            "--mirror=quay.io/c=oci:c",
            "--plain-http",
            "registry.example:5000",
            "--authfile=/nowhere",
            "--retry-wait=1ms",
            "--registry-timeout",
            "1m 30s",
        ])
        .unwrap();
        assert_eq!(command.registry.retry_wait, Some(Duration::from_millis(1)));
        assert_eq!(command.registry.registry_timeout, Some(Duration::from_secs(90)));
        for bad in ["", "0s", "-1s", "soon", "5", "25h"] {
            let flag = format!("--retry-wait={bad}");
            assert!(Command::try_parse_from(["x", &flag]).is_err(), "{bad}");
        }
        assert_eq!(command.registry.mirrors.len(), 3);
        command.registry.client().unwrap();
        for bad in ["quay.io/a", "=oci:x", "quay.io/a=", "quay.io/a:v1=oci:x", "quay.io/a=b"] {
            assert!(Command::try_parse_from(["x", "--mirror", bad]).is_err(), "{bad}");
        }
        let bad = RegistryArgs { plain_http: vec!["http://x".into()], ..RegistryArgs::default() };
        assert!(matches!(bad.client(), Err(Error::Host { .. })));
    }
}
