//! `overrides.yaml` of the HyperShift operator: read with positions, edited line by line.
//!
//! The operator embeds the file and looks a control plane's image up by platform and the exact
//! string of its version (`hypershift-operator/controlplaneoperator-overrides/overrides.go`). Its
//! reader knows `platforms.{aws,azure}.overrides[].{version,cpoImage}` and
//! `platforms.{aws,azure}.testing.{latest,previous,runTests}`, ignores every other key without a
//! word, takes the last of two entries for one version, and ends the operator where the file is no
//! YAML.
//!
//! | module | what it does |
//! |---|---|
//! | `block` | YAML with the place of every value |
//! | `section` | the comments by which people say which ticket an entry is for |
//! | `edit` | entries set and taken away; every other byte stays |
//! | `lint` | what is wrong with a file that reads well |

mod block;
mod edit;
mod lint;
mod section;
#[cfg(test)]
mod tests;

use fleetfix_model::{Digest, HostedPlatform, Version, yaml};

use crate::Error;
use block::{Field, Held, Node, Wrong};

pub use edit::{Change, Merged, TestReleases, Wanted};
pub use lint::lint;

/// The platforms that have a key (`CPOPlatforms` in `overrides.go`).
const PLATFORMS: [(HostedPlatform, &str); 2] =
    [(HostedPlatform::Aws, "aws"), (HostedPlatform::Azure, "azure")];

/// The key of a platform; `None` for one that the operator's reader does not know.
pub fn key(platform: HostedPlatform) -> Option<&'static str> {
    PLATFORMS.iter().find(|(known, _)| *known == platform).map(|(_, key)| *key)
}

/// One entry: the image of the control plane operator for one version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Platform.
    pub platform: HostedPlatform,
    /// The version, as it stands there: the operator compares strings.
    pub version: String,
    /// The image, as it stands there. Empty: the operator takes the payload's.
    pub image: String,
    /// Line of its dash, from 1.
    pub line: usize,
    /// Tickets that the comments around it name, as they stand there.
    pub tickets: Vec<String>,
    /// What else the comments of its section say, without `#`.
    pub remarks: Vec<String>,
    lines: Lines,
}

/// Where an entry stands, from 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Lines {
    first: usize,
    last: usize,
    /// Byte at which the dash stands.
    indent: usize,
    image: Option<Place>,
}

/// Where a scalar stands: line from 0, first byte and length.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place {
    line: usize,
    start: usize,
    bytes: usize,
}

/// The release images that HyperShift's end-to-end tests run with.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Testing {
    /// Release to test, and to upgrade to.
    pub latest: Option<String>,
    /// Release to upgrade from.
    pub previous: Option<String>,
    /// Whether the platform's tests run.
    pub run_tests: bool,
    lines: TestingLines,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct TestingLines {
    /// Line of `testing:`, from 0.
    key: usize,
    /// Last line of the block.
    last: usize,
    /// Byte at which its keys start, where it has any.
    indent: Option<usize>,
    latest: Option<Place>,
    previous: Option<Place>,
    run_tests: Option<Place>,
}

/// A key that the operator's reader ignores without a word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ignored {
    /// Its path, such as `platforms.gcp`.
    pub field: String,
    /// Its line, from 1.
    pub line: usize,
}

/// What stands below the key of one platform.
#[derive(Clone, Debug)]
struct Block {
    platform: HostedPlatform,
    /// Line of the key, from 0, and the byte at which it starts.
    key: (usize, usize),
    /// Last line of the block.
    last: usize,
    /// Byte at which its own keys start, where it has any.
    indent: Option<usize>,
    /// Line of `overrides:` from 0, and the byte at which it starts.
    list: Option<(usize, usize)>,
    testing: Option<Testing>,
}

/// An `overrides.yaml`.
#[derive(Clone, Debug)]
pub struct Overrides {
    file: String,
    text: String,
    /// Line of `platforms:` from 0, with the byte at which its keys start, where it has any.
    platforms: Option<(usize, Option<usize>)>,
    blocks: Vec<Block>,
    entries: Vec<Entry>,
    ignored: Vec<Ignored>,
}

impl Overrides {
    /// Reads a file; `file` is for messages. What the operator's own reader would refuse is
    /// refused, with line and field; what it ignores is kept for [`lint()`].
    pub fn read(file: &str, text: &[u8]) -> Result<Self, Error> {
        let at_once = |what: &str| yaml::Error {
            file: file.to_owned(),
            at: None,
            field: None,
            what: what.to_owned(),
        };
        if text.len() > yaml::MAX_SIZE {
            let what = format!("{} bytes, at most {} are read", text.len(), yaml::MAX_SIZE);
            return Err(at_once(&what).into());
        }
        let text = std::str::from_utf8(text).map_err(|_| at_once("not UTF-8"))?;
        let node = block::read(text).map_err(|wrong| wrong.of(file))?;
        if let Some(node) = &node {
            let value: serde_json::Value = yaml::from_yaml(file, text.as_bytes())?;
            if !block::agrees(node, &value) {
                let what = "two readers do not agree on what this file says [write it as plain block YAML]";
                return Err(at_once(what).into());
            }
        }
        let mut overrides = Self {
            file: file.to_owned(),
            text: text.to_owned(),
            platforms: None,
            blocks: Vec::new(),
            entries: Vec::new(),
            ignored: Vec::new(),
        };
        if let Some(node) = node {
            overrides.fill(&node).map_err(|wrong| wrong.of(file))?;
        }
        section::name(text, &mut overrides.entries);
        Ok(overrides)
    }

    /// The text, byte for byte.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file's name, as it was given.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Every entry, in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Keys that the operator's reader ignores.
    pub fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }

    /// The test releases of a platform.
    pub fn testing(&self, platform: HostedPlatform) -> Option<&Testing> {
        self.block(platform)?.testing.as_ref()
    }

    /// The image that the operator takes for a version: by its exact string, the last entry where
    /// there are several.
    pub fn image(&self, platform: HostedPlatform, version: &Version) -> Option<&str> {
        let image = self.entry(platform, &version.to_string())?.image.as_str();
        (!image.is_empty()).then_some(image)
    }

    fn entry(&self, platform: HostedPlatform, version: &str) -> Option<&Entry> {
        self.entries.iter().rfind(|e| e.platform == platform && e.version == version)
    }

    fn block(&self, platform: HostedPlatform) -> Option<&Block> {
        self.blocks.iter().find(|block| block.platform == platform)
    }

    fn fill(&mut self, root: &Node) -> Result<(), Wrong> {
        for field in mapping(root, "")? {
            if field.key != "platforms" {
                self.ignore(&field.key, field);
                continue;
            }
            let platforms = mapping(&field.node, "platforms")?;
            self.platforms = Some((field.line, platforms.first().map(|f| f.start)));
            for field in platforms {
                let path = format!("platforms.{}", field.key);
                let known = PLATFORMS.iter().find(|(_, key)| *key == field.key);
                match known {
                    Some((platform, _)) => self.platform(*platform, field, &path)?,
                    None => self.ignore(&path, field),
                }
            }
        }
        Ok(())
    }

    fn platform(
        &mut self,
        platform: HostedPlatform,
        field: &Field,
        path: &str,
    ) -> Result<(), Wrong> {
        let fields = mapping(&field.node, path)?;
        let mut block = Block {
            platform,
            key: (field.line, field.start),
            last: field.node.last_line().max(field.line),
            indent: fields.first().map(|f| f.start),
            list: None,
            testing: None,
        };
        for field in fields {
            let path = format!("{path}.{}", field.key);
            match field.key.as_str() {
                "overrides" => {
                    block.list = Some((field.line, field.start));
                    self.list(platform, &field.node, &path)?;
                }
                "testing" => block.testing = Some(self.test_releases(field, &path)?),
                _ => self.ignore(&path, field),
            }
        }
        self.blocks.push(block);
        Ok(())
    }

    fn list(&mut self, platform: HostedPlatform, node: &Node, path: &str) -> Result<(), Wrong> {
        let items = match &node.value {
            Held::Nothing => return Ok(()),
            Held::List(items) => items,
            Held::Scalar { .. } | Held::Map(_) => {
                return Err(Wrong::at(node.line, node.start, path, "a list is expected"));
            }
        };
        for (i, item) in items.iter().enumerate() {
            let path = format!("{path}[{i}]");
            let (mut version, mut image, mut place) = (String::new(), String::new(), None);
            for field in mapping(&item.node, &path)? {
                let path = format!("{path}.{}", field.key);
                match field.key.as_str() {
                    "version" => version = scalar(field, &path)?.map_or_else(String::new, |s| s.0),
                    "cpoImage" => {
                        if let Some((text, at)) = scalar(field, &path)? {
                            (image, place) = (text, Some(at));
                        }
                    }
                    _ => self.ignore(&path, field),
                }
            }
            let last = item.node.last_line().max(item.line);
            let lines = Lines { first: item.line, last, indent: item.start, image: place };
            let (tickets, remarks) = (Vec::new(), Vec::new());
            let line = item.line + 1;
            self.entries.push(Entry { platform, version, image, line, tickets, remarks, lines });
        }
        Ok(())
    }

    fn test_releases(&mut self, field: &Field, path: &str) -> Result<Testing, Wrong> {
        let fields = mapping(&field.node, path)?;
        let mut testing = Testing::default();
        testing.lines.key = field.line;
        testing.lines.last = field.node.last_line().max(field.line);
        testing.lines.indent = fields.first().map(|f| f.start);
        for field in fields {
            let path = format!("{path}.{}", field.key);
            match (field.key.as_str(), scalar(field, &path)?) {
                ("latest", Some((text, place))) => {
                    (testing.latest, testing.lines.latest) = (Some(text), Some(place));
                }
                ("previous", Some((text, place))) => {
                    (testing.previous, testing.lines.previous) = (Some(text), Some(place));
                }
                ("runTests", Some((text, place))) => {
                    testing.run_tests = truth(&text).ok_or_else(|| {
                        let what = format!("`{text}` is neither true nor false");
                        Wrong::at(place.line, place.start, &path, what)
                    })?;
                    testing.lines.run_tests = Some(place);
                }
                ("latest" | "previous" | "runTests", None) => {}
                _ => self.ignore(&path, field),
            }
        }
        Ok(testing)
    }

    fn ignore(&mut self, path: &str, field: &Field) {
        self.ignored.push(Ignored { field: path.to_owned(), line: field.line + 1 });
    }
}

fn mapping<'a>(node: &'a Node, path: &str) -> Result<&'a [Field], Wrong> {
    node.fields().ok_or_else(|| Wrong::at(node.line, node.start, path, "a mapping is expected"))
}

fn scalar(field: &Field, path: &str) -> Result<Option<(String, Place)>, Wrong> {
    let Node { line, start, value } = &field.node;
    match value {
        Held::Nothing => Ok(None),
        Held::Scalar { text, bytes, .. } => {
            Ok(Some((text.clone(), Place { line: *line, start: *start, bytes: *bytes })))
        }
        Held::Map(_) | Held::List(_) => Err(Wrong::at(*line, *start, path, "text is expected")),
    }
}

/// A truth value of YAML 1.1, which the operator's reader speaks (yaml.org/type/bool.html, as
/// `gopkg.in/yaml.v2` has it).
fn truth(text: &str) -> Option<bool> {
    let said = |words: &[&str]| {
        words.iter().any(|word| {
            let capital = word.get(..1).unwrap_or_default().to_ascii_uppercase();
            let title = capital + word.get(1..).unwrap_or_default();
            text == *word || text == title || text == word.to_ascii_uppercase()
        })
    };
    if said(&["true", "yes", "on", "y"]) {
        Some(true)
    } else if said(&["false", "no", "off", "n"]) {
        Some(false)
    } else {
        None
    }
}

/// The digest that an image is pinned to; `None` for a tag, or for what is no reference.
fn pinned(image: &str) -> Option<Digest> {
    image.parse::<fleetfix_model::Reference>().ok()?.digest
}
