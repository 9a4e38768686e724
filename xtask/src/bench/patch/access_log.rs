//! The access log of a registry: Apache's "combined" lines, which distribution writes.

/// One request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) status: u16,
    /// Bytes of the answer's body.
    pub(super) written: u64,
}

impl Request {
    /// Reads a line; `None`: it is no access.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once("] \"")?;
        let (request, rest) = rest.split_once("\" ")?;
        let mut request = request.split(' ');
        let mut rest = rest.split(' ');
        Some(Self {
            method: request.next()?.to_owned(),
            target: request.next()?.to_owned(),
            status: rest.next()?.parse().ok()?,
            written: rest.next()?.parse().ok()?,
        })
    }

    /// What the request stored.
    pub(super) fn stored(&self) -> Option<Stored> {
        if self.method != "PUT" || self.status != 201 {
            return None;
        }
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let path = path.strip_prefix("/v2/")?;
        if let Some((repository, reference)) = path.split_once("/manifests/") {
            let (repository, reference) = (repository.to_owned(), decoded(reference));
            return Some(Stored::Manifest { repository, reference });
        }
        let digest = query.split('&').find_map(|pair| pair.strip_prefix("digest="))?;
        Some(Stored::Blob { digest: decoded(digest) })
    }
}

/// What a request brought to the registry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Stored {
    Blob {
        digest: String,
    },
    /// Under a tag or its digest.
    Manifest {
        repository: String,
        reference: String,
    },
}

fn decoded(text: &str) -> String {
    text.replace("%3A", ":").replace("%3a", ":")
}

#[cfg(test)]
mod tests {
    use super::{Request, Stored};

    fn line(request: &str, status: u16, written: u64) -> String {
        format!(
            "127.0.0.1 - - [23/Nov/2026:04:04:56 +0000] \"{request} HTTP/1.1\" {status} {written} \"\" \"x/1 (\\\"y\\\")\""
        )
    }

    #[test]
    fn accesses_are_read() {
        let request = Request::parse(&line("GET /v2/a/b/manifests/t", 200, 607)).unwrap();
        assert_eq!((request.method.as_str(), request.status, request.written), ("GET", 200, 607));
        assert_eq!((request.target.as_str(), request.stored()), ("/v2/a/b/manifests/t", None));
        for line in [
            "",
            "time=\"2026-11-23T04:04:56Z\" level=info msg=\"response completed\" http.request.method=PUT",
            "[] \"GET\" 200 1",
            "[] \"GET /v2/ HTTP/1.1\" - -",
        ] {
            assert_eq!(Request::parse(line), None, "{line}");
        }
    }

    #[test]
    fn what_is_stored_is_known_by_its_digest_or_tag() {
        let blob = |digest: &str| Some(Stored::Blob { digest: digest.to_owned() });
        let manifest = |reference: &str| {
            let (repository, reference) = ("a/b".to_owned(), reference.to_owned());
            Some(Stored::Manifest { repository, reference })
        };
        for (request, status, stored) in [
            ("PUT /v2/a/b/blobs/uploads/1?_state=x&digest=sha256%3A12", 201, blob("sha256:12")),
            ("PUT /v2/a/b/blobs/uploads/1?digest=sha256:12&x=y", 201, blob("sha256:12")),
            ("PUT /v2/a/b/blobs/uploads/1?digest=sha256:12", 400, None),
            ("PATCH /v2/a/b/blobs/uploads/1?_state=x", 202, None),
            ("POST /v2/a/b/blobs/uploads/?mount=sha256:12&from=c", 201, None),
            ("PUT /v2/a/b/manifests/t", 201, manifest("t")),
            ("PUT /v2/a/b/manifests/sha256:12", 201, manifest("sha256:12")),
        ] {
            let request = Request::parse(&line(request, status, 0)).unwrap();
            assert_eq!(request.stored(), stored, "{request:?}");
        }
    }
}
