//! How the bases are made.

use fleetfix_testkit::base::{Archive, Blobs, Compression, Entry, Family, ImageRecipe, Layer};

use super::Nasty;

/// `CAP_NET_BIND_SERVICE=ep` as the kernel stores it (`vfs_cap_data`, revision 2): with NUL bytes
/// and a line feed.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0];

const AMD64: &[&str] = &["amd64"];
const BOTH: &[&str] = &["amd64", "arm64"];

/// Directories that every image has.
fn usual() -> Vec<Entry> {
    vec![
        Entry::dir("etc", 0o755),
        Entry::dir("usr", 0o755),
        Entry::dir("usr/bin", 0o755),
        Entry::file("etc/release", 0o644, b"1\n"),
    ]
}

fn with(entries: impl IntoIterator<Item = Entry>) -> Archive {
    Archive::of(usual().into_iter().chain(entries))
}

/// One image of OCI's family under a name.
fn one(
    name: &'static str,
    layers: Vec<Layer>,
    files: &'static [&'static str],
    differs: &'static [&'static str],
) -> Nasty {
    let mut blobs = Blobs::default();
    let mut top = blobs.image(&ImageRecipe::new(Family::Oci, "amd64", layers));
    top.as_object_mut().unwrap().remove("platform");
    let architectures = AMD64;
    Nasty { name, blobs, top, architectures, files, differs, remove: &[], dropped: 0, twice: false }
}

pub(super) fn docker_list_with_attestations() -> Nasty {
    let family = Family::Docker;
    let mut blobs = Blobs::default();
    let mut children = Vec::new();
    for architecture in BOTH {
        let program = Entry::file("usr/bin/app", 0o755, architecture);
        let layers = vec![Layer::gzip(with([])), Layer::gzip(with([program]))];
        children.push(blobs.image(&ImageRecipe::new(family, architecture, layers)));
    }
    for image in children.clone() {
        children.push(blobs.attestation(family, &image));
    }
    let top = blobs.index(family, &children);
    Nasty {
        name: "docker-list-with-attestations",
        blobs,
        top,
        architectures: BOTH,
        files: &["/usr/bin/app"],
        differs: &["/usr/bin/app: content, mtime"],
        remove: &[],
        dropped: 2,
        twice: false,
    }
}

pub(super) fn zstd_layers() -> Nasty {
    // More than two blocks of zstd.
    let large = Entry::file("usr/bin/large", 0o755, vec![7; 300 << 10]);
    let layers = vec![
        Layer::new(with([Entry::file("etc/conf", 0o600, b"a").owner(3, 4)]), Compression::Zstd),
        Layer::new(
            Archive::of([large, Entry::file("usr/bin/app", 0o711, b"a")]),
            Compression::Zstd,
        ),
    ];
    one(
        "zstd-layers",
        layers,
        &["/usr/bin/app", "/etc/conf"],
        &["/etc/conf: content, mtime", "/usr/bin/app: content, mtime"],
    )
}

pub(super) fn plain_layers() -> Nasty {
    let layers = vec![
        Layer::new(with([]), Compression::None),
        Layer::gzip(Archive::of([Entry::file("usr/bin/tool", 0o755, b"a")])),
        Layer::new(Archive::of([Entry::file("usr/bin/app", 0o750, b"a")]), Compression::None),
    ];
    one("plain-layers", layers, &["/usr/bin/app"], &["/usr/bin/app: content, mtime"])
}

pub(super) fn capabilities_and_other_attributes() -> Nasty {
    let layers = vec![
        Layer::gzip(with([])),
        Layer::gzip(Archive::of([
            Entry::dir("usr", 0o755).xattr("user.origin", b"a vendor\n\xff"),
            Entry::dir("usr/libexec", 0o2750).owner(7, 8).xattr("user.a", b"b"),
            Entry::file("usr/libexec/netbind", 0o750, b"a")
                .owner(0, 8)
                .xattr("user.kept", b"yes")
                .xattr("security.capability", &CAPABILITY),
        ])),
    ];
    one(
        "capabilities-and-other-attributes",
        layers,
        &["/usr/libexec/netbind"],
        &["/usr/libexec/netbind: content, mtime"],
    )
}

pub(super) fn behind_directory_links() -> Nasty {
    let layers = vec![
        Layer::gzip(with([
            Entry::symlink("bin", "usr/bin"),
            Entry::symlink("lib", "/usr/lib"),
            Entry::dir("usr/lib", 0o755),
            Entry::dir("usr/lib/v2", 0o711),
            Entry::symlink("usr/lib/current", "../../lib/v2"),
            Entry::file("usr/lib/v2/plugin.so", 0o644, b"a"),
        ])),
        Layer::gzip(Archive::of([
            Entry::file("usr/bin/app-1", 0o755, b"a"),
            Entry::symlink("usr/bin/app", "/bin/app-1"),
        ])),
    ];
    one(
        "behind-directory-links",
        layers,
        &["/bin/app", "/lib/current/plugin.so"],
        &["/usr/bin/app-1: content, mtime", "/usr/lib/v2/plugin.so: content, mtime"],
    )
}

pub(super) fn hard_linked_program() -> Nasty {
    let layers = vec![
        Layer::gzip(with([Entry::file("usr/bin/other", 0o755, b"o")])),
        Layer::gzip(Archive::of([
            Entry::file("usr/bin/first", 0o4751, b"a").owner(0, 5),
            Entry::hard_link("usr/bin/second", "usr/bin/first"),
            Entry::hard_link("usr/bin/third", "usr/bin/second"),
        ])),
    ];
    one(
        "hard-linked-program",
        layers,
        &["/usr/bin/second"],
        &[
            "/usr/bin/first: links",
            "/usr/bin/second: content, mtime, links",
            "/usr/bin/third: links",
        ],
    )
}

pub(super) fn replaced_after_it_was_linked() -> Nasty {
    let layers = vec![
        Layer::gzip(with([])),
        Layer::gzip(Archive::of([
            Entry::file("usr/bin/first", 0o4751, b"a").owner(0, 5),
            Entry::hard_link("usr/bin/second", "usr/bin/first"),
            Entry::file("usr/bin/first", 0o600, b"in its place").owner(6, 6),
        ])),
    ];
    let (files, differs) = (&["/usr/bin/second"], &["/usr/bin/second: content, mtime"]);
    Nasty { twice: true, ..one("replaced-after-it-was-linked", layers, files, differs) }
}

pub(super) fn whited_out_and_back() -> Nasty {
    let layers = vec![
        Layer::gzip(with([
            Entry::file("usr/bin/app", 0o4755, b"old").owner(9, 9),
            Entry::dir("opt", 0o700).owner(9, 9),
            Entry::file("opt/data", 0o600, b"old").owner(9, 9),
            Entry::file("opt/hidden", 0o600, b"old"),
        ])),
        Layer::gzip(Archive::of([Entry::whiteout("usr/bin", "app"), Entry::whiteout(".", "opt")])),
        Layer::gzip(Archive::of([
            Entry::file("usr/bin/app", 0o711, b"new"),
            Entry::dir("opt", 0o755),
            Entry::opaque("opt"),
            Entry::file("opt/data", 0o640, b"new").owner(1, 2),
        ])),
        Layer::gzip(Archive::of([Entry::file("etc/release", 0o444, b"2\n")])),
    ];
    one(
        "whited-out-and-back",
        layers,
        &["/usr/bin/app", "/opt/data", "/etc/release"],
        &[
            "/etc/release: content, mtime",
            "/opt/data: content, mtime",
            "/usr/bin/app: content, mtime",
        ],
    )
}

/// A directory's name of 120 characters and one of 130.
const LONG: &str = "/opt/dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd/ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

pub(super) fn names_of_any_kind() -> Nasty {
    let (path, umlauts) = (&LONG[1..], "opt/größe/naïve");
    let (dir, _) = path.rsplit_once('/').unwrap();
    let layers = vec![
        Layer::gzip(with([
            Entry::dir("opt", 0o755),
            Entry::dir(dir, 0o750).gnu(),
            Entry::file(path, 0o640, b"a").owner(1, 1).gnu(),
            Entry::symlink("opt/link", dir).gnu(),
        ])),
        Layer::gzip(Archive::of([
            Entry::dir("opt/größe", 0o701),
            Entry::file(umlauts, 0o604, b"a"),
            Entry::file(b"opt/gr\xf6\xdfe", 0o600, b"latin"),
            Entry::file(b"opt/\xff\xfe", 0o600, b"bytes").gnu(),
            Entry::file("opt/new\nline", 0o600, b"line"),
            Entry::file("opt/before-1970", 0o600, b"old").mtime(-86_400),
        ])),
    ];
    one("names-of-any-kind", layers, &[LONG, "/opt/größe/naïve"], NAMES)
}

const NAMES: &[&str] = &[
    "/opt/dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd/ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff: content, mtime",
    "/opt/größe/naïve: content, mtime",
];

pub(super) fn devices_and_sparse_files() -> Nasty {
    let layers = vec![
        Layer::gzip(with([
            Entry::dir("dev", 0o755),
            Entry::character_device("dev/null", 0o666, (1, 3)),
            Entry::block_device("dev/disk", 0o660, (8, 0)).owner(0, 6),
            Entry::pipe("dev/log", 0o622),
            Entry::dir("var", 0o755),
            // In GNU's own form umoci unpacks none.
            Entry::pax_sparse("var/sparse", 0o604, 8192, &[b'p'; 600]).owner(1, 1),
            Entry::pax_sparse("var/other", 0o600, 512, b"o"),
        ])),
        Layer::gzip(Archive::of([Entry::file("usr/bin/app", 0o755, b"a")])),
    ];
    one(
        "devices-and-sparse-files",
        layers,
        &["/usr/bin/app", "/var/sparse"],
        &["/usr/bin/app: content, mtime", "/var/sparse: content, mtime"],
    )
}

pub(super) fn only_in_the_lowest_of_twelve() -> Nasty {
    let lowest = with([
        Entry::dir("srv", 0o751).owner(4, 4),
        Entry::file("srv/app", 0o2755, b"a").owner(4, 4),
    ]);
    let above = (1..12).map(|n| {
        let text = format!("{n}\n");
        Archive::of([
            Entry::dir("etc", 0o755),
            Entry::file("etc/release", 0o644, &text),
            Entry::file(format!("srv/file-{n}"), 0o600, &text),
        ])
    });
    let layers = std::iter::once(lowest).chain(above).map(Layer::gzip).collect();
    one("only-in-the-lowest-of-twelve", layers, &["/srv/app"], &["/srv/app: content, mtime"])
}

pub(super) fn set_id_and_sticky() -> Nasty {
    let layers = vec![
        Layer::gzip(with([
            Entry::dir("tmp", 0o1777),
            Entry::dir("var", 0o3771).owner(1, 2),
            Entry::dir("var/spool", 0o2775).owner(3, 4),
        ])),
        Layer::gzip(Archive::of([
            Entry::file("usr/bin/su", 0o6755, b"a"),
            Entry::file("tmp/socket", 0o1666, b"a").owner(5, 5),
            Entry::file("var/spool/state", 0o2664, b"a").owner(3, 4),
        ])),
    ];
    one(
        "set-id-and-sticky",
        layers,
        &["/usr/bin/su", "/tmp/socket", "/var/spool/state"],
        &[
            "/tmp/socket: content, mtime",
            "/usr/bin/su: content, mtime",
            "/var/spool/state: content, mtime",
        ],
    )
}

pub(super) fn undescribed_directories() -> Nasty {
    let layers = vec![
        Layer::gzip(with([])),
        Layer::gzip(Archive::of([Entry::file("srv/deep/app", 0o755, b"a")])),
    ];
    // Such directories, and the root above them, have the time of their unpacking until a layer
    // describes them.
    one(
        "undescribed-directories",
        layers,
        &["/srv/deep/app"],
        &["/: mtime", "/srv/deep/app: content, mtime", "/srv/deep: mtime", "/srv: mtime"],
    )
}

pub(super) fn links_past_the_root() -> Nasty {
    let layers = vec![
        Layer::gzip(with([
            Entry::dir("srv", 0o751),
            Entry::symlink("usr/share", "../../../srv"),
            Entry::symlink("opt", "/../srv/."),
        ])),
        Layer::gzip(Archive::of([
            Entry::file("srv/app", 0o711, b"a").owner(3, 3),
            Entry::file("srv/tool", 0o755, b"a"),
        ])),
    ];
    one(
        "links-past-the-root",
        layers,
        &["/usr/share/app", "/opt/tool"],
        &["/srv/app: content, mtime", "/srv/tool: content, mtime"],
    )
}

pub(super) fn removed_and_created() -> Nasty {
    let layers = vec![
        Layer::gzip(with([
            Entry::dir("usr/lib", 0o711).owner(1, 2),
            Entry::symlink("lib", "usr/lib"),
            Entry::file("etc/old", 0o600, b"o"),
            Entry::dir("srv", 0o755),
            Entry::dir("srv/data", 0o700),
            Entry::file("srv/data/one", 0o600, b"1"),
            Entry::file("srv/data-kept", 0o600, b"2"),
        ])),
        Layer::gzip(Archive::of([
            Entry::file("usr/bin/first", 0o4751, b"a"),
            Entry::hard_link("usr/bin/second", "usr/bin/first"),
        ])),
    ];
    let (files, remove) = (&["/lib/new"], &["/etc/old", "/srv/data", "/usr/bin/second"]);
    Nasty { remove, ..one("removed-and-created", layers, files, REMOVED) }
}

const REMOVED: &[&str] = &[
    "/etc/old: gone",
    "/srv/data/one: gone",
    "/srv/data: gone",
    "/usr/bin/first: links",
    "/usr/bin/second: gone",
    "/usr/lib/new: new",
];
