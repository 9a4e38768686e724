//! How two programs differ in what they say of how they were built.
//!
//! Compared is what changes how the same source behaves in the same image. Not compared is what a
//! fix changes by its nature: the version of the program, its modules, the linker's flags, build ids.

use std::collections::BTreeSet;
use std::fmt;

use fleetfix_model::name::{Commit, FindingId};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::Program;
use crate::elf::{Class, Elf, Kind, Order};
use crate::go::{GoBuild, is_fips_experiment, is_fips_tag};

/// What a difference is about.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Subject {
    /// Machine, size of words and order of bytes.
    Architecture,
    /// One is a program, the other is not.
    Format,
    /// Linked with libraries, or with everything in it.
    Linkage,
    /// At a fixed address, or at any.
    Position,
    /// The program that loads it.
    Interpreter,
    /// Libraries that it is linked with.
    Libraries,
    /// Built by Go, or by something else.
    Go,
    /// Version of Go.
    GoVersion,
    /// What decides which cryptography runs.
    GoFips,
    /// Other experiments of Go.
    GoExperiment,
    /// Other build tags.
    GoTags,
    /// C code can be in it.
    GoCgo,
    /// The main package.
    GoPackage,
    /// Which processors of the architecture it runs on (`GOAMD64` and the like).
    GoProcessor,
    /// Built with a detector of data races or memory faults.
    GoSanitizer,
    /// Optimizations or bounds checks are off, or a plugin or library is built (`-gcflags`,
    /// `-buildmode`).
    GoMode,
    /// The commit that it was built from.
    Commit,
    /// Built from files that are in no commit.
    Modified,
}

/// How much a difference weighs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Refused unless somebody accepts it by name.
    Waivable,
    /// Always refused: the program cannot run.
    Refused,
}

impl Subject {
    /// Its name, part of the finding's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Architecture => "architecture",
            Self::Format => "format",
            Self::Linkage => "linkage",
            Self::Position => "position",
            Self::Interpreter => "interpreter",
            Self::Libraries => "libraries",
            Self::Go => "go",
            Self::GoVersion => "go-version",
            Self::GoFips => "go-fips",
            Self::GoExperiment => "go-experiment",
            Self::GoTags => "go-tags",
            Self::GoCgo => "go-cgo",
            Self::GoPackage => "go-package",
            Self::GoProcessor => "go-processor",
            Self::GoSanitizer => "go-sanitizer",
            Self::GoMode => "go-mode",
            Self::Commit => "commit",
            Self::Modified => "modified",
        }
    }

    /// What it is about, in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Architecture => "architecture",
            Self::Format => "format",
            Self::Linkage => "linkage",
            Self::Position => "position",
            Self::Interpreter => "interpreter",
            Self::Libraries => "libraries",
            Self::Go => "built by",
            Self::GoVersion => "version of Go",
            Self::GoFips => "FIPS mode",
            Self::GoExperiment => "experiments of Go",
            Self::GoTags => "build tags",
            Self::GoCgo => "CGO_ENABLED",
            Self::GoPackage => "main package",
            Self::GoProcessor => "level of processor",
            Self::GoSanitizer => "detectors of faults",
            Self::GoMode => "mode of the build",
            Self::Commit => "commit",
            Self::Modified => "state of the source",
        }
    }

    /// How much it weighs.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Architecture => Severity::Refused,
            _ => Severity::Waivable,
        }
    }
}

/// One difference.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Difference {
    /// What it is about.
    pub subject: Subject,
    /// What the program of the base says, or, of the commit, the declared one.
    pub expected: String,
    /// What the new program says.
    pub actual: String,
}

impl Difference {
    /// The finding's identity, such as `parity/go-version`: a waiver names it.
    pub fn finding(&self) -> Option<FindingId> {
        format!("parity/{}", self.subject.name()).parse().ok()
    }

    /// How much it weighs.
    pub fn severity(&self) -> Severity {
        self.subject.severity()
    }
}

/// `version of Go: go1.24.3, in the base go1.23.1`. What programs say is shown escaped and cut.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (expected, actual) = (shown(&self.expected), shown(&self.actual));
        let whose = if self.subject == Subject::Commit { "declared" } else { "in the base" };
        write!(f, "{}: {actual}, {whose} {expected}", self.subject.words())
    }
}

impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Difference", 4)?;
        fields.serialize_field("finding", &format!("parity/{}", self.subject.name()))?;
        fields.serialize_field("severity", &self.severity())?;
        fields.serialize_field("expected", &shown(&self.expected))?;
        fields.serialize_field("actual", &shown(&self.actual))?;
        fields.end()
    }
}

/// Most characters of what a program says that are shown.
const SHOWN: usize = 300;

/// One line without control characters.
fn shown(text: &str) -> String {
    if text.is_empty() {
        return "none".to_owned();
    }
    let mut out: String = text.chars().take(SHOWN).flat_map(escaped).collect();
    if text.chars().nth(SHOWN).is_some() {
        out.push('…');
    }
    out
}

fn escaped(character: char) -> Vec<char> {
    if character.is_control() || is_invisible(character) {
        character.escape_unicode().collect()
    } else {
        vec![character]
    }
}

/// Marks that reorder or hide text in a terminal (Unicode, `Bidi_Control` and spaces of no width).
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The differences of a new program from the one that it replaces, in the order of [`Subject`].
/// `None`: the file is no ELF file. `declared` is the commit that the fix says it is built from.
pub fn compare(
    base: Option<&Program>,
    new: Option<&Program>,
    declared: Option<&Commit>,
) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    match (base, new) {
        (None, None) => {}
        (Some(base), Some(new)) => found.programs(base, new, declared),
        (base, new) => found.add(Subject::Format, format(base), format(new)),
    }
    found.0
}

/// A new program that the base has no other one for, against the image's architecture.
pub fn for_architecture(new: &Program, architecture: &str) -> Option<Difference> {
    let actual = new.elf.architecture().filter(|_| new.elf.is_program())?;
    (actual != architecture).then(|| Difference {
        subject: Subject::Architecture,
        expected: architecture.to_owned(),
        actual: actual.to_owned(),
    })
}

/// What a new program says by itself, before the base's is known.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Alone {
    /// How it differs from what is said of it.
    pub differences: Vec<Difference>,
    /// What was compared. What a program does not say is not held against it.
    pub compared: BTreeSet<Subject>,
}

/// Holds a new program against the image's architecture and the commit that the fix says it is built
/// from.
pub fn alone(new: &Program, architecture: &str, declared: Option<&Commit>) -> Alone {
    let mut found = Found(for_architecture(new, architecture).into_iter().collect());
    let mut compared = BTreeSet::new();
    if new.elf.is_program() {
        compared.insert(Subject::Architecture);
    }
    if let Some(new) = &new.go {
        found.origin(None, new, declared);
        if declared.is_some() && new.revision().is_some() {
            compared.insert(Subject::Commit);
        }
        compared.insert(Subject::Modified);
    }
    Alone { differences: found.0, compared }
}

fn format(program: Option<&Program>) -> String {
    if program.is_some() { "an ELF file" } else { "no ELF file" }.to_owned()
}

struct Found(Vec<Difference>);

impl Found {
    fn add(&mut self, subject: Subject, expected: String, actual: String) {
        if expected != actual {
            self.0.push(Difference { subject, expected, actual });
        }
    }

    fn programs(&mut self, base: &Program, new: &Program, declared: Option<&Commit>) {
        self.add(Subject::Architecture, machine(&base.elf), machine(&new.elf));
        self.add(Subject::Format, kind(&base.elf), kind(&new.elf));
        let (old_linkage, new_linkage) = (linkage(&base.elf), linkage(&new.elf));
        if old_linkage == new_linkage {
            let interpreter = |elf: &Elf| elf.interpreter.clone().unwrap_or_default();
            self.add(Subject::Interpreter, interpreter(&base.elf), interpreter(&new.elf));
            self.add(Subject::Libraries, libraries(&base.elf), libraries(&new.elf));
        } else {
            self.add(Subject::Linkage, with_libraries(&base.elf), with_libraries(&new.elf));
        }
        self.add(Subject::Position, position(&base.elf), position(&new.elf));
        match (&base.go, &new.go) {
            (Some(base), Some(new)) => self.go(base, new),
            (None, None) => {}
            (base, new) => self.add(Subject::Go, builder(base.as_ref()), builder(new.as_ref())),
        }
        if let Some(new) = &new.go {
            self.origin(base.go.as_ref(), new, declared);
        }
        self.0.sort();
    }

    fn go(&mut self, base: &GoBuild, new: &GoBuild) {
        self.add(Subject::GoVersion, base.version.clone(), new.version.clone());
        self.add(Subject::GoFips, list(base.fips()), list(new.fips()));
        self.add(Subject::GoExperiment, experiments(base), experiments(new));
        self.add(Subject::GoTags, tags(base), tags(new));
        let cgo = |go: &GoBuild| go.setting("CGO_ENABLED").unwrap_or("not said").to_owned();
        self.add(Subject::GoCgo, cgo(base), cgo(new));
        self.add(Subject::GoPackage, base.package.clone(), new.package.clone());
        self.add(Subject::GoProcessor, settings(base, &PROCESSOR), settings(new, &PROCESSOR));
        let on = ["-race", "-msan", "-asan"];
        self.add(Subject::GoSanitizer, settings(base, &on), settings(new, &on));
        let mode = ["-buildmode", "-gcflags", "-compiler"];
        self.add(Subject::GoMode, settings(base, &mode), settings(new, &mode));
    }

    /// Where the new program comes from. A program that says nothing of its commit is as good as one
    /// of the base that says nothing either.
    fn origin(&mut self, base: Option<&GoBuild>, new: &GoBuild, declared: Option<&Commit>) {
        if let Some(declared) = declared {
            let said = base.is_some_and(|base| base.revision().is_some());
            if new.revision().is_some() || said {
                let actual = new.revision().unwrap_or_default().to_owned();
                self.add(Subject::Commit, declared.to_string(), actual);
            }
        }
        if new.is_modified() && !base.is_some_and(GoBuild::is_modified) {
            let (clean, modified) = ("as committed", "changed since the commit");
            self.add(Subject::Modified, clean.to_owned(), modified.to_owned());
        }
    }
}

fn machine(elf: &Elf) -> String {
    if let Some(name) = elf.architecture() {
        return name.to_owned();
    }
    let class = if elf.class == Class::Bits32 { 32 } else { 64 };
    let order = if elf.order == Order::Little { "little" } else { "big" };
    format!("machine {} of {class} bits, {order}-endian", elf.machine)
}

/// A program and a library are one kind: [`Subject::Position`] tells them apart.
fn kind(elf: &Elf) -> String {
    match elf.kind {
        Kind::Executable | Kind::Shared => "a program".to_owned(),
        Kind::Other(kind) => format!("an ELF file of type {kind}"),
    }
}

fn linkage(elf: &Elf) -> &'static str {
    if elf.interpreter.is_some() || !elf.libraries.is_empty() { "dynamic" } else { "static" }
}

fn with_libraries(elf: &Elf) -> String {
    match (&elf.interpreter, linkage(elf)) {
        (_, "static") => "static".to_owned(),
        (Some(interpreter), _) => format!("dynamic by {interpreter} with {}", libraries(elf)),
        (None, _) => format!("dynamic with {}", libraries(elf)),
    }
}

fn libraries(elf: &Elf) -> String {
    list(elf.libraries.iter().cloned().collect())
}

fn position(elf: &Elf) -> String {
    match elf.kind {
        Kind::Shared => "any address".to_owned(),
        Kind::Executable | Kind::Other(_) => "a fixed address".to_owned(),
    }
}

fn builder(go: Option<&GoBuild>) -> String {
    go.map_or_else(|| "something else than Go".to_owned(), |go| go.version.clone())
}

fn experiments(go: &GoBuild) -> String {
    list(go.experiments.iter().filter(|name| !is_fips_experiment(name)).cloned().collect())
}

fn tags(go: &GoBuild) -> String {
    list(go.tags().into_iter().filter(|tag| !is_fips_tag(tag)).map(str::to_owned).collect())
}

/// Settings that choose a processor.
const PROCESSOR: [&str; 8] =
    ["GO386", "GOAMD64", "GOARM", "GOARM64", "GOMIPS", "GOMIPS64", "GOPPC64", "GORISCV64"];
/// What later versions of Go write, and earlier ones leave unsaid.
const DEFAULTS: [(&str, &str); 6] = [
    ("-buildmode", "exe"),
    ("-compiler", "gc"),
    ("GOAMD64", "v1"),
    ("GOARM64", "v8.0"),
    ("GOPPC64", "power8"),
    ("GORISCV64", "rva20u64"),
];

fn settings(go: &GoBuild, names: &[&str]) -> String {
    let value = |name: &&str| {
        let value = go.setting(name).filter(|value| !DEFAULTS.contains(&(*name, *value)));
        value.map(|value| format!("{name}={value}"))
    };
    list(names.iter().filter_map(value).collect())
}

fn list(all: BTreeSet<String>) -> String {
    all.into_iter().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
