//! Tar archives, field by field (POSIX.1-2024 pax; GNU tar's manual, "Basic Tar Format").

/// Size of a header and unit of padding, in bytes.
const BLOCK: usize = 512;

/// The time of entries that say no other: 2023-11-14T22:13:20Z.
pub const MTIME: i64 = 1_700_000_000;

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry {
    path: Vec<u8>,
    kind: u8,
    mode: u32,
    owner: (u32, u32),
    mtime: i64,
    link: Vec<u8>,
    content: Vec<u8>,
    device: (u32, u32),
    records: Vec<(Vec<u8>, Vec<u8>)>,
    long: Long,
}

/// How a name is written that does not fit into its field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Long {
    /// In a pax record.
    Pax,
    /// In an entry of its own before it, of type `L` or `K`.
    Gnu,
}

impl Entry {
    fn new(kind: u8, path: impl AsRef<[u8]>, mode: u32) -> Self {
        Self {
            path: path.as_ref().to_vec(),
            kind,
            mode,
            owner: (0, 0),
            mtime: MTIME,
            link: Vec::new(),
            content: Vec::new(),
            device: (0, 0),
            records: Vec::new(),
            long: Long::Pax,
        }
    }

    /// A directory. A slash is added to the path.
    pub fn dir(path: impl AsRef<[u8]>, mode: u32) -> Self {
        Self::new(b'5', [path.as_ref(), b"/"].concat(), mode)
    }

    /// A file.
    pub fn file(path: impl AsRef<[u8]>, mode: u32, content: impl AsRef<[u8]>) -> Self {
        Self { content: content.as_ref().to_vec(), ..Self::new(b'0', path, mode) }
    }

    /// A symbolic link.
    pub fn symlink(path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self { link: target.as_ref().to_vec(), ..Self::new(b'2', path, 0o777) }
    }

    /// A further name of an earlier file.
    pub fn hard_link(path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Self {
        Self { link: target.as_ref().to_vec(), ..Self::new(b'1', path, 0o644) }
    }

    /// A character device.
    pub fn character_device(path: impl AsRef<[u8]>, mode: u32, device: (u32, u32)) -> Self {
        Self { device, ..Self::new(b'3', path, mode) }
    }

    /// A block device.
    pub fn block_device(path: impl AsRef<[u8]>, mode: u32, device: (u32, u32)) -> Self {
        Self { device, ..Self::new(b'4', path, mode) }
    }

    /// A named pipe.
    pub fn pipe(path: impl AsRef<[u8]>, mode: u32) -> Self {
        Self::new(b'6', path, mode)
    }

    /// The removal of `name` below `dir` (image-spec v1.1 layer.md, "Whiteouts").
    pub fn whiteout(dir: &str, name: &str) -> Self {
        Self::file(format!("{dir}/.wh.{name}"), 0o644, b"")
    }

    /// The removal of everything that the layers below have in `dir` ("Opaque Whiteout").
    pub fn opaque(dir: &str) -> Self {
        Self::whiteout(dir, ".wh..opq")
    }

    /// A file of one hole of `hole` bytes and `content` after it, in GNU's own form.
    pub fn gnu_sparse(path: impl AsRef<[u8]>, mode: u32, hole: u64, content: &[u8]) -> Self {
        let mut entry = Self { content: content.to_vec(), ..Self::new(b'S', path, mode) };
        entry.records.push((b"hole".to_vec(), hole.to_string().into_bytes()));
        entry
    }

    /// The same in the form of pax 1.0: the map stands before the content, the name in a record.
    pub fn pax_sparse(path: &str, mode: u32, hole: u64, content: &[u8]) -> Self {
        let length = content.len() as u64;
        let mut map = format!("1\n{hole}\n{length}\n").into_bytes();
        map.resize(map.len().next_multiple_of(BLOCK), 0);
        let (dir, name) = path.rsplit_once('/').unwrap_or((".", path));
        Self::file(format!("{dir}/GNUSparseFile.0/{name}"), mode, [&map, content].concat())
            .record("GNU.sparse.major", b"1")
            .record("GNU.sparse.minor", b"0")
            .record("GNU.sparse.name", path.as_bytes())
            .record("GNU.sparse.realsize", (hole + length).to_string().as_bytes())
    }

    /// Owner and group.
    #[must_use]
    pub fn owner(self, uid: u32, gid: u32) -> Self {
        Self { owner: (uid, gid), ..self }
    }

    /// Time of the last change, in seconds since 1970.
    #[must_use]
    pub fn mtime(self, mtime: i64) -> Self {
        Self { mtime, ..self }
    }

    /// An extended attribute.
    #[must_use]
    pub fn xattr(self, name: &str, value: &[u8]) -> Self {
        self.record(&format!("SCHILY.xattr.{name}"), value)
    }

    /// A record of the extended header.
    #[must_use]
    pub fn record(mut self, key: &str, value: &[u8]) -> Self {
        self.records.push((key.as_bytes().to_vec(), value.to_vec()));
        self
    }

    /// Names that are too long are written in GNU's form.
    #[must_use]
    pub fn gnu(self) -> Self {
        Self { long: Long::Gnu, ..self }
    }

    fn write(mut self, out: &mut Vec<u8>) {
        let mut hole = None;
        if self.kind == b'S' {
            hole =
                self.records.pop().and_then(|(_, hole)| String::from_utf8(hole).ok()?.parse().ok());
        }
        for (field, kind, key) in [(&self.path, b'L', "path"), (&self.link, b'K', "linkpath")] {
            // The path also where it is not ASCII: the field has no encoding.
            let fits = field.len() <= 100 && (field.is_ascii() || self.long == Long::Gnu);
            match self.long {
                _ if fits => {}
                Long::Pax => self.records.push((key.as_bytes().to_vec(), field.clone())),
                Long::Gnu => {
                    let name = [field, &b"\0"[..]].concat();
                    out.extend(header(b"././@LongLink", kind, &Self::new(0, "", 0), name.len()));
                    padded(out, &name);
                }
            }
        }
        if self.mtime < 0 {
            self.records.push((b"mtime".to_vec(), self.mtime.to_string().into_bytes()));
            self.mtime = 0;
        }
        if !self.records.is_empty() {
            let records: Vec<u8> =
                self.records.iter().flat_map(|(key, value)| record(key, value)).collect();
            out.extend(header(b"PaxHeaders/x", b'x', &Self::new(0, "", 0o644), records.len()));
            padded(out, &records);
        }
        let mut header = header(&self.path, self.kind, &self, self.content.len());
        if let Some(hole) = hole {
            sparse(&mut header, hole, self.content.len() as u64);
        }
        out.extend(header);
        padded(out, &self.content);
    }
}

/// An archive in the making.
#[derive(Clone, Debug, Default)]
pub struct Archive(Vec<u8>);

impl Archive {
    /// One of these entries.
    pub fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        entries.into_iter().fold(Self::default(), Self::entry)
    }

    /// One of files that everybody may read, by their paths.
    pub fn of_files(files: &[(&str, &str)]) -> Self {
        Self::of(files.iter().map(|(path, text)| Entry::file(path, 0o644, text)))
    }

    /// The same with one more.
    #[must_use]
    pub fn entry(mut self, entry: Entry) -> Self {
        entry.write(&mut self.0);
        self
    }

    /// Its bytes with the two empty blocks at the end.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK, 0);
        self.0
    }
}

fn padded(out: &mut Vec<u8>, content: &[u8]) {
    out.extend(content);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// `<length> <key>=<value>\n`, the length counting its own digits.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

fn header(path: &[u8], kind: u8, entry: &Entry, size: usize) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    let mut put = |offset: usize, bytes: &[u8], most: usize| {
        for (slot, byte) in block.iter_mut().skip(offset).zip(bytes.iter().take(most)) {
            *slot = *byte;
        }
    };
    let octal = |value: u64, digits: usize| format!("{value:0digits$o}").into_bytes();
    put(0, path, 100);
    put(100, &octal(entry.mode.into(), 7), 7);
    put(108, &octal(entry.owner.0.into(), 7), 7);
    put(116, &octal(entry.owner.1.into(), 7), 7);
    put(124, &octal(size as u64, 11), 11);
    put(136, &octal(entry.mtime.unsigned_abs(), 11), 11);
    put(148, b"        ", 8);
    put(156, &[kind], 1);
    put(157, &entry.link, 100);
    let gnu = entry.long == Long::Gnu || matches!(kind, b'S' | b'L' | b'K');
    put(257, if gnu { b"ustar  \0" } else { b"ustar\x0000" }, 8);
    put(329, &octal(entry.device.0.into(), 7), 7);
    put(337, &octal(entry.device.1.into(), 7), 7);
    checksum(&mut block);
    block
}

/// GNU's map of a sparse file: one piece after a hole, and the size with the hole.
fn sparse(header: &mut [u8], hole: u64, length: u64) {
    for (offset, value) in [(386, hole), (398, length), (483, hole + length)] {
        let digits = format!("{value:011o}").into_bytes();
        for (slot, byte) in header.iter_mut().skip(offset).zip(digits) {
            *slot = byte;
        }
    }
    for slot in header.iter_mut().skip(148).take(8) {
        *slot = b' ';
    }
    checksum(header);
}

fn checksum(header: &mut [u8]) {
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let digits = format!("{sum:06o}\0 ").into_bytes();
    for (slot, byte) in header.iter_mut().skip(148).zip(digits) {
        *slot = byte;
    }
}
