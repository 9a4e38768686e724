//! A proxy in front of a registry: it writes down every request, answers with errors where it is
//! told to, and kills a process in the middle of its work.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::child;
use crate::http::{Head, Server, answer, pass_body};

/// A request that came by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Status of the answer; 0: none was given.
    pub status: u16,
    /// Bytes of the request's body.
    pub up: u64,
    /// Bytes of the answer's body.
    pub down: u64,
}

impl Request {
    /// True if it may change what the registry holds.
    pub fn is_write(&self) -> bool {
        is_write(&self.method)
    }
}

/// When a process dies.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    /// The registry never sees the request.
    Before,
    /// The registry did what was asked; the process does not learn of it.
    After,
}

/// An answer in place of the registry's.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The method; empty: any.
    pub method: &'static str,
    /// A part of the path; empty: any.
    pub path: String,
    /// The status.
    pub status: u16,
}

/// A running proxy; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    victim_known: Condvar,
}

#[derive(Debug, Default)]
struct State {
    upstream: Option<SocketAddr>,
    requests: Vec<Request>,
    faults: Vec<Fault>,
    writes: usize,
    kill: Option<(usize, Moment)>,
    victim: Option<u32>,
}

impl Proxy {
    /// Starts a proxy in front of `upstream`.
    pub fn start(upstream: SocketAddr) -> Self {
        let state = State { upstream: Some(upstream), ..State::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), victim_known: Condvar::new() });
        let in_handler = Arc::clone(&shared);
        Self { server: Server::start(move |stream| in_handler.handle(&stream)), shared }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        self.server.address().to_string()
    }

    /// The requests so far, in the order in which they ended.
    pub fn requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// Goes on in front of another registry.
    pub fn forward_to(&self, upstream: SocketAddr) {
        self.state().upstream = Some(upstream);
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        let mut state = self.state();
        state.requests.clear();
        state.writes = 0;
    }

    /// Answers in the registry's place from now on.
    pub fn fail(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Answers nothing in the registry's place from now on.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// Kills the process named by [`Proxy::victim`] at the `write`-th write from now, from 1.
    pub fn kill_at(&self, write: usize, moment: Moment) {
        let mut state = self.state();
        state.kill = Some((write, moment));
        state.writes = 0;
        state.victim = None;
    }

    /// Kills nobody from now on.
    pub fn let_live(&self) {
        self.state().kill = None;
    }

    /// The process to kill. Writes wait until it is known.
    pub fn victim(&self, id: u32) {
        self.state().victim = Some(id);
        self.shared.victim_known.notify_all();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl Shared {
    fn handle(&self, client: &TcpStream) -> io::Result<()> {
        let mut from = BufReader::new(client);
        let Some(head) = Head::read(&mut from)? else { return Ok(()) };
        let (method, path) = (head.word(0).to_owned(), head.word(1).to_owned());
        let mut request = Request { method, path, status: 0, up: 0, down: 0 };
        let back = self.forward(&head, &mut from, &mut request);
        // Written down before the client has its answer: what it did can be asked for at once.
        self.state.lock().unwrap().requests.push(request);
        let (mut client, back) = (client, back?);
        client.write_all(&back)?;
        client.flush()
    }

    fn forward(
        &self,
        head: &Head,
        from: &mut BufReader<&TcpStream>,
        request: &mut Request,
    ) -> io::Result<Vec<u8>> {
        let mut whole = Vec::new();
        if let Some(status) = self.fault(request) {
            request.up = pass_body(head, from, &mut io::sink())?;
            request.status = status;
            answer(&mut whole, status, b"{\"errors\":[]}", "application/json")?;
            return Ok(whole);
        }
        let kill = is_write(&request.method).then(|| self.next_write()).flatten();
        if let Some((Moment::Before, victim)) = kill {
            return Err(end(victim));
        }
        let upstream = self.state.lock().unwrap().upstream.ok_or(io::ErrorKind::NotConnected)?;
        let mut upstream = TcpStream::connect(upstream)?;
        head.write(&mut upstream)?;
        request.up = pass_body(head, from, &mut upstream)?;
        let mut back = BufReader::new(&upstream);
        let answer = Head::read(&mut back)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        request.status = answer.status();
        if let Some((Moment::After, victim)) = kill {
            return Err(end(victim));
        }
        answer.write(&mut whole)?;
        request.down = back.read_to_end(&mut whole)? as u64;
        Ok(whole)
    }

    fn fault(&self, request: &Request) -> Option<u16> {
        let state = self.state.lock().unwrap();
        let hit = |fault: &&Fault| {
            (fault.method.is_empty() || fault.method == request.method)
                && request.path.contains(&fault.path)
        };
        state.faults.iter().find(hit).map(|fault| fault.status)
    }

    /// Counts a write. Says whom to kill at it, if anybody.
    fn next_write(&self) -> Option<(Moment, u32)> {
        let mut state = self.state.lock().unwrap();
        state.writes += 1;
        let (write, moment) = state.kill?;
        if state.writes != write {
            return None;
        }
        let unknown = |state: &mut State| state.victim.is_none();
        let (state, _) =
            self.victim_known.wait_timeout_while(state, Duration::from_secs(10), unknown).unwrap();
        state.victim.map(|victim| (moment, victim))
    }
}

fn is_write(method: &str) -> bool {
    matches!(method, "POST" | "PUT" | "PATCH" | "DELETE")
}

/// Ends a process; what is left to say to it.
fn end(process: u32) -> io::Error {
    child::kill(process).err().unwrap_or_else(|| io::ErrorKind::ConnectionAborted.into())
}
