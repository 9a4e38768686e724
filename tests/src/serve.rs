//! A directory over loopback HTTP, as a TUF repository is served.

use std::io::BufReader;
use std::path::{Component, Path, PathBuf};

use crate::http::{Head, Server, answer};

/// A running server; ends when dropped.
#[derive(Debug)]
pub struct Directory {
    server: Server,
}

impl Directory {
    /// Serves the files below `root` as they are when asked for.
    pub fn serve(root: &Path) -> Self {
        let root = root.to_path_buf();
        let server = Server::start(move |stream| {
            let mut from = BufReader::new(&stream);
            let Some(head) = Head::read(&mut from)? else { return Ok(()) };
            let content = below(&root, head.word(1)).and_then(|path| std::fs::read(path).ok());
            match content {
                Some(content) => answer(&mut &stream, 200, &content, "application/octet-stream"),
                None => answer(&mut &stream, 404, b"not found", "text/plain"),
            }
        });
        Self { server }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }
}

fn below(root: &Path, path: &str) -> Option<PathBuf> {
    let path = Path::new(path.strip_prefix('/')?);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    plain.then(|| root.join(path))
}
