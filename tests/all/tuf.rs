//! The channel in front of TUF clients that are not ours.

use std::fs;
use std::path::{Path, PathBuf};

use fleetfix_tests::chain::Chain;
use fleetfix_tests::client::Tuf;
use fleetfix_tests::lab::Place;
use fleetfix_tests::serve::Directory;

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

fn copy(from: &Path, to: &Path) -> PathBuf {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(&path, &to).unwrap();
        }
    }
    to.to_path_buf()
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

/// Takes all signatures but `keep` off a role's file.
fn strip_signatures(path: &Path, keep: usize) {
    let mut role: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
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
    let empty = copy(&path("tuf"), &path("tuf-empty"));
    chain.release(&bundle);
    let current = path("tuf");
    let digest = bundle.split_once('@').unwrap().1.to_owned();

    let below = copy(&current, &path("tuf-below"));
    strip_signatures(&newest(&below, "publishers"), 1);
    let unsigned = copy(&current, &path("tuf-unsigned"));
    strip_signatures(&newest(&unsigned, "timestamp"), 0);
    let other = copy(&current, &path("tuf-other"));
    change_target(&other);

    for client in [Tuf::Python, Tuf::Go] {
        let follower = |name: &str| Follower { chain: &chain, client, name: name.to_owned() };
        let first = follower("first");
        assert!(!read(first.follow(&empty)).contains(&digest), "an empty channel");
        assert!(read(first.follow(&current)).contains(&digest), "the bundle is active");
        first.follow(&empty).refused();
        assert!(read(first.follow(&current)).contains(&digest), "still good");
        for (name, repository) in [("below", &below), ("unsigned", &unsigned), ("other", &other)] {
            follower(name).follow(repository).refused();
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
    let mut chain = Chain::new(Place::Layout);
    chain.lab.bench = std::mem::take(&mut chain.lab.bench).at_time("2020-01-01 00:00:00");
    chain.init().success();
    chain.lab.bench = std::mem::take(&mut chain.lab.bench).now();
    for client in [Tuf::Python, Tuf::Go] {
        let follower = Follower { chain: &chain, client, name: "expired".to_owned() };
        follower.follow(&chain.lab.bench.path("tuf")).refused().says("xpired");
    }
    chain.verify("channel", &chain.channel(), &[]).code(10).says("xpired");
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
    let empty = copy(&path("tuf"), &path("tuf-empty"));
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
    assert!(files.len() > 8, "{files:?}");
    let mut refused = 0;
    for file in files {
        let good = fs::read(&file).unwrap();
        for at in [good.len() / 5, good.len() / 2, good.len() - 3] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&file, &bad).unwrap();
            let output = ours(&chain, &current, "root.json", &[]);
            // A file of an older state may be left beside the current ones, and nobody reads it.
            assert!(matches!(output.code, Some(0 | 10 | 11)), "{}: {output}", file.display());
            refused += usize::from(output.code != Some(0));
        }
        fs::write(&file, &good).unwrap();
    }
    assert!(refused >= 3 * 8, "only {refused} changes were seen");
}
