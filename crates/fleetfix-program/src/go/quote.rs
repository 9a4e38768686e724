//! Go's quoted strings (strconv, `QuotedPrefix` and `Unquote`).

/// The text of a quoted string that is all of `text`.
pub(super) fn unquote(text: &str) -> Option<String> {
    quoted_prefix(text).filter(|(_, rest)| rest.is_empty()).map(|(value, _)| value)
}

/// The text of the quoted string that `text` starts with, and what follows it.
pub(super) fn quoted_prefix(text: &str) -> Option<(String, &str)> {
    if let Some(raw) = text.strip_prefix('`') {
        let (value, rest) = raw.split_once('`')?;
        return Some((value.replace('\r', ""), rest));
    }
    let mut rest = text.strip_prefix('"')?;
    // Escapes name bytes as well as characters.
    let mut value = Vec::new();
    loop {
        let mut characters = rest.chars();
        match characters.next()? {
            '"' => return Some((String::from_utf8(value).ok()?, characters.as_str())),
            '\n' => return None,
            '\\' => rest = escape(characters.as_str(), &mut value)?,
            other => {
                value.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                rest = characters.as_str();
            }
        }
    }
}

/// Takes what follows a backslash; what follows that.
fn escape<'a>(text: &'a str, value: &mut Vec<u8>) -> Option<&'a str> {
    let mut characters = text.chars();
    let kind = characters.next()?;
    let rest = characters.as_str();
    let byte = match kind {
        'a' => 7,
        'b' => 8,
        't' => b'\t',
        'n' => b'\n',
        'v' => 11,
        'f' => 12,
        'r' => b'\r',
        '\\' => b'\\',
        '"' => b'"',
        'x' => {
            let (digits, rest) = rest.split_at_checked(2)?;
            value.push(u8::try_from(number(digits, 16)?).ok()?);
            return Some(rest);
        }
        '0'..='7' => {
            let (digits, rest) = text.split_at_checked(3)?;
            value.push(u8::try_from(number(digits, 8)?).ok()?);
            return Some(rest);
        }
        'u' | 'U' => {
            let (digits, rest) = rest.split_at_checked(if kind == 'u' { 4 } else { 8 })?;
            let character = char::from_u32(number(digits, 16)?)?;
            value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(rest);
        }
        _ => return None,
    };
    value.push(byte);
    Some(rest)
}

/// Digits only: Rust's own parser takes a sign too.
fn number(digits: &str, radix: u32) -> Option<u32> {
    let plain = digits.chars().all(|digit| digit.is_digit(radix));
    if plain { u32::from_str_radix(digits, radix).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_strconv_does() {
        let table = [
            (r#""""#, Some("")),
            (r#""a b""#, Some("a b")),
            (r#""\a\b\f\n\r\t\v\\\"""#, Some("\x07\x08\x0c\n\r\t\x0b\\\"")),
            (r#""\x41\101\u00e9\U0001f600""#, Some("AAé😀")),
            (r#""\xc3\xa9""#, Some("é")),
            ("`a\\n\r\"`", Some("a\\n\"")),
            (r#""\xff""#, None),
            (r#""\'""#, None),
            (r#""\u+0e9""#, None),
            (r#""\ud800""#, None),
            (r#""\x4""#, None),
            (r#""\18""#, None),
            (r#""\400""#, None),
            ("\"a\nb\"", None),
            ("\"a", None),
            ("`a", None),
            (r#""a"b"#, None),
            ("a", None),
            ("", None),
            ("\"\\", None),
            ("\"\\é\"", None),
        ];
        for (text, expected) in table {
            assert_eq!(unquote(text).as_deref(), expected, "{text:?}");
        }
    }
}
