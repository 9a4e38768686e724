//! Reads the headers of a tar archive: ustar, GNU long names, pax. Content is passed over.
//!
//! Where dialects disagree we read as Go's `archive/tar` does, because the runtimes that unpack the
//! image use it: global pax headers change nothing, and links and directories have no content
//! whatever their size says.

use std::collections::BTreeMap;
use std::io::{self, Read};

use tar::Header;

use super::field::{checksums, signed, unsigned};
use super::{Limits, pax};
use crate::Error;
use crate::checked::from_io;
use crate::layer::XATTR;
use crate::metadata::{Metadata, Mtime, is_of_host};

const BLOCK: usize = 512;

/// One header with all that extends it.
#[derive(Debug)]
pub(super) struct RawEntry {
    /// The name as it stands there.
    pub path: Vec<u8>,
    /// The type flag.
    pub kind: u8,
    /// Target of a link.
    pub link: Vec<u8>,
    pub metadata: Metadata,
    /// Bytes of content that follow.
    pub size: u64,
    /// True if the content is not the file's as it is, but a map and what is mapped.
    pub sparse: bool,
    /// Offset of the header, for messages.
    pub offset: u64,
}

impl RawEntry {
    /// True for a regular file whose content follows as it is.
    pub(super) fn has_content(&self) -> bool {
        matches!(self.kind, b'0' | b'7') && !self.sparse
    }
}

/// What comes before a header and changes its meaning.
#[derive(Default)]
struct Extension {
    /// GNU's long names. They win over pax records, as in Go.
    long_path: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<Mtime>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    sparse: bool,
}

/// Reads entry by entry.
pub(super) struct Archive<'a, R> {
    subject: &'a str,
    reader: R,
    limits: &'a Limits,
    offset: u64,
    /// Content of the last entry that was not read, with its padding.
    content: u64,
    /// The same without its padding.
    size: u64,
    /// Bytes of names and extensions so far.
    memory: u64,
}

impl<'a, R: Read> Archive<'a, R> {
    pub(super) fn new(subject: &'a str, reader: R, limits: &'a Limits) -> Self {
        Self { subject, reader, limits, offset: 0, content: 0, size: 0, memory: 0 }
    }

    /// The next entry; `None` at the end of the archive.
    pub(super) fn next(&mut self) -> Result<Option<RawEntry>, Error> {
        let mut extension = Extension::default();
        loop {
            let rest = std::mem::take(&mut self.content);
            self.skip(rest)?;
            let offset = self.offset;
            let Some(header) = self.header()? else { return Ok(None) };
            let fields = header.as_old();
            let [kind] = fields.linkflag;
            // A record speaks of the entry, never of a header that extends it: readers that differ
            // here see different archives (CVE-2025-62518).
            let given = extension.size.filter(|_| !matches!(kind, b'x' | b'g' | b'L' | b'K'));
            let size = given.map_or_else(|| unsigned(&fields.size), Ok);
            let size = size.map_err(|reason| self.broken(offset, "size", reason))?;
            match kind {
                b'x' => {
                    let body = self.body(size, self.limits.extension)?;
                    // Records of an earlier header for the same entry do not count.
                    let Extension { long_path, long_link, .. } = extension;
                    extension = Extension { long_path, long_link, ..Extension::default() };
                    extension.take_records(&body).map_err(|reason| self.archive(offset, reason))?;
                }
                // Global records: Go's reader gives them out as an entry of their own, and nobody
                // uses it. What came before was for that entry.
                b'g' => {
                    self.content = padded(size);
                    extension = Extension::default();
                }
                b'L' => extension.long_path = self.long(size)?,
                b'K' => extension.long_link = self.long(size)?,
                _ => return self.entry(&header, kind, size, extension, offset).map(Some),
            }
        }
    }

    /// Reads content of the last entry; 0 at its end.
    pub(super) fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let most = usize::try_from(self.size).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        if buffer.is_empty() {
            return Ok(0);
        }
        let n = loop {
            match self.reader.read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(|e| self.truncated(e))?,
            }
        };
        if n == 0 {
            return Err(self.archive(self.offset, "it ends in mid entry"));
        }
        self.count(n as u64)?;
        self.size -= n as u64;
        self.content -= n as u64;
        Ok(n)
    }

    fn entry(
        &mut self,
        header: &Header,
        kind: u8,
        size: u64,
        extension: Extension,
        offset: u64,
    ) -> Result<RawEntry, Error> {
        let fields = header.as_old();
        let path = extension.long_path.or(extension.path);
        let path = path.unwrap_or_else(|| header.path_bytes().into_owned());
        let link = extension.long_link.or(extension.link);
        let link =
            link.unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned());
        self.charge((path.len() + link.len()) as u64)?;
        let id = |given: Option<u64>, field: &[u8], name| match given {
            Some(id) => Ok(id),
            None => unsigned(field).map_err(|reason| self.broken(offset, name, reason)),
        };
        let mtime = match extension.mtime {
            Some(mtime) => mtime,
            None => signed(&fields.mtime)
                .map(|seconds| Mtime { seconds, nanos: 0 })
                .map_err(|reason| self.broken(offset, "mtime", reason))?,
        };
        let mode = unsigned(&fields.mode).map_err(|reason| self.broken(offset, "mode", reason))?;
        let metadata = Metadata {
            mode: u32::try_from(mode & 0o7777).unwrap_or_default(),
            uid: id(extension.uid, &fields.uid, "uid")?,
            gid: id(extension.gid, &fields.gid, "gid")?,
            mtime,
            xattrs: extension.xattrs,
        };
        if kind == b'S' {
            self.sparse_map(header)?;
        }
        let size = if matches!(kind, b'1'..=b'6') { 0 } else { size };
        (self.content, self.size) = (padded(size), size);
        let sparse = extension.sparse || kind == b'S';
        // Archives from before POSIX mark a directory by its name alone.
        let kind = match kind {
            0 if path.ends_with(b"/") => b'5',
            0 => b'0',
            other => other,
        };
        Ok(RawEntry { path, kind, link, metadata, size, sparse, offset })
    }

    /// Passes over the rest of a GNU sparse file's map, which goes on in blocks of its own.
    fn sparse_map(&mut self, header: &Header) -> Result<(), Error> {
        let mut more = header.as_gnu().is_some_and(|gnu| gnu.isextended != [0]);
        while more {
            let mut block = [0; BLOCK];
            self.exactly(&mut block)?;
            // 21 entries of 24 bytes, then the flag (GNU tar, `struct sparse_header`).
            more = block.get(504).is_some_and(|flag| *flag != 0);
        }
        Ok(())
    }

    /// The next header block; `None` at the end: two empty blocks, or simply no more bytes.
    fn header(&mut self) -> Result<Option<Header>, Error> {
        let offset = self.offset;
        let mut header = Header::new_old();
        if !self.block(header.as_mut_bytes())? {
            return Ok(None);
        }
        if header.as_bytes().iter().all(|b| *b == 0) {
            let mut second = [0; BLOCK];
            if !self.block(&mut second)? || second.iter().all(|b| *b == 0) {
                return Ok(None);
            }
            return Err(self.archive(offset, "one empty block is followed by more"));
        }
        let sum = unsigned(&header.as_old().cksum)
            .map_err(|reason| self.broken(offset, "checksum", reason))?;
        if !checksums(header.as_bytes()).contains(&i128::from(sum)) {
            return Err(self.archive(offset, "the header's checksum is wrong"));
        }
        Ok(Some(header))
    }

    /// Reads one block; false at the end of the archive.
    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, Error> {
        let n = loop {
            match self.reader.read(block) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(|e| from_io(e, self.subject))?,
            }
        };
        if n == 0 {
            return Ok(false);
        }
        self.count(n as u64)?;
        self.exactly(block.get_mut(n..).unwrap_or_default())?;
        Ok(true)
    }

    fn exactly(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        self.reader.read_exact(buffer).map_err(|e| self.truncated(e))?;
        self.count(buffer.len() as u64)
    }

    /// The content of an extension with its padding read too.
    fn body(&mut self, size: u64, limit: u64) -> Result<Vec<u8>, Error> {
        if size > limit {
            return Err(self.limit("bytes in an extended header", limit));
        }
        self.charge(size)?;
        let length = usize::try_from(size).unwrap_or_default();
        let mut body = vec![0; length];
        self.exactly(&mut body)?;
        self.skip(padded(size) - size)?;
        Ok(body)
    }

    /// A GNU long name; an empty one does not count, as in Go.
    fn long(&mut self, size: u64) -> Result<Option<Vec<u8>>, Error> {
        let name = until_nul(&self.body(size, self.limits.extension)?);
        Ok((!name.is_empty()).then_some(name))
    }

    /// Counts what is kept. Extensions count whole, since small records cost more than their bytes.
    fn charge(&mut self, n: u64) -> Result<(), Error> {
        self.memory = self.memory.saturating_add(n);
        if self.memory > self.limits.memory {
            return Err(self.limit("bytes of names and attributes", self.limits.memory));
        }
        Ok(())
    }

    fn skip(&mut self, length: u64) -> Result<(), Error> {
        let mut left = length;
        let mut buffer = [0; 16 << 10];
        while left > 0 {
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            self.exactly(buffer.get_mut(..step).unwrap_or_default())?;
            left -= step as u64;
        }
        Ok(())
    }

    /// Reads what comes after the end of the archive: the compressed stream ends there or is broken.
    pub(super) fn rest(&mut self) -> Result<(), Error> {
        let mut buffer = [0; 16 << 10];
        loop {
            match self.reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => self.count(n as u64)?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(from_io(e, self.subject)),
            }
        }
    }

    fn count(&mut self, n: u64) -> Result<(), Error> {
        self.offset = self.offset.saturating_add(n);
        if self.offset > self.limits.archive {
            return Err(self.limit("bytes when unpacked", self.limits.archive));
        }
        Ok(())
    }

    fn truncated(&self, e: io::Error) -> Error {
        match e.kind() {
            io::ErrorKind::UnexpectedEof => self.archive(self.offset, "it ends in mid entry"),
            _ => from_io(e, self.subject),
        }
    }

    fn broken(&self, offset: u64, field: &str, reason: &str) -> Error {
        self.archive(offset, &format!("the header's {field} {reason}"))
    }

    fn archive(&self, offset: u64, reason: &str) -> Error {
        Error::Archive { subject: self.subject.to_owned(), offset, reason: reason.to_owned() }
    }

    fn limit(&self, what: &'static str, limit: u64) -> Error {
        Error::LayerLimit { subject: self.subject.to_owned(), what, limit }
    }
}

impl Extension {
    /// A later record replaces an earlier one; an empty value takes it back.
    fn take_records(&mut self, body: &[u8]) -> Result<(), &'static str> {
        for (key, value) in pax::records(body)? {
            let given = !value.is_empty();
            let number = || if given { pax::number(value).map(Some) } else { Some(None) };
            match key {
                // A sparse file's own name stands in a record of its own (GNU tar).
                b"path" | b"GNU.sparse.name" => {
                    self.sparse |= key != b"path";
                    self.path = given.then(|| value.to_vec());
                }
                b"linkpath" => self.link = given.then(|| value.to_vec()),
                b"size" => self.size = number().ok_or("the record `size` is no number")?,
                b"uid" => self.uid = number().ok_or("the record `uid` is no number")?,
                b"gid" => self.gid = number().ok_or("the record `gid` is no number")?,
                b"mtime" if given => {
                    self.mtime = Some(pax::time(value).ok_or("the record `mtime` is no time")?);
                }
                b"mtime" => self.mtime = None,
                _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => self.take_xattr(key, value),
            }
        }
        Ok(())
    }

    fn take_xattr(&mut self, key: &[u8], value: &[u8]) {
        let Some(name) = key.strip_prefix(XATTR) else { return };
        if name.is_empty() || is_of_host(name) {
            return;
        }
        if value.is_empty() {
            self.xattrs.remove(name);
        } else {
            self.xattrs.insert(name.to_vec(), value.to_vec());
        }
    }
}

fn padded(size: u64) -> u64 {
    size.checked_next_multiple_of(BLOCK as u64).unwrap_or(u64::MAX)
}

fn until_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take_while(|b| *b != 0).collect()
}
