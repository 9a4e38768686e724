use std::time::Duration;

use fleetfix_model::{Class, Classify, Descriptor, Digest};
use fleetfix_testkit::registry::{Fault, Registry, Reply};

use crate::options::Limits;
use crate::testing::{options, quick, store, store_with};
use crate::{Error, Options, Written};

/// Bytes that are the same nowhere.
fn content(size: u32) -> Vec<u8> {
    (0..size / 4).flat_map(u32::to_le_bytes).collect()
}

#[tokio::test]
async fn a_line_that_breaks_often_is_no_reason_to_stop() {
    let bytes = content(1 << 20);
    let registry = Registry::start();
    let digest = registry.put_blob("a", &bytes);
    // Each answer is enough to begin anew: four times as many as there are tries.
    registry.fault(Fault::change("GET", "/blobs/", |_, reply| reply.cut(70_000)));
    let store = store(registry.host(), "a");
    assert_eq!(store.blob(digest, 1 << 20).await.unwrap(), bytes);
    assert_eq!(registry.server.requests().len(), 15);

    // One that gives a byte for each try is one.
    let registry = Registry::start();
    let digest = registry.put_blob("a", &bytes);
    registry.fault(Fault::change("GET", "/blobs/", |_, reply| reply.cut(1)));
    let store = crate::testing::store(registry.host(), "a");
    let error = store.blob(digest, 1 << 20).await.unwrap_err();
    assert_eq!(error.class(), Class::Environment, "{error}");
    assert_eq!(registry.server.requests().len(), 5);
}

#[tokio::test]
async fn progress_below_the_least_throughput_is_none() {
    let bytes = content(1 << 20);
    let registry = Registry::start();
    let digest = registry.put_blob("a", &bytes);
    registry.fault(Fault::change("GET", "/blobs/", |_, reply| reply.cut(70_000)));
    let limits = Limits { least_rate: 1 << 40, ..quick() };
    let store = store_with(Options { limits, ..options() }, registry.host(), "a");
    let error = store.blob(digest, 1 << 20).await.unwrap_err();
    assert_eq!(error.class(), Class::Environment, "{error}");
    assert_eq!(registry.server.requests().len(), 5);
}

#[tokio::test]
async fn an_answer_that_claims_more_than_there_is() {
    let registry = Registry::start();
    let digest = registry.put_blob("a", b"blob");
    let more = |_: &_, reply: Reply| reply.instead("content-length", "9999");
    registry.fault(Fault::change("GET", "/blobs/", more));
    let store = store(registry.host(), "a");
    assert_eq!(store.blob(digest, 100).await.unwrap(), b"blob", "its digest is right");
    let reader = store.blob_reader(digest, Some(5)).await.unwrap();
    let error = reader.whole(100).await.unwrap_err();
    assert!(matches!(error, Error::SizeMismatch { expected: 5, actual: 4, .. }), "{error:?}");
    assert_eq!(error.class(), Class::Refused);
}

#[tokio::test]
async fn a_claimed_size_has_a_limit() {
    let registry = Registry::start();
    let digest = registry.put_blob("a", b"blob");
    let from = store(registry.host(), "a");
    let error = from.blob_reader(digest, Some(1 << 60)).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error:?}");
    assert_eq!(error.class(), Class::Input);
    assert!(registry.server.requests().is_empty(), "nothing was asked for");
}

#[tokio::test]
async fn between_registries_a_blob_is_sent_while_it_comes() {
    let bytes = content(3 << 20);
    let blob = Descriptor::of("a/b", &bytes);
    let to_drop = |times| Fault::answer("PUT", "/blobs/", Reply::Drop).after(1 << 20).times(times);
    let cuts = || Fault::change("GET", "/blobs/", |_, reply| reply.cut(700_000));
    for (down, up) in [
        (None, None),
        (Some(cuts()), None),
        (None, Some(to_drop(2))),
        (Some(cuts()), Some(to_drop(1))),
    ] {
        let (one, two) = (Registry::start(), Registry::start());
        one.put_blob("a", &bytes);
        let broken = (down.is_some(), up.is_some());
        for (registry, fault) in [(&one, down), (&two, up)] {
            if let Some(fault) = fault {
                registry.fault(fault);
            }
        }
        let (from, to) = (store(one.host(), "a"), store(two.host(), "b"));
        let written = crate::copy::copy_blob(&from, &to, &blob).await.unwrap();
        assert_eq!(written, Written::New, "{broken:?}");
        assert_eq!(two.blob("b", blob.digest).unwrap(), bytes);
        let read: u64 = one.server.log().iter().map(fleetfix_testkit::registry::Access::down).sum();
        assert_eq!(read, bytes.len() as u64, "{broken:?}: each byte came once");
    }
}

#[tokio::test]
async fn what_goes_wrong_between_registries_is_told_by_whom_it_went_wrong_with() {
    let bytes = content(3 << 20);
    let blob = Descriptor::of("a/b", &bytes);
    let table = [
        (Some(Fault::change("GET", "/blobs/", |_, reply| reply.flipped())), None, Class::Refused),
        (Some(Fault::change("GET", "/blobs/", |_, r| r.body("short"))), None, Class::Environment),
        (Some(Fault::answer("GET", "/blobs/", Reply::new(403))), None, Class::Input),
        (None, Some(Fault::answer("PUT", "/blobs/", Reply::new(403))), Class::Input),
        (None, Some(Fault::answer("PUT", "/blobs/", Reply::new(503))), Class::Environment),
    ];
    for (down, up, class) in table {
        let (one, two) = (Registry::start(), Registry::start());
        one.put_blob("a", &bytes);
        let at_source = down.is_some();
        for (registry, fault) in [(&one, down), (&two, up)] {
            if let Some(fault) = fault {
                registry.fault(fault);
            }
        }
        let limits = Limits { deadline: Duration::from_secs(20), ..quick() };
        let client = crate::Client::new(Options { limits, ..options() }).unwrap();
        let at = |registry: &Registry| client.store(&registry.repository("a").parse().unwrap());
        let error = crate::copy::copy_blob(&at(&one), &at(&two), &blob).await.unwrap_err();
        assert_eq!(error.class(), class, "{error:?}");
        let culprit = if at_source { one.host() } else { two.host() };
        assert!(error.to_string().contains(culprit), "{culprit}: {error}");
        assert_eq!(two.blob("a", blob.digest), None);
    }
    assert_eq!(Digest::of(&bytes), blob.digest);
}
