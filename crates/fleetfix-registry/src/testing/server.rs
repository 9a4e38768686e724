//! An HTTP/1.1 server on loopback that does what a closure says, wrong things included.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The path without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// All values of a parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Vec<String> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        url::form_urlencoded::parse(query.as_bytes())
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v.into_owned())
            .collect()
    }

    /// Method and path, to compare with.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path())
    }
}

/// What the server does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// Names a length and sends only so many bytes before it closes.
    Cut {
        reply: Box<Reply>,
        after: usize,
    },
    /// Sends these bytes and closes.
    Raw(Vec<u8>),
    /// Closes without an answer; bytes of the body that were not read make it a reset.
    Drop,
    /// Never answers.
    Silent,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self::Answer { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }

    pub(crate) fn body(mut self, content: impl Into<Vec<u8>>) -> Self {
        if let Self::Answer { body, .. } = &mut self {
            *body = content.into();
        }
        self
    }

    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::new(status).with("content-type", "application/json").body(body)
    }

    pub(crate) fn cut(self, after: usize) -> Self {
        Self::Cut { reply: Box::new(self), after }
    }

    fn bytes(&self, head_only: bool) -> Vec<u8> {
        let (reply, cut) = match self {
            Self::Cut { reply, after } => (reply.as_ref(), Some(*after)),
            reply => (reply, None),
        };
        let Self::Answer { status, headers, body } = reply else { return Vec::new() };
        let mut out = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n").into_bytes();
        let named = |name: &str| headers.iter().any(|(n, _)| n == name);
        for (name, value) in headers {
            out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        if !named("content-length") {
            out.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        if !head_only {
            out.extend_from_slice(&body[..cut.unwrap_or(body.len()).min(body.len())]);
        }
        out
    }
}

/// A running server. It ends when this is dropped.
pub(crate) struct Server {
    pub(crate) host: String,
    log: Arc<Mutex<Vec<Request>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// `head` sees each request before its body was read and may answer right away; `whole` sees
    /// all of it.
    pub(crate) async fn start(
        head: impl FnMut(&Request) -> Option<Reply> + Send + 'static,
        whole: impl FnMut(&Request) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (kept, head, whole) =
            (log.clone(), Arc::new(Mutex::new(head)), Arc::new(Mutex::new(whole)));
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (log, head, whole) = (kept.clone(), head.clone(), whole.clone());
                tokio::spawn(async move {
                    let head = |request: &Request| head.lock().unwrap()(request);
                    let whole = |request: &Request| whole.lock().unwrap()(request);
                    serve(stream, &log, head, whole).await;
                });
            }
        });
        Self { host, log, task }
    }

    /// A server that sees whole requests only.
    pub(crate) async fn answering(whole: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        Self::start(|_| None, whole).await
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    /// Method and path of each request.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().iter().map(Request::line).collect()
    }

    pub(crate) fn forget(&self) {
        self.log.lock().unwrap().clear();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request per connection.
async fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Request>>,
    mut head: impl FnMut(&Request) -> Option<Reply>,
    mut whole: impl FnMut(&Request) -> Reply,
) {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end + 4;
        }
        // Nobody here speaks TLS: a handshake (RFC 8446, section 5.1) is hung up on.
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 || bytes[0] == 22 {
            return;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = text.lines();
    let mut first = lines.next().unwrap().split(' ');
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = Request {
        method: first.next().unwrap().to_owned(),
        target: first.next().unwrap().to_owned(),
        headers,
        body: bytes[end..].to_vec(),
    };
    let reply = if let Some(reply) = head(&request) {
        reply
    } else {
        let length = request.header("content-length").map_or(0, |l| l.parse().unwrap());
        while request.body.len() < length {
            if stream.read_buf(&mut request.body).await.unwrap_or(0) == 0 {
                return;
            }
        }
        whole(&request)
    };
    log.lock().unwrap().push(request.clone());
    match reply {
        Reply::Drop => {}
        Reply::Silent => std::future::pending().await,
        Reply::Raw(raw) => {
            let _ = stream.write_all(&raw).await;
        }
        reply => {
            let _ = stream.write_all(&reply.bytes(request.method == "HEAD")).await;
        }
    }
    let _ = stream.shutdown().await;
}
