//! Uploads and mounts.

use fleetfix_model::Digest;

use super::content::Content;
use super::{Location, Mounts, Reply, Request};

/// A session's state: whoever builds the URL anew loses it, or encodes it twice.
const STATE: &str = "_state=a%2Bb";

impl Content {
    pub(super) fn upload(&mut self, request: &Request, repository: &str) -> Reply {
        match request.method.as_str() {
            "POST" => self.open_or_mount(request, repository),
            "PUT" => self.finish(request, repository),
            "DELETE" => Reply::new(204),
            _ => Reply::error(405, "UNSUPPORTED"),
        }
    }

    fn open_or_mount(&mut self, request: &Request, repository: &str) -> Reply {
        if let (Some(digest), Some(from)) = (request.parameter("mount"), request.parameter("from"))
        {
            let place = format!("/v2/{repository}/blobs/{digest}");
            let found = self.blobs.get(&(from, digest.clone())).cloned();
            match (self.behaviour.mounts, found) {
                (Mounts::Denied(status), _) => return Reply::error(status, "DENIED"),
                (Mounts::Claimed, _) => return Reply::new(201).with("location", place),
                (Mounts::Done, Some(bytes)) => {
                    self.blobs.insert((repository.to_owned(), digest.clone()), bytes);
                    return Reply::new(201)
                        .with("location", place)
                        .with("docker-content-digest", digest);
                }
                (Mounts::Done, None) | (Mounts::Upload, _) => {}
            }
        }
        self.sessions += 1;
        let path = format!("/v2/{repository}/blobs/uploads/{}?{STATE}", self.sessions);
        let location = match &self.behaviour.location {
            Location::Relative => path,
            Location::Absolute => {
                format!("http://{}{path}", request.header("host").unwrap_or_default())
            }
            Location::Elsewhere(host) => format!("http://{host}{path}"),
        };
        Reply::new(202).with("location", location)
    }

    fn finish(&mut self, request: &Request, repository: &str) -> Reply {
        let digest = Digest::of(&request.body).to_string();
        let stale = !request.target.contains(&format!("?{STATE}&"));
        if stale || request.parameter("digest").as_deref() != Some(digest.as_str()) {
            return Reply::error(400, "DIGEST_INVALID");
        }
        let there = self.blobs.contains_key(&(repository.to_owned(), digest.clone()));
        if self.behaviour.no_redeploy && there {
            return Reply::error(400, "DENIED");
        }
        self.put_blob(repository, &request.body);
        Reply::new(201)
            .with("location", format!("/v2/{repository}/blobs/{digest}"))
            .with("docker-content-digest", digest)
    }
}
