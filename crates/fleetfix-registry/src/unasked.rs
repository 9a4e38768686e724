//! Writes without a question before them, for content that nobody is thought to have written: many
//! images make many requests.

use std::future::Future;

use bytes::Bytes;
use fleetfix_model::{Descriptor, Digest};

use crate::store::{Body, Place};
use crate::{Error, Store};

impl Store {
    /// [`Store::put_blob`] for a small blob. A registry is asked only where it refuses, as some do
    /// that have it already.
    pub async fn put_new_blob(&self, descriptor: &Descriptor, bytes: Bytes) -> Result<(), Error> {
        let Place::Remote(remote) = &self.place else {
            return self.put_blob(descriptor, Body::Bytes(bytes)).await.map(|_| ());
        };
        let sent = remote.send_blob(descriptor, &(&Body::Bytes(bytes)).into(), None).await;
        let there = remote.has_blob(descriptor.digest, Some(descriptor.size), true);
        unless_there(sent, there).await
    }

    /// [`Store::put_manifest`] in the same way.
    pub async fn put_new_manifest(&self, media_type: &str, bytes: &[u8]) -> Result<(), Error> {
        let Place::Remote(remote) = &self.place else {
            return self.put_manifest(media_type, bytes).await.map(|_| ());
        };
        let (digest, bytes) = (Digest::of(bytes), Bytes::copy_from_slice(bytes));
        let sent = remote.put_manifest(&digest.to_string(), media_type, &bytes).await;
        unless_there(sent.map(|_| ()), remote.has_manifest(digest, true)).await
    }
}

/// What became of a write; one that was refused is done where the content is there.
async fn unless_there(
    sent: Result<(), Error>,
    there: impl Future<Output = Result<bool, Error>>,
) -> Result<(), Error> {
    match sent {
        Err(Error::Answer(_)) if there.await.is_ok_and(|there| there) => Ok(()),
        sent => sent,
    }
}
