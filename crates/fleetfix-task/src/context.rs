//! What a task is given: the time, and where to tell its steps.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use fleetfix_model::Timestamp;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::failure::one_line;

/// What a task is given. It has no other access to the clock.
#[derive(Debug)]
pub struct Context {
    /// When the task started. The clock is read once, so that one run has one time.
    pub now: Timestamp,
    progress: Progress,
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
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
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
        let message = one_line(&message.to_string());
        match &self.progress {
            Progress::Terminal(bar) => {
                settle(bar);
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
