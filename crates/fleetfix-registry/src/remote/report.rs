//! What a registry says about its refusals, made fit for one line.

use oci_client::errors::{OciEnvelope, OciError};
use url::Url;

/// Longest text of a registry that is repeated, in characters.
const MAX_TEXT: usize = 300;

/// A URL for people: queries hold upload states and signatures, and nobody needs them.
pub(super) fn redacted(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    // Both fail only for URLs that cannot have a user.
    let _ = (shown.set_username(""), shown.set_password(None));
    one_line(shown.as_str())
}

/// The error codes of an answer, and its first line of text.
pub(super) fn explain(content_type: Option<&str>, body: &[u8]) -> (Vec<String>, Option<String>) {
    if let Ok(OciEnvelope { errors }) = serde_json::from_slice(body) {
        let codes = errors.iter().filter_map(code).collect();
        let text = errors.first().map(|error| match code(error) {
            Some(code) if error.message.is_empty() => code,
            Some(code) => format!("{code}: {}", error.message),
            None => error.message.clone(),
        });
        return (codes, text.map(|t| one_line(&t)).filter(|t| !t.is_empty()));
    }
    // A token service answers with one of these (RFC 6749, section 5.2; distribution's token.md).
    if let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(body) {
        let field = |name: &str| object.get(name).and_then(serde_json::Value::as_str);
        let text = ["error_description", "details", "message", "error"].into_iter().find_map(field);
        return (Vec::new(), text.map(one_line).filter(|t| !t.is_empty()));
    }
    let plain = content_type.is_none_or(|t| t.starts_with("text/plain"));
    let text = plain.then(|| one_line(&String::from_utf8_lossy(body)));
    (Vec::new(), text.filter(|t| !t.is_empty()))
}

fn code(error: &OciError) -> Option<String> {
    let value = serde_json::to_value(&error.code).ok()?;
    value.as_str().map(one_line).filter(|code| !code.is_empty())
}

/// The first line that says something, without control characters, cut.
fn one_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let visible = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut chars = line.chars().filter(visible);
    let mut short: String = chars.by_ref().take(MAX_TEXT).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated() {
        let long = "x".repeat(1000);
        let cut = format!("{}…", "x".repeat(MAX_TEXT));
        let table: [(&str, &str, Option<&str>); 9] = [
            (
                "application/json",
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{}}]}"#,
                Some("MANIFEST_UNKNOWN: manifest unknown"),
            ),
            ("application/json", r#"{"errors":[{"code":"X_Y"}]}"#, Some("X_Y")),
            ("application/json", r#"{"errors":[]}"#, None),
            (
                "application/json",
                r#"{"errors":[{"code":"A","message":"one\u001b[31m\ntwo"}]}"#,
                Some("A: one[31m"),
            ),
            (
                "application/json",
                r#"{"details":"incorrect username or password"}"#,
                Some("incorrect username or password"),
            ),
            ("text/plain", "\n  slow down  \nmore", Some("slow down")),
            ("text/html", "<html>", None),
            ("text/plain", "", None),
            ("text/plain", &long, Some(&cut)),
        ];
        for (content_type, body, expected) in table {
            let (_, text) = explain(Some(content_type), body.as_bytes());
            assert_eq!(text.as_deref(), expected, "{body:.80}");
        }
        let (codes, _) = explain(None, br#"{"errors":[{"code":"DENIED"},{"code":"OWN"}]}"#);
        assert_eq!(codes, ["DENIED", "OWN"]);
        assert_eq!(explain(None, &[0xff, 0xfe]).1.as_deref(), Some("\u{fffd}\u{fffd}"));
    }

    #[test]
    fn urls_lose_what_is_secret() {
        for (url, shown) in [
            ("https://u:p@a.example/b/c?_state=secret#x", "https://a.example/b/c"),
            ("http://127.0.0.1:5000/v2/?digest=x", "http://127.0.0.1:5000/v2/"),
        ] {
            assert_eq!(redacted(&url.parse().unwrap()), shown);
        }
    }
}
