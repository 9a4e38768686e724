//! Where a registry's answers may lead us: redirects, upload locations, token services.
//!
//! A registry could otherwise make us speak to services that only we can reach, or without TLS.
//! What it is told there never includes credentials (distribution-spec v1.1, "Pulling blobs":
//! `Authorization` must not be forwarded to another host), see [`same_origin`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// How close to us a host is. Names are not looked up: what a name resolves to is the resolver's
/// business, and a name that is not `localhost` was somebody's decision.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reach {
    /// Anything else.
    Public,
    /// RFC 1918, RFC 4193, RFC 6598.
    Private,
    /// RFC 3927, RFC 4291: where clouds serve their metadata.
    LinkLocal,
    /// This machine.
    Loopback,
}

fn v4(ip: Ipv4Addr) -> Reach {
    let [a, b, ..] = ip.octets();
    if ip.is_loopback() || ip.is_unspecified() || a == 0 {
        Reach::Loopback
    } else if ip.is_link_local() {
        Reach::LinkLocal
    } else if ip.is_private() || (a == 100 && (64..128).contains(&b)) {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn v6(ip: Ipv6Addr) -> Reach {
    if let Some(mapped) = ip.to_ipv4_mapped() {
        v4(mapped)
    } else if ip.is_loopback() || ip.is_unspecified() {
        Reach::Loopback
    } else if ip.is_unicast_link_local() {
        Reach::LinkLocal
    } else if ip.is_unique_local() {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn reach(url: &Url) -> Reach {
    match url.host() {
        Some(Host::Ipv4(ip)) => v4(ip),
        Some(Host::Ipv6(ip)) => v6(ip),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            if name == "localhost" || name.ends_with(".localhost") {
                Reach::Loopback
            } else {
                Reach::Public
            }
        }
        None => Reach::Public,
    }
}

/// Whether this is our own machine, with which plain HTTP is fine and proxies are not used.
pub(super) fn is_loopback(url: &Url) -> bool {
    let unspecified = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_unspecified(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_unspecified(),
        _ => false,
    };
    reach(url) == Reach::Loopback && !unspecified
}

/// Same scheme, host and port: what may see credentials.
pub(super) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host() == b.host()
        && a.port_or_known_default() == b.port_or_known_default()
}

/// Whether an answer of `registry` may lead from `from` to `to`. `plain` says which hosts are
/// spoken to without TLS.
pub(super) fn check(
    registry: &Url,
    from: &Url,
    to: &Url,
    plain: impl Fn(&Url) -> bool,
) -> Result<(), &'static str> {
    match to.scheme() {
        "https" => {}
        "http" if from.scheme() == "https" => return Err("it gives up TLS"),
        "http" if plain(to) => {}
        "http" => return Err("it has no TLS"),
        _ => return Err("it is not HTTP"),
    }
    if !to.username().is_empty() || to.password().is_some() {
        return Err("it names a user");
    }
    if to.host().is_none() {
        return Err("it names no host");
    }
    if to.host() == registry.host() {
        return Ok(());
    }
    match (reach(registry), reach(to)) {
        (_, Reach::Public) | (Reach::Loopback, _) => Ok(()),
        (here, there) if here == there => Ok(()),
        (_, Reach::Private) => Err("it is a private address, and the registry is not"),
        (_, Reach::LinkLocal) => Err("it is a link-local address, and the registry is not"),
        (_, Reach::Loopback) => Err("it is this machine, and the registry is not"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(s: &str) -> Url {
        s.parse().unwrap()
    }

    #[test]
    fn where_an_answer_may_lead() {
        let from_public: [(&str, bool); 22] = [
            ("https://quay.io/v2/", true),
            ("https://cdn.example/x?sig=1", true),
            ("https://8.8.8.8/x", true),
            ("http://quay.io/v2/", false),
            ("http://cdn.example/x", false),
            ("http://127.0.0.1/x", false),
            ("https://127.0.0.1/x", false),
            ("https://127.1.2.3/x", false),
            ("https://2130706433/x", false),
            ("https://0x7f.1/x", false),
            ("https://localhost/x", false),
            ("https://a.localhost./x", false),
            ("https://0.0.0.0/x", false),
            ("https://[::1]/x", false),
            ("https://[::ffff:127.0.0.1]/x", false),
            ("https://[::ffff:10.0.0.1]/x", false),
            ("https://10.0.0.1/x", false),
            ("https://192.168.1.1/x", false),
            ("https://100.64.0.1/x", false),
            ("https://169.254.169.254/latest/meta-data", false),
            ("https://user:x@cdn.example/x", false),
            ("ftp://cdn.example/x", false),
        ];
        let registry = url("https://quay.io/v2/");
        for (to, good) in from_public {
            let result = check(&registry, &registry, &url(to), is_loopback);
            assert_eq!(result.is_ok(), good, "{to}: {result:?}");
        }
        let private: [(&str, bool); 5] = [
            ("https://10.0.0.2/x", true),
            ("https://[fd00::1]/x", true),
            ("https://127.0.0.1/x", false),
            ("https://169.254.169.254/x", false),
            ("https://cdn.example/x", true),
        ];
        let registry = url("https://10.0.0.1/v2/");
        for (to, good) in private {
            assert_eq!(check(&registry, &registry, &url(to), is_loopback).is_ok(), good, "{to}");
        }
        let registry = url("http://127.0.0.1:5000/v2/");
        for (to, good) in [
            ("http://127.0.0.1:6000/x", true),
            ("http://cdn.example/x", false),
            ("https://10.0.0.1/x", true),
        ] {
            assert_eq!(check(&registry, &registry, &url(to), is_loopback).is_ok(), good, "{to}");
        }
        // A redirect may gain TLS and must not lose it again.
        let gained = url("https://127.0.0.1:7000/x");
        assert!(check(&registry, &gained, &url("http://127.0.0.1:6000/x"), is_loopback).is_err());
    }

    #[test]
    fn who_is_loopback() {
        for (text, expected) in [
            ("http://127.0.0.1:5000/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]:5000/", true),
            ("http://localhost:5000/", true),
            ("http://0.0.0.0/", false),
            ("http://localhost.example/", false),
            ("http://128.0.0.1/", false),
            ("http://quay.io/", false),
        ] {
            assert_eq!(is_loopback(&url(text)), expected, "{text}");
        }
    }

    #[test]
    fn origins() {
        let a = url("https://quay.io/a");
        for (b, same) in [
            ("https://quay.io:443/b", true),
            ("https://quay.io:444/b", false),
            ("http://quay.io/a", false),
            ("https://cdn.quay.io/a", false),
        ] {
            assert_eq!(same_origin(&a, &url(b)), same, "{b}");
        }
    }
}
