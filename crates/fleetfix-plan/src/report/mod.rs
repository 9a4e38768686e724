//! The plan for people: what an approver reads in two minutes.
//!
//! What stands in it is decided once, in [`content`]; [`text`] and [`markdown`] only lay it out.
//! The first line says whether the plan is refused, what blocks comes before what does not, and
//! what nobody checked is said as plainly as what was found.

mod content;
pub mod markdown;
mod ranges;
pub mod text;

pub use content::report;

/// A report from top to bottom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// What it is about, one line.
    pub title: String,
    /// The rest.
    pub blocks: Vec<Block>,
}

/// A part of a report.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Block {
    /// A heading.
    Heading(String),
    /// A sentence that must not be overlooked.
    Verdict(String),
    /// Names and what they are.
    Facts(Vec<(&'static str, String)>),
    /// Rows of cells.
    Table(Table),
    /// Points, one a line.
    Items(Vec<Item>),
}

/// Rows of cells under a head.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Table {
    /// The names of the columns.
    pub head: Vec<&'static str>,
    /// As many cells as the head.
    pub rows: Vec<Vec<String>>,
}

/// A point of a list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Item {
    /// What it is about, such as the name of a finding, written as it is.
    pub mark: String,
    /// What is said.
    pub text: String,
    /// More about it.
    pub notes: Vec<String>,
}

impl Table {
    /// The table without the columns in which no row has anything.
    #[must_use]
    pub fn without_empty_columns(self) -> Self {
        fn only<T>(cells: Vec<T>, keep: impl Fn(usize) -> bool) -> Vec<T> {
            cells.into_iter().enumerate().filter(|(i, _)| keep(*i)).map(|(_, cell)| cell).collect()
        }
        let used: Vec<bool> = (0..self.head.len())
            .map(|i| self.rows.iter().any(|row| row.get(i).is_some_and(|cell| !cell.is_empty())))
            .collect();
        let keep = |i: usize| used.get(i).copied().unwrap_or_default();
        Self {
            head: only(self.head, keep),
            rows: self.rows.into_iter().map(|row| only(row, keep)).collect(),
        }
    }
}
