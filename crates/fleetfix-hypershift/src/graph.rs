//! The update graph: which version may follow which.
//!
//! The form is Cincinnati's (openshift/cincinnati `docs/design/cincinnati.md`, "Graph"; conditional
//! edges: openshift/enhancements `update/targeted-update-edge-blocking.md`): one document per
//! channel. Several are merged into one graph. The same nodes and edges give the same [`Graph`] and
//! the same canonical form, in whatever order a server listed them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use fleetfix_model::canonical::{from_bounded_json, typed};
use fleetfix_model::{Minor, Reference, Version};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::Error;

/// Most versions that one graph may hold. The graphs of all channels together have some 2,000.
pub const MAX_NODES: usize = 20_000;
/// Most edges that one graph may hold.
pub const MAX_EDGES: usize = 1_000_000;

/// Versions and the upgrades between them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Graph {
    /// Sorted by version.
    nodes: Vec<Node>,
    /// Sorted by the index of what they leave, then of where they lead.
    edges: Vec<Arrow>,
}

#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
struct Node {
    version: Version,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Reference>,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
struct Arrow {
    from: u32,
    to: u32,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    risks: BTreeSet<String>,
}

/// One upgrade that the graph offers.
#[derive(Clone, Copy, Debug)]
pub struct Edge<'a> {
    /// Where it leads.
    pub to: &'a Version,
    /// Names of the risks under which it is offered; none: without condition.
    pub risks: &'a BTreeSet<String>,
}

/// A document as Cincinnati writes it. What is not read here may be there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    nodes: Vec<DocumentNode>,
    #[serde(default)]
    edges: Vec<(usize, usize)>,
    #[serde(default)]
    conditional_edges: Vec<DocumentRisks>,
}

#[derive(Deserialize)]
struct DocumentNode {
    version: Version,
    #[serde(default)]
    payload: Option<Reference>,
}

#[derive(Deserialize)]
struct DocumentRisks {
    edges: Vec<DocumentEdge>,
    #[serde(default)]
    risks: Vec<DocumentRisk>,
}

#[derive(Deserialize)]
struct DocumentEdge {
    from: Version,
    to: Version,
}

#[derive(Deserialize)]
struct DocumentRisk {
    name: String,
}

/// What the documents say, before it is put in order.
#[derive(Default)]
struct Merged {
    nodes: BTreeMap<Version, Option<Reference>>,
    /// With the risks of each; `None`: offered without condition, which wins.
    edges: BTreeMap<(Version, Version), Option<BTreeSet<String>>>,
}

impl Graph {
    /// Reads the documents of one or several channels; the name of each is for messages.
    ///
    /// A version that one document has twice is refused, as are two payloads for one version: such
    /// documents are of different architectures, or one of them is wrong.
    pub fn read<'a>(
        documents: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, Error> {
        let mut merged = Merged::default();
        for (name, json) in documents {
            let document: Document = from_bounded_json(json)
                .and_then(typed)
                .map_err(|source| Error::Graph { name: name.to_owned(), source })?;
            merged.add(name, document)?;
        }
        Ok(merged.ordered())
    }

    /// All versions, sorted.
    pub fn versions(&self) -> impl ExactSizeIterator<Item = &Version> {
        self.nodes.iter().map(|node| &node.version)
    }

    /// The number of edges.
    pub fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// True if the graph has the version.
    pub fn contains(&self, version: &Version) -> bool {
        self.index(version).is_some()
    }

    /// The release image that the graph names for a version.
    pub fn payload(&self, version: &Version) -> Option<&Reference> {
        self.nodes.get(self.index(version)?)?.payload.as_ref()
    }

    /// The versions of a release line, sorted, prereleases included.
    pub fn line(&self, minor: Minor) -> impl ExactSizeIterator<Item = &Version> {
        let start = self.nodes.partition_point(|node| node.version.minor() < minor);
        let end = self.nodes.partition_point(|node| node.version.minor() <= minor);
        self.nodes.get(start..end).unwrap_or_default().iter().map(|node| &node.version)
    }

    /// The release lines that upgrades out of a line lead to: those that its edges lead to, else those
    /// of [`next_lines`] that the graph has. None: the graph does not show where upgrades lead.
    pub fn lines_after(&self, minor: Minor) -> BTreeSet<Minor> {
        let edges = self.line(minor).flat_map(|version| self.edges_from(version));
        let led: BTreeSet<Minor> =
            edges.map(|edge| edge.to.minor()).filter(|to| *to > minor).collect();
        if !led.is_empty() {
            return led;
        }
        next_lines(minor).filter(|next| self.line(*next).len() > 0).collect()
    }

    /// The upgrades that leave a version, sorted by where they lead.
    pub fn edges_from(&self, version: &Version) -> impl Iterator<Item = Edge<'_>> {
        let edges = self.leaving(version).and_then(|range| self.edges.get(range));
        edges.unwrap_or_default().iter().filter_map(|arrow| {
            let to = self.nodes.get(usize::try_from(arrow.to).ok()?)?;
            Some(Edge { to: &to.version, risks: &arrow.risks })
        })
    }

    fn leaving(&self, version: &Version) -> Option<Range<usize>> {
        let index = u32::try_from(self.index(version)?).ok()?;
        let start = self.edges.partition_point(|edge| edge.from < index);
        let end = self.edges.partition_point(|edge| edge.from <= index);
        Some(start..end)
    }

    fn index(&self, version: &Version) -> Option<usize> {
        self.nodes.binary_search_by(|node| node.version.cmp(version)).ok()
    }
}

/// The release lines that may follow one: the next of the same major version, and the first of the
/// next, because nobody knows beforehand which line is the last of its major version.
pub fn next_lines(minor: Minor) -> impl Iterator<Item = Minor> {
    let same = minor.minor.checked_add(1).map(|number| Minor { minor: number, ..minor });
    let next = minor.major.checked_add(1).map(|major| Minor { major, minor: 0 });
    same.into_iter().chain(next)
}

/// The canonical form, whose digest stands in a plan.
impl Serialize for Graph {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut form = serializer.serialize_struct("Graph", 2)?;
        form.serialize_field("edges", &self.edges)?;
        form.serialize_field("nodes", &self.nodes)?;
        form.end()
    }
}

impl Merged {
    fn add(&mut self, name: &str, document: Document) -> Result<(), Error> {
        let too_many =
            |what, count, max| Error::GraphSize { name: name.to_owned(), what, count, max };
        let versions: Vec<Version> = document.nodes.iter().map(|n| n.version.clone()).collect();
        let mut seen = BTreeSet::new();
        for node in document.nodes {
            if !seen.insert(node.version.clone()) {
                return Err(Error::GraphTwice { name: name.to_owned(), version: node.version });
            }
            self.node(name, node)?;
        }
        if self.nodes.len() > MAX_NODES {
            return Err(too_many("versions", self.nodes.len(), MAX_NODES));
        }
        for (from, to) in document.edges {
            let at = |index: usize| {
                versions.get(index).cloned().ok_or_else(|| Error::GraphEdge {
                    name: name.to_owned(),
                    subject: format!("edge [{from},{to}]"),
                    missing: format!("node {index} of {}", versions.len()),
                })
            };
            self.edges.insert((at(from)?, at(to)?), None);
            if self.edges.len() > MAX_EDGES {
                return Err(too_many("edges", self.edges.len(), MAX_EDGES));
            }
        }
        for conditional in document.conditional_edges {
            let risks: BTreeSet<String> = conditional.risks.into_iter().map(|r| r.name).collect();
            for edge in conditional.edges {
                self.conditional(name, &seen, edge, &risks)?;
                if self.edges.len() > MAX_EDGES {
                    return Err(too_many("edges", self.edges.len(), MAX_EDGES));
                }
            }
        }
        Ok(())
    }

    fn node(&mut self, name: &str, node: DocumentNode) -> Result<(), Error> {
        let known = self.nodes.entry(node.version.clone()).or_default();
        match (&known, node.payload) {
            (Some(one), Some(other)) if *one != other => Err(Error::GraphPayloads {
                name: name.to_owned(),
                version: node.version,
                one: Box::new(one.clone()),
                other: Box::new(other),
            }),
            (None, payload @ Some(_)) => {
                *known = payload;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn conditional(
        &mut self,
        name: &str,
        nodes: &BTreeSet<Version>,
        edge: DocumentEdge,
        risks: &BTreeSet<String>,
    ) -> Result<(), Error> {
        let DocumentEdge { from, to } = edge;
        if let Some(missing) = [&from, &to].into_iter().find(|version| !nodes.contains(*version)) {
            return Err(Error::GraphEdge {
                name: name.to_owned(),
                subject: format!("conditional edge {from} to {to}"),
                missing: format!("version {missing}"),
            });
        }
        let known = self.edges.entry((from, to)).or_insert_with(|| Some(BTreeSet::new()));
        if let Some(known) = known {
            known.extend(risks.iter().cloned());
        }
        Ok(())
    }

    fn ordered(self) -> Graph {
        let index: BTreeMap<&Version, u32> = self.nodes.keys().zip(0..).collect();
        let arrow = |((from, to), risks): (&(Version, Version), &Option<BTreeSet<String>>)| {
            let (from, to) = (*index.get(from)?, *index.get(to)?);
            Some(Arrow { from, to, risks: risks.clone().unwrap_or_default() })
        };
        let mut edges: Vec<Arrow> = self.edges.iter().filter_map(arrow).collect();
        edges.sort_unstable();
        let node = |(version, payload)| Node { version, payload };
        Graph { nodes: self.nodes.into_iter().map(node).collect(), edges }
    }
}
