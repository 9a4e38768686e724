//! A registry on a loopback port with a store of its own: CNCF distribution, the code that most
//! self-hosted registries run. It takes every way of uploading, mounts across repositories, and
//! logs each request. It writes to disk, so that a fast client is not measured against memory.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use super::access_log::{Request, Stored};
use crate::command::Command;
use crate::failure::Failure;

const DEADLINE: Duration = Duration::from_secs(30);

/// A running registry; ends when dropped.
#[derive(Debug)]
pub(super) struct Registry {
    child: Child,
    address: SocketAddr,
    store: PathBuf,
    log: PathBuf,
}

/// What went over the wire.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Traffic {
    pub(super) requests: u64,
    /// Bytes of blobs and manifests that were stored.
    pub(super) up: u64,
    /// Bytes of answers' bodies.
    pub(super) down: u64,
}

impl std::ops::AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.up += other.up;
        self.down += other.down;
    }
}

impl Registry {
    /// Starts `program` with all that it writes below `dir`.
    pub(super) fn start(program: &Path, dir: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(dir).map_err(Failure::at(dir))?;
        let (store, log, config) = (dir.join("store"), dir.join("log"), dir.join("config.yml"));
        let text = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {:?}}}}}\nhttp: {{addr: \"127.0.0.1:0\"}}\n",
            store.display().to_string()
        );
        fs::write(&config, text).map_err(Failure::at(&config))?;
        // It ends with us, also when we are ended.
        let command = Command::new("setpriv").args(["--pdeathsig", "TERM"]);
        let command = command.args([program.as_os_str(), "serve".as_ref(), config.as_os_str()]);
        let child = command.at_home(dir).start(&log)?;
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut registry = Self { child, address, store, log };
        let port = registry.wait(0, |text| {
            let rest = text.split("listening on 127.0.0.1:").nth(1)?;
            let (port, _) = rest.split_once(|c: char| !c.is_ascii_digit())?;
            port.parse().ok()
        })?;
        registry.address.set_port(port);
        Ok(registry)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The end of the log as it is now.
    pub(super) fn mark(&self) -> Result<u64, Failure> {
        fs::metadata(&self.log).map(|log| log.len()).map_err(Failure::at(&self.log))
    }

    /// The requests since a mark. Requests are logged after they were answered: one of our own
    /// comes last and is waited for.
    pub(super) fn requests(&self, mark: u64) -> Result<Vec<Request>, Failure> {
        let own = format!("/v2/?mark={mark}");
        self.get(&own).map_err(|error| Failure::new(format!("{}: {error}", self.address)))?;
        let line = format!("\"GET {own} ");
        let text = self.wait(mark, |text| text.contains(&line).then(|| text.to_owned()))?;
        let requests = text.lines().filter_map(Request::parse);
        Ok(requests.filter(|request| request.target != own).collect())
    }

    /// What requests moved.
    pub(super) fn traffic(&self, requests: &[Request]) -> Traffic {
        let mut traffic = Traffic::default();
        for request in requests {
            let up = request.stored().map_or(0, |stored| self.size(&stored));
            // The body of an answer to HEAD is counted by none.
            let down = if request.method == "HEAD" { 0 } else { request.written };
            traffic += Traffic { requests: 1, up, down };
        }
        traffic
    }

    /// Takes a blob away, so that the store does not grow with the number of runs.
    pub(super) fn forget(&self, digest: &str) {
        if let Some(blob) = self.blob(digest) {
            let _ = fs::remove_file(blob);
        }
    }

    fn size(&self, stored: &Stored) -> u64 {
        let digest = match stored {
            Stored::Blob { digest } => digest.clone(),
            Stored::Manifest { repository, reference } if !reference.contains(':') => {
                let tag = format!("repositories/{repository}/_manifests/tags/{reference}");
                let link = self.registry_path(&tag).join("current/link");
                fs::read_to_string(link).unwrap_or_default()
            }
            Stored::Manifest { reference, .. } => reference.clone(),
        };
        let metadata = self.blob(&digest).and_then(|blob| fs::metadata(blob).ok());
        metadata.map_or(0, |metadata| metadata.len())
    }

    fn blob(&self, digest: &str) -> Option<PathBuf> {
        let hex = digest.strip_prefix("sha256:")?;
        Some(self.registry_path(&format!("blobs/sha256/{}/{hex}/data", hex.get(..2)?)))
    }

    fn registry_path(&self, path: &str) -> PathBuf {
        self.store.join("docker/registry/v2").join(path)
    }

    fn get(&self, target: &str) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let host = self.address;
        write!(stream, "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }

    /// Waits until `find` finds something in the log behind `mark`.
    fn wait<T>(&self, mark: u64, find: impl Fn(&str) -> Option<T>) -> Result<T, Failure> {
        let end = Instant::now() + DEADLINE;
        loop {
            let mut bytes = Vec::new();
            let mut file = File::open(&self.log).map_err(Failure::at(&self.log))?;
            let read = file.seek(SeekFrom::Start(mark)).and_then(|_| file.read_to_end(&mut bytes));
            read.map_err(Failure::at(&self.log))?;
            if let Some(found) = find(&String::from_utf8_lossy(&bytes)) {
                return Ok(found);
            }
            if Instant::now() > end {
                let log = self.log.display();
                return Err(Failure::new(format!("{log}: what is waited for does not come")));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
