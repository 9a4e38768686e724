//! Numbers that canonical JSON cannot hold, kept as they are written: fractions, and integers beyond
//! ±2^53. Other tools' configurations have them, and an edit must not change what it is not about.
//!
//! While the document is parsed and edited, a string stands for each. It holds the digest of the
//! document, so no string of the document itself can be taken for one.

use fleetfix_model::Digest;
use fleetfix_model::canonical::MAX_INTEGER;

/// Longest number that is kept, in bytes.
const MAX_LENGTH: usize = 400;

/// What stands before the text of a number in the strings that stand for one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Kept {
    mark: String,
}

impl Kept {
    /// Puts strings for numbers that must be kept. Bytes that are not JSON come out as what is not
    /// JSON either.
    pub(crate) fn out_of(json: &[u8]) -> (Self, Vec<u8>) {
        let kept = Self { mark: format!("number {} ", Digest::of(json).hex()) };
        let mut out = Vec::with_capacity(json.len());
        let mut rest = json;
        while let Some(first) = rest.first() {
            let length = match first {
                b'"' => string(rest),
                b'-' | b'0'..=b'9' => {
                    let is_part = |b: &&u8| b"+-.eE0123456789".contains(b);
                    rest.iter().take_while(is_part).count()
                }
                _ => 1,
            };
            let (token, after) = rest.split_at(length.min(rest.len()));
            if is_to_keep(token) {
                out.push(b'"');
                out.extend_from_slice(kept.mark.as_bytes());
                out.extend_from_slice(token);
                out.push(b'"');
            } else {
                out.extend_from_slice(token);
            }
            rest = after;
        }
        (kept, out)
    }

    /// True for a string that stands for a number.
    pub(crate) fn is_one(&self, text: &str) -> bool {
        !self.mark.is_empty() && text.starts_with(&self.mark)
    }

    /// Puts the numbers back.
    pub(crate) fn put_back(&self, json: &str) -> String {
        if self.mark.is_empty() {
            return json.to_owned();
        }
        let start = format!("\"{}", self.mark);
        let mut parts = json.split(start.as_str());
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (number, after) = part.split_once('"').unwrap_or((part, ""));
            out.push_str(number);
            out.push_str(after);
        }
        out
    }
}

/// Length of the string at the start of `json`, with its quotes.
fn string(json: &[u8]) -> usize {
    let mut escaped = false;
    let end = json.iter().skip(1).position(|b| {
        let ends = *b == b'"' && !escaped;
        escaped = *b == b'\\' && !escaped;
        ends
    });
    end.map_or(json.len(), |end| end + 2)
}

/// True for a number as JSON has it (RFC 8259, section 6) that is no integer within ±2^53.
fn is_to_keep(token: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(token) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
        }
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let is_number = digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
        && text.len() <= MAX_LENGTH;
    let is_plain = fraction.is_none() && exponent.is_none();
    // `-0` is an integer that a parser would write as 0.
    let is_small = whole.parse::<u64>().is_ok_and(|n| n <= MAX_INTEGER) && text != "-0";
    is_number && !(is_plain && is_small)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn round(json: &str) -> String {
        let (kept, plain) = Kept::out_of(json.as_bytes());
        let value = fleetfix_model::canonical::from_bounded_json(&plain).unwrap();
        kept.put_back(&value.to_string())
    }

    #[test]
    fn numbers_stay_as_they_are_written() {
        for json in [
            r#"{"a":1.50,"b":[1e400,-2.5E-3,0.1],"c":"1.5"}"#,
            "[9007199254740993,-9007199254740993,18446744073709551616,9007199254740992,-1,0]",
            r#"{"1.5":"a \" 1.5","\\":2.0,"n":-0,"d":-0.0}"#,
            "[]",
            "1.5",
        ] {
            assert_eq!(round(json), json);
        }
        assert_eq!(round(r#"{ "a" : 1.5 , "b":[ 2.5,3 ] }"#), r#"{"a":1.5,"b":[2.5,3]}"#);
    }

    #[test]
    fn what_is_no_number_stays_an_error() {
        for json in ["[01.5]", "[1.]", "[.5]", "[1e]", "[1.5.5]", "[--1]", "[1.5", "\"1.5", "[+1]"]
        {
            let (_, plain) = Kept::out_of(json.as_bytes());
            assert!(fleetfix_model::canonical::from_bounded_json(&plain).is_err(), "{json}");
        }
        let long = format!("[0.{}]", "1".repeat(MAX_LENGTH));
        let (_, plain) = Kept::out_of(long.as_bytes());
        assert!(fleetfix_model::canonical::from_bounded_json(&plain).is_err());
    }

    #[test]
    fn a_string_of_the_document_is_none_of_ours() {
        let (kept, _) = Kept::out_of(b"[1.5]");
        let json = format!(r#"["{}1.5"]"#, kept.mark);
        assert_eq!(round(&json), json);
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let (kept, plain) = Kept::out_of(&bytes);
            let _ = kept.put_back(&String::from_utf8_lossy(&plain));
        }

        #[test]
        fn as_another_parser_reads_it(numbers in prop::collection::vec(any::<f64>().prop_filter("finite", |n| n.is_finite()), 0..6), text in ".{0,8}") {
            let json = serde_json::to_string(&(numbers, text)).unwrap();
            let expected: Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&round(&json)).unwrap(), expected);
        }
    }
}
