//! A forward proxy that sends every name to one server: plain requests with a whole URL, and
//! tunnels (RFC 9110, sections 7.2 and 9.3.6).

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;

use super::Request;
use super::server::Server;
use super::tls::Connection;

/// A running proxy; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    server: Server,
}

impl Proxy {
    /// A proxy for which every name leads to `target`.
    pub fn to(target: SocketAddr) -> Self {
        let takeover = move |request: &Request, client: Connection| match client {
            Connection::Plain(client) => forward(request, client, target),
            Connection::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
        };
        Self { server: Server::taken_over(Box::new(takeover)) }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.host)
    }

    /// What was asked of it: `CONNECT name:443`, `GET http://name/path`.
    pub fn lines(&self) -> Vec<String> {
        self.server.lines()
    }
}

fn forward(request: &Request, mut client: TcpStream, target: SocketAddr) -> io::Result<()> {
    let mut upstream = TcpStream::connect(target)?;
    if request.method == "CONNECT" {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    } else {
        let path = request.target.strip_prefix("http://").and_then(|rest| rest.find('/'));
        let path = path.map_or("/", |at| &request.target["http://".len() + at..]);
        let mut head = format!("{} {path} HTTP/1.1\r\n", request.method);
        for (name, value) in &request.headers {
            head.extend([name.as_str(), ": ", value, "\r\n"]);
        }
        upstream.write_all((head + "\r\n").as_bytes())?;
    }
    upstream.write_all(&request.body)?;
    let (mut from, mut to) = (client.try_clone()?, upstream.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        to.shutdown(Shutdown::Write)
    });
    io::copy(&mut upstream, &mut client)?;
    client.shutdown(Shutdown::Both)
}
