//! Real registries, each on a free loopback port with a store of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use std::{fs, thread};

use tempfile::TempDir;

use crate::child;
use crate::http;
use crate::tools::tool;

/// A registry's program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Debian's docker-registry 2.8: no referrers.
    Docker,
    /// CNCF distribution 3: no referrers.
    Distribution,
    /// olareg: has referrers.
    Olareg,
}

/// Every kind.
pub const KINDS: [Kind; 3] = [Kind::Docker, Kind::Distribution, Kind::Olareg];

const DEADLINE: Duration = Duration::from_secs(30);

/// A running registry; ends when dropped.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    address: SocketAddr,
    log: Arc<Log>,
    dir: TempDir,
}

#[derive(Debug, Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Registry {
    /// Starts one and waits until it answers.
    ///
    /// # Panics
    /// If it does not answer in time.
    pub fn start(kind: Kind) -> Self {
        Self::over(kind, |store| fs::create_dir(store).expect("a store"))
    }

    /// Starts one over a store that `make` makes.
    ///
    /// # Panics
    /// If it does not answer in time.
    pub fn over(kind: Kind, make: impl Fn(&Path)) -> Self {
        // olareg does not say which port it got: look for a free one, and for another if it was
        // taken meanwhile.
        let started = (0..5).find_map(|_| Self::try_start(kind, &make));
        started.unwrap_or_else(|| panic!("{kind:?}: no registry answers"))
    }

    fn try_start(kind: Kind, make: &dyn Fn(&Path)) -> Option<Self> {
        let dir =
            tempfile::Builder::new().prefix("registry-").tempdir().expect("a temporary directory");
        make(&dir.path().join("store"));
        let (mut command, port) = program(kind, dir.path());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a registry starts");
        let log = Arc::new(Log::default());
        follow(child.stdout.take().expect("piped"), &log);
        follow(child.stderr.take().expect("piped"), &log);
        let port = port.or_else(|| log.port());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or_default()));
        let mut registry = Self { child, address, log, dir };
        (port.is_some() && registry.answers()).then_some(registry)
    }

    /// True when it answers; false when it ended or does not.
    fn answers(&mut self) -> bool {
        let end = Instant::now() + DEADLINE;
        while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
            if TcpStream::connect(self.address).is_ok() && http::get(self.address, "/v2/").0 == 200
            {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A repository in it: `127.0.0.1:PORT/path`.
    pub fn repository(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }

    /// Everything that it logged, requests included.
    pub fn log(&self) -> Vec<String> {
        self.log.lines.lock().unwrap().clone()
    }

    /// Where it keeps its blobs.
    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Log {
    /// The port in `listening on 127.0.0.1:PORT`, once that line is there.
    fn port(&self) -> Option<u16> {
        let said = |lines: &[String]| {
            lines.iter().find_map(|line| {
                let rest = line.split("listening on 127.0.0.1:").nth(1)?;
                rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u16>().ok()
            })
        };
        let lines = self.lines.lock().unwrap();
        let (lines, _) =
            self.more.wait_timeout_while(lines, DEADLINE, |lines| said(lines).is_none()).unwrap();
        said(&lines)
    }
}

/// The command, and the port where it is ours to choose.
fn program(kind: Kind, dir: &Path) -> (Command, Option<u16>) {
    let store = dir.join("store");
    let free =
        || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    match kind {
        Kind::Docker | Kind::Distribution => {
            let config = dir.join("config.yml");
            let text = format!(
                "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {:?}}}, delete: {{enabled: true}}}}\nhttp: {{addr: \"127.0.0.1:0\"}}\n",
                store.display().to_string()
            );
            fs::write(&config, text).expect("a configuration");
            let name = if kind == Kind::Docker { "docker-registry" } else { "distribution" };
            let mut command = child::command(tool(name), dir);
            command.arg("serve").arg(config);
            (command, None)
        }
        Kind::Olareg => {
            let port = free().expect("a free port").port();
            let mut command = child::command(tool("olareg"), dir);
            command.args([
                "serve",
                "--verbosity",
                "debug",
                "--addr",
                "127.0.0.1",
                "--gc-frequency",
                "-1s",
            ]);
            command.args(["--port", &port.to_string()]).arg("--dir").arg(&store);
            (command, Some(port))
        }
    }
}

fn follow(pipe: impl Read + Send + 'static, log: &Arc<Log>) {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            log.lines.lock().unwrap().push(line);
            log.more.notify_all();
        }
    });
}
