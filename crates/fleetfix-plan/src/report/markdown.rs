//! The report for a pull request (GitHub Flavored Markdown).
//!
//! Text in it comes from commits and requests: it is escaped, so that it cannot look like a heading,
//! hide in a comment, link anywhere or call people.

use std::fmt::Write;

use super::{Block, Report};

/// The report as Markdown.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "## {}", escaped(&report.title))?;
    for block in &report.blocks {
        writeln!(out)?;
        match block {
            Block::Heading(text) => writeln!(out, "### {}", escaped(text))?,
            Block::Verdict(text) => writeln!(out, "**{}**", escaped(text))?,
            Block::Facts(facts) => {
                line(out, ["", ""].iter().map(|cell| (*cell).to_owned()))?;
                line(out, ["---", "---"].iter().map(|cell| (*cell).to_owned()))?;
                for (name, what) in facts {
                    line(out, [escaped(name), escaped(what)].into_iter())?;
                }
            }
            Block::Table(table) => {
                line(out, table.head.iter().map(|name| escaped(name)))?;
                line(out, table.head.iter().map(|_| "---".to_owned()))?;
                for row in &table.rows {
                    line(out, row.iter().map(|cell| escaped(cell)))?;
                }
            }
            Block::Items(items) => {
                for item in items {
                    let mark = if item.mark.is_empty() {
                        String::new()
                    } else {
                        format!("{} ", code(&item.mark))
                    };
                    writeln!(out, "- {mark}{}", escaped(&item.text))?;
                    for note in &item.notes {
                        writeln!(out, "  - {}", escaped(note))?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn line(out: &mut String, cells: impl Iterator<Item = String>) -> std::fmt::Result {
    writeln!(out, "| {} |", cells.collect::<Vec<_>>().join(" | "))
}

/// Text as it is, one line: what Markdown and HTML would read is escaped, and `@name` gets an empty
/// comment that keeps it from being a mention.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("@<!-- -->"),
            '#' => out.push_str("#<!-- -->"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    // What looks like an address would become a link of its own.
    out.replace("://", "&#58;//").replace("www.", "www&#46;")
}

/// A name in code: names have neither backticks nor line breaks, and lose them if they do.
fn code(name: &str) -> String {
    let plain: String = name.chars().filter(|c| *c != '`' && !c.is_control()).collect();
    format!("`{plain}`")
}

#[cfg(test)]
mod tests {
    use super::super::{Item, Table};
    use super::*;

    #[test]
    fn text_of_others_stays_text() {
        let hostile = "x | y <!-- @everyone [a](http://b) www.b `c` **d** #1 \n# heading";
        let report = Report {
            title: hostile.into(),
            blocks: vec![
                Block::Verdict(hostile.into()),
                Block::Facts(vec![("fact", hostile.into())]),
                Block::Table(Table { head: vec!["a", "b"], rows: vec![vec![hostile.into(); 2]] }),
                Block::Items(vec![Item {
                    mark: "a/b`c".into(),
                    text: hostile.into(),
                    notes: vec![hostile.into()],
                }]),
            ],
        };
        let text = render(&report);
        for bad in
            ["<!-- @", "@everyone", " [a]", "http://", "www.b", " **d**", "#1", "x | y", "\n# "]
        {
            assert!(!text.contains(bad), "{bad}: {text}");
        }
        assert!(text.contains("- `a/bc` x"), "{text}");
    }
}
