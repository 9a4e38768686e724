//! What a task gives back: data for standard output, results, and how it ended.

use std::fmt;

use fleetfix_model::Class;
use serde::Serialize;
use serde_json::Value;

use crate::{Error, ResultPath};
use fleetfix_model::terminal::OneLine;

/// What a task gives back when it came to its end.
#[derive(Debug)]
pub struct Outcome {
    pub(crate) data: Data,
    pub(crate) results: Vec<(ResultPath, String)>,
    pub(crate) ending: Option<Ending>,
}

/// What goes to standard output.
#[derive(Debug)]
pub(crate) enum Data {
    /// One JSON object on one line.
    Json(Value),
    /// Text, as it is; a newline is added where it has none at its end.
    Text(String),
}

/// An end that is not "done", though the data is there.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) class: Class,
    pub(crate) why: String,
}

impl Outcome {
    /// Data that other programs read: one JSON object.
    pub fn json(data: &impl Serialize) -> Result<Self, Error> {
        serde_json::to_value(data).map(|value| Self::new(Data::Json(value))).map_err(Error::NoJson)
    }

    /// Data that people read.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Data::Text(text.into()))
    }

    fn new(data: Data) -> Self {
        Self { data, results: Vec::new(), ending: None }
    }

    /// Writes `value` to the file of a `--result-*` flag, if the flag was given. No newline is
    /// added: Tekton hands results on byte by byte.
    #[must_use]
    pub fn result(mut self, path: Option<&ResultPath>, value: impl fmt::Display) -> Self {
        if let Some(path) = path {
            self.results.push((path.clone(), value.to_string()));
        }
        self
    }

    /// The data is written, and still the answer is no: exit 10.
    #[must_use]
    pub fn refused(self, why: impl fmt::Display) -> Self {
        self.ending(Class::Refused, why)
    }

    /// The data is written, and still the task did not come to a good end.
    #[must_use]
    pub fn ending(mut self, class: Class, why: impl fmt::Display) -> Self {
        self.ending = Some(Ending { class, why: OneLine(&why.to_string()).to_string() });
        self
    }

    /// The JSON data, for a program that runs this task as one of several.
    pub fn value(&self) -> Option<&Value> {
        match &self.data {
            Data::Json(value) => Some(value),
            Data::Text(_) => None,
        }
    }

    /// How the task ended, if not well: class and reason.
    pub fn not_done(&self) -> Option<(Class, &str)> {
        self.ending.as_ref().map(|ending| (ending.class, ending.why.as_str()))
    }

    /// The bytes for standard output.
    pub(crate) fn stdout(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = match &self.data {
            Data::Json(value) => serde_json::to_vec(value).map_err(Error::NoJson)?,
            Data::Text(text) => text.clone().into_bytes(),
        };
        if !bytes.is_empty() && !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        Ok(bytes)
    }
}
