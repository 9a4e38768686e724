//! What a task is given: the time, and where to tell its steps.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use fleetfix_model::Timestamp;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use fleetfix_model::terminal::OneLine;

/// What a task is given. It has no other access to the clock.
#[derive(Debug)]
pub struct Context {
    /// When the task started. The clock is read once, so that one run has one time.
    pub now: Timestamp,
    progress: Progress,
}

/// How far a step is, in bytes.
#[derive(Clone, Debug)]
pub struct Meter(Option<ProgressBar>);

impl Meter {
    /// So many bytes more are done.
    pub fn add(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(bytes);
        }
    }
}

/// Where steps are told.
#[derive(Debug)]
enum Progress {
    /// A terminal: the running step spins, those done stay as lines.
    Terminal(ProgressBar),
    /// A log: one line per step.
    Lines,
    /// Nowhere.
    Silent,
}

impl Context {
    /// A context that tells its steps on standard error.
    pub fn new(now: Timestamp) -> Self {
        let progress = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            plain(&bar);
            Progress::Terminal(bar)
        } else {
            Progress::Lines
        };
        Self { now, progress }
    }

    /// A context that tells nothing.
    pub fn silent(now: Timestamp) -> Self {
        Self { now, progress: Progress::Silent }
    }

    /// Tells people that a step begins: one line.
    pub fn step(&self, message: impl fmt::Display) {
        let message = OneLine(&message.to_string()).to_string();
        match &self.progress {
            Progress::Terminal(bar) => {
                settle(bar);
                plain(bar);
                bar.set_message(message);
                bar.reset_elapsed();
                bar.enable_steady_tick(Duration::from_millis(100));
            }
            Progress::Lines => {
                // A closed standard error must not stop the task.
                let _ = writeln!(std::io::stderr().lock(), "{message}");
            }
            Progress::Silent => {}
        }
    }

    /// The running step is about so many bytes: on a terminal it shows how many are done, and about
    /// how long the others will take.
    pub fn measure(&self, bytes: u64) -> Meter {
        let Progress::Terminal(bar) = &self.progress else { return Meter(None) };
        if let Ok(style) = ProgressStyle::with_template(
            "{spinner} {msg} {bytes} of {total_bytes} ({elapsed}, {eta} left)",
        ) {
            bar.set_style(style);
        }
        bar.set_length(bytes);
        bar.set_position(0);
        bar.reset_eta();
        Meter(Some(bar.clone()))
    }

    /// The last step is over: nothing spins any more.
    pub(crate) fn finish(&self) {
        if let Progress::Terminal(bar) = &self.progress {
            settle(bar);
            bar.finish_and_clear();
        }
    }
}

/// Leaves the running step behind as a line.
fn settle(bar: &ProgressBar) {
    let message = bar.message();
    if !message.is_empty() {
        bar.println(message);
        bar.set_message("");
    }
}

/// A step without a measure.
fn plain(bar: &ProgressBar) {
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.unset_length();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measured_step_counts_and_the_next_one_does_not() {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let now = Timestamp::from_unix(0).unwrap();
        let context = Context { now, progress: Progress::Terminal(bar.clone()) };
        context.step("one");
        let meter = context.measure(100);
        meter.add(30);
        meter.clone().add(20);
        assert_eq!((bar.position(), bar.length()), (50, Some(100)));
        context.measure(7).add(1);
        assert_eq!((bar.position(), bar.length()), (1, Some(7)));
        context.step("two");
        assert_eq!(bar.length(), None);
        // Where nobody looks it does nothing.
        Context::silent(now).measure(1).add(1);
    }
}
