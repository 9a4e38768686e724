//! ELF files written field by field, of either size and order of bytes.

use crate::elf::{Class, Order};

/// Where the first segment begins in memory.
const BASE: u64 = 0x0040_0000;
/// Where its content begins in the file: after the header and six segments.
const START: usize = 0x400;

/// What is in a program.
#[derive(Clone, Debug)]
pub(crate) struct Fixture {
    pub class: Class,
    pub order: Order,
    pub kind: u16,
    pub machine: u16,
    pub interpreter: Option<&'static str>,
    pub libraries: Vec<&'static str>,
    pub go: Option<Go>,
    /// Write a table of sections, which names Go's record.
    pub sections: bool,
}

/// What Go's linker leaves.
#[derive(Clone, Debug)]
pub(crate) struct Go {
    pub version: &'static str,
    /// The text between the marks.
    pub modules: String,
    /// As Go wrote it before 1.18: by pointers.
    pub pointers: bool,
}

impl Go {
    pub(crate) fn new(version: &'static str, settings: &[(&str, &str)]) -> Self {
        let mut modules =
            "path\texample.test/cmd/app\nmod\texample.test\tv1.0.0\th1:x=\n".to_owned();
        for (name, value) in settings {
            modules.extend(["build\t", name, "=", value, "\n"]);
        }
        Self { version, modules, pointers: false }
    }
}

impl Default for Fixture {
    fn default() -> Self {
        Self {
            class: Class::Bits64,
            order: Order::Little,
            kind: 2,
            machine: 62,
            interpreter: None,
            libraries: Vec::new(),
            go: Some(Go::new("go1.26.8", &[("CGO_ENABLED", "0")])),
            sections: true,
        }
    }
}

impl Fixture {
    fn is64(&self) -> bool {
        self.class == Class::Bits64
    }

    fn number(&self, value: u64, size: usize) -> Vec<u8> {
        match self.order {
            Order::Little => value.to_le_bytes()[..size].to_vec(),
            Order::Big => value.to_be_bytes()[8 - size..].to_vec(),
        }
    }

    fn half(&self, value: usize) -> Vec<u8> {
        self.number(value as u64, 2)
    }

    fn word(&self, value: u32) -> Vec<u8> {
        self.number(value.into(), 4)
    }

    fn address(&self, value: usize) -> Vec<u8> {
        self.number(value as u64, if self.is64() { 8 } else { 4 })
    }

    /// Where an offset of the file is in memory.
    fn at(offset: usize) -> usize {
        offset + usize::try_from(BASE).unwrap()
    }

    /// The bytes of the program.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut body = vec![0; START];
        let mut segments = Vec::new();
        if let Some(path) = self.interpreter {
            segments.push((3, 4, body.len(), path.len() + 1));
            body.extend([path.as_bytes(), &[0]].concat());
        }
        let note = |owner: &[u8; 4], kind: u32, id: &[u8]| {
            [
                self.word(4),
                self.word(u32::try_from(id.len()).unwrap()),
                self.word(kind),
                owner.to_vec(),
                id.to_vec(),
            ]
            .concat()
        };
        align(&mut body, 16);
        let notes = [note(b"GNU\0", 3, &[0xab, 0xcd, 0, 1]), note(b"Go\0\0", 4, b"a/bc")].concat();
        segments.push((4, 4, body.len(), notes.len()));
        body.extend(notes);
        if !self.libraries.is_empty() {
            let names = body.len();
            let mut entries = vec![(5, Self::at(names))];
            body.push(0);
            for library in &self.libraries {
                entries.push((1, body.len() - names));
                body.extend([library.as_bytes(), &[0]].concat());
            }
            entries.push((0, 0));
            align(&mut body, 16);
            let start = body.len();
            for (tag, value) in entries {
                body.extend([self.address(tag), self.address(value)].concat());
            }
            segments.push((2, 6, start, body.len() - start));
        }
        align(&mut body, 16);
        let data = body.len();
        let record = self.go.as_ref().map(|go| {
            // Not at the very start, and after a mark that is not aligned.
            body.extend(b"\0\xff Go buildinf:");
            align(&mut body, 16);
            let at = body.len();
            self.go_record(&mut body, go);
            (at, body.len() - at)
        });
        align(&mut body, 16);
        // One segment for all that is read only, one for data.
        segments.push((1, 5, 0, data));
        segments.push((1, 6, data, body.len() - data));
        let sections = if self.sections { self.sections(&mut body, record) } else { (0, 0) };
        let header = self.header(segments.len(), sections);
        body[..header.len()].copy_from_slice(&header);
        let mut place = header.len();
        for segment in segments {
            let entry = self.segment(segment);
            body[place..place + entry.len()].copy_from_slice(&entry);
            place += entry.len();
        }
        assert!(place <= START);
        body
    }

    fn header(&self, segments: usize, (sections, count): (usize, usize)) -> Vec<u8> {
        let size = if self.is64() { 64 } else { 52 };
        let class = if self.is64() { 2 } else { 1 };
        let order = if self.order == Order::Little { 1 } else { 2 };
        [
            b"\x7fELF".to_vec(),
            vec![class, order, 1],
            vec![0; 9],
            self.half(self.kind.into()),
            self.half(self.machine.into()),
            self.word(1),
            self.address(0),
            self.address(size),
            self.address(sections),
            self.word(0),
            self.half(size),
            self.half(if self.is64() { 56 } else { 32 }),
            self.half(segments),
            self.half(if self.is64() { 64 } else { 40 }),
            self.half(count),
            self.half(count.saturating_sub(1)),
        ]
        .concat()
    }

    fn segment(&self, (kind, flags, offset, size): (u32, u32, usize, usize)) -> Vec<u8> {
        let place = [
            self.address(offset),
            self.address(Self::at(offset)),
            self.address(0),
            self.address(size),
            self.address(size),
        ]
        .concat();
        let (kind, flags, align) = (self.word(kind), self.word(flags), self.address(16));
        if self.is64() {
            [kind, flags, place, align].concat()
        } else {
            [kind, place, flags, align].concat()
        }
    }

    fn go_record(&self, body: &mut Vec<u8>, go: &Go) {
        let modules = [&[b's'; 16], go.modules.as_bytes(), &[b'e'; 16]].concat();
        let texts = [go.version.as_bytes(), &modules[..]];
        let flags = u8::from(self.order == Order::Big);
        body.extend(b"\xff Go buildinf:");
        body.push(if self.is64() { 8 } else { 4 });
        if !go.pointers {
            body.push(2);
            body.extend([0; 16]);
            for text in texts {
                body.extend(varint(text.len()));
                body.extend(text);
            }
            return;
        }
        body.push(flags);
        let header = body.len();
        body.extend([0; 16]);
        let mut pointers = Vec::new();
        for text in texts {
            let at = body.len();
            body.extend(text);
            align(body, 8);
            pointers.extend(self.address(Self::at(body.len())));
            body.extend([self.address(Self::at(at)), self.address(text.len())].concat());
        }
        body[header..header + pointers.len()].copy_from_slice(&pointers);
    }

    /// The empty section, Go's, and the one of their names.
    fn sections(&self, body: &mut Vec<u8>, go: Option<(usize, usize)>) -> (usize, usize) {
        let names = body.len();
        body.extend(b"\0.go.buildinfo\0.shstrtab\0");
        let size = body.len() - names;
        align(body, 16);
        let table = body.len();
        let mut section = |name: u32, kind: u32, offset: usize, size: usize| {
            let flags = self.address(0);
            let place =
                [self.address(Self::at(offset)), self.address(offset), self.address(size)].concat();
            let rest = [self.word(0), self.word(0), self.address(0), self.address(0)].concat();
            body.extend([self.word(name), self.word(kind), flags, place, rest].concat());
        };
        section(0, 0, 0, 0);
        if let Some((at, size)) = go {
            section(1, 1, at, size);
        }
        section(15, 3, names, size);
        (table, 2 + usize::from(go.is_some()))
    }
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(0x80 | u8::try_from(value & 0x7f).unwrap());
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

fn align(body: &mut Vec<u8>, to: usize) {
    body.resize(body.len().next_multiple_of(to), 0);
}
