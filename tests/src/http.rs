//! As much of HTTP/1.1 as the loopback servers here need: one request per connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The first lines of a request or response.
#[derive(Clone, Debug)]
pub struct Head {
    /// Request line or status line.
    pub start: String,
    /// Header fields as they came.
    pub fields: Vec<(String, String)>,
}

impl Head {
    /// Reads up to the empty line; `None` when the other side said nothing.
    pub fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let start = line(from)?;
        if start.is_empty() {
            return Ok(None);
        }
        let mut fields = Vec::new();
        loop {
            let field = line(from)?;
            match field.split_once(':') {
                Some((name, value)) => fields.push((name.to_owned(), value.trim().to_owned())),
                None => return Ok(Some(Self { start, fields })),
            }
        }
    }

    /// Writes it, saying that the connection ends after this message.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.fields {
            if !name.eq_ignore_ascii_case("connection") && !name.eq_ignore_ascii_case("expect") {
                text.extend([name, ": ", value, "\r\n"]);
            }
        }
        to.write_all((text + "Connection: close\r\n\r\n").as_bytes())
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// A word of the first line, from 0.
    pub fn word(&self, index: usize) -> &str {
        self.start.split(' ').nth(index).unwrap_or_default()
    }

    /// The status of a response.
    pub fn status(&self) -> u16 {
        self.word(1).parse().unwrap_or(0)
    }
}

/// Passes the body of a request on, as its fields say how long it is. Returns its length.
pub fn pass_body(head: &Head, from: &mut impl BufRead, to: &mut impl Write) -> io::Result<u64> {
    if head.field("transfer-encoding").is_none_or(|coding| !coding.eq_ignore_ascii_case("chunked"))
    {
        let length = head.field("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        return io::copy(&mut from.take(length), to);
    }
    let mut total = 0;
    loop {
        let size = line(from)?;
        write!(to, "{size}\r\n")?;
        let size = u64::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16);
        let size = size.map_err(io::Error::other)?;
        if size == 0 {
            // No trailers are sent by anybody here: one empty line.
            line(from)?;
            to.write_all(b"\r\n")?;
            return Ok(total);
        }
        total += io::copy(&mut from.take(size + 2), to)? - 2;
    }
}

/// `GET path`: status and body. Status 0: no answer.
pub fn get(address: SocketAddr, path: &str) -> (u16, Vec<u8>) {
    let ask = || -> io::Result<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut from = BufReader::new(stream);
        let status = Head::read(&mut from)?.map_or(0, |head| head.status());
        let mut body = Vec::new();
        from.read_to_end(&mut body)?;
        Ok((status, body))
    };
    ask().unwrap_or_default()
}

/// Answers with a status and a short body.
pub fn answer(to: &mut impl Write, status: u16, body: &[u8], content_type: &str) -> io::Result<()> {
    let length = body.len();
    write!(
        to,
        "HTTP/1.1 {status} Answer\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    to.write_all(body)?;
    to.flush()
}

/// A listener on a free loopback port with a thread per connection; ends when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Server {
    /// Starts listening.
    ///
    /// # Panics
    /// If there is no free port.
    pub fn start(handle: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("the port");
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, handle) = (Arc::clone(&stop), Arc::new(handle));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let handle = Arc::clone(&handle);
                // A client that goes away in the middle is what some tests are about.
                thread::spawn(move || stream.and_then(|stream| handle(stream)));
            }
        });
        Self { address, stop }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// One line without its end; empty at the end of input.
fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.take(1 << 16).read_line(&mut line)?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}
