//! What a client may do.

use crate::Mirror;

/// Settings of a client. The default reads no environment: no credentials, no mirrors, plain HTTP
/// with loopback only.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where names of documents are read from.
    pub mirrors: Vec<Mirror>,
}
