//! What the release images of a version may be called.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use fleetfix_model::reference::NotAReference;
use fleetfix_model::{Reference, Version};

/// What stands for the version in a template.
const VERSION: &str = "{version}";

/// A reference with `{version}` in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template(String);

impl Template {
    /// The release image that it names for a version. A `+` of the version becomes `_`: tags have
    /// no `+`, and `oc adm release` writes them so.
    pub fn of(&self, version: &Version) -> Result<Reference, NotAReference> {
        self.0.replace(VERSION, &version.to_string().replace('+', "_")).parse()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Template {
    type Err = NotAReference;

    fn from_str(text: &str) -> Result<Self, NotAReference> {
        let template = Self(text.to_owned());
        let refuse = |reason: &str| NotAReference {
            found: text.chars().take(300).collect(),
            reason: reason.to_owned(),
        };
        if text.matches(VERSION).count() != 1 {
            return Err(refuse("a template holds `{version}` once"));
        }
        let sample = "4.20.0".parse().map_err(|_| refuse("a template holds `{version}` once"))?;
        template.of(&sample).map(|_| template)
    }
}

/// What the release images are called, by version. Several names of one version may lead to one
/// image, or to the one for a single architecture and the one for several.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Somebody said: this, and nothing else.
    pub listed: BTreeMap<Version, Vec<Reference>>,
    /// The update graph says.
    pub graph: BTreeMap<Version, Vec<Reference>>,
    /// Tried after what the graph says.
    pub templates: Vec<Template>,
}

/// Where to look for the release images of one version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidates {
    /// The names.
    pub names: Vec<Reference>,
    /// True if each of them must be there; otherwise one must.
    pub all: bool,
}

impl Names {
    /// Where to look for a version's release images.
    pub fn candidates(&self, version: &Version) -> Result<Candidates, NotAReference> {
        if let Some(listed) = self.listed.get(version) {
            return Ok(Candidates { names: listed.clone(), all: true });
        }
        let mut names = self.graph.get(version).cloned().unwrap_or_default();
        for template in &self.templates {
            let name = template.of(version)?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(Candidates { names, all: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn templates() {
        let template: Template = "quay.io/a/release:{version}-multi".parse().unwrap();
        let table = [
            ("4.20.1", "quay.io/a/release:4.20.1-multi"),
            ("4.21.0-rc.1", "quay.io/a/release:4.21.0-rc.1-multi"),
            ("4.21.0-0.nightly+build", "quay.io/a/release:4.21.0-0.nightly_build-multi"),
        ];
        for (of, name) in table {
            assert_eq!(template.of(&version(of)).unwrap().to_string(), name);
        }
        for bad in
            ["", "quay.io/a/b:v1", "{version}", "quay.io/a/{version}:{version}", "oci:{version"]
        {
            assert!(bad.parse::<Template>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_listed_is_all_there_is() {
        let name = |text: &str| text.parse::<Reference>().unwrap();
        let (listed, graph) = (name("quay.io/a/x:one"), name("quay.io/a/release:4.20.1-x"));
        let names = Names {
            listed: BTreeMap::from([(version("4.20.0"), vec![listed.clone()])]),
            graph: BTreeMap::from([
                (version("4.20.0"), vec![graph.clone()]),
                (version("4.20.1"), vec![graph.clone()]),
            ]),
            templates: ["multi", "x"]
                .map(|end| format!("quay.io/a/release:{{version}}-{end}").parse().unwrap())
                .to_vec(),
        };
        let of = |text: &str| names.candidates(&version(text)).unwrap();
        assert_eq!(of("4.20.0"), Candidates { names: vec![listed], all: true });
        let found = of("4.20.1");
        assert!(!found.all);
        assert_eq!(found.names, [graph, name("quay.io/a/release:4.20.1-multi")]);
        assert_eq!(of("4.20.2").names.len(), 2);
    }
}
