use std::time::Duration;

use fleetfix_model::{Class, Classify, Descriptor, Digest, Repository, media};
use fleetfix_testkit::registry::reply::Ending;
use fleetfix_testkit::registry::{Fault, Registry, Reply, Request};

use super::{files, layout_store};
use crate::options::Limits;
use crate::testing::{image, index, options, quick, store, store_with, tag};
use crate::{Client, Error, Options, Store, Written, copy};

/// Two images that share their first layer, in an index of an index.
struct Sample {
    layers: [Vec<u8>; 3],
    images: [Vec<u8>; 2],
    inner: Vec<u8>,
    top: Vec<u8>,
}

impl Sample {
    fn new() -> Self {
        let layers = [b"shared".to_vec(), vec![1; 2_000_000], vec![2; 10]];
        let images =
            [image(&[b"{}", &layers[0], &layers[1]]), image(&[b"{}", &layers[0], &layers[2]])];
        let inner = index(media::OCI_MANIFEST, &[&images[1], &images[0]]);
        let mut top = index(media::OCI_INDEX, &[&inner]);
        let also = index(media::OCI_MANIFEST, &[&images[0]]);
        let (head, tail) = (r#""manifests":["#, &String::from_utf8(also).unwrap());
        let entry = tail.split_once(head).unwrap().1.trim_end_matches("]}").to_owned();
        top =
            String::from_utf8(top).unwrap().replace(head, &format!("{head}{entry},")).into_bytes();
        Self { layers, images, inner, top }
    }

    fn digest(&self) -> Digest {
        Digest::of(&self.top)
    }

    fn blobs(&self) -> Vec<&[u8]> {
        vec![b"{}", &self.layers[0], &self.layers[1], &self.layers[2]]
    }

    async fn write(&self, to: &Store) {
        for blob in self.blobs() {
            let body = crate::Body::Bytes(bytes::Bytes::copy_from_slice(blob));
            to.put_blob(&Descriptor::of("a/b", blob), body).await.unwrap();
        }
        for bytes in &self.images {
            to.put_manifest(media::OCI_MANIFEST, bytes).await.unwrap();
        }
        to.put_manifest(media::OCI_INDEX, &self.inner).await.unwrap();
        to.put_tag(&tag("v1"), media::OCI_INDEX, &self.top).await.unwrap();
    }

    async fn check(&self, at: &Store) {
        for blob in self.blobs() {
            assert_eq!(at.blob(Digest::of(blob), 1 << 30).await.unwrap(), blob);
        }
        for bytes in self.images.iter().chain([&self.inner, &self.top]) {
            assert_eq!(at.manifest(Digest::of(bytes)).await.unwrap().bytes, *bytes);
        }
    }
}

#[tokio::test]
async fn every_way() {
    let sample = Sample::new();
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Registry::start(), Registry::start());
    let layout = layout_store(dir.path(), "one");
    sample.write(&layout).await;
    let stops = [
        layout_store(dir.path(), "two"),
        store(one.host(), "a/b"),
        store(one.host(), "c/d"),
        store(two.host(), "a/b"),
        layout_store(dir.path(), "three"),
    ];
    let mut from = layout;
    for to in stops {
        copy(&from, &to, sample.digest()).await.unwrap();
        sample.check(&to).await;
        // Once more: nothing is written.
        let (before, writes) = (files(dir.path()), one.writes().len() + two.writes().len());
        copy(&from, &to, sample.digest()).await.unwrap();
        assert_eq!((files(dir.path()), one.writes().len() + two.writes().len()), (before, writes));
        from = to;
    }
}

#[tokio::test]
async fn inside_a_registry_nothing_moves() {
    let sample = Sample::new();
    let registry = Registry::start();
    let (from, to) = (store(registry.host(), "a/b"), store(registry.host(), "c/d"));
    sample.write(&from).await;
    registry.server.forget();
    copy(&from, &to, sample.digest()).await.unwrap();
    sample.check(&to).await;
    let requests = registry.server.requests();
    let to_target = |r: &&Request| r.path().starts_with("/v2/c/d/");
    let writes: Vec<_> = requests
        .iter()
        .filter(to_target)
        .filter(|r| !matches!(r.method.as_str(), "GET" | "HEAD"))
        .collect();
    assert_eq!(writes.iter().filter(|r| r.target.contains("mount=sha256")).count(), 4);
    // Children before their parents.
    let manifests: Vec<String> = writes
        .iter()
        .filter(|r| r.method == "PUT")
        .map(|r| Digest::of(&r.body).to_string())
        .collect();
    let place =
        |bytes: &[u8]| manifests.iter().position(|d| *d == Digest::of(bytes).to_string()).unwrap();
    assert_eq!((writes.len(), manifests.len()), (8, 4));
    assert!(place(&sample.images[0]).max(place(&sample.images[1])) < place(&sample.inner));
    assert!(place(&sample.inner) < place(&sample.top));
    let before_check = requests.iter().take_while(|r| {
        r.path() != format!("/v2/c/d/blobs/{}", Digest::of(b"{}")) || r.method != "GET"
    });
    assert!(
        !before_check.into_iter().any(|r| r.method == "GET" && r.path().contains("/blobs/")),
        "no blob came down"
    );
}

#[tokio::test]
async fn one_request_goes_before_the_others() {
    let registry = Registry::start();
    let dir = tempfile::tempdir().unwrap();
    let from = layout_store(dir.path(), "a");
    let sample = Sample::new();
    sample.write(&from).await;
    copy(&from, &store(registry.host(), "a"), sample.digest()).await.unwrap();
    let lines = registry.server.lines();
    let first_put = lines.iter().position(|l| l.starts_with("PUT")).unwrap();
    assert_eq!(first_put, 2, "{lines:?}");
}

#[tokio::test]
async fn a_session_that_a_mount_opened_is_used() {
    let registry = Registry::faulty(|request| {
        request
            .target
            .contains("mount=")
            .then(|| Reply::new(202).with("location", "/v2/c/d/blobs/uploads/9?_state=a%2Bb"))
    });
    let (from, to) = (store(registry.host(), "a/b"), store(registry.host(), "c/d"));
    let digest = registry.put_blob("a/b", b"blob");
    let blob = Descriptor::of("a/b", b"blob");
    assert_eq!(crate::copy::copy_blob(&from, &to, &blob).await.unwrap(), Written::New);
    assert_eq!(registry.blob("c/d", digest).unwrap(), b"blob");
    let writes = registry.writes();
    assert_eq!(writes, ["POST /v2/c/d/blobs/uploads/", "PUT /v2/c/d/blobs/uploads/9"]);
    assert_eq!(crate::copy::copy_blob(&from, &to, &blob).await.unwrap(), Written::AlreadyThere);
}

/// What is read from one registry goes to the other as it comes; a registry that asks for patience
/// is no fault of the one that waits for the body.
#[tokio::test]
async fn a_source_that_asks_for_patience_is_not_the_targets_silence() {
    let (from, to) = (Registry::start(), Registry::start());
    let content = vec![7; 3_000_000];
    let digest = from.put_blob("a/b", &content);
    let part = format!("/a/b/blobs/{digest}");
    let broken = |_: &Request, reply: Reply| reply.ending(Ending::Reset(1_000_000));
    from.fault(Fault::change("GET", &part, broken).times(1));
    let busy = Reply::new(429).with("retry-after", "1");
    from.fault(Fault::answer("GET", &part, busy).times(1));
    let limits = Limits {
        idle: Duration::from_millis(300),
        pace_after: Duration::from_millis(300),
        least_rate: 10_000_000,
        longest_retry_after: Duration::from_secs(1),
        ..quick()
    };
    let with = |limits: &Limits| Options { limits: limits.clone(), ..options() };
    let patient = Limits { least_rate: 1, ..limits.clone() };
    let source = store_with(with(&patient), from.host(), "a/b");
    // The target has one try, and is held to its speed.
    let strict = Limits { tries: 1, ..limits };
    let target = store_with(with(&strict), to.host(), "a/b");
    let blob = Descriptor::of("a/b", &content);
    crate::copy::copy_blob(&source, &target, &blob).await.unwrap();
    assert_eq!(to.blob("a/b", digest).unwrap(), content);
}

#[tokio::test]
async fn foreign_layers_stay_where_they_are() {
    let text = String::from_utf8(image(&[b"{}", b"elsewhere", b"here"])).unwrap();
    let size = format!(r#""size":{}}}"#, b"elsewhere".len());
    assert!(text.contains(&size));
    let bytes =
        text.replace(&size, &size.replace('}', r#","urls":["https://x.example/y"]}"#)).into_bytes();
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (layout_store(dir.path(), "a"), layout_store(dir.path(), "b"));
    for blob in [&b"{}"[..], b"here"] {
        let body = crate::Body::Bytes(bytes::Bytes::copy_from_slice(blob));
        from.put_blob(&Descriptor::of("a/b", blob), body).await.unwrap();
    }
    let digest = from.put_manifest(media::OCI_MANIFEST, &bytes).await.unwrap();
    copy(&from, &to, digest).await.unwrap();
    assert_eq!(to.manifest(digest).await.unwrap().bytes, bytes);
    assert!(to.has_blob(Digest::of(b"here")).await.unwrap());
    assert!(!to.has_blob(Digest::of(b"elsewhere")).await.unwrap());
}

#[tokio::test]
async fn what_cannot_be_copied_whole_is_not_begun_or_not_finished() {
    let sample = Sample::new();
    let dir = tempfile::tempdir().unwrap();
    let from = layout_store(dir.path(), "from");
    sample.write(&from).await;
    let blob_path =
        |bytes: &[u8]| dir.path().join("from/blobs/sha256").join(Digest::of(bytes).hex());

    // A blob of the right size with one byte changed.
    let mut damaged = sample.layers[1].clone();
    damaged[7] ^= 1;
    std::fs::write(blob_path(&sample.layers[1]), &damaged).unwrap();
    let registry = Registry::start();
    for to in [layout_store(dir.path(), "to"), store(registry.host(), "a")] {
        let error = copy(&from, &to, sample.digest()).await.unwrap_err();
        assert_eq!(error.class(), Class::Refused, "{error:?}");
        assert!(!to.has_blob(Digest::of(&sample.layers[1])).await.unwrap());
        assert!(!to.has_manifest(Digest::of(&sample.images[1])).await.unwrap());
    }
    std::fs::remove_file(blob_path(&sample.layers[1])).unwrap();
    let to = layout_store(dir.path(), "to");
    let error = copy(&from, &to, sample.digest()).await.unwrap_err();
    assert!(error.is_absent(), "{error:?}");

    // A child that is not there.
    std::fs::remove_file(blob_path(&sample.inner)).unwrap();
    assert!(copy(&from, &to, sample.digest()).await.unwrap_err().is_absent());
}

#[tokio::test]
async fn a_descriptor_that_lies_about_a_size_is_not_copied() {
    let sample = Sample::new();
    let dir = tempfile::tempdir().unwrap();
    let from = layout_store(dir.path(), "from");
    sample.write(&from).await;
    let size = |bytes: &[u8]| format!(r#""size":{}}}"#, bytes.len());
    let lies: [(&[u8], &[u8]); 3] = [
        (&sample.inner, &sample.images[0]),
        (&sample.images[0], &sample.layers[1]),
        // A size that another manifest gives rightly.
        (&sample.images[1], &sample.layers[0]),
    ];
    for (n, (manifest, about)) in lies.into_iter().enumerate() {
        let text = String::from_utf8(manifest.to_vec()).unwrap();
        let lie = text.replacen(&size(about), r#""size":77}"#, 1);
        assert_ne!(lie, text);
        let media_type = if n == 0 { media::OCI_INDEX } else { media::OCI_MANIFEST };
        let liar = from.put_manifest(media_type, lie.as_bytes()).await.unwrap();
        let top = index(media_type, &[&sample.images[0], lie.as_bytes()]);
        let top = from.put_manifest(media::OCI_INDEX, &top).await.unwrap();
        let to = layout_store(dir.path(), &format!("to-{n}"));
        for digest in [liar, top] {
            let error = copy(&from, &to, digest).await.unwrap_err();
            assert!(!to.has_manifest(liar).await.unwrap(), "{n}");
            assert_eq!(error.class(), Class::Refused, "{n}: {error:?}");
        }
    }
}

#[tokio::test]
async fn trees_have_limits() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (layout_store(dir.path(), "a"), layout_store(dir.path(), "b"));
    let mut bytes = index(media::OCI_MANIFEST, &[]);
    let mut digest = from.put_manifest(media::OCI_INDEX, &bytes).await.unwrap();
    for depth in 1..=5 {
        bytes = index(media::OCI_INDEX, &[&bytes]);
        digest = from.put_manifest(media::OCI_INDEX, &bytes).await.unwrap();
        let result = copy(&from, &to, digest).await;
        assert_eq!(result.is_ok(), depth <= 4, "{depth}: {result:?}");
    }
    let error = copy(&from, &to, digest).await.unwrap_err();
    assert!(matches!(error, Error::Tree { .. }) && error.class() == Class::Input, "{error:?}");

    // One below the limit, and one above: the top counts too.
    for (count, good) in [(999, true), (1000, false)] {
        let mut children = Vec::new();
        for i in 0..count {
            children
                .push(format!(r#"{{"manifests":[],"annotations":{{"n":"{i}"}}}}"#).into_bytes());
            from.put_manifest(media::OCI_INDEX, &children[i]).await.unwrap();
        }
        let children: Vec<&[u8]> = children.iter().map(Vec::as_slice).collect();
        let wide = index(media::OCI_INDEX, &children);
        let digest = from.put_manifest(media::OCI_INDEX, &wide).await.unwrap();
        assert_eq!(copy(&from, &to, digest).await.is_ok(), good, "{count}");
    }
}

#[tokio::test]
async fn sources_follow_mirrors_and_stores_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("m");
    let mut options = options();
    options.mirrors = vec![format!("quay.io/org=oci:{}", place.display()).parse().unwrap()];
    let client = Client::new(options).unwrap();
    let name: Repository = "quay.io/org/app".parse().unwrap();
    assert_eq!(*client.source(&name).repository(), Repository::Layout(place.join("app")));
    assert_eq!(*client.store(&name).repository(), name);
}
