//! Stores, options and images for the tests of this crate.

use std::time::Duration;

use fleetfix_model::name::Tag;
use fleetfix_model::{Digest, Repository, media};

use crate::options::{AuthFile, Limits};
use crate::{Client, Error, Options, Store};

/// Limits that do not make a test wait.
pub(crate) fn quick() -> Limits {
    Limits {
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(4),
        longest_retry_after: Duration::from_millis(50),
        ..Limits::default()
    }
}

pub(crate) fn options() -> Options {
    Options { limits: quick(), ..Options::default() }
}

pub(crate) fn store(host: &str, path: &str) -> Store {
    store_with(options(), host, path)
}

pub(crate) fn store_with(options: Options, host: &str, path: &str) -> Store {
    Client::new(options).unwrap().store(&repository(host, path))
}

pub(crate) fn repository(host: &str, path: &str) -> Repository {
    format!("{host}/{path}").parse().unwrap()
}

/// Options with one login, `key` being what stands in the file.
pub(crate) fn login(dir: &tempfile::TempDir, key: &str, entry: &str) -> Options {
    let path = dir.path().join("auth.json");
    std::fs::write(&path, format!(r#"{{"auths":{{"{key}":{entry}}}}}"#)).unwrap();
    Options { auth_files: vec![AuthFile { path, required: true }], ..options() }
}

/// A blob as a stream, read to its end.
pub(crate) async fn streamed(
    store: &Store,
    digest: Digest,
    size: Option<u64>,
) -> Result<Vec<u8>, Error> {
    store.blob_reader(digest, size).await?.whole(1 << 30).await
}

pub(crate) fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

/// An image manifest over the given blobs, the first being the configuration.
pub(crate) fn image(blobs: &[&[u8]]) -> Vec<u8> {
    let descriptor = |bytes: &&[u8], media_type: &str| {
        format!(
            r#"{{"mediaType":"{media_type}","digest":"{}","size":{}}}"#,
            Digest::of(bytes),
            bytes.len()
        )
    };
    let config = descriptor(&blobs[0], media::OCI_CONFIG);
    let layers: Vec<String> = blobs[1..].iter().map(|b| descriptor(b, media::OCI_LAYER)).collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{config},"layers":[{}]}}"#,
        media::OCI_MANIFEST,
        layers.join(",")
    )
    .into_bytes()
}

/// An index over manifests.
pub(crate) fn index(media_type: &str, children: &[&[u8]]) -> Vec<u8> {
    let children: Vec<String> = children
        .iter()
        .map(|bytes| {
            format!(
                r#"{{"mediaType":"{media_type}","digest":"{}","size":{}}}"#,
                Digest::of(bytes),
                bytes.len()
            )
        })
        .collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}}"#,
        media::OCI_INDEX,
        children.join(",")
    )
    .into_bytes()
}
