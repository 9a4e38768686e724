//! What `index.json` lists, tagged or not.

use super::{Layout, index};
use crate::Error;
use crate::manifest::RawDescriptor;

impl Layout {
    /// The entries of `index.json` in their order.
    pub fn entries(&self) -> Result<Vec<RawDescriptor>, Error> {
        index::entries(&self.read_index()?, self.dir())
    }
}
