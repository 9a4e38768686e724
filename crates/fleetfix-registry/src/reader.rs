//! A blob as a stream that checks what flows through it.

use bytes::Bytes;

use crate::Error;

/// The bytes of one blob, in pieces. The piece before the end is only given out once digest and
/// size are right, so that whoever saw the end saw the right content.
#[derive(Debug)]
pub struct BlobReader {}

impl BlobReader {
    /// The next bytes; `None` at the end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        todo!()
    }

    /// The same for code that blocks: to be used in `spawn_blocking`, while this runtime runs on.
    pub fn into_read(self) -> Box<dyn std::io::Read + Send> {
        todo!()
    }
}
