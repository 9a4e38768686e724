//! Text of others in front of people: what a terminal would act on is told apart, and shown in another
//! way.

use std::fmt;

/// True for what makes a terminal show something else than what is written: control characters, a
/// line or paragraph of its own, and marks of direction (UAX #9, "Explicit Directional Formatting
/// Characters" and "Implicit Directional Marks").
pub fn forges(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Shows text on one line: what [`forges`] stands there as Rust spells it, such as `\n` and `\u{1b}`.
#[derive(Clone, Copy, Debug)]
pub struct OneLine<'a>(pub &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for c in self.0.chars() {
            if forges(c) {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_spelled_out() {
        let table = [
            ("as it is: ä `x`", "as it is: ä `x`"),
            ("a\r\n\tb", "a\\r\\n\\tb"),
            ("\u{1b}[2K", "\\u{1b}[2K"),
            ("a\u{202e}b\u{2066}c\u{200f}", "a\\u{202e}b\\u{2066}c\\u{200f}"),
            ("\u{2028}\u{2029}\u{9b}", "\\u{2028}\\u{2029}\\u{9b}"),
        ];
        for (text, shown) in table {
            assert_eq!(OneLine(text).to_string(), shown);
        }
    }
}
