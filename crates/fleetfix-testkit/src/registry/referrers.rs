//! The referrers API.

use std::collections::BTreeMap;

use fleetfix_model::Digest;
use serde_json::{Value, json};

use super::content::Content;
use super::{Referrers, Reply, Request};

impl Content {
    pub(super) fn referrers(&self, request: &Request, repository: &str, subject: &str) -> Reply {
        let Referrers::Listed { page, filters, .. } = self.behaviour.referrers else {
            return Reply::error(404, "NAME_UNKNOWN");
        };
        let wanted = request.parameter("artifactType").filter(|_| filters);
        let mut found = self.about(repository, subject);
        if let Some(wanted) = &wanted {
            found.retain(|entry| entry["artifactType"] == wanted.as_str());
        }
        let from: usize = request.parameter("from").and_then(|from| from.parse().ok()).unwrap_or(0);
        let size = if page == 0 { found.len().max(1) } else { page };
        let shown: Vec<Value> = found.iter().skip(from).take(size).cloned().collect();
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": shown,
        });
        let mut reply = Reply::new(200)
            .with("content-type", "application/vnd.oci.image.index.v1+json")
            .body(index.to_string());
        if wanted.is_some() {
            reply = reply.with("oci-filters-applied", "artifactType");
        }
        if from + size < found.len() {
            // Relative to the page, with all that was asked for.
            let filter = wanted.map_or(String::new(), |w| {
                format!("&artifactType={}", w.replace('/', "%2F").replace('+', "%2B"))
            });
            reply = reply.with("link", format!("<?from={}{filter}>; rel=\"next\"", from + size));
        }
        reply
    }

    /// Descriptors of the manifests with this subject, by digest.
    fn about(&self, repository: &str, subject: &str) -> Vec<Value> {
        let mut found = BTreeMap::new();
        for ((r, _), (media_type, bytes)) in &self.manifests {
            let json: Value = serde_json::from_slice(bytes).unwrap_or_default();
            if r != repository || json["subject"]["digest"] != subject {
                continue;
            }
            let mut entry = json!({
                "mediaType": media_type,
                "digest": Digest::of(bytes),
                "size": bytes.len(),
            });
            // Distribution-spec v1.1, "Listing Referrers".
            let own = [&json["artifactType"], &json["config"]["mediaType"]];
            if let Some(own) = own.into_iter().find(|value| value.is_string()) {
                entry["artifactType"] = own.clone();
            }
            if !json["annotations"].is_null() {
                entry["annotations"] = json["annotations"].clone();
            }
            found.insert(Digest::of(bytes), entry);
        }
        found.into_values().collect()
    }

    /// Says that the subject was seen, where this registry does.
    pub(super) fn announced(&self, reply: Reply, manifest: &[u8]) -> Reply {
        let json: Value = serde_json::from_slice(manifest).unwrap_or_default();
        match (self.behaviour.referrers, json["subject"]["digest"].as_str()) {
            (Referrers::Listed { announced: true, .. }, Some(subject)) => {
                reply.with("oci-subject", subject)
            }
            _ => reply,
        }
    }
}
