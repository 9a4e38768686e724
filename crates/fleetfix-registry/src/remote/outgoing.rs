//! Request bodies: sent again from their start when a try failed, and watched while they move.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fleetfix_model::Descriptor;
use fleetfix_model::digest::Hasher;
use fleetfix_oci::segments::Segments;
use futures_util::stream::{Stream, unfold};
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep_until};

use super::tries::Fault;
use crate::Error;
use crate::options::Limits;
use crate::spool::Spool;
use crate::store::Body;

/// Bytes that go to the socket in one piece.
const PIECE: usize = 256 << 10;

/// A blob to send.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// In memory.
    Bytes(Bytes),
    /// In a file.
    File(PathBuf),
    /// In a file that still grows.
    Spool(Spool),
    /// In pieces.
    Segments(Segments),
}

impl From<&Body> for Content {
    fn from(body: &Body) -> Self {
        match body {
            Body::Bytes(bytes) => Self::Bytes(bytes.clone()),
            Body::File(path) => Self::File(path.clone()),
            Body::Segments(segments) => Self::Segments(segments.clone()),
        }
    }
}

/// The body of a request.
#[derive(Clone)]
pub(super) enum Payload {
    /// None. `Content-Length: 0` is sent where the method could have one: some registries insist.
    Empty,
    /// A manifest or a form.
    Small(Bytes),
    /// A blob.
    Blob(Content, Descriptor),
}

/// A form may hold a secret.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Small(bytes) => write!(f, "Small({} bytes)", bytes.len()),
            Self::Blob(_, descriptor) => write!(f, "Blob({})", descriptor.digest),
        }
    }
}

/// What a body has done so far, seen from outside.
#[derive(Debug)]
pub(super) struct Watch {
    state: Mutex<State>,
    limits: Limits,
    request: String,
}

#[derive(Debug)]
struct State {
    began: Instant,
    moved: u64,
    last: Instant,
    /// Since when the socket waits for us, if it does: for a disk, or for the registry that the
    /// body comes from. That is neither silence nor slowness of the one that is written to.
    ours: Option<Instant>,
    whole: bool,
    fault: Option<Error>,
}

impl Watch {
    pub(super) fn new(limits: &Limits, request: String, payload: &Payload) -> Arc<Self> {
        let now = Instant::now();
        let whole = !matches!(payload, Payload::Blob(..));
        let state = State { began: now, moved: 0, last: now, ours: None, whole, fault: None };
        Arc::new(Self { state: Mutex::new(state), limits: limits.clone(), request })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When silence becomes too long, and how long that is.
    fn patience(&self) -> (Instant, Duration) {
        let state = self.state();
        let longest = match (state.whole, state.moved) {
            (false, _) => self.limits.idle,
            (true, 0) => self.limits.answer,
            (true, _) => self.limits.upload_answer,
        };
        let last = if state.ours.is_some() { Instant::now() } else { state.last };
        (last + longest, longest)
    }

    /// Notes that the socket asked for more, and that it has to wait for it.
    fn wanted(&self) {
        self.state().ours = Some(Instant::now());
    }

    /// Notes that it waits no longer. The time that it did counts against nobody here: where the
    /// body comes from is watched by whoever reads it.
    fn found(&self) {
        let mut state = self.state();
        if let Some(since) = state.ours.take() {
            state.began += since.elapsed();
            state.last = Instant::now();
        }
    }

    /// Notes that the socket asked for `more` bytes, `whole` if these are the last. An error if
    /// that took too long all in all.
    fn moved(&self, more: u64, whole: bool) -> std::io::Result<()> {
        let mut state = self.state();
        state.last = Instant::now();
        state.moved += more;
        state.whole = whole;
        let elapsed = state.last - state.began;
        if elapsed > self.limits.pace_after
            && !on_pace(state.moved, elapsed, self.limits.least_rate)
        {
            let (bytes, least) = (state.moved, self.limits.least_rate);
            state.fault =
                Some(Error::Slow { request: self.request.clone(), bytes, elapsed, least });
            return Err(std::io::Error::other("too slow"));
        }
        Ok(())
    }

    fn fail(&self, error: Error) -> std::io::Error {
        self.state().fault = Some(error);
        std::io::Error::other("the body cannot be sent")
    }

    /// Waits for `answer` as long as something happens.
    pub(super) async fn over<T>(
        &self,
        answer: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let mut answer = std::pin::pin!(answer);
        loop {
            let (until, waited) = self.patience();
            tokio::select! {
                answer = &mut answer => {
                    // Our own fault is the cause; the connection's is what followed from it.
                    let own = self.state().fault.take();
                    return match (answer, own) {
                        (Err(_), Some(Error::Slow { request, bytes, elapsed, least })) => {
                            Err(Fault::soon(Error::Slow { request, bytes, elapsed, least }))
                        }
                        (Err(_), Some(own)) => Err(Fault::last(own)),
                        (answer, _) => answer,
                    };
                }
                () = sleep_until(until) => {
                    if self.patience().0 <= Instant::now() {
                        let request = self.request.clone();
                        return Err(Fault::soon(Error::Silent { request, waited }));
                    }
                }
            }
        }
    }
}

/// Whether `bytes` in `elapsed` is at least `least` bytes per second.
pub(super) fn on_pace(bytes: u64, elapsed: Duration, least: u64) -> bool {
    u128::from(bytes) * 1_000_000_000 >= u128::from(least) * elapsed.as_nanos()
}

/// Pieces of `content`, hashed on their way. The last piece is held back unless all of them are what
/// `descriptor` says, so that a registry never gets the whole of something else.
pub(super) fn pieces(
    content: Content,
    descriptor: Descriptor,
    watch: Arc<Watch>,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let start = Pieces {
        source: Source::Closed(content),
        descriptor,
        hasher: Hasher::new(),
        sent: 0,
        watch,
    };
    unfold(Some(start), |state| async {
        let mut state = state?;
        match state.next().await {
            Ok(Some(piece)) => Some((Ok(piece), Some(state))),
            Ok(None) => None,
            Err(e) => Some((Err(e), None)),
        }
    })
}

struct Pieces {
    source: Source,
    descriptor: Descriptor,
    hasher: Hasher,
    sent: u64,
    watch: Arc<Watch>,
}

enum Source {
    Closed(Content),
    Bytes(Bytes),
    File(PathBuf, File),
    Spool(Spool),
    Segments(Segments),
}

impl Pieces {
    async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        let left = self.descriptor.size - self.sent;
        if left == 0 {
            return Ok(None);
        }
        self.watch.wanted();
        let read = self.read(left).await;
        self.watch.found();
        let piece = match read {
            Ok(piece) if piece.is_empty() => {
                let (expected, actual) = (self.descriptor.size, self.sent);
                return Err(self.watch.fail(Error::SizeMismatch {
                    what: self.what(),
                    expected,
                    actual,
                }));
            }
            Ok(piece) => piece,
            Err(error) => return Err(self.watch.fail(error)),
        };
        self.hasher.update(&piece);
        self.sent += piece.len() as u64;
        let whole = self.sent == self.descriptor.size;
        if whole {
            let (actual, _) = self.hasher.clone().finish();
            if actual != self.descriptor.digest {
                let (expected, actual) = (self.descriptor.digest, actual.to_string());
                return Err(self.watch.fail(Error::DigestMismatch {
                    what: self.what(),
                    expected,
                    actual,
                }));
            }
        }
        self.watch.moved(piece.len() as u64, whole)?;
        Ok(Some(piece))
    }

    /// At most `left` bytes; empty at the end.
    async fn read(&mut self, left: u64) -> Result<Bytes, Error> {
        let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        if let Source::Closed(content) = &self.source {
            self.source = match content {
                Content::Spool(spool) => Source::Spool(spool.clone()),
                Content::Bytes(bytes) => Source::Bytes(bytes.clone()),
                Content::File(path) => {
                    let fail = |source| Error::File { path: path.clone(), source };
                    Source::File(path.clone(), File::open(path).await.map_err(fail)?)
                }
                Content::Segments(segments) => Source::Segments(segments.clone()),
            };
        }
        match &mut self.source {
            Source::Closed(_) => Ok(Bytes::new()),
            Source::Spool(spool) => spool.read(self.sent, most).await,
            Source::Bytes(bytes) => Ok(bytes.split_to(most.min(bytes.len()))),
            Source::Segments(segments) => {
                let (segments, offset) = (segments.clone(), self.sent);
                let read = move || {
                    let mut piece = vec![0; most];
                    let n = segments.read_at(&mut piece, offset)?;
                    piece.truncate(n);
                    Ok(Bytes::from(piece))
                };
                let read = tokio::task::spawn_blocking(read).await;
                read.map_err(|_| Error::Abandoned)?
                    .map_err(|source| Error::File { path: std::env::temp_dir(), source })
            }
            Source::File(path, file) => {
                let mut piece = BytesMut::with_capacity(most);
                let mut limited = file.take(most as u64);
                limited
                    .read_buf(&mut piece)
                    .await
                    .map_err(|source| Error::File { path: path.clone(), source })?;
                Ok(piece.freeze())
            }
        }
    }

    fn what(&self) -> String {
        match &self.source {
            Source::File(path, _) => path.display().to_string(),
            _ => format!("blob to send, {}", self.descriptor.media_type),
        }
    }
}
