//! The report for a terminal.

use std::fmt::Write;

use super::{Block, Report, Table};

/// The report as text; columns are aligned.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "{}", report.title)?;
    for block in &report.blocks {
        match block {
            Block::Heading(text) => writeln!(out, "\n{}", text.to_uppercase())?,
            Block::Verdict(text) => writeln!(out, "{text}")?,
            Block::Facts(facts) => {
                let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
                for (name, what) in facts {
                    writeln!(out, "  {name:<width$}  {what}")?;
                }
            }
            Block::Table(table) => rows(out, table)?,
            Block::Items(items) => {
                for item in items {
                    let mark = if item.mark.is_empty() { "-" } else { &item.mark };
                    writeln!(out, "  {mark}  {}", item.text)?;
                    for note in &item.notes {
                        writeln!(out, "      {note}")?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn rows(out: &mut String, table: &Table) -> std::fmt::Result {
    let width = |i: usize| {
        let cells = table.rows.iter().filter_map(|row| row.get(i));
        let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or_default();
        longest.max(table.head.get(i).map_or(0, |name| name.len()))
    };
    let widths: Vec<usize> = (0..table.head.len()).map(width).collect();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> =
            cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "  {}", padded.join("  ").trim_end())
    };
    line(&mut table.head.iter().copied())?;
    for row in &table.rows {
        line(&mut row.iter().map(String::as_str))?;
    }
    Ok(())
}
