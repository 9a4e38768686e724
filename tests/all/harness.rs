//! The real parts themselves: a test that leans on them must be able to.

use std::path::Path;

use fleetfix_tests::base::{self, CAPABILITY, PROGRAM, Root};
use fleetfix_tests::client::Clients;
use fleetfix_tests::image::{Family, Layout, MTIME};
use fleetfix_tests::keys;
use fleetfix_tests::payload::{BASE_420, BASE_421, COMPONENTS, Upstream};
use fleetfix_tests::proxy::{Fault, Moment, Proxy};
use fleetfix_tests::registry::{KINDS, Kind, Registry};
use fleetfix_tests::rootfs::{self, differences};
use fleetfix_tests::{child, http};

#[test]
fn each_registry_takes_the_upstream_images_and_gives_the_same_bytes() {
    let clients = Clients::new();
    let upstream = Upstream::write(&clients.path("upstream"), Root::Debian);
    for kind in KINDS {
        let registry = Registry::start(kind);
        upstream.push(&clients, &registry.repository("mirror"));
        for base in [&upstream.base_420, &upstream.base_421] {
            let reference =
                format!("{}@{}", registry.repository(&format!("mirror/{COMPONENTS}")), base.digest);
            let digest = clients.crane(&["digest", &reference]).success();
            assert_eq!(digest.text(), base.digest, "{kind:?}");
            clients.crane(&["validate", "--remote", &reference]).success();
            let raw = format!("docker://{reference}");
            let inspected =
                clients.skopeo(&["inspect", "--tls-verify=false", &raw]).success().json();
            assert_eq!(inspected["Labels"]["vcs-ref"], base.recipe.commit, "{kind:?}");
        }
        // Its log has the requests.
        assert!(
            kind == Kind::Olareg || registry.log().iter().any(|line| line.contains("PUT /v2/"))
        );
    }
}

#[test]
fn only_olareg_has_referrers() {
    for kind in KINDS {
        let registry = Registry::start(kind);
        let path = format!("/v2/any/referrers/{}", fleetfix_tests::image::digest(b""));
        let (status, _) = http::get(registry.address(), &path);
        assert_eq!(status, if kind == Kind::Olareg { 200 } else { 404 }, "{kind:?}");
    }
}

#[test]
fn the_base_unpacks_with_its_metadata() {
    let clients = Clients::new();
    let layout = Layout::create(&clients.path("components"));
    let base = base::write(&layout, BASE_421);
    let from = format!("oci:{}:{}", layout.dir().display(), base.recipe.name);
    let trees: Vec<rootfs::Tree> = base::ARCHITECTURES
        .iter()
        .map(|architecture| {
            rootfs::read(&clients.unpack(
                &from,
                architecture,
                &clients.path(&format!("unpacked/{architecture}")),
            ))
        })
        .collect();
    assert_eq!(
        differences(&trees[0], &trees[1]),
        [format!("{PROGRAM}: content")],
        "one root, two programs"
    );

    let tree = &trees[0];
    let entry = |path: &str| tree.get(Path::new(path)).unwrap_or_else(|| panic!("no {path}"));
    assert!(tree.len() > 2000, "{} paths are no Debian", tree.len());
    assert_eq!(entry("/bin").content, "usr/bin");
    assert_eq!(entry("/var/lib/control-plane").mode, 0o2775);
    assert_eq!(entry("/opt/app").owner, (1001, 0));
    assert_eq!((entry("/opt/app/a.conf").links, entry("/opt/app/b.conf").links), (2, 2));
    assert_eq!(
        entry("/usr/libexec/control-plane/netbind").xattrs["security.capability"],
        CAPABILITY
    );
    assert_eq!(entry(PROGRAM).mtime.0.unsigned_abs(), MTIME);
    assert!(!tree.contains_key(Path::new("/etc/motd")), "a whiteout takes it away");
}

#[test]
fn a_base_of_dockers_family_unpacks_to_the_same() {
    let clients = Clients::new();
    let registry = Registry::start(Kind::Distribution);
    let read = |name: &str, family| {
        let layout = Layout::create(&clients.path(name));
        base::write(&layout, base::Recipe { family, ..BASE_420 });
        let reference = format!("{}:latest", registry.repository(name));
        clients.copy(&format!("oci:{}:{}", layout.dir().display(), BASE_420.name), &reference);
        let into = clients.path(&format!("unpacked/{name}"));
        rootfs::read(&clients.unpack(&format!("docker://{reference}"), "amd64", &into))
    };
    let (docker, oci) = (read("docker", Family::Docker), read("oci", Family::Oci));
    assert_eq!(differences(&docker, &oci), Vec::<String>::new());
}

#[test]
fn differences_of_roots_are_all_seen() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::create_dir(path("etc")).unwrap();
    for name in ["etc/content", "etc/mode", "etc/xattr", "etc/gone", "etc/time", "etc/linked"] {
        std::fs::write(path(name), "before").unwrap();
    }
    let read = || rootfs::read(dir.path());
    // The directories' times are not what this is about.
    let without_directories = |mut tree: rootfs::Tree| {
        tree.retain(|_, entry| entry.kind != "dir");
        tree
    };
    let before = without_directories(read());
    let later = std::time::UNIX_EPOCH + std::time::Duration::from_secs(MTIME);
    let times = |name: &str| {
        let file = std::fs::File::options().write(true).open(path(name)).unwrap();
        file.set_modified(later).unwrap();
    };
    std::fs::write(path("etc/content"), "after").unwrap();
    std::fs::set_permissions(
        path("etc/mode"),
        std::os::unix::fs::PermissionsExt::from_mode(0o4755),
    )
    .unwrap();
    rootfs::set_xattr(&path("etc/xattr"), "user.x", b"\0binary");
    std::fs::remove_file(path("etc/gone")).unwrap();
    times("etc/time");
    std::fs::hard_link(path("etc/linked"), path("etc/new")).unwrap();
    let found = differences(&before, &without_directories(read()));
    let expected = [
        "/etc/content: content, mtime",
        "/etc/gone: gone",
        "/etc/linked: links",
        "/etc/mode: mode",
        "/etc/new: new",
        "/etc/time: mtime",
        "/etc/xattr: xattrs",
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_proxy_watches_fails_and_kills() {
    let registry = Registry::start(Kind::Docker);
    let proxy = Proxy::start(registry.address());
    let clients = Clients::new();
    let layout = Layout::create(&clients.path("components"));
    base::write(&layout, BASE_421);
    let from = format!("oci:{}:{}", layout.dir().display(), BASE_421.name);
    let to = format!("{}/component:one", proxy.host());

    clients.copy(&from, &to);
    let requests = proxy.requests();
    let sent: u64 =
        requests.iter().filter(|request| request.is_write()).map(|request| request.up).sum();
    assert!(sent > 20_000_000, "{sent} bytes are no Debian");
    assert!(
        requests.iter().any(|r| r.method == "PUT"
            && r.path == "/v2/component/manifests/one"
            && r.status == 201)
    );

    // Nothing is sent again.
    proxy.forget();
    clients.copy(&from, &to);
    let sent: u64 = proxy.requests().iter().map(|request| request.up).sum();
    assert!(sent < 10_000, "{sent} bytes were sent again");

    for moment in [Moment::Before, Moment::After] {
        proxy.forget();
        proxy.kill_at(1, moment);
        let place = format!("{}/killed-{moment:?}", proxy.host()).to_lowercase();
        let args = ["push", "--image-refs", "refs", &from[4..from.rfind(':').unwrap()], &place];
        let mut command = child::command(fleetfix_tests::tools::tool("crane"), &clients.path(""));
        let process = child::spawn(command.current_dir(clients.path("")).args(args).arg("--index"));
        proxy.victim(process.id());
        let output = child::wait(process, "crane push".to_owned());
        assert_eq!(output.code, None, "{moment:?}: {output}");
        let seen = proxy.requests().iter().filter(|r| r.is_write() && r.status != 0).count();
        assert!(moment == Moment::Before || seen > 0, "the registry saw {seen} writes");
    }

    proxy.fail(Fault { method: "GET", path: "/manifests/one".to_owned(), status: 500 });
    clients.crane(&["manifest", &to]).refused();
}

#[test]
fn keys_are_what_they_say() {
    let clients = Clients::new();
    let encrypted = keys::cosign(&clients, "alice");
    let plain = keys::plain(&clients, "bob");
    let label =
        |path: &Path| std::fs::read_to_string(path).unwrap().lines().next().unwrap().to_owned();
    assert_eq!(label(&encrypted.private), "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----");
    assert_eq!(label(&plain.private), "-----BEGIN PRIVATE KEY-----");
    for key in [&encrypted, &plain] {
        assert_eq!(label(&key.public), "-----BEGIN PUBLIC KEY-----");
    }
    assert_ne!(encrypted.public_pem(), plain.public_pem());
}
