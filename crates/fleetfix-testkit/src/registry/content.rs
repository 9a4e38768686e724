//! A registry in memory: the distribution protocol (distribution-spec v1.1) over two maps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fleetfix_model::Digest;
use serde_json::Value;

use super::token::Guard;
use super::{Behaviour, Reply, Request};

/// What a registry holds.
#[derive(Debug, Default)]
pub struct Content {
    /// By repository and digest.
    pub blobs: BTreeMap<(String, String), Vec<u8>>,
    /// By repository and tag or digest: media type and bytes.
    pub manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    pub(super) behaviour: Behaviour,
    pub(super) guard: Option<Guard>,
    pub(super) sessions: u32,
}

impl Content {
    pub(super) fn like(behaviour: Behaviour) -> Self {
        Self { behaviour, ..Self::default() }
    }

    /// The tags of a repository.
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let of = |(r, name): &(String, String)| {
            (r == repository && !name.contains(':')).then(|| name.clone())
        };
        self.manifests.keys().filter_map(of).collect()
    }

    /// What the manifests of a repository name and the repository does not have: a write that
    /// stopped in the middle. `subject` may be absent (distribution-spec v1.1, "Pushing Manifests").
    pub fn missing(&self, repository: &str) -> Vec<String> {
        let mut missing = BTreeSet::new();
        for ((r, _), (_, bytes)) in &self.manifests {
            if r == repository {
                missing.extend(self.unmet(repository, bytes));
            }
        }
        missing.into_iter().collect()
    }

    /// What one manifest names and is not there.
    fn unmet(&self, repository: &str, manifest: &[u8]) -> Vec<String> {
        let json: Value = serde_json::from_slice(manifest).unwrap_or_default();
        let list = |name: &str| json[name].as_array().cloned().unwrap_or_default();
        let key = |digest: &Value| {
            (repository.to_owned(), digest.as_str().unwrap_or_default().to_owned())
        };
        let blobs = [json["config"].clone()].into_iter().chain(list("layers"));
        let blobs = blobs.filter(|d| !d.is_null() && d["urls"].is_null());
        let absent_blobs = blobs.map(|d| key(&d["digest"])).filter(|k| !self.blobs.contains_key(k));
        let children = list("manifests");
        let absent =
            children.iter().map(|d| key(&d["digest"])).filter(|k| !self.manifests.contains_key(k));
        absent_blobs.chain(absent).map(|(_, digest)| digest).collect()
    }

    pub(super) fn put_blob(&mut self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.blobs.insert((repository.to_owned(), digest.to_string()), bytes.to_vec());
        digest
    }

    pub(super) fn put_manifest(
        &mut self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: &[u8],
    ) -> Digest {
        let digest = Digest::of(bytes);
        for name in tag.into_iter().chain([digest.to_string().as_str()]) {
            let key = (repository.to_owned(), name.to_owned());
            self.manifests.insert(key, (media_type.to_owned(), bytes.to_vec()));
        }
        digest
    }

    pub(super) fn load(&mut self, repository: &str, layout: &Path) {
        let read =
            |digest: &str| fs::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap();
        let index = fs::read(layout.join("index.json")).unwrap();
        let index: Value = serde_json::from_slice(&index).unwrap();
        let mut open: Vec<Value> = index["manifests"].as_array().unwrap().clone();
        while let Some(descriptor) = open.pop() {
            let bytes = read(descriptor["digest"].as_str().unwrap());
            let media_type = descriptor["mediaType"].as_str().unwrap();
            let tag = descriptor["annotations"]["org.opencontainers.image.ref.name"].as_str();
            self.put_manifest(repository, tag, media_type, &bytes);
            let json: Value = serde_json::from_slice(&bytes).unwrap();
            open.extend(json["manifests"].as_array().into_iter().flatten().cloned());
            let layers = json["layers"].as_array().into_iter().flatten();
            for blob in json.get("config").into_iter().chain(layers) {
                self.put_blob(repository, &read(blob["digest"].as_str().unwrap()));
            }
        }
    }

    /// Answers a request, if it shows a token where one is needed.
    pub(super) fn answer(&mut self, request: &Request) -> Reply {
        let refusal = self.guard.as_ref().and_then(|guard| guard.refusal(request));
        refusal.unwrap_or_else(|| self.serve(request))
    }

    /// Answers a request of anybody.
    pub(super) fn serve(&mut self, request: &Request) -> Reply {
        let Some(rest) = request.path().strip_prefix("/v2/") else {
            return Reply::error(404, "NAME_UNKNOWN");
        };
        if rest.is_empty() {
            return Reply::json(200, "{}");
        }
        if let Some((repository, _)) = rest.split_once("/blobs/uploads/") {
            return self.upload(request, repository);
        }
        if let Some((repository, digest)) = rest.split_once("/blobs/") {
            return self.blob(request, repository, digest);
        }
        if let Some((repository, subject)) = rest.split_once("/referrers/") {
            return self.referrers(request, repository, subject);
        }
        match rest.split_once("/manifests/") {
            Some((repository, reference)) if request.method == "PUT" => {
                self.take_manifest(request, repository, reference)
            }
            Some((repository, reference)) => {
                let key = (repository.to_owned(), reference.to_owned());
                match self.manifests.get(&key) {
                    Some((media_type, bytes)) => Reply::new(200)
                        .with("content-type", media_type)
                        .with("docker-content-digest", Digest::of(bytes).to_string())
                        .body(bytes.clone()),
                    None => Reply::error(404, "MANIFEST_UNKNOWN"),
                }
            }
            None => Reply::error(404, "NAME_UNKNOWN"),
        }
    }

    fn blob(&self, request: &Request, repository: &str, digest: &str) -> Reply {
        let Some(bytes) = self.blobs.get(&(repository.to_owned(), digest.to_owned())) else {
            return Reply::error(404, "BLOB_UNKNOWN");
        };
        let here = request.header("host");
        match &self.behaviour.blobs_at {
            Some(host) if request.method == "GET" && here != Some(host) => {
                let to = format!("http://{host}{}?signature=secret", request.path());
                Reply::new(307).with("location", to)
            }
            _ => ranged(request, bytes).with("docker-content-digest", digest),
        }
    }

    fn take_manifest(&mut self, request: &Request, repository: &str, reference: &str) -> Reply {
        let media_type = request.header("content-type").unwrap_or_default().to_owned();
        let digest = Digest::of(&request.body).to_string();
        if reference.contains(':') && reference != digest {
            return Reply::error(400, "DIGEST_INVALID");
        }
        if self.behaviour.strict && !self.unmet(repository, &request.body).is_empty() {
            return Reply::error(400, "MANIFEST_BLOB_UNKNOWN");
        }
        let there = self.manifests.contains_key(&(repository.to_owned(), reference.to_owned()));
        if self.behaviour.no_redeploy && there {
            return Reply::error(400, "DENIED");
        }
        let tag = (!reference.contains(':')).then_some(reference);
        self.put_manifest(repository, tag, &media_type, &request.body);
        let reply = Reply::new(201)
            .with("location", format!("/v2/{repository}/manifests/{digest}"))
            .with("docker-content-digest", digest);
        self.announced(reply, &request.body)
    }
}

/// All of it, or what `Range` asks for.
fn ranged(request: &Request, bytes: &[u8]) -> Reply {
    let from = request
        .header("range")
        .and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match from {
        Some(from) if from < bytes.len() => Reply::new(206)
            .with("content-range", format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()))
            .body(&bytes[from..]),
        Some(_) => Reply::new(416),
        None => Reply::new(200).body(bytes),
    }
}
