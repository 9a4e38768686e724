//! A blob on its way from one registry to another: in a file without a name, sent while it comes.
//!
//! The upload reads behind the download; when it has to start again it starts with what is there
//! already. Memory does not grow with the blob, and nothing is left on disk however the process ends.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::watch;

use crate::layout::blocking;
use crate::{BlobReader, Error};

/// Bytes that are written at a time.
const PIECE: usize = 256 << 10;

/// The reading side. Cheap to clone; each clone reads from where it is told.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    file: Arc<std::fs::File>,
    /// Bytes that are in the file.
    there: watch::Receiver<u64>,
}

/// The writing side.
#[derive(Debug)]
pub(crate) struct Filling {
    file: Arc<std::fs::File>,
    there: watch::Sender<u64>,
}

fn fail(error: &std::io::Error) -> Error {
    let said = format!("a temporary file: {error} [TMPDIR says where]");
    Error::File { path: place(), source: std::io::Error::new(error.kind(), said) }
}

fn place() -> PathBuf {
    std::env::temp_dir()
}

/// An empty spool.
pub(crate) async fn open() -> Result<(Spool, Filling), Error> {
    let file = Arc::new(blocking(|| tempfile::tempfile_in(place()).map_err(|e| fail(&e))).await?);
    let (sender, there) = watch::channel(0);
    Ok((Spool { file: file.clone(), there }, Filling { file, there: sender }))
}

impl Filling {
    /// Writes all of `blob`, which says at its end whether it was the right one.
    pub(crate) async fn fill(self, mut blob: BlobReader) -> Result<(), Error> {
        let mut gathered = BytesMut::with_capacity(PIECE);
        let mut at = 0;
        loop {
            let piece = blob.chunk().await?;
            let last = piece.is_none();
            gathered.extend_from_slice(&piece.unwrap_or_default());
            if gathered.len() >= PIECE || (last && !gathered.is_empty()) {
                let (file, bytes) = (self.file.clone(), gathered.split().freeze());
                let more = bytes.len() as u64;
                blocking(move || file.write_all_at(&bytes, at).map_err(|e| fail(&e))).await?;
                at += more;
                self.there.send_replace(at);
            }
            if last {
                return Ok(());
            }
        }
    }
}

impl Spool {
    /// Some bytes from `at` on, at most `most`; waits for the first of them.
    pub(crate) async fn read(&self, at: u64, most: usize) -> Result<Bytes, Error> {
        let mut there = self.there.clone();
        let known = *there.wait_for(|there| *there > at).await.map_err(|_| Error::Abandoned)?;
        let most = usize::try_from(known - at).unwrap_or(most).min(most);
        let file = self.file.clone();
        blocking(move || {
            let mut piece = BytesMut::zeroed(most);
            file.read_exact_at(&mut piece, at).map_err(|e| fail(&e))?;
            Ok(piece.freeze())
        })
        .await
    }
}
