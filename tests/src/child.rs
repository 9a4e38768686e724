//! Programs with an environment of their own and a deadline.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longer than anything here takes on two busy cores: whoever gets there hangs.
const DEADLINE: Duration = Duration::from_mins(3);

/// What a program said.
#[derive(Clone, Debug)]
pub struct Output {
    /// Program and arguments.
    pub command: String,
    /// Exit code; absent: ended by a signal.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

#[expect(
    clippy::return_self_not_must_use,
    reason = "the assertion is the point, the rest of a chain is not"
)]
impl Output {
    /// The same, if the program ended well; a panic with all it said otherwise.
    #[track_caller]
    pub fn success(self) -> Self {
        self.code(0)
    }

    /// The same, if the program ended with `code`.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// The same, if the program did not end well.
    #[track_caller]
    pub fn refused(self) -> Self {
        assert!(self.code.is_some_and(|code| code != 0), "{self}");
        self
    }

    /// The same, if stdout or stderr holds `text`.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text) || self.stderr.contains(text), "no `{text}` in {self}");
        self
    }

    /// The last line of stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let whole = serde_json::from_str(&self.stdout);
        let last =
            || serde_json::from_str(self.stdout.trim_end().lines().last().unwrap_or_default());
        whole.or_else(|_| last()).unwrap_or_else(|error| panic!("no JSON: {error}: {self}"))
    }

    /// Stdout without the white space around it.
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, code, stdout, stderr } = self;
        write!(f, "`{command}` ended with {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// `program` with nothing of our environment but what finds programs and places temporary files.
pub fn command(program: impl AsRef<OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    for name in ["PATH", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("HOME", home).env("LC_ALL", "C");
    for name in ["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"] {
        command.env(name, home.join(name.to_lowercase()));
    }
    // cosign reaches for the public trust root otherwise.
    command.env("TUF_ROOT", home.join("tuf")).env("DOCKER_CONFIG", home.join("docker"));
    command
}

/// Runs to the end.
pub fn run(command: &mut Command) -> Output {
    wait(spawn(command), describe(command))
}

/// Starts with pipes for stdout and stderr.
///
/// # Panics
/// If the program cannot be started.
pub fn spawn(command: &mut Command) -> Child {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    child.unwrap_or_else(|error| panic!("{}: {error}", describe(command)))
}

/// Waits for a program that [`spawn`] started; ends it when it takes too long.
///
/// # Panics
/// If it takes too long.
pub fn wait(mut child: Child, command: String) -> Output {
    let (sender, receiver) = mpsc::channel();
    let stdout = collect(child.stdout.take().expect("piped"), sender.clone());
    let stderr = collect(child.stderr.take().expect("piped"), sender);
    let closed = |_| receiver.recv_timeout(DEADLINE).is_ok();
    if !(0..2).all(closed) {
        let _ = child.kill();
        panic!("{command}: still running after {DEADLINE:?}");
    }
    let status: ExitStatus = child.wait().expect("a child's status");
    let text = |handle: thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&handle.join().expect("the reader's thread")).into_owned()
    };
    Output { command, code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// Ends a process at once, wherever it is (SIGKILL).
///
/// # Errors
/// If there is no such process.
pub fn kill(process: u32) -> io::Result<()> {
    let id = i32::try_from(process).ok().and_then(Pid::from_raw);
    let id = id.ok_or(io::ErrorKind::InvalidInput)?;
    Ok(kill_process(id, Signal::KILL)?)
}

fn collect(
    mut pipe: impl Read + Send + 'static,
    closed: mpsc::Sender<()>,
) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = closed.send(());
        bytes
    })
}

/// Program and arguments as one would type them.
pub fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.collect::<Vec<_>>().join(OsStr::new(" ")).to_string_lossy().into_owned()
}
