//! Where content is read from instead of where documents say it is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use fleetfix_model::Repository;
use fleetfix_model::name::RepositoryPath;

use crate::Error;

/// `NAME=PLACE`: what documents call NAME, or something below it, is read from PLACE.
///
/// NAME is a registry with or without a path, cut at a `/`; of several that fit, the longest
/// decides. What follows it in a name is appended to PLACE: to the path in a registry, as
/// subdirectories to `oci:DIR`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mirror {
    name: String,
    place: Target,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Target {
    Registry { registry: String, path: Option<RepositoryPath> },
    Layout(PathBuf),
}

impl Mirror {
    /// What follows the mirror's name in `name`: `None` if it is another name, empty if it is this one.
    fn rest<'a>(&self, name: &'a str) -> Option<&'a str> {
        match name.strip_prefix(&self.name)? {
            "" => Some(""),
            rest => rest.strip_prefix('/'),
        }
    }

    fn with(&self, rest: &str) -> Option<Repository> {
        match &self.place {
            Target::Layout(dir) if rest.is_empty() => Some(Repository::Layout(dir.clone())),
            Target::Layout(dir) => {
                // Parsed, so that no component leads out of the directory.
                let rest: RepositoryPath = rest.parse().ok()?;
                Some(Repository::Layout(dir.join(rest.as_str())))
            }
            Target::Registry { registry, path } => {
                let path = match path {
                    Some(path) if rest.is_empty() => path.clone(),
                    Some(path) => format!("{path}/{rest}").parse().ok()?,
                    None => rest.parse().ok()?,
                };
                Some(Repository::Registry { registry: registry.clone(), path })
            }
        }
    }
}

/// Where `name` is read from. A layout is never mirrored, and neither is a name that would be too
/// long for the mirror.
pub(crate) fn source(mirrors: &[Mirror], name: &Repository) -> Repository {
    let Repository::Registry { registry, path } = name else { return name.clone() };
    let whole = format!("{registry}/{path}");
    mirrors
        .iter()
        .filter_map(|mirror| Some((mirror.name.len(), mirror.with(mirror.rest(&whole)?)?)))
        // The last of equal ones, so that a flag goes before an earlier one.
        .max_by_key(|(length, _)| *length)
        .map_or_else(|| name.clone(), |(_, place)| place)
}

impl FromStr for Mirror {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self, Error> {
        let refuse =
            |reason: String| Error::Mirror { found: s.chars().take(300).collect(), reason };
        let Some((name, place)) = s.split_once('=') else {
            return Err(refuse(
                "expected NAME=PLACE, such as `quay.io/org=oci:DIR` or `quay.io/org=registry.example/org`".into(),
            ));
        };
        let (registry, path) = prefix(name).map_err(&refuse)?;
        let name = match path {
            Some(path) => format!("{registry}/{path}"),
            None => registry,
        };
        let place = match place.strip_prefix("oci:") {
            Some("") => return Err(refuse("expected a directory after `oci:`".into())),
            Some(dir) => Target::Layout(PathBuf::from(dir)),
            None => {
                let (registry, path) = prefix(place).map_err(&refuse)?;
                Target::Registry { registry, path }
            }
        };
        Ok(Self { name, place })
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.name)?;
        match &self.place {
            Target::Layout(dir) => write!(f, "oci:{}", dir.display()),
            Target::Registry { registry, path: None } => f.write_str(registry),
            Target::Registry { registry, path: Some(path) } => write!(f, "{registry}/{path}"),
        }
    }
}

/// `registry` or `registry/path`, by the grammar of references.
fn prefix(text: &str) -> Result<(String, Option<RepositoryPath>), String> {
    // A registry alone is no reference: it is read with a path that is then left out.
    let host_only = !text.contains('/');
    let whole = if host_only { format!("{text}/x") } else { text.to_owned() };
    match whole.parse() {
        Ok(Repository::Registry { registry, path }) => Ok((registry, (!host_only).then_some(path))),
        Ok(Repository::Layout(_)) => Err("a layout has no name in documents".into()),
        Err(e) => Err(e.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirrors(list: &[&str]) -> Vec<Mirror> {
        list.iter().map(|s| s.parse().unwrap()).collect()
    }

    #[test]
    fn the_longest_prefix_cut_at_a_slash_decides() {
        let list = mirrors(&[
            "quay.io=local.example:5000/all",
            "quay.io/a=oci:/m/a",
            "quay.io/a/b=oci:/m/ab",
            "registry.example=other.example",
            "quay.io/a/c=oci:/first",
            "quay.io/a/c=oci:/second",
        ]);
        for (name, place) in [
            ("quay.io/x/y", "local.example:5000/all/x/y"),
            ("quay.io/a", "oci:/m/a"),
            ("quay.io/a/z", "oci:/m/a/z"),
            ("quay.io/a/b", "oci:/m/ab"),
            ("quay.io/a/b/c/d", "oci:/m/ab/c/d"),
            ("quay.io/a/bc", "oci:/m/a/bc"),
            ("quay.io/ab", "local.example:5000/all/ab"),
            ("quay.io:443/a", "quay.io:443/a"),
            ("registry.example/x", "other.example/x"),
            ("elsewhere.example/a", "elsewhere.example/a"),
            ("quay.io/a/c", "oci:/second"),
            ("oci:quay.io/a", "oci:quay.io/a"),
        ] {
            assert_eq!(source(&list, &name.parse().unwrap()).to_string(), place, "{name}");
        }
        assert_eq!(source(&[], &"quay.io/a".parse().unwrap()).to_string(), "quay.io/a");
    }

    #[test]
    fn round_trip_and_refusals() {
        for s in ["quay.io=oci:m", "quay.io/a/b=localhost:5000/x/y", "localhost:5000=a.example"] {
            assert_eq!(s.parse::<Mirror>().unwrap().to_string(), s);
        }
        for s in [
            "",
            "=",
            "quay.io",
            "a=b",
            "quay.io=oci:",
            "oci:a=oci:b",
            "quay.io/a:v1=oci:b",
            "quay.io/../a=oci:b",
        ] {
            assert!(s.parse::<Mirror>().is_err(), "{s}");
        }
    }
}
