//! Records of a pax extended header (POSIX.1-2024 pax, "pax Extended Header"): read by their
//! lengths, since a value may hold any byte. File capabilities hold line feeds.

use crate::metadata::Mtime;

/// Key and value.
type Record<'a> = (&'a [u8], &'a [u8]);

/// The records of `body` in their order.
pub(super) fn records(mut body: &[u8]) -> Result<Vec<Record<'_>>, &'static str> {
    let mut found = Vec::new();
    while !body.is_empty() {
        let space =
            body.iter().take(20).position(|b| *b == b' ').ok_or("a record has no length")?;
        let length = body.get(..space).and_then(number).ok_or("a record has no length")?;
        let length = usize::try_from(length).map_err(|_| "a record is too long")?;
        let (record, rest) = body.split_at_checked(length).ok_or("a record is too long")?;
        let record = record.get(space + 1..).and_then(|r| r.strip_suffix(b"\n"));
        let record = record.ok_or("a record does not end in a line feed")?;
        let equals = record.iter().position(|b| *b == b'=').ok_or("a record has no `=`")?;
        let (key, value) = record.split_at(equals);
        if key.is_empty() || key.contains(&0) {
            return Err("a record has a broken key");
        }
        found.push((key, value.get(1..).unwrap_or_default()));
        body = rest;
    }
    Ok(found)
}

/// A decimal number without sign.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// Seconds with an optional sign and fraction; digits beyond nanoseconds are cut off.
pub(super) fn time(text: &[u8]) -> Option<Mtime> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let dot = text.iter().position(|b| *b == b'.').unwrap_or(text.len());
    let (whole, fraction) = text.split_at(dot);
    let whole = i64::try_from(number(whole)?).ok()?;
    let fraction = fraction.get(1..).unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(9);
    let nanos = digits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    match (negative, nanos) {
        (false, _) => Some(Mtime { seconds: whole, nanos }),
        (true, 0) => Some(Mtime { seconds: -whole, nanos }),
        // Seconds are rounded down.
        (true, _) => Some(Mtime { seconds: -whole - 1, nanos: 1_000_000_000 - nanos }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_hold_any_byte() {
        let body = b"9 path=a\n14 k=\x00\n=\n9 \xff\n10 x=\n\xff\x00\n";
        assert!(records(body).is_err(), "a length that is wrong by one");
        let body = b"9 path=a\n13 k=\x00\n=\n9 \xff\n8 x=\n\xff\x00\n";
        let expected: [(&[u8], &[u8]); 3] =
            [(b"path", b"a"), (b"k", b"\x00\n=\n9 \xff"), (b"x", b"\n\xff\x00")];
        assert_eq!(records(body).unwrap(), expected);
        assert_eq!(records(b"").unwrap(), []);
    }

    #[test]
    fn broken_records() {
        let table: [&[u8]; 11] = [
            b"x",
            b" path=a\n",
            b"9path=a\n",
            b"99 path=a\n",
            b"8 path=a\n",
            b"10 path=ab\n",
            b"-9 path=a\n",
            b"4 a\n",
            b"5 =a\n",
            b"99999999999999999999 path=a\n",
            b"0 path=a\n",
        ];
        for body in table {
            assert!(records(body).is_err(), "{:?}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn times() {
        let ok: [(&[u8], i64, u32); 6] = [
            (b"0", 0, 0),
            (b"12.5", 12, 500_000_000),
            (b"1.0000000019", 1, 1),
            (b"-1", -1, 0),
            (b"-1.25", -2, 750_000_000),
            (b"7.", 7, 0),
        ];
        for (text, seconds, nanos) in ok {
            assert_eq!(time(text), Some(Mtime { seconds, nanos }));
        }
        let bad: [&[u8]; 6] = [b"", b"-", b".5", b"1.x", b"+1", b"99999999999999999999"];
        for text in bad {
            assert_eq!(time(text), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes(body in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = records(&body);
            let _ = time(&body);
        }
    }
}
