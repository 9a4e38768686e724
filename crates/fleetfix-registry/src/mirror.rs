//! Where content is read from instead of where documents say it is.

use std::str::FromStr;

use crate::Error;

/// `NAME=PLACE`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mirror {}

impl FromStr for Mirror {
    type Err = Error;

    fn from_str(s: &str) -> Result<Self, Error> {
        todo!("{s}")
    }
}
