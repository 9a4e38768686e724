//! main: from the command line to the exit code.

use std::ffi::OsString;
use std::future::Future;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Parser;
use fleetfix_model::{Classify, Timestamp};
use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::{Context, Error, Failure, Outcome, arguments, result};

/// How long work on other threads may take to end once the task is over or interrupted.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// A task: its arguments, and what it does with them.
pub trait Task: Parser {
    /// Does the task. It must hold on at any await point being its last: what is half-done must be
    /// undone by dropping it, and done again by running it again.
    fn run(self, context: &Context) -> impl Future<Output = Result<Outcome, Failure>>;
}

/// The whole of a task binary's `main`.
pub fn main<T: Task>() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        let message = info.payload_as_str().unwrap_or("panic");
        let place = info.location().map_or_else(String::new, |l| format!(" at {l}"));
        remember_panic(format!("{message}{place}"));
    }));
    let mut stdout = std::io::stdout().lock();
    let mut stderr = std::io::stderr();
    ExitCode::from(execute::<T>(std::env::args_os(), clock(), &mut stdout, &mut stderr))
}

/// The one place where the clock is read. `SOURCE_DATE_EPOCH` does not change it: it judges
/// expiries and signs times, neither of which a build's environment may set.
#[expect(clippy::disallowed_methods, reason = "time is a parameter everywhere else")]
fn clock() -> Timestamp {
    Timestamp::from(jiff::Timestamp::now())
}

/// What the panic hook saw last.
static PANIC: Mutex<Option<String>> = Mutex::new(None);

fn remember_panic(message: String) {
    *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
}

fn take_panic() -> String {
    let taken = PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
    taken.unwrap_or_else(|| "panic".into())
}

/// Runs a task and returns the exit code.
fn execute<'a, T: Task>(
    args: impl IntoIterator<Item = OsString>,
    now: Timestamp,
    stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
) -> u8 {
    let task = match arguments::parse::<T>(args) {
        Ok(task) => task,
        Err(error) => {
            // Help and version are data; everything else is for people.
            let text = error.render();
            let out = if error.use_stderr() { stderr } else { stdout };
            let _ = write!(out, "{text}").and_then(|()| out.flush());
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    let context = Context::new(now);
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| block_on(task.run(&context))))
        .unwrap_or_else(|_| Err(Error::Panic { message: take_panic() }.into()));
    context.finish();
    let (code, line) = match outcome.and_then(|outcome| deliver(&outcome, stdout).map(|()| outcome))
    {
        Ok(outcome) => match outcome.ending {
            None => return 0,
            Some(ending) => (ending.class.exit_code(), ending.why),
        },
        Err(failure) => (failure.class().exit_code(), failure.line()),
    };
    let _ = writeln!(stderr, "error: {line}");
    code
}

/// Runs the future on this thread until it is done or a signal says to stop. Dropping it then
/// takes its temporary files with it.
fn block_on(task: impl Future<Output = Result<Outcome, Failure>>) -> Result<Outcome, Failure> {
    let runtime =
        runtime::Builder::new_current_thread().enable_all().build().map_err(Error::Start)?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            biased;
            stopped = stop() => Err(match stopped {
                Ok(()) => Error::Interrupted.into(),
                Err(source) => Error::Start(source).into(),
            }),
            outcome = task => outcome,
        }
    });
    runtime.shutdown_timeout(SHUTDOWN);
    outcome
}

/// Ends when SIGTERM or SIGINT comes.
async fn stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Results first: standard output then says what is there.
fn deliver(outcome: &Outcome, stdout: &mut dyn Write) -> Result<(), Failure> {
    let bytes = outcome.stdout()?;
    result::write(&outcome.results)?;
    stdout.write_all(&bytes).and_then(|()| stdout.flush()).map_err(Error::Stdout)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ResultPath;

    #[derive(Debug, Parser)]
    #[command(name = "probe", version = "1.2.3")]
    struct Probe {
        /// How to end.
        #[arg(long, env = "FLEETFIX_TASK_PROBE_END")]
        end: String,
        #[arg(long)]
        result_end: Option<ResultPath>,
    }

    impl Task for Probe {
        async fn run(self, context: &Context) -> Result<Outcome, Failure> {
            assert_eq!(context.now.unix(), 7);
            let data = serde_json::json!({ "end": self.end });
            let outcome = Outcome::json(&data)?.result(self.result_end.as_ref(), &self.end);
            match self.end.as_str() {
                "well" => Ok(outcome),
                "text" => Ok(Outcome::text("| a |\n")),
                "no" => Ok(outcome.refused("2 findings\nblock")),
                "bug" => Err(Failure::new(fleetfix_model::Class::Bug, "x")),
                "usage" => Err(Failure::usage("--a needs --b")),
                "refused" => Err(Failure::refused("digest differs")),
                "input" => Err(Failure::input("no such tag").about("app")),
                "environment" => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
                "yield" => {
                    tokio::task::yield_now().await;
                    Ok(outcome)
                }
                other => panic!("{other}"),
            }
        }
    }

    fn run(args: &[&str]) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let args = std::iter::once("probe").chain(args.iter().copied()).map(OsString::from);
        let now = Timestamp::from_unix(7).unwrap();
        let code = execute::<Probe>(args, now, &mut out, &mut err);
        (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn ends_and_exit_codes() {
        let table = [
            ("well", 0, "{\"end\":\"well\"}\n", ""),
            ("yield", 0, "{\"end\":\"yield\"}\n", ""),
            ("text", 0, "| a |\n", ""),
            ("no", 10, "{\"end\":\"no\"}\n", "error: 2 findings\\nblock\n"),
            ("bug", 1, "", "error: bug: x\n"),
            ("usage", 2, "", "error: --a needs --b\n"),
            ("refused", 10, "", "error: digest differs\n"),
            ("input", 11, "", "error: app: no such tag\n"),
            ("environment", 12, "", "error: timed out\n"),
        ];
        for (end, code, out, err) in table {
            assert_eq!(run(&["--end", end]), (code, out.into(), err.into()), "{end}");
        }
    }

    #[test]
    fn a_panic_is_a_bug_on_one_line() {
        let (code, out, err) = run(&["--end", "something else"]);
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(err.starts_with("error: bug: ") && err.lines().count() == 1, "{err}");
    }

    #[test]
    fn command_line() {
        let (code, out, err) = run(&["--version"]);
        assert_eq!((code, out.as_str(), err.as_str()), (0, "probe 1.2.3\n", ""));
        let (code, out, err) = run(&["--help"]);
        assert!(code == 0 && out.contains("FLEETFIX_TASK_PROBE_END") && err.is_empty(), "{out}");
        for bad in [&[][..], &["--nonsense"], &["--end", "well", "--result-end", ""]] {
            let (code, out, err) = run(bad);
            assert!(code == 2 && out.is_empty() && err.starts_with("error: "), "{bad:?}: {err}");
        }
    }

    #[test]
    fn results_go_to_files_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("end");
        let (code, _, err) = run(&["--end", "no", "--result-end", path.to_str().unwrap()]);
        assert_eq!((code, std::fs::read_to_string(path).unwrap().as_str()), (10, "no"), "{err}");
        let missing = dir.path().join("missing/end");
        let (code, out, _) = run(&["--end", "well", "--result-end", missing.to_str().unwrap()]);
        assert_eq!((code, out.as_str()), (11, ""));
    }
}
