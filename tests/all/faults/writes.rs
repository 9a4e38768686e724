//! Faults while the image is written.

use fleetfix_testkit::registry::{Fault, Location, Reply, Request};
use fleetfix_tests::image::digest;

use super::{Fails, Place, Same, TAG, TO, cold_and_warm, each, later};

const OPEN: (&str, &str) = ("POST", "/build/app/blobs/uploads/");
const SEND: (&str, &str) = ("PUT", "/build/app/blobs/uploads/");
const MANIFEST: (&str, &str) = ("PUT", "/build/app/manifests/sha256:");
const TAGGED: (&str, &str) = ("PUT", "/build/app/manifests/fixed");
const ASK: (&str, &str) = ("HEAD", "/build/app/blobs/");
const STEPS: [(&str, &str); 4] = [OPEN, SEND, MANIFEST, TAGGED];

const EVER: usize = usize::MAX;

fn fault((method, part): (&'static str, &str), reply: Reply) -> Fault {
    Fault::answer(method, part, reply)
}

#[test]
fn refusals_and_busy_registries_at_every_step() {
    for step in STEPS {
        let what = format!("{} {}", step.0, step.1);
        let row = |reply: Reply, times, ends| (&*what, vec![fault(step, reply).times(times)], ends);
        each(vec![
            row(Reply::new(429), 1, Same),
            row(later(503, "0"), 2, Same),
            row(Reply::new(500), EVER, Fails(12, "500")),
            row(Reply::Drop, 2, Same),
            row(Reply::error(403, "DENIED"), EVER, Fails(11, "403")),
            row(Reply::error(404, "NAME_UNKNOWN"), EVER, Fails(11, "404")),
            row(Reply::new(507), EVER, Fails(12, "507")),
        ]);
    }
}

/// Whether a blob is there already.
#[test]
fn questions_that_are_refused_or_not_answered() {
    let row = |what, reply: Reply, times, ends| (what, vec![fault(ASK, reply).times(times)], ends);
    each(vec![
        row("429", Reply::new(429), 1, Same),
        row("503 with seconds", later(503, "0"), 2, Same),
        row("500 for ever", Reply::new(500), EVER, Fails(12, "500")),
        row("no answer", Reply::Drop, 2, Same),
        row("no answer for ever", Reply::Drop, EVER, Fails(12, "/blobs/")),
        row("403", Reply::new(403), EVER, Fails(11, "403")),
        // Whatever is asked for is not there: all of it is sent.
        row("404", Reply::new(404), EVER, Same),
    ]);
}

#[test]
fn bodies_that_do_not_arrive() {
    let drop = |after, times| vec![fault(SEND, Reply::Drop).after(after).times(times)];
    let lost = |code| vec![fault(SEND, Reply::error(404, code)).times(2)];
    each(vec![
        ("a reset in the middle", drop(150_000, 2), Same),
        ("a reset at the first byte", drop(1, 2), Same),
        ("a reset for ever", drop(100, EVER), Fails(12, "/blobs/uploads/")),
        ("a session that is lost", lost("BLOB_UPLOAD_UNKNOWN"), Same),
        ("a session that is stale", lost("BLOB_UPLOAD_INVALID"), Same),
        ("500 before the body", vec![fault(SEND, Reply::new(500)).after(0).times(2)], Same),
    ]);
    // Nobody reads the body, or answers.
    for after in [Some(0), None] {
        cold_and_warm(|known, place| {
            let silent = fault(SEND, Reply::Silent);
            place.registry.fault(after.map_or(silent.clone(), |bytes| silent.after(bytes)));
            let output = place.patch_with(&["--registry-timeout=1s"]);
            place.check(&format!("silence, {known}"), &output, Fails(12, "nothing happened"));
        });
    }
}

#[test]
fn lies_about_what_was_stored() {
    let other = || format!("sha256:{}", "0".repeat(64));
    let lie = |(method, part): (&'static str, &str)| {
        let change = move |_: &_, reply: Reply| reply.instead("docker-content-digest", other());
        vec![Fault::change(method, part, change)]
    };
    each(vec![
        ("a blob", lie(SEND), Fails(10, "expected digest")),
        ("a manifest", lie(MANIFEST), Fails(10, "expected digest")),
        ("a blob that is there", lie(ASK), Fails(10, "expected digest")),
        ("an upload without a place", vec![fault(OPEN, Reply::new(202))], Fails(12, "Location")),
    ]);
    // The last step: what the tag names is what was sent, and the registry says something else.
    let place = Place::new();
    place.faults(lie(TAGGED));
    let output = place.patch();
    assert_eq!(output.code, Some(10), "{output}");
    assert_eq!(digest(&place.registry.manifest(TO, TAG).unwrap()), super::expected());
}

#[test]
fn places_to_upload_to() {
    let place = Place::new();
    place.registry.behave(|b| b.location = Location::Absolute);
    let output = place.patch();
    place.check("an absolute place", &output, Same);

    let place = Place::new();
    place.registry.behave(|b| b.location = Location::Elsewhere(place.elsewhere.host.clone()));
    let output = place.patch();
    place.check("another host", &output, Same);
    let there = place.elsewhere.log();
    assert!(there.iter().any(|access| access.request.method == "PUT"), "nothing went there");

    let place = Place::new();
    place.registry.behave(|b| b.location = Location::Elsewhere("registry.example".into()));
    let output = place.patch();
    place.check("a host without TLS", &output, Fails(10, "TLS"));
}

#[test]
fn a_tag_that_is_taken_between_two_looks() {
    let other = b"{\"schemaVersion\":2,\"manifests\":[]}".to_vec();
    // The first look's first request has no token yet.
    for skip in [0, 2] {
        let place = Place::new();
        let (index, theirs) = ("application/vnd.oci.image.index.v1+json", other.clone());
        let answer = Reply::new(200).with("content-type", index).body(theirs);
        place.registry.fault(Fault::answer("GET", "/build/app/manifests/fixed", answer).skip(skip));
        let output = place.patch();
        place.check("another's tag", &output, Fails(10, "already names"));
        let written = place.registry.writes().iter().any(|line| line.contains(TAGGED.1));
        assert!(!written, "it was written over");
    }
}

#[test]
fn after_any_fault_the_same_again_ends_well() {
    for step in STEPS {
        for (reply, ends) in [
            (Reply::error(403, "DENIED"), Fails(11, "403")),
            (Reply::new(500), Fails(12, "500")),
            (Reply::Drop, Fails(12, step.1)),
        ] {
            for no_redeploy in [false, true] {
                let what = format!("{} {}: {reply:?}, {no_redeploy}", step.0, step.1);
                let place = Place::new();
                place.registry.behave(|b| b.no_redeploy = no_redeploy);
                place.registry.fault(fault(step, reply.clone()));
                place.check(&what, &place.patch(), ends);
                let before = place.registry.server.requests();
                place.registry.server.heal();
                place.registry.server.forget();
                place.check(&format!("{what}, and the same again"), &place.patch(), Same);
                // Layers, which are large, do not go up again.
                if [MANIFEST, TAGGED].contains(&step) {
                    let layer = layer_of(&place);
                    let is_sent = |r: &Request| r.method == "PUT" && r.target.contains(&layer);
                    assert!(before.iter().any(is_sent), "{what}");
                    assert!(!place.registry.server.requests().iter().any(is_sent), "{what}");
                }
            }
        }
    }
}

/// Digest of the new layer of the first image, as it stands in a URL's query.
fn layer_of(place: &Place) -> String {
    let parse = |bytes: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
    let index = parse(place.registry.manifest(TO, TAG).unwrap());
    let child = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let manifest = parse(place.registry.manifest(TO, &child).unwrap());
    let layer = manifest["layers"].as_array().unwrap().last().unwrap()["digest"].clone();
    layer.as_str().unwrap().replace(':', "%3A")
}
