//! How `tough` reads a state that is in memory, and how we learn which file it stumbled over: its
//! errors name a role type, and all delegated roles are of one type.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use tough::{Transport, TransportError, TransportErrorKind, TransportStream};
use url::Url;

use super::error::Error;
use super::state::TufState;

/// Where role files seem to lie. The scheme is ours; nothing resolves it.
pub(crate) const METADATA_URL: &str = "tuf-state://state/metadata/";
/// Where target files seem to lie.
pub(crate) const TARGETS_URL: &str = "tuf-state://state/targets/";

/// The last read.
#[derive(Debug, Default)]
struct Trace {
    file: String,
    fault: Option<Error>,
}

/// A transport over the files of a state.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    state: Arc<TufState>,
    trace: Arc<Mutex<Trace>>,
}

impl Memory {
    pub(crate) fn new(state: TufState) -> Self {
        Self { state: Arc::new(state), trace: Arc::default() }
    }

    /// The file that was read last.
    pub(crate) fn last_file(&self) -> String {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).file.clone()
    }

    /// What was wrong with the file that was read last, if reading it failed here.
    pub(crate) fn take_fault(&self) -> Option<Error> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).fault.take()
    }

    fn read(&self, url: &Url) -> Result<Bytes, TransportErrorKind> {
        let (file, found) = if let Some(file) = url.as_str().strip_prefix(METADATA_URL) {
            (file, self.state.metadata.get(file))
        } else {
            let file = url.as_str().strip_prefix(TARGETS_URL).unwrap_or_default();
            (file, self.state.targets.get(file))
        };
        let result = match found {
            None => Err((TransportErrorKind::FileNotFound, Error::Missing { file: file.into() })),
            Some(bytes) => Ok(Bytes::copy_from_slice(bytes)),
        };
        let mut trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        file.clone_into(&mut trace.file);
        match result {
            Ok(bytes) => {
                trace.fault = None;
                Ok(bytes)
            }
            Err((kind, fault)) => {
                trace.fault = Some(fault);
                Err(kind)
            }
        }
    }
}

#[async_trait::async_trait]
impl Transport for Memory {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        let bytes = self.read(&url).map_err(|kind| TransportError::new(kind, url))?;
        Ok(Box::pin(stream::iter([Ok(bytes)])))
    }
}
