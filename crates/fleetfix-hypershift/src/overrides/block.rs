//! Block YAML with the place of every value: what the editor needs and no more.
//!
//! Mappings, lists and one-line scalars are read; anchors, tags, block scalars, flow collections
//! and scalars of several lines are refused with their place. What is read here is compared with
//! what a whole YAML reader makes of the same text, so that the two cannot disagree unseen.

use fleetfix_model::yaml;
use serde_json::Value;

/// Deepest nesting that is read: `platforms`, a platform, `overrides`, an entry, and some air.
const MAX_DEPTH: usize = 16;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Line, from 0.
    pub(super) line: usize,
    /// Byte in the line at which the value starts.
    pub(super) start: usize,
    /// The value.
    pub(super) value: Held,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// Nothing: no value, `~`, `[]` or `{}`.
    Nothing,
    /// A scalar: its text and how many bytes it takes in its line.
    Scalar { text: String, plain: bool, bytes: usize },
    /// A mapping, in its order.
    Map(Vec<Field>),
    /// A list; each item with the line of its dash.
    List(Vec<Item>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) key: String,
    /// Line of the key, from 0.
    pub(super) line: usize,
    /// Byte in the line at which the key starts.
    pub(super) start: usize,
    pub(super) node: Node,
}

/// An item of a list.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Line of the dash, from 0.
    pub(super) line: usize,
    /// Byte in the line at which the dash stands.
    pub(super) start: usize,
    pub(super) node: Node,
}

impl Node {
    /// The last line that belongs to the value.
    pub(super) fn last_line(&self) -> usize {
        let inner = match &self.value {
            Held::Nothing | Held::Scalar { .. } => None,
            Held::Map(fields) => fields.last().map(|field| field.node.last_line().max(field.line)),
            Held::List(items) => items.last().map(|item| item.node.last_line().max(item.line)),
        };
        inner.unwrap_or(self.line)
    }

    /// The fields, if it is a mapping.
    pub(super) fn fields(&self) -> Option<&[Field]> {
        match &self.value {
            Held::Map(fields) => Some(fields),
            Held::Nothing => Some(&[]),
            Held::Scalar { .. } | Held::List(_) => None,
        }
    }
}

/// The rest of a line, from its first byte that is not indentation.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    number: usize,
    indent: usize,
    text: &'a str,
}

/// What is wrong, and where.
pub(super) struct Wrong {
    line: usize,
    start: usize,
    field: String,
    what: String,
}

impl Wrong {
    pub(super) fn at(line: usize, start: usize, field: &str, what: impl Into<String>) -> Self {
        Self { line, start, field: field.to_owned(), what: what.into() }
    }

    /// With the file's name.
    pub(super) fn of(self, file: &str) -> yaml::Error {
        yaml::Error {
            file: file.to_owned(),
            at: Some((self.line as u64 + 1, self.start as u64 + 1)),
            field: (!self.field.is_empty()).then_some(self.field),
            what: self.what,
        }
    }
}

/// Reads `text`; `None` for one without any value.
pub(super) fn read(text: &str) -> Result<Option<Node>, Wrong> {
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let body = line.trim_start_matches(' ');
        let indent = line.len() - body.len();
        let body = body.trim_end();
        if body.is_empty() || body.starts_with('#') || (lines.is_empty() && body == "---") {
            continue;
        }
        if body.starts_with('\t') {
            return Err(Wrong::at(number, indent, "", "a tab where spaces are expected"));
        }
        if indent == 0 && (body.starts_with("---") || body == "..." || body.starts_with('%')) {
            let what = "directives and further documents are not read";
            return Err(Wrong::at(number, 0, "", what));
        }
        lines.push(Line { number, indent, text: body });
    }
    let Some(first) = lines.first() else { return Ok(None) };
    let indent = first.indent;
    let mut reader = Reader { lines, next: 0 };
    let node = reader.block(indent, "", 0)?;
    match reader.peek() {
        Some(line) => {
            Err(Wrong::at(line.number, line.indent, "", "does not belong to what stands above"))
        }
        None => Ok(Some(node)),
    }
}

struct Reader<'a> {
    lines: Vec<Line<'a>>,
    next: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<Line<'a>> {
        self.lines.get(self.next).copied()
    }

    fn block(&mut self, indent: usize, field: &str, depth: usize) -> Result<Node, Wrong> {
        let Some(line) = self.peek() else {
            return Ok(Node { line: 0, start: 0, value: Held::Nothing });
        };
        if depth > MAX_DEPTH {
            return Err(Wrong::at(line.number, indent, field, "nested too deep"));
        }
        let value = if is_item(line.text) {
            Held::List(self.list(indent, field, depth)?)
        } else if key_of(line.text).is_some() {
            Held::Map(self.map(indent, field, depth)?)
        } else {
            self.next += 1;
            return scalar(line.number, indent, line.text, field);
        };
        Ok(Node { line: line.number, start: indent, value })
    }

    fn list(&mut self, indent: usize, field: &str, depth: usize) -> Result<Vec<Item>, Wrong> {
        let mut items = Vec::new();
        while let Some(line) = self.peek().filter(|line| line.indent >= indent) {
            if line.indent > indent {
                return Err(deeper(line, field));
            }
            if !is_item(line.text) {
                break;
            }
            let field = format!("{field}[{}]", items.len());
            let rest = line.text.get(1..).unwrap_or_default();
            let text = rest.trim_start_matches(' ');
            let start = line.indent + line.text.len() - text.len();
            let node = if text.is_empty() || text.starts_with('#') {
                self.next += 1;
                self.below(indent, &field, depth, line)?
            } else {
                // The item's own first line, as if the dash were indentation.
                if let Some(now) = self.lines.get_mut(self.next) {
                    *now = Line { number: line.number, indent: start, text };
                }
                self.block(start, &field, depth + 1)?
            };
            items.push(Item { line: line.number, start: indent, node });
        }
        Ok(items)
    }

    fn map(&mut self, indent: usize, field: &str, depth: usize) -> Result<Vec<Field>, Wrong> {
        let mut fields: Vec<Field> = Vec::new();
        while let Some(line) = self.peek().filter(|line| line.indent >= indent) {
            if line.indent > indent {
                return Err(deeper(line, field));
            }
            if is_item(line.text) {
                break;
            }
            let Some((key, after)) = key_of(line.text) else {
                return Err(Wrong::at(line.number, indent, field, "`key: value` is expected"));
            };
            let path = if field.is_empty() { key.clone() } else { format!("{field}.{key}") };
            if let Some(first) = fields.iter().find(|f| f.key == key) {
                let what = format!("the key stands there twice, first in line {}", first.line + 1);
                return Err(Wrong::at(line.number, indent, &path, what));
            }
            self.next += 1;
            let text = after.trim_start_matches(' ');
            let start = indent + line.text.len() - text.len();
            let node = if text.is_empty() || text.starts_with('#') {
                // The items of a list may stand as far left as its key.
                match self.peek() {
                    Some(next) if next.indent == indent && is_item(next.text) => Node {
                        line: next.number,
                        start: indent,
                        value: Held::List(self.list(indent, &path, depth + 1)?),
                    },
                    _ => self.below(indent, &path, depth, line)?,
                }
            } else {
                scalar(line.number, start, text, &path)?
            };
            fields.push(Field { key, line: line.number, start: indent, node });
        }
        Ok(fields)
    }

    /// What stands below `line` and further right than `indent`, or nothing.
    fn below(
        &mut self,
        indent: usize,
        field: &str,
        depth: usize,
        line: Line<'_>,
    ) -> Result<Node, Wrong> {
        match self.peek() {
            Some(next) if next.indent > indent => self.block(next.indent, field, depth + 1),
            _ => Ok(Node {
                line: line.number,
                start: line.indent + line.text.len(),
                value: Held::Nothing,
            }),
        }
    }
}

fn deeper(line: Line<'_>, field: &str) -> Wrong {
    let what = "indented further than what it belongs to [write each value in one line]";
    Wrong::at(line.number, line.indent, field, what)
}

fn is_item(text: &str) -> bool {
    text == "-" || text.starts_with("- ")
}

/// The key of a line and what follows its colon.
fn key_of(text: &str) -> Option<(String, &str)> {
    let quoted = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (key, rest) = if let Some(quote) = quoted {
        let inner = text.get(1..)?;
        let end = inner.find(quote)?;
        (inner.get(..end)?, inner.get(end + 1..)?.strip_prefix(':')?)
    } else {
        let end = text.char_indices().find_map(|(at, c)| {
            let rest = text.get(at + 1..)?;
            (c == ':' && (rest.is_empty() || rest.starts_with(' '))).then_some(at)
        })?;
        (text.get(..end)?, text.get(end + 1..)?)
    };
    let plain = !key.is_empty()
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/'));
    let ends = rest.is_empty() || rest.starts_with(' ');
    (plain && ends).then(|| (key.to_owned(), rest))
}

/// The scalar that `text` starts with; nothing but a comment may follow.
fn scalar(line: usize, start: usize, text: &str, field: &str) -> Result<Node, Wrong> {
    let wrong = |what: &str| Err(Wrong::at(line, start, field, what));
    let (value, bytes, plain) = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inner = text.get(1..).unwrap_or_default();
            let Some(end) = inner.find(quote) else {
                return wrong("the quote does not end in its line");
            };
            let value = inner.get(..end).unwrap_or_default();
            if value.contains('\\') || inner.get(end + 1..).is_some_and(|r| r.starts_with(quote)) {
                return wrong("escapes are not read here [write the value as it is]");
            }
            (value, end + 2, false)
        }
        Some('&' | '*' | '!' | '|' | '>' | '%' | '@' | '`' | '[' | '{' | '?' | ',' | ']' | '}') => {
            let value = text.split(" #").next().unwrap_or_default().trim_end();
            if !matches!(value, "[]" | "{}") {
                return wrong(
                    "anchors, tags, block scalars and flow collections are not read here [write one `key: value` a line]",
                );
            }
            (value, value.len(), true)
        }
        _ => {
            let value = text.split(" #").next().unwrap_or_default().trim_end();
            if value.contains(": ") || value.ends_with(':') {
                return wrong("a colon in a value needs quotes");
            }
            (value, value.len(), true)
        }
    };
    let rest = text.get(bytes..).unwrap_or_default();
    if !rest.trim_start().is_empty() && !rest.trim_start().starts_with('#') {
        return wrong("something follows the value");
    }
    let nothing = plain && matches!(value, "[]" | "{}" | "~" | "null");
    let value =
        if nothing { Held::Nothing } else { Held::Scalar { text: value.to_owned(), plain, bytes } };
    Ok(Node { line, start, value })
}

/// True if a YAML reader made the same of it.
pub(super) fn agrees(node: &Node, value: &Value) -> bool {
    match (&node.value, value) {
        (Held::Nothing, Value::Null) => true,
        (Held::Nothing, Value::Array(items)) => items.is_empty(),
        (Held::Nothing, Value::Object(fields)) => fields.is_empty(),
        (Held::Scalar { text, .. }, Value::String(other)) => text == other,
        (Held::Scalar { plain, .. }, Value::Bool(_) | Value::Number(_)) => *plain,
        (Held::Map(fields), Value::Object(other)) => {
            fields.len() == other.len()
                && fields.iter().all(|f| other.get(&f.key).is_some_and(|v| agrees(&f.node, v)))
        }
        (Held::List(items), Value::Array(other)) => {
            items.len() == other.len()
                && items.iter().zip(other).all(|(item, value)| agrees(&item.node, value))
        }
        _ => false,
    }
}
