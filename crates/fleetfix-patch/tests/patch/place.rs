//! Bases to patch, in layouts, and what an image looks like unpacked.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use fleetfix_model::document::FixPlan;
use fleetfix_model::document::plan::{BaseImage, BasePlatform, FileContent, PlannedFile};
use fleetfix_model::{Descriptor, Digest, Platform, Reference, Timestamp, ToCanonical, media};
use fleetfix_oci::layout::Layout;
use fleetfix_oci::manifest::{Kind, Manifest};
use fleetfix_patch::Args;
use fleetfix_patch::settings::SettingsArgs;
use fleetfix_registry::RegistryArgs;
use fleetfix_task::{Context, Failure, Task};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

pub(crate) const COMMIT: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const LABEL: &str = "io.openshift.hypershift.restricted-psa";
const PLAN: &[u8] = include_bytes!("../../../fleetfix-model/tests/goldens/fix-plan.json");

/// A directory with bases below `base`, new files below `files`, and room for images.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

/// Which base.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) docker: bool,
    pub(crate) index: bool,
    pub(crate) history: bool,
}

pub(crate) const OCI: Shape = Shape { docker: false, index: true, history: true };
pub(crate) const DOCKER: Shape = Shape { docker: true, index: true, history: false };
pub(crate) const SINGLE: Shape = Shape { docker: true, index: false, history: true };

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        for architecture in ["amd64", "arm64"] {
            place.file(&format!("out/{architecture}/app"), &format!("new {architecture}"));
        }
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file below `files`.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path().join("files").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes a base as `base/<name>:v1` and returns how a plan describes it. `note` makes it
    /// another image with the same layers.
    pub(crate) fn base(&self, name: &str, shape: Shape, note: &str) -> BaseImage {
        let layout = Layout::create(self.path().join("base").join(name)).unwrap();
        let mut platforms = Vec::new();
        let mut children = Vec::new();
        let architectures = if shape.index { &["amd64", "arm64"][..] } else { &["amd64"][..] };
        for architecture in architectures {
            let manifest = image(&layout, shape, architecture, note);
            platforms.push(BasePlatform {
                platform: Platform::linux(*architecture),
                digest: manifest.digest,
            });
            children.push(manifest);
        }
        let top = if shape.index {
            let about = attestation(&layout, children[0].digest);
            let entry = |(child, platform): (&Descriptor, &BasePlatform)| {
                json!({ "mediaType": child.media_type, "digest": child.digest, "size": child.size,
                    "platform": { "os": "linux", "architecture": platform.platform.architecture } })
            };
            let mut entries: Vec<Value> = children.iter().zip(&platforms).map(entry).collect();
            entries.insert(1, about);
            let media_type = if shape.docker { media::DOCKER_INDEX } else { media::OCI_INDEX };
            let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries, "x": note });
            layout.put(media_type, index.to_string().as_bytes()).unwrap()
        } else {
            children.remove(0)
        };
        layout.set_tag(&"v1".parse().unwrap(), &top).unwrap();
        BaseImage {
            digest: top.digest,
            repository: format!("quay.io/base/{name}").parse().unwrap(),
            media_type: top.media_type,
            minor: "4.20".parse().unwrap(),
            origin: fleetfix_model::document::plan::Origin::Payload,
            commit: None,
            platforms,
            hypershift_labels: vec![LABEL.to_owned()],
        }
    }

    /// A plan that replaces `/bin/app`, which a symbolic link leads to, and removes `/usr/bin/old`.
    pub(crate) fn plan(&self, mut bases: Vec<BaseImage>) -> FixPlan {
        let mut plan: FixPlan = fleetfix_model::document::from_canonical("plan", PLAN).unwrap();
        bases.sort_by_key(|base| base.digest);
        plan.rows.retain(|row| row.base.is_none());
        plan.bases = bases;
        plan.fixes[0].files = vec![PlannedFile {
            path: "/bin/app".parse().unwrap(),
            contents: ["amd64", "arm64"].map(|architecture| self.content(architecture)).into(),
            create: false,
            mode: None,
            uid: None,
            gid: None,
        }];
        plan.fixes[0].remove = vec!["/usr/bin/old".parse().unwrap()];
        plan
    }

    fn content(&self, architecture: &str) -> FileContent {
        let from = format!("out/{architecture}/app");
        let bytes = std::fs::read(self.path().join("files").join(&from)).unwrap();
        FileContent {
            architecture: architecture.into(),
            from,
            digest: Digest::of(&bytes),
            size: bytes.len() as u64,
        }
    }

    pub(crate) fn args(&self) -> Args {
        let mirror = format!("quay.io/base=oci:{}", self.path().join("base").display());
        Args {
            plan: None,
            base_image: None,
            files: self.path().join("files"),
            to: Some(format!("oci:{}", self.path().join("build").display()).parse().unwrap()),
            image: None,
            labels: Vec::new(),
            commit: None,
            remove: Vec::new(),
            create: false,
            accept: Vec::new(),
            result_image_digest: None,
            settings: SettingsArgs {
                cache_dir: Some(self.path().join("cache")),
                ..SettingsArgs::default()
            },
            registry: RegistryArgs {
                mirrors: vec![mirror.parse().unwrap()],
                ..RegistryArgs::default()
            },
        }
    }

    pub(crate) fn with_plan(&self, plan: &FixPlan) -> Args {
        let path = self.path().join("plan.json");
        std::fs::write(&path, plan.to_canonical().unwrap()).unwrap();
        Args { plan: Some(path), ..self.args() }
    }

    pub(crate) fn with_base(&self, base: &str, image: &str) -> Args {
        let at = |name: &str| -> Reference {
            format!("oci:{}/{name}", self.path().display()).parse().unwrap()
        };
        Args { base_image: Some(at(base)), image: Some(at(image)), ..self.args() }
    }

    /// The layout that a plan's images go to.
    pub(crate) fn built(&self) -> Layout {
        Layout::open(self.path().join("build/hypershift")).unwrap()
    }

    pub(crate) fn layout(&self, name: &str) -> Layout {
        Layout::open(self.path().join(name)).unwrap()
    }

    /// Every file below the directory with its bytes.
    pub(crate) fn snapshot(&self, name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.path().join(name)];
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            } else if path.exists() {
                let bytes = std::fs::read(&path).unwrap();
                found.insert(path.strip_prefix(self.path()).unwrap().to_owned(), bytes);
            }
        }
        found
    }
}

/// When everything happens.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix(0).unwrap()
}

/// Runs the task and gives its JSON.
pub(crate) fn run(args: Args) -> Result<Value, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let context = Context::silent(now());
    let outcome = runtime.block_on(args.run(&context))?;
    Ok(outcome.value().unwrap().clone())
}

/// A build attestation about an image, as an entry of its index.
fn attestation(layout: &Layout, about: Digest) -> Value {
    let config = layout.put(media::OCI_CONFIG, b"{}").unwrap();
    let text = json!({ "schemaVersion": 2, "config": config, "layers": [] }).to_string();
    let manifest = layout.put(media::OCI_MANIFEST, text.as_bytes()).unwrap();
    json!({ "mediaType": manifest.media_type, "digest": manifest.digest, "size": manifest.size,
        "platform": { "os": "unknown", "architecture": "unknown" },
        "annotations": { "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": about } })
}

fn image(layout: &Layout, shape: Shape, architecture: &str, note: &str) -> Descriptor {
    let archives = [lower(), upper(architecture)];
    let (config_type, layer_type, manifest_type) = if shape.docker {
        (media::DOCKER_CONFIG, media::DOCKER_LAYER_GZIP, media::DOCKER_MANIFEST)
    } else {
        (media::OCI_CONFIG, media::OCI_LAYER_GZIP, media::OCI_MANIFEST)
    };
    let mut layers = Vec::new();
    for archive in &archives {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        gzip.write_all(archive).unwrap();
        layers.push(layout.put(layer_type, &gzip.finish().unwrap()).unwrap());
    }
    let mut config = json!({
        "created": "2026-01-02T03:04:05Z",
        "os": "linux",
        "architecture": architecture,
        "config": { "Labels": { LABEL: "true", "vcs-ref": "old" }, "OnBuild": null },
        "rootfs": { "type": "layers", "diff_ids": archives.map(Digest::of) },
        "x-note": note,
    });
    if shape.history {
        config["history"] = json!([{ "created_by": "a" }, { "created_by": "b" }]);
    }
    let config = layout.put(config_type, config.to_string().as_bytes()).unwrap();
    let manifest = json!({ "schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": layers });
    layout.put(manifest_type, manifest.to_string().as_bytes()).unwrap()
}

fn header(kind: EntryType, mode: u32, owner: u64, size: usize) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(0);
    header.set_mtime(1_700_000_000);
    header.set_size(size as u64);
    header
}

fn lower() -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (path, mode, owner) in [("usr", 0o755, 0), ("usr/bin", 0o2775, 7), ("etc", 0o755, 0)] {
        let mut header = header(EntryType::Directory, mode, owner, 0);
        archive.append_data(&mut header, path, &b""[..]).unwrap();
    }
    let mut link = header(EntryType::Symlink, 0o777, 0, 0);
    archive.append_link(&mut link, "bin", "usr/bin").unwrap();
    let mut file = header(EntryType::Regular, 0o640, 0, 4);
    archive.append_data(&mut file, "etc/conf", &b"conf"[..]).unwrap();
    archive.into_inner().unwrap()
}

fn upper(architecture: &str) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    archive.append_pax_extensions([("SCHILY.xattr.user.note", &b"kept"[..])]).unwrap();
    let content = format!("old {architecture}");
    for (path, mode, owner) in [("usr/bin/app", 0o4751, 1001), ("usr/bin/old", 0o755, 0)] {
        let mut header = header(EntryType::Regular, mode, owner, content.len());
        archive.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

/// What stands at a path of an unpacked image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Node {
    pub(crate) kind: u8,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) mtime: u64,
    pub(crate) xattrs: Vec<(String, Vec<u8>)>,
    pub(crate) link: Option<PathBuf>,
    pub(crate) content: Vec<u8>,
}

pub(crate) type Root = BTreeMap<PathBuf, Node>;

/// The manifests below `digest`, which are those of `architectures` in the order of the index.
pub(crate) fn manifests(layout: &Layout, digest: Digest) -> Vec<Manifest> {
    let read = |digest| Manifest::parse(None, &layout.read_blob(digest, 1 << 20).unwrap()).unwrap();
    let top = read(digest);
    if top.kind == Kind::Image {
        return vec![top];
    }
    let children = top.children().unwrap();
    children.iter().filter(|child| child.is_image()).map(|child| read(child.digest)).collect()
}

/// Unpacks an image with somebody else's tar reader, checking digests and `diff_ids` on the way.
pub(crate) fn unpack(layout: &Layout, manifest: &Manifest) -> Root {
    let config = layout.read_blob(manifest.config().unwrap().digest, 1 << 20).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    let layers = manifest.layers().unwrap();
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), layers.len());
    let mut root = Root::new();
    for (i, layer) in layers.iter().enumerate() {
        assert_eq!(layout.check_blob(layer.digest).unwrap(), layer.size);
        let mut archive = Vec::new();
        let blob = layout.open_blob(layer.digest).unwrap();
        flate2::read::GzDecoder::new(blob).read_to_end(&mut archive).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][i], Digest::of(&archive).to_string());
        apply(&mut root, &archive);
    }
    root
}

fn apply(root: &mut Root, archive: &[u8]) {
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(removed) = name.strip_prefix(".wh.") {
            let removed = path.with_file_name(removed);
            root.retain(|path, _| !path.starts_with(&removed));
            continue;
        }
        let mut xattrs = Vec::new();
        if let Some(records) = entry.pax_extensions().unwrap() {
            for record in records {
                let record = record.unwrap();
                if let Some(name) = record.key().unwrap().strip_prefix("SCHILY.xattr.") {
                    xattrs.push((name.to_owned(), record.value_bytes().to_vec()));
                }
            }
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let header = entry.header();
        let node = Node {
            kind: header.entry_type().as_byte(),
            mode: header.mode().unwrap(),
            owner: (header.uid().unwrap(), header.gid().unwrap()),
            mtime: header.mtime().unwrap(),
            xattrs,
            link: header.link_name().unwrap().map(std::borrow::Cow::into_owned),
            content,
        };
        root.insert(path, node);
    }
}
