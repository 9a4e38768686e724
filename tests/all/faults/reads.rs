//! Faults while the base is read.

use std::time::{Duration, Instant};

use fleetfix_testkit::registry::reply::Ending;
use fleetfix_testkit::registry::{Access, Fault, Mounts, Registry, Reply};

use super::{Ends, Fails, NAME, Place, Same, cold_and_warm, each, later};

const BLOB: &str = "/mirror/blobs/";
const MANIFEST: &str = "/mirror/manifests/";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The true answer with another end, a number of times.
fn ending(part: &str, times: usize, end: Ending) -> Vec<Fault> {
    vec![Fault::change("GET", part, move |_, reply| reply.ending(end)).times(times)]
}

fn status(part: &str, status: u16, times: usize) -> Vec<Fault> {
    vec![Fault::answer("GET", part, Reply::error(status, "DENIED")).times(times)]
}

const EVER: usize = usize::MAX;

/// Runs each row, whose faults are in the way of blobs. Where the base was patched before none is
/// read, so that nothing is in the way.
#[track_caller]
fn of_blobs(table: Vec<(&str, Vec<Fault>, Ends)>) {
    for (what, faults, ends) in table {
        cold_and_warm(|known, place| {
            place.faults(faults.clone());
            let ends = if known == "warm" { Same } else { ends };
            place.check(&format!("{what}, {known}"), &place.patch(), ends);
        });
    }
}

#[test]
fn refusals() {
    each(vec![
        ("401 to all", status("", 401, EVER), Fails(11, "401")),
        ("403 for a manifest", status(MANIFEST, 403, EVER), Fails(11, "403")),
        ("404 for a manifest", status(MANIFEST, 404, EVER), Fails(11, "is not in")),
    ]);
    of_blobs(vec![
        ("403 for a blob", status(BLOB, 403, EVER), Fails(11, "403")),
        ("404 for a blob", status(BLOB, 404, EVER), Fails(11, "404")),
    ]);
}

#[test]
fn busy_registries() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let retry = |reply: Reply, times| vec![Fault::answer("GET", "/mirror/", reply).times(times)];
    each(vec![
        ("429", status("/mirror/", 429, 2), Same),
        ("429 with seconds", retry(later(429, "0"), 2), Same),
        ("429 with a date", retry(later(429, date).with("date", date), 2), Same),
        ("429 for ever", status("/mirror/", 429, EVER), Fails(12, "429")),
        ("500", status("/mirror/", 500, 2), Same),
        ("500 for ever", status("/mirror/", 500, EVER), Fails(12, "500")),
        ("503", retry(later(503, "0"), 2), Same),
        ("503 for ever", status("/mirror/", 503, EVER), Fails(12, "503")),
    ]);
}

#[test]
fn what_a_registry_asks_for_is_waited_for_and_not_beyond_the_deadline() {
    let place = Place::new();
    place.registry.fault(Fault::answer("GET", BLOB, later(429, "1")).times(1));
    let began = Instant::now();
    let output = place.patch();
    assert!(began.elapsed() >= Duration::from_secs(1), "{output}");
    place.check("a second", &output, Same);

    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let hour = later(503, "Sun, 06 Nov 1994 09:49:37 GMT").with("date", date);
    for reply in [later(429, "3600"), hour] {
        let place = Place::new();
        place.registry.fault(Fault::answer("GET", BLOB, reply).times(1));
        let began = Instant::now();
        let output = place.patch();
        assert!(began.elapsed() < Duration::from_secs(15), "{output}");
        place.check("an hour", &output, Fails(12, "/blobs/"));
    }
}

#[test]
fn broken_and_slow_bodies() {
    of_blobs(vec![
        ("a reset", ending(BLOB, 3, Ending::Reset(1000)), Same),
        ("a reset for ever", ending(BLOB, EVER, Ending::Reset(10)), Fails(12, "/blobs/")),
        ("truncation", ending(BLOB, 3, Ending::Cut(1000)), Same),
    ]);
    each(vec![
        ("a reset of a manifest", ending(MANIFEST, 2, Ending::Reset(10)), Same),
        ("truncation for ever", ending(MANIFEST, EVER, Ending::Cut(1)), Fails(12, "/manifests/")),
    ]);
    for (what, end, times, ends) in [
        ("a stall", Ending::Stall(1000), 1, Same),
        ("a stall for ever", Ending::Stall(10), EVER, Fails(12, "nothing happened")),
        ("slowness", Ending::Drip(1, Duration::from_millis(10)), 1, Same),
        (
            "slowness for ever",
            // Not even a configuration comes in five tries. Where this machine is slow as well it may
            // be taken for silence: how slowness is told from it does not depend on seconds in
            // `slowness_has_a_limit` of the registry's own tests.
            Ending::Drip(1, Duration::from_millis(100)),
            EVER,
            Fails(12, "/mirror/"),
        ),
    ] {
        let place = Place::new();
        place.faults(ending(BLOB, times, end));
        // A tenth of it is the longest silence, a fifth the time to gain speed.
        let time = if times == 1 { "10s" } else { "5s" };
        let output = place.patch_with(&["--registry-timeout", time]);
        place.check(what, &output, ends);
    }
}

#[test]
fn lies() {
    let length = |part: &str, length: &'static str| {
        vec![Fault::change("GET", part, move |_, reply| reply.instead("content-length", length))]
    };
    let flip = |part: &str| vec![Fault::change("GET", part, |_, reply| reply.flipped())];
    let other = format!("sha256:{}", "0".repeat(64));
    let says = |part: &str| {
        let other = other.clone();
        let lie = move |_: &_, reply: Reply| reply.instead("docker-content-digest", other.clone());
        vec![Fault::change("GET", part, lie)]
    };
    of_blobs(vec![
        // All of it came, and its digest is right.
        ("a blob that is said to be longer", length(BLOB, "9999999"), Same),
        ("a blob that is too short", length(BLOB, "10"), Fails(10, "expected digest")),
        ("a blob with another digest", flip(BLOB), Fails(10, "digest")),
        ("a lie about a blob", says(BLOB), Same),
    ]);
    each(vec![
        ("a manifest that is too short", length(MANIFEST, "10"), Fails(10, "expected digest")),
        ("a manifest that is too large", length(MANIFEST, "99999999"), Fails(11, "larger than")),
        ("a manifest with another digest", flip(MANIFEST), Fails(10, "expected digest")),
        // The bytes decide, whatever a header says of them.
        ("a lie about a manifest", says(MANIFEST), Same),
    ]);
}

#[test]
fn redirects() {
    let to = |location: String| {
        let reply = Reply::new(307).with("location", location);
        vec![Fault::answer("GET", BLOB, reply)]
    };
    of_blobs(vec![
        ("an endless redirect", to("?again".into()), Fails(12, "redirects")),
        ("a redirect out of loopback", to("http://registry.example/x".into()), Fails(10, "TLS")),
        ("a redirect to a file", to("file:///etc/passwd".into()), Fails(10, "not HTTP")),
    ]);
    let place = Place::new();
    place.registry.behave(|b| b.blobs_at = Some(place.elsewhere.host.clone()));
    place.check("blobs on another host", &place.patch(), Same);
    assert!(!place.elsewhere.log().is_empty(), "nothing came from there");

    // Another host that sends us round between the two.
    let place = Place::new();
    let circle = Registry::start();
    let back = format!("http://{}/v2/mirror/blobs/x", place.registry.host());
    circle.fault(Fault::answer("", "", Reply::new(302).with("location", back)));
    place.faults(to(format!("http://{}/", circle.host())));
    place.check("a circle", &place.patch(), Fails(12, "redirects"));
    assert!(circle.server.log().iter().all(|access| !access.has_secret()));
}

/// What a run before remembered of the base is enough: of a base of two architectures its index is
/// read, and nothing else.
#[test]
fn a_warm_run_reads_the_index_alone() {
    let read = |place: &Place| {
        place.check("a calm run", &place.patch(), Same);
        let log = place.registry.server.log();
        let got = |part: &str| {
            let is = |access: &&Access| {
                let request = &access.request;
                request.method == "GET" && request.path().contains(part) && access.status == 200
            };
            log.iter().filter(is).count()
        };
        (got(MANIFEST), got(BLOB))
    };
    // Two manifests, two configurations, and the layers, which both share.
    let (manifests, blobs) = read(&Place::new());
    assert!(manifests == 3 && blobs > 2, "{manifests}, {blobs}");
    assert_eq!(read(&Place::warm()), (1, 0));
}

/// What a registry calls a manifest is its own word, and not remembered where the manifest says
/// something else.
#[test]
fn a_wrong_media_type_does_not_outlive_the_run() {
    for (wrong, ends) in [
        ("text/html", Fails(11, "text/html")),
        ("application/vnd.docker.distribution.manifest.v2+json", Fails(11, "manifest.v2+json")),
        ("application/octet-stream", Same),
    ] {
        let place = Place::new();
        let is_child = |reply: &Reply| reply.says("content-type", OCI_MANIFEST);
        place.faults(vec![Fault::change("GET", MANIFEST, move |_, reply| {
            if is_child(&reply) { reply.instead("content-type", wrong) } else { reply }
        })]);
        place.check(wrong, &place.patch(), ends);
        place.registry.server.heal();
        place.check(&format!("{wrong}, and the same again"), &place.patch(), Same);
    }
}

#[test]
fn a_tag_that_moves_between_two_reads() {
    cold_and_warm(|known, place| {
        let other = b"{\"schemaVersion\":2,\"manifests\":[]}".to_vec();
        let moved = move |_: &_, reply: Reply| reply.body(other.clone());
        // The first request has no token yet.
        place.registry.fault(Fault::change("GET", "/manifests/v1", moved).skip(2));
        let output = place.patch_base(&format!("{NAME}:v1"), &["--registry-timeout=20s"]);
        place.check(&format!("a base's tag, {known}"), &output, Same);
    });
}

#[test]
fn a_mount_that_is_refused_or_claimed() {
    let denied = [401, 403, 404, 405, 400].map(Mounts::Denied);
    for mounts in denied.into_iter().chain([Mounts::Upload, Mounts::Done, Mounts::Claimed]) {
        cold_and_warm(|known, place| {
            place.registry.behave(|b| b.mounts = mounts);
            let output = place.patch();
            // Claimed: 201, and nothing is there.
            place.check(&format!("{mounts:?}, {known}"), &output, Same);
        });
    }
    for status in [429, 500] {
        cold_and_warm(|known, place| {
            place.registry.behave(|b| b.mounts = Mounts::Denied(status));
            let output = place.patch();
            place.check(&format!("{status} to each mount, {known}"), &output, Same);
        });
    }
}
