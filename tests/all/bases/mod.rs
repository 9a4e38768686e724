//! Nasty bases: each has one thing that a careless patch gets wrong, and is named for it.
//!
//! Every base is patched in Debian's docker-registry, in distribution, in olareg and in a layout on
//! disk, always under the same name, so all four must give one digest. Then others judge it: crane
//! validates every blob, skopeo reads configuration and labels, oras copies the whole, and umoci
//! unpacks base and patched image, whose roots must differ in the declared files only.
//!
//! | base | what is nasty | where a careless patch goes wrong |
//! |---|---|---|
//! | `docker_list_with_attestations` | Docker's media types; children that are no images | patches or keeps an attestation; mixes families |
//! | `zstd_layers` | layers in zstd | cannot read the base |
//! | `plain_layers` | layers that are not compressed | takes them for gzip |
//! | `capabilities_and_other_attributes` | extended attributes on file and parents | loses them, or cuts them at a NUL |
//! | `behind_directory_links` | `/bin -> usr/bin`, absolute and chained links | replaces the link by a directory |
//! | `hard_linked_program` | one file under three names | changes the others too, or loses mode |
//! | `replaced_after_it_was_linked` | a hard link whose target another file replaces | takes the new file's metadata |
//! | `whited_out_and_back` | removed, added again, opaque directories | takes metadata from below |
//! | `names_of_any_kind` | long names in pax and GNU form, names that are not UTF-8 | cuts or refuses them |
//! | `devices_and_sparse_files` | devices, pipes, sparse files | reads content as headers |
//! | `only_in_the_lowest_of_twelve` | twelve layers, the file in the lowest | stops too early |
//! | `set_id_and_sticky` | bits beyond 0777 on files and directories | drops them |
//! | `undescribed_directories` | parents that no layer describes | refuses, or closes them |
//! | `links_past_the_root` | links with more `..` than there are directories | leaves the root, or refuses |
//! | `removed_and_created` | a file, a directory and one of two hard links go; a file is new below a link | hides too much, or makes the link a directory |

mod contents;
mod hostile;
pub(crate) mod many;
mod recipes;
mod refused;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fleetfix_testkit::base::Blobs;
use fleetfix_tests::binary::Workbench;
use fleetfix_tests::client::Clients;
use fleetfix_tests::image::Layout;
use fleetfix_tests::registry::{KINDS, Kind, Registry};
use fleetfix_tests::rootfs::{self, differences};
use serde_json::Value;

/// The new content of every replaced file.
const NEW: &[u8] = b"#!/bin/sh\nexec true\n";
/// The name that the bases go by, whatever their place.
const UPSTREAM: &str = "upstream.test/nasty";

/// A base, and what is done to it.
struct Nasty {
    name: &'static str,
    blobs: Blobs,
    /// Descriptor of the index or manifest.
    top: Value,
    architectures: &'static [&'static str],
    /// Files to replace, as a person names them.
    files: &'static [&'static str],
    /// What differs in the root.
    differs: &'static [&'static str],
    /// Paths to remove.
    remove: &'static [&'static str],
    /// Entries of the index that go.
    dropped: usize,
    /// True if a path stands in a layer twice.
    twice: bool,
}

impl Nasty {
    fn digest(&self) -> &str {
        self.top["digest"].as_str().unwrap()
    }

    /// What crane says of the base: it takes every layer for gzip, and every path for the only one of
    /// its layer.
    fn crane_refuses(&self) -> Option<&'static str> {
        let manifests =
            self.blobs.manifests.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes));
        let is_other = |text: &str| text.contains("tar+zstd\"") || text.contains(".tar\"");
        if manifests.into_iter().any(|text| is_other(&text)) {
            return Some("invalid header");
        }
        self.twice.then_some("duplicate file path")
    }

    /// Writes the base into a new layout, under its name.
    fn write(&self, dir: &Path) {
        let layout = Layout::create(dir);
        for bytes in self.blobs.blobs.values() {
            layout.put("", bytes);
        }
        for (media_type, bytes) in &self.blobs.manifests {
            layout.put(media_type, bytes);
        }
        layout.tag(self.name, self.top.clone());
    }

    /// Patches it in every place, and has the results judged.
    fn judged(self) {
        let bench = Workbench::new();
        let clients = Clients::new();
        for file in self.files {
            let path = bench.path("files").join(file.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, NEW).unwrap();
        }
        let local = bench.path("places/nasty");
        self.write(&local);
        let from = format!("oci:{}:{}", local.display(), self.name);

        let mut digests = BTreeMap::new();
        for kind in KINDS {
            let registry = Registry::start(kind);
            clients.copy(&from, &format!("{}:{}", registry.repository("nasty"), self.name));
            let report = self.patch(&bench, &registry.repository(""));
            digests.insert(format!("{kind:?}"), self.reported(&report));
            self.taken(&clients, &registry, kind);
        }
        let place = format!("oci:{}/", bench.path("places").display());
        let report = self.patch(&bench, &place);
        digests.insert("layout".into(), self.reported(&report));
        let digest = digests["layout"].clone();
        assert!(digests.values().all(|other| *other == digest), "{digests:?}");

        // skopeo reads no layouts with Docker's manifests: by way of a registry.
        let registry = Registry::start(Kind::Distribution);
        let patched = format!("oci:{}:fix", bench.path("places/build").display());
        for (from, tag) in [(&from, "base"), (&patched, "patched")] {
            clients.copy(from, &format!("{}:{tag}", registry.repository("judged")));
        }
        for architecture in self.architectures {
            self.differs_in_declared_files_only(&clients, &registry, architecture);
        }
    }

    fn patch(&self, bench: &Workbench, place: &str) -> Value {
        let base = format!("{UPSTREAM}@{}", self.digest());
        let (to, mirror) = (format!("{place}build:fix"), format!("{UPSTREAM}={place}nasty"));
        let mut args =
            vec!["--base-image", &base, "--files", "files", "--image", &to, "--mirror", &mirror];
        args.extend(self.remove.iter().flat_map(|path| ["--remove", path]));
        // What a base lacks is new where something is removed as well.
        args.extend((!self.remove.is_empty()).then_some("--create"));
        let once = bench.run("fleetfix-patch", &args).success().json();
        let again = bench.run("fleetfix-patch", &args).success().json();
        assert_eq!(once, again, "the same again gives the same");
        once
    }

    fn reported(&self, report: &Value) -> String {
        let image = &report["images"][0];
        let dropped = image["dropped"].as_array().map_or(0, Vec::len);
        assert_eq!(dropped, self.dropped, "{report}");
        assert_eq!(image["platforms"].as_array().unwrap().len(), self.architectures.len());
        image["digest"].as_str().unwrap().to_owned()
    }

    /// crane, skopeo and oras take the image.
    fn taken(&self, clients: &Clients, registry: &Registry, kind: Kind) {
        let image = format!("{}:fix", registry.repository("build"));
        let validate = ["validate", "--remote", &image];
        if let Some(says) = self.crane_refuses() {
            // oras and skopeo, which copy the image below, hold its layers against their digests.
            let base = format!("{}@{}", registry.repository("nasty"), self.digest());
            clients.crane(&["validate", "--remote", &base]).refused().says(says);
            clients.crane(&[&validate[..], &["--fast"]].concat()).success();
        } else {
            clients.crane(&validate).success();
        }
        for architecture in self.architectures {
            let source = format!("docker://{image}");
            let inspect =
                ["--override-arch", architecture, "inspect", "--tls-verify=false", &source];
            let inspected = clients.skopeo(&inspect).success().json();
            assert_eq!(inspected["Architecture"], *architecture, "{kind:?}");
            assert_eq!(inspected["Labels"]["example"], "kept", "{kind:?}");
            let name = &inspected["Labels"]["org.opencontainers.image.base.name"];
            assert_eq!(*name, UPSTREAM, "{kind:?}");
        }
        let copy = clients.path(&format!("copy-{kind:?}"));
        clients.copy(&image, &format!("oci:{}:fix", copy.display()));
        let manifest =
            clients.oras(&["manifest", "fetch", "--plain-http", &image]).success().json();
        let expected = if manifest["manifests"].is_array() { "manifests" } else { "layers" };
        assert!(manifest[expected].is_array(), "{manifest}");
    }

    fn differs_in_declared_files_only(
        &self,
        clients: &Clients,
        registry: &Registry,
        architecture: &str,
    ) {
        let unpack = |tag: &str| {
            let into = clients.path(&format!("unpacked/{architecture}/{tag}"));
            let image = format!("{}:{tag}", registry.repository("judged"));
            unpack(clients, &image, architecture, &into)
        };
        let (base, patched) = (unpack("base"), unpack("patched"));
        let found = differences(&rootfs::read(&base), &rootfs::read(&patched));
        assert_eq!(found, self.differs, "{} for {architecture}", self.name);
    }
}

/// Unpacks an image with umoci, which knows no zstd: skopeo unpacks such layers before.
fn unpack(clients: &Clients, image: &str, architecture: &str, into: &Path) -> PathBuf {
    let from = format!("docker://{image}");
    let platform = format!("linux/{architecture}");
    let manifest = clients.crane(&["manifest", "--platform", &platform, image]).success();
    if !manifest.stdout.contains("zstd") {
        return clients.unpack(&from, architecture, into);
    }
    fs::create_dir_all(into).unwrap();
    let plain = format!("dir:{}", into.join("plain").display());
    let architecture_of = ["--override-arch", architecture, "copy", "--quiet"];
    let copy = ["--dest-decompress", "--src-tls-verify=false", &from, &plain];
    clients.skopeo(&[&architecture_of[..], &copy].concat()).success();
    clients.unpack(&plain, architecture, into)
}

macro_rules! bases {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                recipes::$name().judged();
            }
        )*
    };
}

bases! {
    docker_list_with_attestations,
    zstd_layers,
    plain_layers,
    capabilities_and_other_attributes,
    behind_directory_links,
    hard_linked_program,
    replaced_after_it_was_linked,
    whited_out_and_back,
    names_of_any_kind,
    devices_and_sparse_files,
    only_in_the_lowest_of_twelve,
    set_id_and_sticky,
    undescribed_directories,
    links_past_the_root,
    removed_and_created,
}
