//! An HTTP/1.1 server on loopback that does what a closure says: one request per connection, one
//! thread per connection.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use super::fault::{Fault, Faults, Verdict};
use super::reply::Ending;
use super::tls::{Config, Connection};
use super::{Access, Reply, Request};

/// Where nobody listens: all servers of tests are on 127.0.0.1, so no port of theirs is ever this
/// one's.
pub const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3)), 9);

/// Bytes that are sent in one go.
const PIECE: usize = 64 << 10;

/// A running server; ends when dropped.
#[derive(Debug)]
pub struct Server {
    /// `127.0.0.1:PORT`.
    pub host: String,
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// Answers requests.
type Answer = Box<dyn FnMut(&Request) -> Reply + Send>;
type Early = Box<dyn FnMut(&Request) -> Option<Reply> + Send>;
/// Takes a connection over once a request was read from it.
pub(super) type Takeover = Box<dyn Fn(&Request, Connection) -> io::Result<()> + Send + Sync>;

struct Shared {
    log: Mutex<Vec<Access>>,
    faults: Mutex<Faults>,
    early: Mutex<Early>,
    whole: Mutex<Answer>,
    takeover: Option<Takeover>,
    tls: Option<Config>,
    stopped: AtomicBool,
    stop: (Mutex<()>, Condvar),
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Server {
    /// `early` sees each request before its body was read and may answer right away; `whole` sees
    /// all of it.
    pub fn start(
        early: impl FnMut(&Request) -> Option<Reply> + Send + 'static,
        whole: impl FnMut(&Request) -> Reply + Send + 'static,
    ) -> Self {
        Self::behind(None, early, whole)
    }

    /// A server that sees whole requests only.
    pub fn answering(whole: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        Self::behind(None, |_| None, whole)
    }

    pub(super) fn behind(
        tls: Option<Config>,
        early: impl FnMut(&Request) -> Option<Reply> + Send + 'static,
        whole: impl FnMut(&Request) -> Reply + Send + 'static,
    ) -> Self {
        Self::all(tls, Box::new(early), Box::new(whole), None)
    }

    /// A server that answers nothing itself.
    pub(super) fn taken_over(takeover: Takeover) -> Self {
        Self::all(None, Box::new(|_| None), Box::new(|_| Reply::Drop), Some(takeover))
    }

    fn all(tls: Option<Config>, early: Early, whole: Answer, takeover: Option<Takeover>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            log: Mutex::default(),
            faults: Mutex::default(),
            early: Mutex::new(early),
            whole: Mutex::new(whole),
            takeover,
            tls,
            stopped: AtomicBool::new(false),
            stop: (Mutex::new(()), Condvar::new()),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // A client that goes away in the middle is what some tests are about.
                thread::spawn(move || stream.and_then(|stream| shared.serve(stream)));
            }
        });
        Self { host: address.to_string(), address, shared }
    }

    /// Lets something go wrong from now on.
    pub fn fault(&self, fault: Fault) {
        self.shared.faults.lock().unwrap().add(fault);
    }

    /// What was to go wrong, and no request came for it.
    pub fn idle_faults(&self) -> Vec<String> {
        self.shared.faults.lock().unwrap().idle()
    }

    /// Lets nothing go wrong from now on.
    pub fn heal(&self) {
        *self.shared.faults.lock().unwrap() = Faults::default();
    }

    /// What came and what was answered, in the order of the answers.
    pub fn log(&self) -> Vec<Access> {
        self.shared.log.lock().unwrap().clone()
    }

    /// The requests.
    pub fn requests(&self) -> Vec<Request> {
        self.log().into_iter().map(|access| access.request).collect()
    }

    /// Method and path of each request.
    pub fn lines(&self) -> Vec<String> {
        self.log().iter().map(Access::line).collect()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.shared.log.lock().unwrap().clear();
    }

    /// A URL on it, without TLS.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        let _held = self.shared.stop.0.lock();
        self.shared.stop.1.notify_all();
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut first = [0];
        stream.peek(&mut first)?;
        // A TLS record begins with its type, 22 for a handshake (RFC 8446, section 5.1).
        let mut connection = match (&self.tls, first[0]) {
            (Some(tls), 22) => Connection::accept(stream, tls)?,
            // Nobody here speaks TLS: hung up on.
            (None, 22) => return Ok(()),
            (None, _) => Connection::Plain(stream),
            (Some(_), _) => {
                let mut stream = stream;
                let said = "Client sent an HTTP request to an HTTPS server.\n";
                let reply = Reply::new(400).with("content-type", "text/plain").body(said);
                stream.write_all(&reply.head())?;
                return stream.write_all(said.as_bytes());
            }
        };
        let Some((mut request, rest)) = head(&mut connection)? else { return Ok(()) };
        request.body = rest;
        if let Some(takeover) = &self.takeover {
            let (access, _) = Access::new(&request, 0);
            self.log.lock().unwrap().push(access);
            return takeover(&request, connection);
        }
        let verdict = self.faults.lock().unwrap().judge(&request);
        let reply = if let Verdict::Early(bytes, reply) = verdict {
            fill(&mut connection, &mut request, bytes)?;
            reply
        } else {
            let early = self.early.lock().unwrap()(&request);
            if let Some(reply) = early {
                reply
            } else {
                fill(&mut connection, &mut request, usize::MAX)?;
                let honest = || self.whole.lock().unwrap()(&request);
                match verdict {
                    Verdict::Late(reply) => reply,
                    Verdict::Changed(around) => around(&request, &honest),
                    Verdict::Good | Verdict::Early(..) => honest(),
                }
            }
        };
        let (access, down) = Access::new(&request, reply.status());
        self.log.lock().unwrap().push(access);
        self.send(&mut connection, &request, reply, &down)?;
        connection.close();
        Ok(())
    }

    fn send(
        &self,
        to: &mut Connection,
        request: &Request,
        reply: Reply,
        down: &AtomicU64,
    ) -> io::Result<()> {
        let head = reply.head();
        let (body, ending) = match reply {
            Reply::Drop => return Ok(()),
            Reply::Silent => {
                self.wait(None);
                return Ok(());
            }
            Reply::Raw(raw) => return to.write_all(&raw),
            Reply::Answer { body, ending, .. } => (body, ending),
        };
        to.write_all(&head)?;
        if request.method == "HEAD" {
            return Ok(());
        }
        let (most, piece, pause) = match ending {
            Ending::Whole => (body.len(), PIECE, None),
            Ending::Cut(n) | Ending::Reset(n) | Ending::Stall(n) => (n, PIECE, None),
            Ending::Drip(piece, pause) => (body.len(), piece.max(1), Some(pause)),
        };
        for piece in body[..most.min(body.len())].chunks(piece) {
            to.write_all(piece)?;
            to.flush()?;
            down.fetch_add(piece.len() as u64, Ordering::Relaxed);
            if pause.is_some() && self.wait(pause) {
                return Ok(());
            }
        }
        match ending {
            Ending::Stall(_) => {
                self.wait(None);
            }
            // Closing with a linger of nothing is what sends a reset.
            Ending::Reset(_) => SockRef::from(to.socket()).set_linger(Some(Duration::ZERO))?,
            _ => {}
        }
        Ok(())
    }

    /// Waits for the end of the server, at most this long. True if it has come.
    fn wait(&self, most: Option<Duration>) -> bool {
        let going = |(): &mut ()| !self.stopped.load(Ordering::Relaxed);
        let held = self.stop.0.lock().unwrap();
        match most {
            None => drop(self.stop.1.wait_while(held, going)),
            Some(most) => drop(self.stop.1.wait_timeout_while(held, most, going)),
        }
        self.stopped.load(Ordering::Relaxed)
    }
}

/// The head of a request, and what came behind it.
fn head(from: &mut impl Read) -> io::Result<Option<(Request, Vec<u8>)>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok(Some((Request::parse(&String::from_utf8_lossy(&bytes)), rest)));
        }
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&buffer[..read]);
    }
}

/// Reads as much of the body as it says it has, at most `most` bytes.
fn fill(from: &mut impl Read, request: &mut Request, most: usize) -> io::Result<()> {
    let missing = request.length().min(most).saturating_sub(request.body.len());
    let read = from.take(missing as u64).read_to_end(&mut request.body)?;
    if read < missing { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
