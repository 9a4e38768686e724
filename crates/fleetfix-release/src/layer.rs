//! The search for a few small files in one layer.
//!
//! A layer is a tar archive of what changed (image-spec v1.1 layer.md). A name with `.wh.` in
//! front removes what lower layers have under that name; `.wh..wh..opq` hides all that lower layers
//! have in its directory. Entries are walked raw: the tar crate would read a long name of any size
//! into memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::rc::Rc;

use tar::EntryType;

/// Most bytes that a layer may unpack to; the largest layer of a release is some 300 MiB.
const MAX_UNPACKED: u64 = 4 << 30;
/// Most bytes of one wanted file; image-references has some 200 KiB.
const MAX_FILE: u64 = 8 << 20;
/// Most bytes of a header that extends the next one.
const MAX_EXTENSION: u64 = 64 << 10;

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// What one layer says about a wanted path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Found {
    /// It has the file.
    File(Vec<u8>),
    /// It hides what lower layers have.
    Hidden,
}

/// What one layer says about the wanted paths; what is not there is not mentioned.
pub(crate) type Findings = BTreeMap<&'static str, Found>;

/// Why a layer could not be searched.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The stream failed, or did not have the digest it should have.
    Stream(io::Error),
    /// The content is not a layer.
    Malformed(String),
}

/// Looks for `wanted` (clean relative paths) in a layer. The stream is read to its end, which is
/// where its digest is checked.
pub(crate) fn search(
    stream: impl Read,
    gzip: bool,
    wanted: &[&'static str],
) -> Result<Findings, Failure> {
    let failure = Rc::new(RefCell::new(None));
    let mut tap = Tap { inner: stream, failure: failure.clone() };
    let found = if gzip {
        walk(flate2::read::MultiGzDecoder::new(&mut tap), wanted)
    } else {
        walk(&mut tap, wanted)
    };
    // What follows the archive is hashed too; a wrong digest explains whatever else is wrong.
    let _ = io::copy(&mut tap, &mut io::sink());
    match failure.borrow_mut().take() {
        Some(error) => Err(Failure::Stream(error)),
        None => found.map_err(|error| Failure::Malformed(error.to_string())),
    }
}

fn walk(unpacked: impl Read, wanted: &[&'static str]) -> io::Result<Findings> {
    let mut archive = tar::Archive::new(Capped { inner: unpacked, left: MAX_UNPACKED });
    let mut findings = Findings::new();
    let mut long_name: Option<Vec<u8>> = None;
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName => {
                let mut name = bounded(&mut entry, MAX_EXTENSION)?;
                name.truncate(name.iter().position(|b| *b == 0).unwrap_or(name.len()));
                long_name = Some(name);
            }
            EntryType::XHeader => {
                let records = bounded(&mut entry, MAX_EXTENSION)?;
                long_name = pax_path(&records)?.or(long_name.take());
            }
            EntryType::XGlobalHeader | EntryType::GNULongLink => {}
            _ => {
                let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
                let Some(path) = clean(&name) else { continue };
                note(&mut findings, &path, kind, &mut entry, wanted)?;
            }
        }
    }
    // The archive ends before the stream does; the rest belongs to the layer's bytes.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    Ok(findings)
}

/// Takes down what one entry says about the wanted paths. What it hides is hidden in lower layers
/// only: a file of this layer stays, in whatever order they come.
fn note(
    findings: &mut Findings,
    path: &str,
    kind: EntryType,
    entry: &mut impl Read,
    wanted: &[&'static str],
) -> io::Result<()> {
    for want in wanted.iter().copied() {
        if path == want {
            if !matches!(kind, EntryType::Regular | EntryType::Continuous) {
                return Err(malformed(format!("`{want}` is not a regular file")));
            }
            findings.insert(want, Found::File(bounded(entry, MAX_FILE)?));
            return Ok(());
        }
        let replaced = kind != EntryType::Directory && is_below(want, path);
        if replaced || hides(path, want) {
            findings.entry(want).or_insert(Found::Hidden);
        }
    }
    Ok(())
}

/// True if the whiteout `path` hides `want`.
fn hides(path: &str, want: &str) -> bool {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    if name == OPAQUE {
        return directory.is_empty() || is_below(want, directory);
    }
    name.strip_prefix(WHITEOUT).is_some_and(|removed| {
        let removed = match directory {
            "" => removed.to_owned(),
            directory => format!("{directory}/{removed}"),
        };
        want == removed || is_below(want, &removed)
    })
}

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// A path of the archive without `.` and empty components; `None` for what leads out of it or is
/// not text, which is never one of ours.
fn clean(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    (!parts.contains(&"..")).then(|| parts.join("/"))
}

/// The `path` of a PAX extended header: records `LENGTH KEY=VALUE\n` (pax(1), "pax Extended
/// Header"). A `size` would change where the next header is; only entries larger than what is
/// read here need one.
fn pax_path(records: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut path = None;
    let mut rest = records;
    while !rest.is_empty() {
        let broken = || malformed("a PAX record is malformed");
        let space = rest.iter().position(|b| *b == b' ').ok_or_else(broken)?;
        let (digits, _) = rest.split_at_checked(space).ok_or_else(broken)?;
        let length: usize =
            std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok()).ok_or_else(broken)?;
        let (record, after) = rest.split_at_checked(length).ok_or_else(broken)?;
        let record = record.get(space + 1..).and_then(|r| r.strip_suffix(b"\n"));
        let record = record.ok_or_else(broken)?;
        if let Some(value) = record.strip_prefix(b"path=") {
            path = Some(value.to_vec());
        } else if record.starts_with(b"size=") {
            return Err(malformed("a PAX record changes the size of an entry"));
        }
        rest = after;
    }
    Ok(path)
}

fn bounded(entry: &mut impl Read, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if entry.take(max + 1).read_to_end(&mut bytes)? as u64 > max {
        return Err(malformed(format!("an entry is larger than {max} bytes")));
    }
    Ok(bytes)
}

fn malformed(problem: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.into())
}

/// Fails after a number of bytes instead of ending, so that a bomb is not taken for a short layer.
struct Capped<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| malformed(format!("it unpacks to more than {MAX_UNPACKED} bytes")))?;
        Ok(read)
    }
}

/// Keeps the first error of a stream: the readers above it wrap errors into their own.
struct Tap<R> {
    inner: R,
    failure: Rc<RefCell<Option<io::Error>>>,
}

impl<R: Read> Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failure.borrow().is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match self.inner.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                let kind = error.kind();
                *self.failure.borrow_mut() = Some(error);
                Err(kind.into())
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    const WANTED: [&str; 2] = ["m/a", "m/b"];

    /// An archive of entries: name, kind, content.
    fn archive(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            // `append_data` would refuse some of these names.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn told(bytes: &[u8]) -> String {
        let findings = search(bytes, false, &WANTED).unwrap();
        let told = findings.iter().map(|(path, found)| match found {
            Found::File(bytes) => format!("{path}={}", String::from_utf8_lossy(bytes)),
            Found::Hidden => format!("{path}!"),
        });
        told.collect::<Vec<_>>().join(" ")
    }

    type Entries<'a> = &'a [(&'a str, EntryType, &'a [u8])];

    #[test]
    fn files_and_whiteouts() {
        let file = EntryType::Regular;
        let table: [(Entries<'_>, &str); 14] = [
            (&[], ""),
            (&[("m/", EntryType::Directory, b""), ("m/a", file, b"1")], "m/a=1"),
            (&[("./m/a", file, b"1"), ("/m//b", file, b"2")], "m/a=1 m/b=2"),
            (&[("m/a", file, b"1"), ("m/a", file, b"2")], "m/a=2"),
            (&[("m/.wh.a", file, b"")], "m/a!"),
            (&[(".wh.m", file, b"")], "m/a! m/b!"),
            (&[("m/.wh..wh..opq", file, b"")], "m/a! m/b!"),
            (&[(".wh..wh..opq", file, b"")], "m/a! m/b!"),
            (&[("m/b", file, b"2"), ("m/.wh..wh..opq", file, b"")], "m/a! m/b=2"),
            (&[("m/.wh..wh..opq", file, b""), ("m/b", file, b"2")], "m/a! m/b=2"),
            (&[("m", EntryType::Symlink, b"")], "m/a! m/b!"),
            (&[("n/.wh.a", file, b""), ("m/.wh.c", file, b""), ("mm", file, b"")], ""),
            (&[("x/../m/a", file, b"1")], ""),
            (
                &[("././@LongLink", EntryType::GNULongName, b"m/a\0"), ("short", file, b"1")],
                "m/a=1",
            ),
        ];
        for (entries, expected) in table {
            let bytes = archive(entries);
            assert_eq!(told(&bytes), expected, "{entries:?}");
            let zipped = gzip(&bytes);
            assert_eq!(
                search(&*zipped, true, &WANTED).unwrap(),
                search(&*bytes, false, &WANTED).unwrap()
            );
        }
    }

    #[test]
    fn pax_names() {
        let path = archive(&[
            ("pax", EntryType::XHeader, b"12 path=m/a\n"),
            ("short", EntryType::Regular, b"1"),
        ]);
        assert_eq!(told(&path), "m/a=1");
        for bad in [&b"12 path=m/b"[..], b"99 path=m/b\n", b"x path=m/b\n", b"path", b"9 size=1\n"]
        {
            let bytes = archive(&[("pax", EntryType::XHeader, bad)]);
            assert!(
                matches!(search(&*bytes, false, &WANTED), Err(Failure::Malformed(_))),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn malformed_layers() {
        let link = archive(&[("m/a", EntryType::Symlink, b"")]);
        let long = archive(&[("l", EntryType::GNULongName, &vec![b'x'; 70_000])]);
        let large = archive(&[("m/a", EntryType::Regular, &vec![0; (8 << 20) + 1])]);
        let good = gzip(&archive(&[("m/a", EntryType::Regular, b"1")]));
        let cut = &good[..good.len() - 12];
        for (bytes, zipped) in [
            (&link[..], false),
            (&long, false),
            (&large, false),
            (b"x", false),
            (b"x", true),
            (cut, true),
        ] {
            let found = search(bytes, zipped, &WANTED);
            assert!(matches!(found, Err(Failure::Malformed(_))), "{found:?}");
        }
    }

    /// A stream whose last read fails, as one does whose digest is wrong.
    struct Failing<'a>(&'a [u8]);

    impl Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::Error::other("digest")),
                read => Ok(read),
            }
        }
    }

    #[test]
    fn the_stream_has_the_last_word() {
        let good = gzip(&archive(&[("m/a", EntryType::Regular, b"1")]));
        for bytes in [&good[..], b"no layer at all", &[&good[..], &[0; 100]].concat()] {
            let found = search(Failing(bytes), true, &WANTED);
            assert!(
                matches!(found, Err(Failure::Stream(ref e)) if e.to_string() == "digest"),
                "{found:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn changed_bytes_never_panic(at in any::<prop::sample::Index>(), bit in 0u8..8, zipped in any::<bool>()) {
            let plain = archive(&[
                ("pax", EntryType::XHeader, b"12 path=m/a\n"),
                ("s", EntryType::Regular, b"1"),
                ("m/.wh.b", EntryType::Regular, b""),
            ]);
            let mut bytes = if zipped { gzip(&plain) } else { plain };
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let _ = search(&*bytes, zipped, &WANTED);
        }
    }
}
