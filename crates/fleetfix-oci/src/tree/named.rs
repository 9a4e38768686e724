//! A few small files by their names, out of one layer: what it holds of them and what it hides.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::{EntryKind, LayerIndex, Limits};
use crate::Error;

/// What a layer says about a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Named {
    /// It has a regular file there, with this content.
    File(Vec<u8>),
    /// It has something else there: a link, a directory, a sparse file.
    Other,
    /// It has nothing there, and what lower layers have cannot be seen.
    Hidden,
}

/// Looks for `paths`, without a slash at either end, in a layer; what it says nothing about is not
/// in the answer. A file of more than `most` bytes is refused.
///
/// The layer is read to its end as by [`LayerIndex::read`]: give it a reader that checks the digest.
/// `subject` names it in messages.
pub fn named<'p>(
    subject: &str,
    reader: impl Read,
    limits: &Limits,
    paths: &[&'p str],
    most: u64,
) -> Result<BTreeMap<&'p str, Named>, Error> {
    let mut contents = BTreeMap::new();
    let index = LayerIndex::read_showing(subject, reader, limits, |mut file| {
        let Some(path) = paths.iter().copied().find(|wanted| wanted.as_bytes() == file.path) else {
            return Ok(None);
        };
        if file.size > most {
            let subject = format!("`{path}` in {subject}");
            return Err(io::Error::other(Error::TooLarge { subject, limit: most }));
        }
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        contents.insert(path, (file.offset, content));
        Ok(None)
    })?;
    // Of several entries of one path the last one counts, which may be no file or a link to one.
    let mut file = |path: &str, offset| match contents.remove(path) {
        Some((at, content)) if at == offset => Named::File(content),
        _ => Named::Other,
    };
    let said = |path: &&'p str| {
        let kind = index.get(path.as_bytes()).map(|entry| entry.kind);
        let said = match kind {
            Some(EntryKind::File(content)) => file(path, content.offset),
            Some(_) => Named::Other,
            None if index.hides(path.as_bytes()) => Named::Hidden,
            None => return None,
        };
        Some((*path, said))
    };
    Ok(paths.iter().filter_map(said).collect())
}

#[cfg(test)]
mod tests {
    use std::io;

    use fleetfix_model::{Class, Classify};
    use proptest::prelude::*;
    use tar::EntryType;

    use super::*;

    const WANTED: [&str; 2] = ["m/a", "m/b"];
    const MOST: u64 = 1000;

    type Entries<'a> = &'a [(&'a str, EntryType, &'a [u8])];

    /// An archive of entries: name, kind, content.
    fn archive(entries: Entries<'_>) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_uid(0);
            header.set_gid(0);
            // `append_data` would refuse some of these names.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn search(reader: impl Read) -> Result<BTreeMap<&'static str, Named>, Error> {
        named("layer", reader, &Limits::default(), &WANTED, MOST)
    }

    fn told(bytes: &[u8]) -> String {
        let said = search(bytes).unwrap();
        let told = said.iter().map(|(path, said)| match said {
            Named::File(bytes) => format!("{path}={}", String::from_utf8_lossy(bytes)),
            Named::Other => format!("{path}?"),
            Named::Hidden => format!("{path}!"),
        });
        told.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn files_and_whiteouts() {
        let file = EntryType::Regular;
        let table: [(Entries<'_>, &str); 17] = [
            (&[], ""),
            (&[("m/", EntryType::Directory, b""), ("m/a", file, b"1")], "m/a=1"),
            (&[("./m/a", file, b"1"), ("/m//b", file, b"2")], "m/a=1 m/b=2"),
            (&[("m/a", file, b"1"), ("m/a", file, b"2")], "m/a=2"),
            (&[("m/a", file, b"1"), ("m/a", EntryType::Symlink, b"")], "m/a?"),
            (&[("m/a", EntryType::Symlink, b""), ("m/a", file, b"1")], "m/a=1"),
            (&[("m/a/c", file, b"1")], ""),
            (&[("m/.wh.a", file, b"")], "m/a!"),
            (&[(".wh.m", file, b"")], "m/a! m/b!"),
            (&[("m/.wh..wh..opq", file, b"")], "m/a! m/b!"),
            (&[(".wh..wh..opq", file, b"")], "m/a! m/b!"),
            (&[("m/b", file, b"2"), ("m/.wh..wh..opq", file, b"")], "m/a! m/b=2"),
            (&[("m/.wh..wh..opq", file, b""), ("m/b", file, b"2")], "m/a! m/b=2"),
            (&[("m", EntryType::Symlink, b"")], "m/a! m/b!"),
            (&[("m/a", file, b"1"), ("m", EntryType::Symlink, b"")], "m/a! m/b!"),
            (&[("n/.wh.a", file, b""), ("m/.wh.c", file, b""), ("mm", file, b"")], ""),
            (
                &[("././@LongLink", EntryType::GNULongName, b"m/a\0"), ("short", file, b"1")],
                "m/a=1",
            ),
        ];
        for (entries, expected) in table {
            assert_eq!(told(&archive(entries)), expected, "{entries:?}");
        }
        let pax = [("pax", EntryType::XHeader, &b"12 path=m/a\n"[..]), ("short", file, b"1")];
        assert_eq!(told(&archive(&pax)), "m/a=1");
    }

    #[test]
    fn what_is_no_layer() {
        let large = archive(&[("m/a", EntryType::Regular, &[0; 1001])]);
        let out = archive(&[("x/../m/a", EntryType::Regular, b"1")]);
        for (bytes, part) in [(&large[..], "m/a"), (&out, ".."), (b"x", "entry")] {
            let error = search(bytes).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            assert_eq!(error.class(), Class::Input, "{error}");
        }
    }

    /// A stream whose last read fails, as one does whose digest is wrong.
    struct Failing<'a>(&'a [u8]);

    impl Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let (expected, actual) =
                (fleetfix_model::Digest::of(b""), fleetfix_model::Digest::of(b"other"));
            match self.0.read(buffer)? {
                0 => Err(io::Error::other(Error::WrongDigest {
                    subject: "it".into(),
                    expected,
                    actual,
                })),
                read => Ok(read),
            }
        }
    }

    #[test]
    fn the_stream_has_the_last_word() {
        let good = archive(&[("m/a", EntryType::Regular, b"1")]);
        for bytes in [&good[..], b"no layer at all", &[&good[..], &[0; 100]].concat()] {
            let error = search(Failing(bytes)).unwrap_err();
            assert!(matches!(error, Error::WrongDigest { .. }), "{error:?}");
        }
    }

    proptest! {
        #[test]
        fn changed_bytes_never_panic(at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut bytes = archive(&[
                ("pax", EntryType::XHeader, b"12 path=m/a\n"),
                ("s", EntryType::Regular, b"1"),
                ("m/.wh.b", EntryType::Regular, b""),
            ]);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let _ = search(&*bytes);
        }
    }
}
