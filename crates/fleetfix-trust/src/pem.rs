//! PEM (RFC 7468): one block, one spelling out.
//!
//! In: exactly one block with LF or CRLF line ends and nothing around it but white space. Out: LF
//! and lines of 64 characters, as OpenSSL, Go and cosign write it. `OpenShift`'s `ClusterImagePolicy`
//! refuses a key with CRLF (openshift/api `config/v1/types_image_policy.go`, rule on `keyData`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleetfix_model::{Class, Classify};
use zeroize::Zeroizing;

/// Largest text that is read, in bytes: an RSA key of 8192 bits takes 6 KiB.
pub const MAX_SIZE: usize = 16 << 10;

/// Characters in a line of the body (RFC 7468, section 2).
const LINE: usize = 64;
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// One PEM block. Its contents are wiped from memory when it is dropped: they may be a secret.
pub struct Pem {
    /// What stands after `BEGIN`, such as `PUBLIC KEY`.
    pub label: String,
    /// The decoded contents.
    pub contents: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pem").field("label", &self.label).finish_non_exhaustive()
    }
}

/// Why a text is not one PEM block.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing.
    #[error("empty, expected one PEM block")]
    Empty,
    /// More than [`MAX_SIZE`] bytes.
    #[error("{size} bytes, at most {MAX_SIZE} are read")]
    TooLarge {
        /// Size found.
        size: usize,
    },
    /// Bytes that are not UTF-8.
    #[error("not text, expected one PEM block")]
    NotText,
    /// No `-----BEGIN LABEL-----` at the start.
    #[error("does not start with `-----BEGIN`, expected one PEM block and nothing before it")]
    NoBegin,
    /// No end line that fits the first line.
    #[error("PEM block `{label}` has no `-----END {label}-----`")]
    NoEnd {
        /// Label of the block.
        label: String,
    },
    /// Something follows the block.
    #[error("something follows PEM block `{label}`, expected exactly one block")]
    Trailing {
        /// Label of the block.
        label: String,
    },
    /// The body is not standard base64.
    #[error("PEM block `{label}` is not standard base64")]
    NotBase64 {
        /// Label of the block.
        label: String,
    },
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::Empty
            | Self::TooLarge { .. }
            | Self::NotText
            | Self::NoBegin
            | Self::NoEnd { .. }
            | Self::Trailing { .. }
            | Self::NotBase64 { .. } => Class::Input,
        }
    }
}

/// Reads one PEM block.
pub fn parse(text: &[u8]) -> Result<Pem, Error> {
    if text.len() > MAX_SIZE {
        return Err(Error::TooLarge { size: text.len() });
    }
    let text = std::str::from_utf8(text).map_err(|_| Error::NotText)?.trim_ascii();
    if text.is_empty() {
        return Err(Error::Empty);
    }
    let (label, rest) = text
        .strip_prefix(BEGIN)
        .and_then(|rest| rest.split_once(DASHES))
        .filter(|(label, _)| !label.contains(['\r', '\n', '-']))
        .ok_or(Error::NoBegin)?;
    let label = label.to_owned();
    let Some((body, rest)) = rest.split_once(&format!("{END}{label}{DASHES}")) else {
        return Err(Error::NoEnd { label });
    };
    if !rest.is_empty() {
        return Err(Error::Trailing { label });
    }
    // A line of its own for each part: `BEGIN` and `END` do not share theirs with the body.
    let not_base64 = || Error::NotBase64 { label: label.clone() };
    let body = body.strip_prefix("\r\n").or_else(|| body.strip_prefix('\n'));
    let mut joined = Zeroizing::new(Vec::with_capacity(text.len()));
    for line in body.and_then(|body| body.strip_suffix('\n')).ok_or_else(not_base64)?.split('\n') {
        joined.extend_from_slice(line.strip_suffix('\r').unwrap_or(line).as_bytes());
    }
    let contents = Zeroizing::new(STANDARD.decode(&*joined).map_err(|_| not_base64())?);
    if contents.is_empty() {
        return Err(not_base64());
    }
    Ok(Pem { label, contents })
}

/// Writes one PEM block: LF line ends, the last one included.
pub fn encode(label: &str, contents: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(contents));
    // All of it at once, so that no copy is left behind by a reallocation.
    let mut text = Zeroizing::new(String::with_capacity(body.len() * 2 + label.len() * 2 + 64));
    text.push_str(BEGIN);
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest: &str = &body;
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(END);
    text.push_str(label);
    text.push_str("-----\n");
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "-----BEGIN PUBLIC KEY-----\naGVsbG8=\n-----END PUBLIC KEY-----\n";

    #[test]
    fn line_ends_of_both_kinds_in_and_one_kind_out() {
        for text in [
            GOOD.to_owned(),
            GOOD.trim_end().to_owned(),
            GOOD.replace('\n', "\r\n"),
            format!("\n {GOOD}\n\n"),
            GOOD.replace("aGVs", "aGVs\n"),
        ] {
            let pem = parse(text.as_bytes()).unwrap();
            assert_eq!(pem.label, "PUBLIC KEY");
            assert_eq!(*pem.contents, b"hello");
            assert_eq!(*encode(&pem.label, &pem.contents), GOOD);
        }
    }

    #[test]
    fn refusals() {
        let label = || "PUBLIC KEY".to_owned();
        let table: [(String, Error); 16] = [
            (String::new(), Error::Empty),
            (" \r\n".into(), Error::Empty),
            ("x".repeat(MAX_SIZE + 1), Error::TooLarge { size: MAX_SIZE + 1 }),
            ("aGVsbG8=".into(), Error::NoBegin),
            (format!("Subject: me\n{GOOD}"), Error::NoBegin),
            ("-----BEGIN PUBLIC KEY\naGVsbG8=\n".into(), Error::NoBegin),
            ("-----BEGIN PUBLIC KEY-----\naGVsbG8=\n".into(), Error::NoEnd { label: label() }),
            (GOOD.replace("END PUBLIC", "END PRIVATE"), Error::NoEnd { label: label() }),
            (format!("{GOOD}{GOOD}"), Error::Trailing { label: label() }),
            (format!("{GOOD}x"), Error::Trailing { label: label() }),
            (GOOD.replace("=\n", "\n"), Error::NotBase64 { label: label() }),
            (GOOD.replace("8=", "9="), Error::NotBase64 { label: label() }),
            (GOOD.replace("aG", "a G"), Error::NotBase64 { label: label() }),
            (GOOD.replace("aG", "a_"), Error::NotBase64 { label: label() }),
            (GOOD.replace("aGVsbG8=\n", ""), Error::NotBase64 { label: label() }),
            (GOOD.replace("-----\na", "-----a"), Error::NotBase64 { label: label() }),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text.as_bytes()).unwrap_err(), expected, "{text:?}");
        }
        assert_eq!(parse(b"\xff").unwrap_err(), Error::NotText);
    }

    #[test]
    fn contents_are_not_printed() {
        let printed = format!("{:?}", parse(GOOD.as_bytes()).unwrap());
        assert!(!printed.contains("hello") && !printed.contains("104"), "{printed}");
    }

    proptest! {
        #[test]
        fn what_we_write_we_read(contents in prop::collection::vec(any::<u8>(), 1..300)) {
            let text = encode("PRIVATE KEY", &contents);
            prop_assert!(text.lines().all(|line| line.len() <= LINE));
            prop_assert_eq!(&*parse(text.as_bytes()).unwrap().contents, &contents);
        }

        #[test]
        fn other_text_never_panics(text in "(-----(BEGIN|END) [A-Z]{0,3}-----|[a-zA-Z0-9=\r\n -]){0,12}") {
            let _ = parse(text.as_bytes());
        }
    }
}
