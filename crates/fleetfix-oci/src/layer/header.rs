//! Tar headers, built field by field (POSIX.1-2024 pax, "ustar Interchange Format" and "pax Extended
//! Header"). An extended header is written only where the plain one cannot hold a value.

use std::collections::BTreeMap;

use tar::{EntryType, Header};

use crate::metadata::{Metadata, Mtime};

/// Size of a header and unit of padding, in bytes.
pub(super) const BLOCK: usize = 512;
/// Largest number in a field of 7 octal digits: owner and group.
const MAX_ID: u64 = 0o777_7777;
/// Largest number in a field of 11 octal digits: size and time.
const MAX_LONG: u64 = 0o777_7777_7777;
/// Prefix of extended attributes in an extended header (star, and all container tools).
pub(crate) const XATTR: &[u8] = b"SCHILY.xattr.";

/// The headers of one entry. `path` ends in `/` for a directory.
pub(super) fn headers(path: &[u8], kind: EntryType, size: u64, metadata: &Metadata) -> Vec<u8> {
    let mut records = BTreeMap::new();
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(metadata.mode & 0o7777);

    let place = if path.is_ascii() { split(path) } else { None };
    let (prefix, name) = place.unwrap_or_else(|| {
        records.insert(b"path".to_vec(), path.to_vec());
        (&[], path)
    });
    if let Some(fields) = header.as_ustar_mut() {
        // A reader that knows no extended headers sees the start of a name that is too long.
        fill(&mut fields.prefix, prefix);
        fill(&mut fields.name, name);
    }

    let mut number = |key: &str, value: u64, max: u64| {
        if value <= max {
            return value;
        }
        records.insert(key.into(), value.to_string().into_bytes());
        0
    };
    header.set_uid(number("uid", metadata.uid, MAX_ID));
    header.set_gid(number("gid", metadata.gid, MAX_ID));
    header.set_size(number("size", size, MAX_LONG));

    match u64::try_from(metadata.mtime.seconds) {
        Ok(seconds) if seconds <= MAX_LONG => header.set_mtime(seconds),
        _ => header.set_mtime(0),
    }
    let held = header.mtime().ok().and_then(|s| i64::try_from(s).ok());
    if held != Some(metadata.mtime.seconds) || metadata.mtime.nanos != 0 {
        records.insert(b"mtime".to_vec(), time(metadata.mtime).into_bytes());
    }
    for (name, value) in &metadata.xattrs {
        records.insert([XATTR, name].concat(), value.clone());
    }
    header.set_cksum();

    let mut out = if records.is_empty() { Vec::new() } else { extended(path, &records) };
    out.extend_from_slice(header.as_bytes());
    out
}

/// An extended header with its records, in the order of their keys.
fn extended(path: &[u8], records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
    let body: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(body.len() as u64);
    let base = path.strip_suffix(b"/").unwrap_or(path).rsplit(|b| *b == b'/').next();
    let base =
        base.unwrap_or_default().iter().map(|b| if b.is_ascii_graphic() { *b } else { b'_' });
    let name: Vec<u8> = b"PaxHeaders.0/".iter().copied().chain(base).take(99).collect();
    fill(&mut header.as_old_mut().name, &name);
    header.set_cksum();

    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(&body);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
    out
}

/// `<length> <key>=<value>\n`, the length counting its own digits.
fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut out = format!("{length} ").into_bytes();
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
    out
}

/// Prefix (at most 155 bytes) and name (at most 100), cut at a slash.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= 100 {
        return Some((&[], path));
    }
    // The slash at the end of a directory is part of its name.
    let end = path.len() - usize::from(path.ends_with(b"/"));
    let cut = |at: &usize| path.get(*at) == Some(&b'/') && path.len() - at - 1 <= 100;
    let at = (1..end.min(156)).rev().find(cut)?;
    Some((path.get(..at)?, path.get(at + 1..)?))
}

/// Seconds with as many decimals as there are.
fn time(mtime: Mtime) -> String {
    let (seconds, nanos) = (i128::from(mtime.seconds), i128::from(mtime.nanos));
    let total = seconds * 1_000_000_000 + nanos;
    let sign = if total < 0 { "-" } else { "" };
    let (whole, fraction) =
        (total.unsigned_abs() / 1_000_000_000, total.unsigned_abs() % 1_000_000_000);
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let digits = format!("{fraction:09}");
    format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
}

fn fill(field: &mut [u8], bytes: &[u8]) {
    for (slot, byte) in field.iter_mut().zip(bytes) {
        *slot = *byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_itself() {
        assert_eq!(record(b"path", b"a"), b"9 path=a\n");
        assert_eq!(record(b"k", b"v"), b"6 k=v\n");
        for length in [1, 90, 91, 92, 93, 94, 990, 991, 992, 993, 9990] {
            let record = record(b"key", &vec![b'x'; length]);
            let digits: Vec<u8> = record.iter().copied().take_while(|b| *b != b' ').collect();
            assert_eq!(String::from_utf8(digits).unwrap(), record.len().to_string());
        }
    }

    #[test]
    fn names_are_cut_at_a_slash() {
        let long = |a: usize, b: usize| [vec![b'a'; a], b"/".to_vec(), vec![b'b'; b]].concat();
        assert_eq!(split(b"usr/bin/app"), Some((&b""[..], &b"usr/bin/app"[..])));
        for (a, b, fits) in [(50, 100, true), (155, 100, true), (156, 100, false), (10, 101, false)]
        {
            let path = long(a, b);
            assert_eq!(split(&path).is_some(), fits, "{a}/{b}");
        }
        let directory = [long(50, 99), b"/".to_vec()].concat();
        let (prefix, name) = split(&directory).unwrap();
        assert_eq!((prefix.len(), name.len()), (50, 100));
        assert_eq!(split(&[vec![b'a'; 101], b"/".to_vec()].concat()), None);
    }

    #[test]
    fn times() {
        for (seconds, nanos, text) in [
            (0, 0, "0"),
            (1, 500_000_000, "1.5"),
            (-1, 0, "-1"),
            (-2, 500_000_000, "-1.5"),
            (-1, 999_999_999, "-0.000000001"),
            (i64::MAX, 1, "9223372036854775807.000000001"),
        ] {
            assert_eq!(time(Mtime { seconds, nanos }), text);
        }
    }
}
