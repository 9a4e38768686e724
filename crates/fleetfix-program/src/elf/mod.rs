//! The ELF file: System V ABI, generic part (gABI 4.2), chapters "Object Files" and "Program Loading
//! and Dynamic Linking". Field offsets are those of `Elf32_*` and `Elf64_*` there.

mod dynamic;
mod layout;
mod notes;
mod segments;

use std::io::{Read, Seek};

use serde::{Deserialize, Serialize};

pub(crate) use self::layout::{Layout, cut_at_nul};
pub(crate) use self::segments::{Section, Segment};
use crate::Error;
use crate::source::Source;

/// How every ELF file starts.
const MAGIC: &[u8] = b"\x7fELF";
/// The only version there is (`EV_CURRENT`).
const VERSION: u8 = 1;
/// Longest path of an interpreter: Linux refuses more than `PATH_MAX` (`fs/binfmt_elf.c`).
const MAX_INTERPRETER: u64 = 4096;

/// Size of a program's words.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Class {
    /// 32 bits.
    #[serde(rename = "32-bit")]
    Bits32,
    /// 64 bits.
    #[serde(rename = "64-bit")]
    Bits64,
}

/// Order of the bytes of a number.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// The lowest byte first.
    Little,
    /// The highest byte first.
    Big,
}

/// What kind of ELF file it is (`e_type`).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// `ET_EXEC`: a program at a fixed address.
    Executable,
    /// `ET_DYN`: a program at any address, or a library.
    Shared,
    /// Objects, core dumps and what else there is, which nobody runs.
    Other(u16),
}

/// What an ELF file says of itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Elf {
    /// Size of words.
    pub class: Class,
    /// Order of bytes.
    pub order: Order,
    /// Kind of file.
    pub kind: Kind,
    /// Machine (`e_machine`), by the number of the gABI's registry.
    pub machine: u16,
    /// The program that loads it (`PT_INTERP`); `None`: the kernel starts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<String>,
    /// True if there is anything for a loader to do (`PT_DYNAMIC`): dynamic, or static at any
    /// address.
    pub dynamic: bool,
    /// Libraries (`DT_NEEDED`), in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub libraries: Vec<String>,
    /// The linker's id of the build (`NT_GNU_BUILD_ID`) in hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gnu_build_id: Option<String>,
    /// Go's id of the build, of four parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub go_build_id: Option<String>,
}

/// Machine, its name in Go (`GOARCH`) where the order of bytes is little, and where it is big.
/// Numbers: `EM_*` of the gABI's registry; names: `go tool dist list`.
const MACHINES: &[(u16, &str, &str)] = &[
    (3, "386", ""),
    (8, "mipsle", "mips"),
    (21, "ppc64le", "ppc64"),
    (22, "", "s390x"),
    (40, "arm", ""),
    (62, "amd64", ""),
    (183, "arm64", ""),
    (243, "riscv64", ""),
    (258, "loong64", ""),
];

impl Elf {
    /// The architecture as images name it. `None`: none that images run on.
    pub fn architecture(&self) -> Option<&'static str> {
        let (_, little, big) = MACHINES.iter().find(|(machine, ..)| *machine == self.machine)?;
        match (self.order, self.class) {
            (Order::Little, Class::Bits64) if *little == "mipsle" => Some("mips64le"),
            (Order::Big, Class::Bits64) if *big == "mips" => Some("mips64"),
            (Order::Little, _) => Some(*little),
            (Order::Big, _) => Some(*big),
        }
        .filter(|name| !name.is_empty())
    }

    /// True if a kernel can start it: not an object, a core dump or a program for another machine
    /// such as BPF.
    pub fn is_program(&self) -> bool {
        !matches!(self.kind, Kind::Other(_)) && self.architecture().is_some()
    }
}

/// An ELF file with the tables that lead to its content.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub facts: Elf,
    pub segments: Vec<Segment>,
    pub sections: Vec<Section>,
}

/// The header and the table of segments, which programs have at their start.
#[derive(Debug)]
pub(crate) struct Start {
    layout: Layout,
    header: Vec<u8>,
    pub segments: Vec<Segment>,
}

impl Start {
    /// Reads them. `None`: the file does not start as an ELF file does.
    pub(crate) fn read<R: Read + Seek>(source: &mut Source<R>) -> Result<Option<Self>, Error> {
        let ident = source.up_to(0, 16)?;
        if !ident.starts_with(MAGIC) {
            return Ok(None);
        }
        let ident = source.exactly("the identification", 0, 16, 16)?;
        let bad = |source: &Source<R>, offset, reason| {
            Err(source.malformed("the identification", offset, reason))
        };
        let class = match ident.get(4) {
            Some(1) => Class::Bits32,
            Some(2) => Class::Bits64,
            _ => return bad(source, 4, "has an unknown class"),
        };
        let order = match ident.get(5) {
            Some(1) => Order::Little,
            Some(2) => Order::Big,
            _ => return bad(source, 5, "has an unknown order of bytes"),
        };
        if ident.get(6) != Some(&VERSION) {
            return bad(source, 6, "has an unknown version");
        }
        let layout = Layout { class, order };
        let header = source.exactly("the header", 0, layout.pick(52, 64), 64)?;
        let segments = segments::segments(source, layout, &header)?;
        Ok(Some(Self { layout, header, segments }))
    }
}

impl File {
    /// Reads the tables. `None`: the file does not start as an ELF file does.
    pub(crate) fn read<R: Read + Seek>(source: &mut Source<R>) -> Result<Option<Self>, Error> {
        let Some(Start { layout, header, segments }) = Start::read(source)? else {
            return Ok(None);
        };
        let kind = match layout.half(&header, 16, 16) {
            2 => Kind::Executable,
            3 => Kind::Shared,
            other => Kind::Other(other),
        };
        let machine = layout.half(&header, 18, 18);
        let sections = segments::sections(source, layout, &header)?;
        let mut facts = Elf {
            class: layout.class,
            order: layout.order,
            kind,
            machine,
            interpreter: None,
            dynamic: false,
            libraries: Vec::new(),
            gnu_build_id: None,
            go_build_id: None,
        };
        facts.interpreter = interpreter(source, &segments)?;
        if let Some(segment) = segments.iter().find(|s| s.kind == segments::DYNAMIC) {
            facts.dynamic = true;
            facts.libraries = dynamic::libraries(source, layout, segment, &segments)?;
        }
        notes::read(source, layout, &segments, &sections, &mut facts)?;
        Ok(Some(Self { facts, segments, sections }))
    }

    /// Where the bytes that a program has at `address` are in the file, and how many follow in the
    /// same segment.
    pub(crate) fn place(&self, address: u64) -> Option<(u64, u64)> {
        segments::place(&self.segments, address)
    }
}

fn interpreter<R: Read + Seek>(
    source: &mut Source<R>,
    segments: &[Segment],
) -> Result<Option<String>, Error> {
    const WHAT: &str = "the interpreter's path";
    let Some(segment) = segments.iter().find(|s| s.kind == segments::INTERPRETER) else {
        return Ok(None);
    };
    let path = source.exactly(WHAT, segment.offset, segment.size, MAX_INTERPRETER)?;
    let path = cut_at_nul(&path).filter(|path| !path.is_empty());
    let path = path.ok_or_else(|| source.malformed(WHAT, segment.offset, "does not end"))?;
    let text = std::str::from_utf8(path).map(str::to_owned);
    let text = text.map_err(|_| source.malformed(WHAT, segment.offset, "is not UTF-8"))?;
    Ok(Some(text))
}
