//! What goes wrong, where and how often.

use std::fmt;
use std::sync::Arc;

use super::{Reply, Request};

/// Answers a request, with the true answer at hand.
type Around = Arc<dyn Fn(&Request, &dyn Fn() -> Reply) -> Reply + Send + Sync>;

/// Something that goes wrong with some requests. The first of several that fits decides.
#[derive(Clone)]
pub struct Fault {
    method: &'static str,
    part: String,
    skip: usize,
    times: usize,
    /// Whether it went wrong with any.
    happened: bool,
    /// Bytes of the body that are read first; `None`: all.
    after: Option<usize>,
    what: What,
}

#[derive(Clone)]
enum What {
    Answer(Reply),
    Around(Around),
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.method, self.part)?;
        match &self.what {
            What::Answer(reply) => write!(f, "{:.80}", format!("{reply:?}")),
            What::Around(_) => f.write_str("a changed answer"),
        }
    }
}

impl Fault {
    /// `reply` in place of the answer to each request with this method (empty: any) whose path and
    /// query have this part (empty: any).
    pub fn answer(method: &'static str, part: &str, reply: Reply) -> Self {
        Self::new(method, part, What::Answer(reply))
    }

    /// The true answer, changed. What was asked for has been done.
    pub fn change(
        method: &'static str,
        part: &str,
        change: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::around(method, part, move |request, honest| change(request, honest()))
    }

    /// What is asked for is done when `around` asks for the true answer, and not before.
    pub fn around(
        method: &'static str,
        part: &str,
        around: impl Fn(&Request, &dyn Fn() -> Reply) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::new(method, part, What::Around(Arc::new(around)))
    }

    fn new(method: &'static str, part: &str, what: What) -> Self {
        Self {
            method,
            part: part.to_owned(),
            skip: 0,
            times: usize::MAX,
            happened: false,
            after: None,
            what,
        }
    }

    /// Not with the first `n` of these requests.
    #[must_use]
    pub fn skip(self, n: usize) -> Self {
        Self { skip: n, ..self }
    }

    /// With so many of these requests only.
    #[must_use]
    pub fn times(self, n: usize) -> Self {
        Self { times: n, ..self }
    }

    /// When so many bytes of the request's body were read.
    #[must_use]
    pub fn after(self, bytes: usize) -> Self {
        Self { after: Some(bytes), ..self }
    }

    fn fits(&self, request: &Request) -> bool {
        (self.method.is_empty() || self.method == request.method)
            && request.target.contains(&self.part)
    }
}

/// The faults of a server.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

/// What is done about a request.
pub(super) enum Verdict {
    /// It is answered as it should be.
    Good,
    /// So much of its body is read, and this is the answer.
    Early(usize, Reply),
    /// All of its body is read, and this is the answer.
    Late(Reply),
    /// The answer is changed.
    Changed(Around),
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Those that no request met.
    pub(super) fn idle(&self) -> Vec<String> {
        self.0.iter().filter(|fault| !fault.happened).map(|fault| format!("{fault:?}")).collect()
    }

    /// Counts `request`, of which the head is known.
    pub(super) fn judge(&mut self, request: &Request) -> Verdict {
        for fault in self.0.iter_mut().filter(|fault| fault.fits(request)) {
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            if fault.times == 0 {
                continue;
            }
            fault.times = fault.times.saturating_sub(1);
            fault.happened = true;
            return match (&fault.what, fault.after) {
                (What::Answer(reply), Some(bytes)) => Verdict::Early(bytes, reply.clone()),
                (What::Answer(reply), None) => Verdict::Late(reply.clone()),
                (What::Around(around), _) => Verdict::Changed(Arc::clone(around)),
            };
        }
        Verdict::Good
    }
}
