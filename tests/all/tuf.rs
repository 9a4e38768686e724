//! The channel in front of TUF clients that are not ours.

use std::fs;
use std::path::{Path, PathBuf};

use fleetfix_tests::canonical::canonical;
use fleetfix_tests::chain::Chain;
use fleetfix_tests::client::Tuf;
use fleetfix_tests::image::digest;
use fleetfix_tests::keys;
use fleetfix_tests::lab::Place;
use fleetfix_tests::serve::Directory;
use fleetfix_tests::tree::copy;
use serde_json::Value;

/// A TUF repository over HTTP, for one client that remembers.
struct Follower<'a> {
    chain: &'a Chain,
    client: Tuf,
    name: String,
}

impl Follower<'_> {
    /// Follows the repository in `dir`, knowing only the root file.
    fn follow(&self, dir: &Path) -> fleetfix_tests::child::Output {
        let server = Directory::serve(dir);
        let root = self.chain.lab.bench.path("root.json");
        let local = self.chain.lab.clients.path(&format!("{:?}-{}", self.client, self.name));
        self.chain.lab.clients.tuf(self.client, &root, &server.url(), &local, "channel.stable.json")
    }
}

/// The repository in `tuf/` under another name, to be changed there.
fn copied(chain: &Chain, name: &str) -> PathBuf {
    let to = chain.lab.bench.path(name);
    copy(&chain.lab.bench.path("tuf"), &to);
    to
}

/// The newest file of a role: `3.snapshot.json`, or `timestamp.json`.
fn newest(repository: &Path, role: &str) -> PathBuf {
    let version = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.strip_suffix(&format!(".{role}.json")).and_then(|version| version.parse::<u64>().ok())
    };
    let files =
        fs::read_dir(repository.join("metadata")).unwrap().map(|entry| entry.unwrap().path());
    let newest = files.filter_map(|path| Some((version(&path)?, path))).max();
    newest.map_or_else(|| repository.join(format!("metadata/{role}.json")), |(_, path)| path)
}

/// Takes one of two publishers' signatures away, and has the online key vouch for what is left: only
/// a client that counts signatures notices.
fn below_threshold(chain: &Chain, repository: &Path) {
    strip_signatures(&newest(repository, "publishers"), 1);
    vouch_for_publishers(chain, repository);
}

/// Snapshot and timestamp over the publishers' role as it is.
fn vouch_for_publishers(chain: &Chain, repository: &Path) {
    let snapshot = newest(repository, "snapshot");
    vouch(chain, &snapshot, "publishers.json", &newest(repository, "publishers"));
    vouch(chain, &newest(repository, "timestamp"), "snapshot.json", &snapshot);
}

/// Has `role` list `file` as it is, signed by the online key.
fn vouch(chain: &Chain, role: &Path, name: &str, file: &Path) {
    let mut document: Value = serde_json::from_slice(&fs::read(role).unwrap()).unwrap();
    let content = fs::read(file).unwrap();
    let listed = &mut document["signed"]["meta"][name];
    assert!(listed.is_object(), "{name} is not in {}", role.display());
    listed["length"] = content.len().into();
    listed["hashes"]["sha256"] = digest(&content).trim_start_matches("sha256:").into();
    let signed = canonical(&document["signed"]);
    let signature = keys::sign(&chain.lab.clients, &chain.people.online, signed.as_bytes());
    document["signatures"][0]["sig"] = signature.into();
    fs::write(role, document.to_string()).unwrap();
}

/// Takes all signatures but `keep` off a role's file.
fn strip_signatures(path: &Path, keep: usize) {
    let mut role: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let signatures = role["signatures"].as_array_mut().unwrap();
    assert!(signatures.len() > keep, "{}: {signatures:?}", path.display());
    signatures.truncate(keep);
    fs::write(path, role.to_string()).unwrap();
}

#[test]
fn other_clients_follow_the_channel_and_refuse_what_they_must() {
    let chain = Chain::new(Place::Layout);
    let path = |name: &str| chain.lab.bench.path(name);
    let bundle = chain.build();
    chain.init().success();
    let empty = copied(&chain, "tuf-empty");
    chain.release(&bundle);
    let current = path("tuf");
    let digest = bundle.split_once('@').unwrap().1.to_owned();

    let vouched = copied(&chain, "tuf-vouched");
    vouch_for_publishers(&chain, &vouched);
    let below = copied(&chain, "tuf-below");
    below_threshold(&chain, &below);
    let unsigned = copied(&chain, "tuf-unsigned");
    strip_signatures(&newest(&unsigned, "timestamp"), 0);
    let other = copied(&chain, "tuf-other");
    change_target(&other);

    for client in [Tuf::Python, Tuf::Go] {
        let follower = |name: &str| Follower { chain: &chain, client, name: name.to_owned() };
        let first = follower("first");
        assert!(!read(first.follow(&empty)).contains(&digest), "an empty channel");
        assert!(read(first.follow(&current)).contains(&digest), "the bundle is active");
        first.follow(&empty).refused();
        assert!(read(first.follow(&current)).contains(&digest), "still good");
        follower("vouched").follow(&vouched).success();
        let says = match client {
            Tuf::Python => {
                ["publishers was signed by 1/2 keys", "timestamp was signed by 0/1 keys", "hash"]
            }
            Tuf::Go => ["Verifying publishers failed", "Verifying timestamp failed", "hash"],
        };
        let refused = [("below", &below), ("unsigned", &unsigned), ("other", &other)];
        for ((name, repository), says) in refused.into_iter().zip(says) {
            follower(name).follow(repository).refused().says(says);
        }
    }
}

/// The channel's content, which the client wrote to the file that it named.
fn read(output: fleetfix_tests::child::Output) -> String {
    fs::read_to_string(output.success().text()).unwrap()
}

/// One byte of the channel's target.
fn change_target(repository: &Path) {
    let targets =
        fs::read_dir(repository.join("targets")).unwrap().map(|entry| entry.unwrap().path());
    let channels = targets.filter(|path| path.to_string_lossy().ends_with("channel.stable.json"));
    for path in channels {
        let mut bytes = fs::read(&path).unwrap();
        bytes[10] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn an_expired_channel_is_refused_by_all() {
    // A timestamp is good for two days, a root for a year.
    for (time, role) in [("3 days ago", "timestamp"), ("400 days ago", "root")] {
        let mut chain = Chain::new(Place::Layout);
        chain.lab.bench = std::mem::take(&mut chain.lab.bench).at_time(time);
        let bundle = chain.build();
        chain.release(&bundle);
        chain.lab.bench = std::mem::take(&mut chain.lab.bench).now();
        for client in [Tuf::Python, Tuf::Go] {
            let follower = Follower { chain: &chain, client, name: "expired".to_owned() };
            let output = follower.follow(&chain.lab.bench.path("tuf")).refused();
            output.says("xpired").says(role);
        }
        chain.verify("channel", &chain.channel(), &[]).code(10).says("xpired");
    }
}

/// Our own verifier on a repository on disk, whose images lie in the fleet.
fn ours(
    chain: &Chain,
    repository: &Path,
    root: &str,
    more: &[&str],
) -> fleetfix_tests::child::Output {
    let (reference, fleet) = (format!("tuf:{}", repository.display()), chain.lab.at("fleet"));
    let args = ["channel", &reference, "--root", root, "--from", &fleet];
    chain.lab.bench.run("fleetfix-verify", [&args[..], more].concat())
}

#[test]
fn our_verifier_refuses_what_other_clients_refuse() {
    let chain = Chain::new(Place::Layout);
    let path = |name: &str| chain.lab.bench.path(name);
    let bundle = chain.build();
    chain.init().success();
    let empty = copied(&chain, "tuf-empty");
    chain.release(&bundle);
    let current = path("tuf");
    let remember = ["--state", "state"];
    ours(&chain, &empty, "root.json", &remember).success();
    ours(&chain, &current, "root.json", &remember).success();
    ours(&chain, &empty, "root.json", &remember).code(10);
    ours(&chain, &empty, "root.json", &[]).success();
    ours(&chain, &current, "root.json", &remember).success();

    let other = Chain::new(Place::Layout);
    other.init().success();
    fs::copy(other.lab.bench.path("root.json"), path("other.json")).unwrap();
    ours(&chain, &current, "other.json", &[]).code(10);
    for (name, text) in [("empty.json", ""), ("half.json", "{\"signed\":"), ("no-role.json", "{}")]
    {
        fs::write(path(name), text).unwrap();
        ours(&chain, &current, name, &[]).code(11).says(name);
    }
    ours(&chain, &current, "missing.json", &[]).code(11).says("missing.json");
    chain.lab.bench.run("fleetfix-verify", ["channel", &chain.channel()]).code(2);
}

#[test]
fn no_changed_byte_of_a_role_is_accepted() {
    let chain = Chain::new(Place::Layout);
    let bundle = chain.build();
    chain.release(&bundle);
    let current = chain.lab.bench.path("tuf");
    ours(&chain, &current, "root.json", &[]).success();
    let files = ["metadata", "targets"].map(|dir| fs::read_dir(current.join(dir)).unwrap());
    let files: Vec<PathBuf> =
        files.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    let mut old = 0;
    assert!(files.len() > 8, "{files:?}");
    for file in files {
        let good = fs::read(&file).unwrap();
        for at in [good.len() / 5, good.len() / 2, good.len() - 3] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&file, &bad).unwrap();
            let output = ours(&chain, &current, "root.json", &[]);
            if is_current(&current, &file) {
                let name = file.file_name().unwrap().to_str().unwrap();
                let error = output.code(10).stderr.lines().last().unwrap().to_owned();
                // Nothing lists the timestamp, nor the root: they are held to their keys and to the
                // root that was given. A changed byte may also make them unreadable.
                let is_listed = !["timestamp.json", "1.root.json"].contains(&name);
                let says = if is_listed { " has digest " } else { "" };
                assert!(error.contains(&format!("{name}{says}")), "{error}");
            } else {
                // A file of an older state is left beside the current ones, and nobody reads it.
                output.success();
                old += 1;
            }
        }
        fs::write(&file, &good).unwrap();
    }
    // The empty channel of the beginning: publishers, snapshot, and what it listed.
    assert_eq!(old, 3 * 3);
}

/// True if a client that reads the newest state reads this file.
fn is_current(repository: &Path, file: &Path) -> bool {
    let name = file.file_name().unwrap().to_string_lossy();
    let (first, rest) = name.split_once('.').unwrap();
    if file.parent().unwrap().ends_with("targets") {
        // `<digest>.<target>`, listed by its digest.
        let lists = |role| fs::read_to_string(newest(repository, role)).unwrap().contains(first);
        return lists("publishers") || lists("policy");
    }
    let role = rest.strip_suffix(".json").unwrap_or(first);
    newest(repository, role) == *file
}
