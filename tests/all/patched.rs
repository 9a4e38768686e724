//! From payload to patched image, in every place: what other programs say of it, and what differs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use fleetfix_tests::base::{ARCHITECTURES, Base, PROGRAM};
use fleetfix_tests::image::Family;
use fleetfix_tests::lab::{Lab, Place};
use fleetfix_tests::payload::COMPONENTS;
use fleetfix_tests::proxy::Request;
use fleetfix_tests::registry::Kind;
use fleetfix_tests::request::{COMMIT_420, COMMIT_421};
use fleetfix_tests::rootfs::{self, Tree, differences};
use serde_json::Value;

#[test]
fn in_docker_registry() {
    plan_and_patch(Place::Registry(Kind::Docker));
}

#[test]
fn in_distribution() {
    plan_and_patch(Place::Registry(Kind::Distribution));
}

#[test]
fn in_olareg() {
    plan_and_patch(Place::Registry(Kind::Olareg));
}

#[test]
fn in_layouts() {
    plan_and_patch(Place::Layout);
}

fn plan_and_patch(place: Place) {
    let lab = Lab::with_debian(place);
    lab.plan().success();
    let images = lab.patch().success().json()["images"].as_array().unwrap().clone();
    let plan = lab.json("plan.json");
    assert_eq!(versions(&plan), ["4.20.1", "4.20.2", "4.21.0"]);
    assert_eq!(images.len(), 2, "two bases: {images:?}");
    for (base, commit) in
        [(&lab.upstream.base_420, COMMIT_420), (&lab.upstream.base_421, COMMIT_421)]
    {
        let image = images.iter().find(|image| image["base"] == base.digest.as_str());
        let image = image.unwrap_or_else(|| panic!("{} is not patched", base.recipe.name));
        accepted(&lab, base, image, commit);
    }
    again(&lab, &images);
}

fn versions(plan: &Value) -> Vec<&str> {
    let rows = plan["rows"].as_array().unwrap();
    let covered = rows.iter().filter(|row| row["status"] == "covered");
    covered.map(|row| row["version"].as_str().unwrap()).collect()
}

/// Other programs take the image, and it differs from its base in the declared file only.
fn accepted(lab: &Lab, base: &Base, image: &Value, commit: &str) {
    let (tag, digest) = (image["tag"].as_str().unwrap(), image["digest"].as_str().unwrap());
    let registry = fleetfix_tests::registry::Registry::start(Kind::Distribution);
    let place = |repository: &str, digest: &str, name: &str| {
        if lab.has_registry() {
            return format!(
                "{}@{digest}",
                lab.at(repository).replace(&lab.proxy().host(), &lab.registry().host())
            );
        }
        // skopeo reads no layouts with Docker's manifests: by way of a registry.
        let to = format!("{}:{name}", registry.repository(repository));
        lab.clients.copy(&format!("{}:{name}", lab.at(repository)), &to);
        format!("{}@{digest}", registry.repository(repository))
    };
    let before = place(&format!("mirror/{COMPONENTS}"), &base.digest, base.recipe.name);
    let after = place("build/hypershift", digest, tag);

    lab.clients.crane(&["validate", "--remote", &after]).success();
    lab.clients.copy(&after, &format!("oci:{}:{tag}", lab.clients.path("copies").display()));
    for (index, architecture) in ARCHITECTURES.iter().enumerate() {
        let source = format!("docker://{after}");
        let inspect = ["--override-arch", architecture, "inspect", "--tls-verify=false", &source];
        let inspected = lab.clients.skopeo(&inspect).success().json();
        assert_eq!(inspected["Architecture"], *architecture);
        let labels = &inspected["Labels"];
        assert_eq!(labels["vcs-ref"], commit);
        assert_eq!(labels["org.opencontainers.image.base.digest"], base.manifests[index].as_str());
        assert_eq!(
            labels["io.openshift.hypershift.restricted-psa"], "true",
            "HyperShift's labels stay"
        );
        assert_eq!(labels["io.hypershift.example/kept"], "yes");

        // Unpacking takes seconds: each architecture once, each with another family.
        if index == usize::from(base.recipe.family == Family::Docker) {
            continue;
        }
        let unpack = |reference: &str, name: &str| {
            let into = lab.clients.path(&format!("unpacked/{tag}/{architecture}/{name}"));
            lab.clients.unpack(&format!("docker://{reference}"), architecture, &into)
        };
        let old = base_tree(&base.manifests[index], || rootfs::read(&unpack(&before, "before")));
        let new = unpack(&after, "after");
        let found = differences(&old, &rootfs::read(&new));
        assert_eq!(found, [format!("{PROGRAM}: content, mtime")]);
        let fixed = std::fs::read(new.join(Path::new(PROGRAM).strip_prefix("/").unwrap())).unwrap();
        assert!(
            fixed == fleetfix_tests::base::program("fixed", architecture),
            "the file is the fix's"
        );
    }
}

/// The root of a base, unpacked once for all places: what has the same digest is the same.
fn base_tree(manifest: &str, unpack: impl FnOnce() -> Tree) -> Arc<Tree> {
    static TREES: Mutex<BTreeMap<String, Arc<Tree>>> = Mutex::new(BTreeMap::new());
    if let Some(tree) = TREES.lock().unwrap().get(manifest) {
        return Arc::clone(tree);
    }
    let tree = Arc::new(unpack());
    TREES.lock().unwrap().insert(manifest.to_owned(), Arc::clone(&tree));
    tree
}

/// The same again gives the same and sends nothing; before, only the patch was sent.
fn again(lab: &Lab, images: &[Value]) {
    if lab.has_registry() {
        let requests = lab.proxy().requests();
        let sent: u64 = requests.iter().map(|request| request.up).sum();
        assert!(sent < 8_000_000, "{sent} bytes are more than two programs for two architectures");
        // The top layer knows the file and all directories above it, so no other layer is read, and
        // that one once, for its entries and the program that is replaced.
        let read: u64 = requests.iter().map(|request| request.down).sum();
        assert!(read < 6_000_000, "{read} bytes are more than the top layers");
        lab.proxy().forget();
    }
    let once_more = lab.patch().success().json();
    assert_eq!(once_more["images"].as_array().unwrap(), images);
    if lab.has_registry() {
        let writes: Vec<_> = lab.proxy().requests().into_iter().filter(Request::is_write).collect();
        assert!(writes.is_empty(), "{writes:?}");
    }
}

#[test]
fn metadata_of_replaced_files_stays() {
    let lab = Lab::with_debian(Place::Registry(Kind::Distribution));
    let directory = "usr/libexec/control-plane";
    // As in the image; one path goes through a symlink of the base's root.
    let files = ["bin/control-plane-operator", "opt/app/a.conf", "var/lib/control-plane/state"];
    for file in files.map(str::to_owned).into_iter().chain([format!("{directory}/netbind")]) {
        let path = lab.bench.path("files").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "other content").unwrap();
    }
    let base =
        format!("{}@{}", lab.at(&format!("mirror/{COMPONENTS}")), lab.upstream.base_420.digest);
    let to = format!("{}:by-hand", lab.at("by/hand"));
    let args =
        ["--base-image", &base, "--files", "files", "--image", &to, "--label", "example=yes"];
    let accept = ["--accept", "parity/format"];
    lab.bench.run("fleetfix-patch", [&args[..], &accept].concat()).success();
    for architecture in ARCHITECTURES {
        let read = |reference: &str, name: &str| {
            let into = lab.clients.path(&format!("unpacked/{architecture}/{name}"));
            rootfs::read(&lab.clients.unpack(&format!("docker://{reference}"), architecture, &into))
        };
        let found = differences(&read(&base, "before"), &read(&to, "after"));
        let expected = [
            "/opt/app/a.conf: content, mtime, links".to_owned(),
            "/opt/app/b.conf: links".to_owned(),
            format!("{PROGRAM}: content, mtime"),
            format!("/{directory}/netbind: content, mtime"),
            "/var/lib/control-plane/state: content, mtime".to_owned(),
        ];
        assert_eq!(found, expected);
    }
}
