//! One repository in a layout directory.

/// A layout directory, there or not yet.
#[derive(Clone, Debug)]
pub(crate) struct Directory {}
