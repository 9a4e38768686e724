//! The referrers API (distribution-spec v1.1, "Listing Referrers").

use bytes::Bytes;
use fleetfix_model::{Digest, media};
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, LINK};
use url::Url;

use super::ask::{Ask, Registry};
use super::incoming::Incoming;
use super::tries::{Fault, Tries};
use super::{MAX_MANIFEST, Remote, essence};
use crate::Error;

/// Header that names the filters that a registry applied.
const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// One page of an answer.
#[derive(Debug)]
pub(crate) struct Page {
    /// The bytes of an index.
    pub(crate) bytes: Bytes,
    /// Whether only the artifact type that was asked for is on it.
    pub(crate) filtered: bool,
    /// Where the next one is.
    pub(crate) next: Option<Url>,
}

impl Remote {
    /// The first page of what refers to `subject`. `None`: this registry has no such API, or says
    /// so: Quay answers 400 for a subject that it does not know.
    pub(crate) async fn referrers(
        &self,
        subject: Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Page>, Error> {
        let mut url = self.url(&format!("referrers/{subject}"))?;
        if let Some(artifact_type) = artifact_type {
            url.query_pairs_mut().append_pair("artifactType", artifact_type);
        }
        self.page(url, &[200, 400, 404, 405]).await
    }

    /// A further page.
    pub(crate) async fn next_referrers(&self, url: Url) -> Result<Option<Page>, Error> {
        self.page(url, &[200]).await
    }

    async fn page(&self, url: Url, good: &[u16]) -> Result<Option<Page>, Error> {
        let registry = self.registry()?;
        let ask =
            Ask::new(Method::GET, url).with(ACCEPT, HeaderValue::from_static(media::OCI_INDEX));
        let scopes = self.scopes(false);
        let mut tries = Tries::new(self.limits());
        loop {
            let once = async {
                let answer = registry.once(&ask, &scopes).await?.only(good).await?;
                read(&registry, answer).await
            };
            match once.await {
                Ok(page) => return Ok(page),
                Err(fault) => tries.after(fault).await?,
            }
        }
    }
}

async fn read(registry: &Registry, mut answer: Incoming) -> Result<Option<Page>, Fault> {
    if answer.status() != 200 {
        return Ok(None);
    }
    // A portal or a front page says 200 to everything.
    let content_type = answer.header(&CONTENT_TYPE).map(essence).unwrap_or_default();
    if content_type != media::OCI_INDEX {
        return Ok(None);
    }
    let filtered = answer
        .header(&FILTERS_APPLIED)
        .is_some_and(|applied| applied.split(',').any(|name| name.trim() == "artifactType"));
    let next = match answer.headers().get_all(LINK).iter().find_map(|v| next(v.to_str().ok()?)) {
        Some(target) => Some(registry.target(&answer, target).map_err(Fault::last)?),
        None => None,
    };
    let bytes = answer.whole(MAX_MANIFEST).await?;
    Ok(Some(Page { bytes, filtered, next }))
}

/// The target of `<target>; rel="next"` (RFC 8288), the first of several links.
fn next(value: &str) -> Option<&str> {
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        let end = after.find('<').unwrap_or(after.len());
        let (parameters, following) = after.split_at_checked(end)?;
        let is_next = |parameter: &str| {
            let Some((name, value)) = parameter.split_once('=') else { return false };
            name.trim().eq_ignore_ascii_case("rel")
                && value.trim().trim_matches('"').split(' ').any(|r| r.eq_ignore_ascii_case("next"))
        };
        if parameters.split([';', ',']).any(is_next) {
            return Some(target);
        }
        rest = following;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn links_to_the_next_page() {
        for (value, expected) in [
            (r#"</v2/a?n=1>; rel="next""#, Some("/v2/a?n=1")),
            ("<?n=1>;rel=next", Some("?n=1")),
            (r#"<a>; rel="prev", <b>; title="x"; REL="last Next""#, Some("b")),
            (r#"<a>; rel="prev""#, None),
            ("<a>", None),
            ("<a; rel=next", None),
            ("", None),
            ("rel=next", None),
        ] {
            assert_eq!(next(value), expected, "{value}");
        }
    }
}
