//! As much DER (X.690) as a `SubjectPublicKeyInfo` needs, with one spelling: lengths and integers
//! in their shortest form, nothing left over. So one key has one encoding and one key id.

use std::fmt::Write as _;

/// `SEQUENCE`.
pub(crate) const SEQUENCE: u8 = 0x30;
/// `OBJECT IDENTIFIER`.
pub(crate) const OBJECT_ID: u8 = 0x06;
/// `BIT STRING`.
pub(crate) const BIT_STRING: u8 = 0x03;
/// `INTEGER`.
pub(crate) const INTEGER: u8 = 0x02;
/// `NULL`.
pub(crate) const NULL: u8 = 0x05;

/// Takes one element with `tag` off the front of `input`; `None` if there is none in strict form.
pub(crate) fn take<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&found, rest) = input.split_first()?;
    if found != tag {
        return None;
    }
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        // At most two bytes of length: the largest key takes 1 KiB.
        let count = usize::from(first & 0x7f);
        if !(1..=2).contains(&count) {
            return None;
        }
        let (digits, after) = rest.split_at_checked(count)?;
        length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        if length < 0x80 || (count == 2 && length < 0x100) {
            return None;
        }
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some(content)
}

/// One element with `tag` and nothing after it.
pub(crate) fn only(mut input: &[u8], tag: u8) -> Option<&[u8]> {
    let content = take(&mut input, tag)?;
    input.is_empty().then_some(content)
}

/// A positive integer in its shortest form.
pub(crate) fn take_positive<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let content = take(input, INTEGER)?;
    match content {
        [] | [0] | [0x80..=0xff, ..] | [0, 0..=0x7f, ..] => None,
        [0, rest @ ..] => Some(rest),
        _ => Some(content),
    }
}

/// An object identifier in dots.
pub(crate) fn dotted(oid: &[u8]) -> String {
    let mut arcs: Vec<u64> = vec![0];
    for byte in oid {
        if let Some(arc) = arcs.last_mut() {
            *arc = arc.saturating_mul(128).saturating_add(u64::from(byte & 0x7f));
        }
        if byte & 0x80 == 0 {
            arcs.push(0);
        }
    }
    arcs.pop();
    let mut text = String::new();
    for (i, arc) in arcs.iter().enumerate() {
        if i == 0 {
            let top = (arc / 40).min(2);
            let _ = write!(text, "{top}.{}", arc - top * 40);
        } else {
            let _ = write!(text, ".{arc}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_spelling_only() {
        assert_eq!(only(&[0x30, 0], SEQUENCE), Some([].as_slice()));
        assert_eq!(only(&[0x30, 1, 7], SEQUENCE), Some([7].as_slice()));
        let long = [&[0x30, 0x81, 0x80][..], &[1; 0x80]].concat();
        assert_eq!(only(&long, SEQUENCE).map(<[u8]>::len), Some(0x80));
        let table: [&[u8]; 10] = [
            &[],
            &[0x30],
            &[0x31, 0],
            &[0x30, 1],
            &[0x30, 0, 0],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81, 1, 7],
            &[0x30, 0x82, 0, 1, 7],
            &[0x30, 0x83, 0, 0, 1, 7],
            &[0x30, 0xff],
        ];
        for bytes in table {
            assert_eq!(only(bytes, SEQUENCE), None, "{bytes:x?}");
        }
    }

    #[test]
    fn integers_are_positive_and_short() {
        let ok: [(&[u8], &[u8]); 3] =
            [(&[2, 1, 3], &[3]), (&[2, 2, 0, 0x80], &[0x80]), (&[2, 2, 1, 0], &[1, 0])];
        for (mut bytes, value) in ok {
            assert_eq!(take_positive(&mut bytes), Some(value));
        }
        let bad: [&[u8]; 5] = [&[2, 0], &[2, 1, 0], &[2, 1, 0x80], &[2, 2, 0, 1], &[2, 2, 0, 0]];
        for mut bytes in bad {
            assert_eq!(take_positive(&mut bytes), None, "{bytes:x?}");
        }
    }

    #[test]
    fn object_ids_in_dots() {
        assert_eq!(dotted(&[0x2b, 0x65, 0x70]), "1.3.101.112");
        assert_eq!(dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]), "1.2.840.113549.1.1.1");
        assert_eq!(dotted(&[]), "");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = only(&bytes, SEQUENCE);
            let _ = dotted(&bytes);
            let _ = take_positive(&mut bytes.as_slice());
        }
    }
}
