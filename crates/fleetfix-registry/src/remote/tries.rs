//! When to try again, and when to stop.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::outgoing::on_pace;
use crate::Error;
use crate::options::Limits;

/// Bytes that count as progress.
const GAIN: u64 = 64 << 10;

/// A try that failed.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) error: Error,
    pub(super) again: Again,
}

/// What may help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Again {
    /// It would fail the same way.
    Never,
    /// Another try.
    Soon,
    /// Another try, after what the registry asked for.
    After(Duration),
}

impl Fault {
    pub(super) fn last(error: Error) -> Self {
        Self { error, again: Again::Never }
    }

    pub(super) fn soon(error: Error) -> Self {
        Self { error, again: Again::Soon }
    }
}

/// The tries of one piece of work.
#[derive(Debug)]
pub(super) struct Tries {
    limits: Limits,
    failed: u32,
    until: Instant,
    gained: u64,
    spent: Duration,
}

impl Tries {
    pub(super) fn new(limits: &Limits) -> Self {
        let until = Instant::now() + limits.deadline;
        Self { limits: limits.clone(), failed: 0, until, gained: 0, spent: Duration::ZERO }
    }

    /// Time that moving a body took does not count against the deadline.
    pub(super) fn extend(&mut self, by: Duration) {
        self.until += by;
    }

    /// Counts `bytes` that are never needed again, and the time that they took with all that was
    /// in between. Whoever gains enough of them at no less than the least throughput begins anew:
    /// a large body over a bad line is no reason to stop, and one byte for each try is.
    pub(super) fn gain(&mut self, bytes: u64, took: Duration) {
        self.gained += bytes;
        self.spent += took;
        if self.gained >= GAIN && on_pace(self.gained, self.spent, self.limits.least_rate) {
            *self = Self::new(&self.limits);
        }
    }

    /// Waits until another try may be made, or gives the error back.
    pub(super) async fn after(&mut self, fault: Fault) -> Result<(), Error> {
        self.failed += 1;
        let Some(wait) = self.wait(fault.again) else {
            return Err(counted(fault.error, self.failed));
        };
        if self.failed >= self.limits.tries || Instant::now() + wait > self.until {
            return Err(counted(fault.error, self.failed));
        }
        sleep(wait).await;
        Ok(())
    }

    fn wait(&self, again: Again) -> Option<Duration> {
        let doubled =
            self.limits.first_wait.saturating_mul(1 << self.failed.saturating_sub(1).min(16));
        let ours = doubled.min(self.limits.longest_wait);
        match again {
            Again::Never => None,
            Again::Soon => Some(ours),
            // Never sooner than our own: `Retry-After: 0` is no invitation to hammer.
            Again::After(asked) => Some(asked.min(self.limits.longest_retry_after).max(ours)),
        }
    }
}

fn counted(error: Error, made: u32) -> Error {
    match error {
        Error::Transport { request, source, .. } => {
            Error::Transport { request, tries: made, source }
        }
        other => other,
    }
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3). A date is compared with the
/// answer's own `Date`, so that no clock of ours is involved.
pub(super) fn retry_after(value: Option<&str>, date: Option<&str>) -> Option<Duration> {
    let value = value?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let seconds = |text: &str| -> Option<i64> {
        let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Some(time.as_second())
    };
    let wait = seconds(value)?.saturating_sub(seconds(date?.trim())?);
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { first_wait: Duration::from_millis(200), ..Limits::default() }
    }

    #[test]
    fn waits_double_and_registries_are_heard() {
        let mut tries = Tries::new(&limits());
        let mut waits = Vec::new();
        for failed in 1..=7 {
            tries.failed = failed;
            waits.push(tries.wait(Again::Soon).unwrap().as_millis());
        }
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 5000, 5000]);
        tries.failed = 1;
        let after = |seconds| tries.wait(Again::After(Duration::from_secs(seconds))).unwrap();
        assert_eq!(after(0), Duration::from_millis(200));
        assert_eq!(after(7), Duration::from_secs(7));
        assert_eq!(after(86400), Duration::from_mins(1));
        assert_eq!(tries.wait(Again::Never), None);
    }

    #[tokio::test]
    async fn a_wait_beyond_the_deadline_is_not_begun() {
        let mut tries = Tries::new(&Limits { deadline: Duration::from_secs(5), ..limits() });
        let fault = Fault { error: Error::Abandoned, again: Again::After(Duration::from_secs(30)) };
        assert!(tries.after(fault).await.is_err());
    }

    #[test]
    fn seconds_and_dates() {
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        for (value, date, expected) in [
            (Some("0"), None, Some(0)),
            (Some(" 120 "), None, Some(120)),
            (Some("99999999999999999999999"), None, Some(u64::MAX)),
            (Some("Sun, 06 Nov 1994 08:50:07 GMT"), now, Some(30)),
            (Some("Sun, 06 Nov 1994 08:00:00 GMT"), now, Some(0)),
            (Some("Sun, 06 Nov 1994 08:50:07 GMT"), None, None),
            (Some("soon"), now, None),
            (Some("-1"), now, None),
            (Some(""), now, None),
            (None, now, None),
        ] {
            assert_eq!(retry_after(value, date).map(|d| d.as_secs()), expected, "{value:?}");
        }
    }
}
