//! A value as YAML, to be read: block style, keys in the order of the value, strings quoted wherever
//! a reader could take them for something else. A JSON string is a YAML double-quoted scalar
//! (YAML 1.2.2, section 1.2).

use std::fmt::Write;

use serde_json::Value;

/// The value as a YAML document.
pub fn render(value: &Value) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = match value {
        Value::Object(map) if !map.is_empty() => block(&mut out, value, 0),
        Value::Array(items) if !items.is_empty() => block(&mut out, value, 0),
        _ => writeln!(out, "{}", scalar(value)),
    };
    out
}

/// A mapping or a list that is not empty, each line with `indent` spaces in front.
fn block(out: &mut String, value: &Value, indent: usize) -> std::fmt::Result {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                write!(out, "{:indent$}{}:", "", word(key))?;
                // A list may stand below its key without a further indent.
                let deeper = if value.is_array() { indent } else { indent + 2 };
                below(out, value, deeper)?;
            }
        }
        Value::Array(items) => {
            for item in items {
                if is_block(item) {
                    let mut inner = String::new();
                    block(&mut inner, item, indent + 2)?;
                    // The first line starts behind the dash.
                    let rest = inner.get(indent + 2..).unwrap_or_default();
                    write!(out, "{:indent$}- {rest}", "")?;
                } else {
                    writeln!(out, "{:indent$}- {}", "", scalar(item))?;
                }
            }
        }
        _ => writeln!(out, "{:indent$}{}", "", scalar(value))?,
    }
    Ok(())
}

fn below(out: &mut String, value: &Value, indent: usize) -> std::fmt::Result {
    if is_block(value) {
        writeln!(out)?;
        block(out, value, indent)
    } else {
        writeln!(out, " {}", scalar(value))
    }
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => word(text),
        other => other.to_string(),
    }
}

/// Text as it is, if it cannot be taken for anything else.
fn word(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/' | b'.'))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use fleetfix_model::yaml::from_yaml;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let values = [
            json!({"a": 1, "b": [], "c": {}, "d": [[1, 2], [], {"x": "y", "z": [{"w": null}]}]}),
            json!({"list": [{"name": "a", "more": {"deep": ["x"]}}, {"name": "b"}], "yes": "no"}),
            json!({"version": "4.20", "digest": "sha256:ab", "text": "a: b # c\n\"d\"\\ \u{1}é", "": " "}),
            json!([1, "two", true, null, -3]),
            json!({}),
            json!("only text"),
        ];
        for value in values {
            let text = render(&value);
            let read: Value =
                from_yaml("test", text.as_bytes()).unwrap_or_else(|e| panic!("{e}:\n{text}"));
            assert_eq!(read, value, "{text}");
        }
        let text = render(&json!({"rows": [{"platform": "AWS", "version": "4.20.1"}]}));
        assert_eq!(text, "rows:\n- platform: AWS\n  version: \"4.20.1\"\n");
    }
}
