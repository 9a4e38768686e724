//! The distribution protocol over HTTP.

/// One repository of a registry.
#[derive(Clone, Debug)]
pub(crate) struct Remote {}
