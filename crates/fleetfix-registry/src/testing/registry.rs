//! A registry in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fleetfix_model::Digest;

use super::server::{Reply, Request, Server};

/// What it holds.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// By repository and digest.
    pub(crate) blobs: BTreeMap<(String, String), Vec<u8>>,
    /// By repository and tag or digest: media type and bytes.
    pub(crate) manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    sessions: u32,
}

/// A running registry.
pub(crate) struct Registry {
    pub(crate) server: Server,
    pub(crate) content: Arc<Mutex<Content>>,
}

impl Registry {
    /// A registry that does everything right.
    pub(crate) async fn start() -> Self {
        Self::faulty(|_| None).await
    }

    /// A registry that does what `fault` says where it says something.
    pub(crate) async fn faulty(
        mut fault: impl FnMut(&Request) -> Option<Reply> + Send + 'static,
    ) -> Self {
        let content = Arc::new(Mutex::new(Content::default()));
        let shared = content.clone();
        let answer = move |request: &Request| {
            fault(request).unwrap_or_else(|| shared.lock().unwrap().answer(request))
        };
        Self { server: Server::answering(answer).await, content }
    }

    /// The same, deciding before a body was read.
    pub(crate) async fn abrupt(
        fault: impl FnMut(&Request) -> Option<Reply> + Send + 'static,
    ) -> Self {
        let content = Arc::new(Mutex::new(Content::default()));
        let shared = content.clone();
        let answer = move |request: &Request| shared.lock().unwrap().answer(request);
        Self { server: Server::start(fault, answer).await, content }
    }

    pub(crate) fn host(&self) -> &str {
        &self.server.host
    }

    pub(crate) fn put_blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let key = (repository.to_owned(), digest.to_string());
        self.content.lock().unwrap().blobs.insert(key, bytes.to_vec());
        digest
    }

    pub(crate) fn put_manifest(
        &self,
        repository: &str,
        tag: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Digest {
        let digest = Digest::of(bytes);
        for reference in [tag, &digest.to_string()] {
            let key = (repository.to_owned(), reference.to_owned());
            self.content
                .lock()
                .unwrap()
                .manifests
                .insert(key, (media_type.to_owned(), bytes.to_vec()));
        }
        digest
    }

    pub(crate) fn blob(&self, repository: &str, digest: Digest) -> Option<Vec<u8>> {
        let key = (repository.to_owned(), digest.to_string());
        self.content.lock().unwrap().blobs.get(&key).cloned()
    }

    pub(crate) fn manifest(&self, repository: &str, reference: &str) -> Option<Vec<u8>> {
        let key = (repository.to_owned(), reference.to_owned());
        self.content.lock().unwrap().manifests.get(&key).map(|(_, bytes)| bytes.clone())
    }

    /// How many requests changed or tried to change something.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.server
            .lines()
            .into_iter()
            .filter(|l| !l.starts_with("GET") && !l.starts_with("HEAD"))
            .collect()
    }
}

impl Content {
    fn answer(&mut self, request: &Request) -> Reply {
        let unknown = |code: &str| {
            Reply::json(404, &format!(r#"{{"errors":[{{"code":"{code}","message":"unknown"}}]}}"#))
        };
        let Some(rest) = request.path().strip_prefix("/v2/") else {
            return unknown("NAME_UNKNOWN");
        };
        if let Some((repository, digest)) = rest.split_once("/blobs/sha256:") {
            let digest = format!("sha256:{digest}");
            return match self.blobs.get(&(repository.to_owned(), digest.clone())) {
                Some(bytes) => ranged(request, bytes).with("docker-content-digest", digest),
                None => unknown("BLOB_UNKNOWN"),
            };
        }
        if let Some((repository, _)) = rest.split_once("/blobs/uploads/") {
            return self.upload(request, repository);
        }
        let Some((repository, reference)) = rest.split_once("/manifests/") else {
            return unknown("NAME_UNKNOWN");
        };
        let key = (repository.to_owned(), reference.to_owned());
        if request.method == "PUT" {
            let media_type = request.header("content-type").unwrap().to_owned();
            let digest = Digest::of(&request.body).to_string();
            for reference in [reference, &digest] {
                let key = (repository.to_owned(), reference.to_owned());
                self.manifests.insert(key, (media_type.clone(), request.body.clone()));
            }
            return Reply::new(201).with("docker-content-digest", digest);
        }
        match self.manifests.get(&key) {
            Some((media_type, bytes)) => Reply::new(200)
                .with("content-type", media_type)
                .with("docker-content-digest", Digest::of(bytes).to_string())
                .body(bytes.clone()),
            None => unknown("MANIFEST_UNKNOWN"),
        }
    }

    fn upload(&mut self, request: &Request, repository: &str) -> Reply {
        let one = |name: &str| request.query(name).first().cloned();
        match request.method.as_str() {
            "POST" => {
                if let (Some(digest), Some(from)) = (one("mount"), one("from"))
                    && let Some(bytes) = self.blobs.get(&(from, digest.clone())).cloned()
                {
                    self.blobs.insert((repository.to_owned(), digest), bytes);
                    return Reply::new(201);
                }
                self.sessions += 1;
                // Relative, with a state that must come back.
                let to = format!("/v2/{repository}/blobs/uploads/{}?_state=a%2Bb", self.sessions);
                Reply::new(202).with("location", to)
            }
            "PUT" => {
                let digest = Digest::of(&request.body).to_string();
                let stale = !request.target.contains("?_state=a%2Bb&");
                if stale || one("digest").as_deref() != Some(&digest) {
                    return Reply::json(
                        400,
                        r#"{"errors":[{"code":"DIGEST_INVALID","message":"invalid"}]}"#,
                    );
                }
                self.blobs.insert((repository.to_owned(), digest.clone()), request.body.clone());
                Reply::new(201).with("docker-content-digest", digest)
            }
            _ => Reply::new(204),
        }
    }
}

/// All of it, or what `Range` asks for.
fn ranged(request: &Request, bytes: &[u8]) -> Reply {
    let from = request
        .header("range")
        .and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match from {
        Some(from) => Reply::new(206)
            .with("content-range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()))
            .body(&bytes[from..]),
        None => Reply::new(200).body(bytes),
    }
}
