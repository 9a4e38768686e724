//! The first line of a message, fit for a document and a terminal.

/// Longest title, in bytes; what is longer is cut at a character and ends with `...`.
pub const MAX_TITLE: usize = 200;

/// The first line that has something on it, as UTF-8, without what makes a terminal show something
/// else than what is written: control characters and marks of direction become spaces.
pub fn clean(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message.get(..MAX_TITLE * 40).unwrap_or(message));
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let shown: String = line.chars().map(|c| if forges(c) { ' ' } else { c }).collect();
    let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    if shown.len() <= MAX_TITLE {
        return shown;
    }
    let end = (0..=MAX_TITLE - 3).rev().find(|at| shown.is_char_boundary(*at)).unwrap_or_default();
    format!("{}...", shown.get(..end).unwrap_or_default().trim_end())
}

/// Control characters, marks of direction (UAX #9), separators of lines and paragraphs, and what has
/// no width of its own.
fn forges(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles() {
        let long = "ä".repeat(200);
        let table: [(&[u8], &str); 7] = [
            (b"", ""),
            (b"\n\n  Fix LDAP \n\nbody", "Fix LDAP"),
            (b"one\ttwo\x1b[31mred", "one two [31mred"),
            (b"ab\xff\xfe", "ab\u{fffd}\u{fffd}"),
            ("a\u{202e}b\u{2028}c".as_bytes(), "a b c"),
            (b"cr\rlf\r\nx", "cr lf"),
            (long.as_bytes(), ""),
        ];
        for (message, title) in table {
            let cleaned = clean(message);
            if message == long.as_bytes() {
                assert!(cleaned.ends_with("...") && cleaned.len() <= MAX_TITLE, "{cleaned}");
            } else {
                assert_eq!(cleaned, title, "{message:?}");
            }
        }
    }
}
