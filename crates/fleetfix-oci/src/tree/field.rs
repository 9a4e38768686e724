//! Fields of a tar header.

/// The sums of a header with its own sum as spaces: of unsigned bytes, and of signed ones as some
/// old writers had it.
pub(super) fn checksums(block: &[u8; 512]) -> [i128; 2] {
    let bytes = (0..).zip(block).map(|(i, b)| if (148..156).contains(&i) { b' ' } else { *b });
    let sums = bytes.fold((0, 0), |(plain, signed), b| {
        (plain + i128::from(b), signed + i128::from(b.cast_signed()))
    });
    [sums.0, sums.1]
}

/// A number: octal digits, or binary after a set bit (GNU). A field of spaces and NULs is zero.
pub(super) fn signed(field: &[u8]) -> Result<i64, &'static str> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => {
            let negative = first & 0x40 != 0;
            let start = if negative { -1 } else { i128::from(first & 0x3f) };
            // A negative number fills the field with ones from the left.
            let start = if negative { (start << 6) | i128::from(first & 0x3f) } else { start };
            let mut value = start;
            for byte in field.iter().skip(1) {
                value = (value << 8) | i128::from(*byte);
                if i64::try_from(value).is_err() {
                    return Err("is too large");
                }
            }
            i64::try_from(value).map_err(|_| "is too large")
        }
        _ => {
            let is_fill = |b: &u8| *b == b' ' || *b == 0;
            let start = field.iter().position(|b| !is_fill(b)).unwrap_or(field.len());
            let digits: Vec<u8> =
                field.iter().skip(start).copied().take_while(|b| !is_fill(b)).collect();
            let digits = std::str::from_utf8(&digits).map_err(|_| "is not a number")?;
            if digits.is_empty() {
                return Ok(0);
            }
            if !digits.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
                return Err("is not a number");
            }
            i64::from_str_radix(digits, 8).map_err(|_| "is too large")
        }
    }
}

pub(super) fn unsigned(field: &[u8]) -> Result<u64, &'static str> {
    u64::try_from(signed(field)?).map_err(|_| "is negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let ok: [(&[u8], i64); 8] = [
            (b"0000755\0", 0o755),
            (b"   755 \0", 0o755),
            (b"\0\0\0\0", 0),
            (b"77777777", 0o7777_7777),
            (b"\x80\0\0\0\0\0\x01\x02", 258),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", -1),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", -256),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", i64::MAX),
        ];
        for (field, value) in ok {
            assert_eq!(signed(field), Ok(value), "{field:?}");
        }
        let bad: [&[u8]; 5] = [
            b"8",
            b"-1",
            b"7x",
            b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        ];
        for field in bad {
            assert!(signed(field).is_err(), "{field:?}");
        }
        assert_eq!(unsigned(b"\xff\xff\xff\xff\xff\xff\xff\xff"), Err("is negative"));
    }
}
