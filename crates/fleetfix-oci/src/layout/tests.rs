use std::collections::BTreeSet;

use fleetfix_model::{Class, Classify, media};
use serde_json::Value;

use super::*;

fn layout() -> (tempfile::TempDir, Layout) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::create(dir.path().join("a/b")).unwrap();
    (dir, layout)
}

fn tag(s: &str) -> Tag {
    s.parse().unwrap()
}

fn put(layout: &Layout, text: &str) -> Descriptor {
    layout.put_bytes(text.as_bytes()).unwrap();
    Descriptor::of(media::OCI_MANIFEST, text.as_bytes())
}

#[test]
fn create_is_idempotent_and_open_wants_a_layout() {
    let (dir, layout) = layout();
    let one = put(&layout, "one");
    layout.set_tag(&tag("v1"), &one).unwrap();
    let again = Layout::create(layout.dir()).unwrap();
    assert_eq!(again.resolve(&tag("v1")).unwrap().unwrap().digest, one.digest);

    assert!(matches!(Layout::open(dir.path()), Err(Error::NotALayout { .. })));
    fs::write(layout.dir().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert!(matches!(Layout::open(layout.dir()), Err(Error::NotALayout { .. })));
    fs::write(layout.dir().join("oci-layout"), "{").unwrap();
    assert!(matches!(Layout::open(layout.dir()), Err(Error::Json { .. })));
}

#[test]
fn blobs_go_in_whole_or_not_at_all() {
    let (_dir, layout) = layout();
    let expected = Descriptor::of("a/b", b"right");
    for wrong in [&b"wrong"[..], b"right and more", b""] {
        let mut writer = layout.writer().unwrap();
        writer.write_all(wrong).unwrap();
        assert_eq!(writer.commit(Some(&expected)).unwrap_err().class(), Class::Refused);
    }
    drop(layout.writer().unwrap());
    assert_eq!(layout.blobs().unwrap(), []);
    let names: BTreeSet<_> =
        fs::read_dir(layout.dir()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["blobs", "index.json", "oci-layout"].map(Into::into).into());

    let mut writer = layout.writer().unwrap();
    writer.write_all(b"right").unwrap();
    assert_eq!(writer.commit(Some(&expected)).unwrap(), (expected.digest, 5));
    assert_eq!(layout.blobs().unwrap(), [expected.digest]);
    assert_eq!(layout.read_blob(expected.digest, 5).unwrap(), b"right");
    assert!(matches!(layout.read_blob(expected.digest, 4), Err(Error::TooLarge { .. })));
    assert!(matches!(layout.open_blob(Digest::of(b"x")), Err(Error::NoBlob { .. })));
    let mode = fs::metadata(layout.blob_path(expected.digest)).unwrap().permissions().mode();
    assert_eq!(mode & 0o600, 0o600);
}

#[test]
fn every_changed_byte_is_seen_and_healed() {
    let (_dir, layout) = layout();
    let digest = layout.put_bytes(b"some content").unwrap();
    let path = layout.blob_path(digest);
    let good = fs::read(&path).unwrap();
    for i in 0..good.len() {
        let mut bad = good.clone();
        bad[i] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert!(matches!(layout.check_blob(digest), Err(Error::WrongDigest { .. })), "byte {i}");
        assert!(matches!(layout.read_blob(digest, 100), Err(Error::WrongDigest { .. })));
    }
    fs::write(&path, b"").unwrap();
    assert!(layout.check_blob(digest).is_err());
    layout.put_bytes(b"some content").unwrap();
    assert_eq!(layout.check_blob(digest).unwrap(), 12);
}

#[test]
fn tags_move_and_unknown_fields_survive() {
    let (_dir, layout) = layout();
    let (one, two) = (put(&layout, "one"), put(&layout, "two"));
    let foreign = format!(
        r#"{{"schemaVersion":2,"x-note":{{"z":1,"a":[2]}},"manifests":[
            {{"mediaType":"a/b","digest":"{}","size":3,"x":"kept","annotations":{{"{}":"not a tag!"}}}},
            {{"mediaType":"a/b","digest":"{}","size":3}}]}}"#,
        one.digest,
        media::REF_NAME,
        two.digest,
    );
    fs::write(layout.dir().join("index.json"), foreign).unwrap();
    assert_eq!(layout.tags().unwrap(), []);
    assert!(layout.set_tag(&tag("v1"), &one).unwrap());
    assert!(!layout.set_tag(&tag("v1"), &one).unwrap(), "the second time changes nothing");
    assert!(layout.set_tag(&tag("v0"), &one).unwrap());
    assert!(layout.set_tag(&tag("v1"), &two).unwrap());
    assert_eq!(layout.tags().unwrap(), [tag("v0"), tag("v1")]);
    assert_eq!(layout.resolve(&tag("v1")).unwrap().unwrap().digest, two.digest);
    assert_eq!(layout.resolve(&tag("v2")).unwrap(), None);
    assert_eq!(layout.descriptor(two.digest).unwrap().unwrap().media_type, "a/b");

    let index: Value =
        serde_json::from_slice(&fs::read(layout.dir().join("index.json")).unwrap()).unwrap();
    assert_eq!(index["x-note"].to_string(), r#"{"z":1,"a":[2]}"#);
    assert_eq!(index["manifests"][0]["x"], "kept");
    assert_eq!(index["manifests"].as_array().unwrap().len(), 4);
    assert_eq!(index["manifests"][2]["digest"], two.digest.to_string(), "v1 keeps its place");
}

#[test]
fn a_tag_at_two_images_is_refused_and_one_without_a_blob_too() {
    let (_dir, layout) = layout();
    let (one, two) = (put(&layout, "one"), put(&layout, "two"));
    let entry = |d: &Descriptor| {
        format!(
            r#"{{"mediaType":"a/b","digest":"{}","size":3,"annotations":{{"{}":"v1"}}}}"#,
            d.digest,
            media::REF_NAME
        )
    };
    let index = format!(r#"{{"manifests":[{},{}]}}"#, entry(&one), entry(&two));
    fs::write(layout.dir().join("index.json"), index).unwrap();
    assert!(matches!(layout.resolve(&tag("v1")), Err(Error::AmbiguousTag { .. })));
    layout.set_tag(&tag("v1"), &one).unwrap();
    assert_eq!(layout.resolve(&tag("v1")).unwrap().unwrap().digest, one.digest);

    let absent = Descriptor::of("a/b", b"absent");
    assert!(matches!(layout.set_tag(&tag("v2"), &absent), Err(Error::NoBlob { .. })));
}

#[test]
fn threads_do_not_lose_each_others_tags() {
    let (_dir, layout) = layout();
    let one = put(&layout, "one");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (layout, one) = (&layout, &one);
            scope.spawn(move || {
                for i in 0..8 {
                    layout.set_tag(&tag(&format!("t{n}-{i}")), one).unwrap();
                }
            });
        }
    });
    assert_eq!(layout.tags().unwrap().len(), 64);
}

#[test]
fn a_new_tag_does_not_move() {
    let (_dir, layout) = layout();
    let (one, two) = (put(&layout, "one"), put(&layout, "two"));
    assert_eq!(layout.set_new_tag(&tag("v1"), &one).unwrap(), NewTag::Set);
    assert_eq!(layout.set_new_tag(&tag("v1"), &one).unwrap(), NewTag::AlreadyThere);
    assert_eq!(layout.set_new_tag(&tag("v1"), &two).unwrap(), NewTag::Taken(one.digest));
    assert_eq!(layout.resolve(&tag("v1")).unwrap().unwrap().digest, one.digest);
}

#[test]
fn of_many_writers_that_move_a_tag_one_does() {
    let (_dir, layout) = layout();
    let old = put(&layout, "old");
    layout.set_tag(&tag("current"), &old).unwrap();
    let new: Vec<_> = (0..8).map(|n| put(&layout, &format!("new {n}"))).collect();
    let after: Vec<Option<Digest>> = std::thread::scope(|scope| {
        let move_to = |new| {
            let layout = &layout;
            scope
                .spawn(move || layout.set_tag_from(&tag("current"), Some(old.digest), new).unwrap())
        };
        let writers: Vec<_> = new.iter().map(move_to).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let current = layout.resolve(&tag("current")).unwrap().unwrap().digest;
    assert!(new.iter().any(|new| new.digest == current));
    assert!(after.iter().all(|after| *after == Some(current)), "{after:?}");
    // A tag that is not there is moved by whoever knows that it is not.
    assert_eq!(layout.set_tag_from(&tag("v1"), Some(current), &old).unwrap(), None);
    assert_eq!(layout.set_tag_from(&tag("v1"), None, &old).unwrap(), Some(old.digest));
}

#[test]
fn a_writer_holds_the_lock_that_other_processes_see() {
    let (_dir, layout) = layout();
    let one = put(&layout, "one");
    // A lock belongs to one opening of the file: this one is as another process's.
    let theirs = File::open(layout.dir().join("oci-layout")).unwrap();
    let turn = layout.turn_for(&one).unwrap();
    assert!(matches!(theirs.try_lock(), Err(fs::TryLockError::WouldBlock)));
    drop(turn);
    theirs.try_lock().unwrap();
}

#[test]
fn a_broken_index_is_an_error() {
    let (_dir, layout) = layout();
    for broken in ["", "{}", "[]", r#"{"manifests":[{}]}"#, r#"{"manifests":[],"manifests":[]}"#] {
        fs::write(layout.dir().join("index.json"), broken).unwrap();
        assert_eq!(layout.tags().unwrap_err().class(), Class::Input, "{broken}");
    }
}

#[test]
fn a_blob_is_a_regular_file() {
    let (_dir, layout) = layout();
    let digest = Digest::of(b"x");
    let path = layout.blob_path(digest);
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    assert!(
        matches!(layout.open_blob(digest), Err(Error::NoBlob { .. })),
        "nobody waits for a pipe"
    );
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(layout.open_blob(digest), Err(Error::NoBlob { .. })));
    assert!(layout.check_blob(digest).is_err());
}

#[test]
fn a_blob_that_shrinks_while_it_is_read_is_refused() {
    let (_dir, layout) = layout();
    let digest = layout.put_bytes(b"0123456789").unwrap();
    let mut reader = layout.open_blob(digest).unwrap();
    File::options().write(true).open(layout.blob_path(digest)).unwrap().set_len(4).unwrap();
    assert!(matches!(reader.drain(), Err(Error::WrongSize { .. })));
}

#[test]
fn what_a_killed_writer_left_goes() {
    let (_dir, layout) = layout();
    let (old, new) = (layout.dir().join(".new-old"), layout.dir().join(".new-now"));
    for path in [&old, &new] {
        fs::write(path, "half").unwrap();
    }
    let before = fs::metadata(&new).unwrap().modified().unwrap() - 2 * left_over::LEFT_OVER;
    File::options().write(true).open(&old).unwrap().set_modified(before).unwrap();
    layout.put_bytes(b"x").unwrap();
    assert_eq!((old.exists(), new.exists()), (false, true));
}
