//! Tokens and logins: renewed in mid-run, asked for once, and nobody else's business.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use fleetfix_testkit::registry::{Access, Behaviour, Fault, NOBODY, Proxy, Registry, Reply};
use fleetfix_tests::client::Clients;
use serde_json::json;

use super::{Fails, LOGIN, Place, Same, TO, cold_and_warm};

#[test]
fn tokens_that_run_out_in_mid_run() {
    let calm = Place::new();
    calm.patch().success();
    for requests in [10, 13, 20] {
        cold_and_warm(|known, place| {
            place.tokens.expire_every(requests);
            let output = place.patch();
            place.check(&format!("tokens for {requests} requests, {known}"), &output, Same);
            // A warm run may be over before so many requests.
            let asked = place.tokens.server.log().len();
            assert!(known == "warm" || asked > calm.tokens.server.log().len());
        });
    }
}

#[test]
fn one_token_for_each_permission() {
    let place = Place::new();
    let output = place.patch();
    place.check("no fault", &output, Same);
    let asked: Vec<Vec<String>> =
        place.tokens.server.requests().iter().map(|request| request.query("scope")).collect();
    let different: BTreeSet<_> = asked.iter().collect();
    assert_eq!(asked.len(), different.len(), "{asked:?}");
    // Reading the base, writing the image, and both for mounts: the one to push first.
    let (read, write) = ("repository:mirror:pull", format!("repository:{TO}:pull,push"));
    assert!(different.contains(&vec![read.to_owned()]), "{asked:?}");
    assert!(different.contains(&vec![write, read.to_owned()]), "{asked:?}");
}

#[test]
fn a_token_service_that_fails() {
    for (what, reply, times, ends) in [
        ("503 twice", Reply::new(503), 2, Same),
        ("503 for ever", Reply::new(503), usize::MAX, Fails(12, "503")),
        ("no answer", Reply::Drop, usize::MAX, Fails(12, "/token")),
        ("no token", Reply::json(200, "{}"), usize::MAX, Fails(12, "no token")),
        ("a wrong password", Reply::new(401), usize::MAX, Fails(11, "401")),
        ("a redirect", Reply::new(302).with("location", "/x"), usize::MAX, Fails(12, "302")),
    ] {
        cold_and_warm(|known, place| {
            place.tokens.fault(Fault::answer("", "/token", reply.clone()).times(times));
            let output = place.patch();
            place.check(&format!("{what}, {known}"), &output, ends);
        });
    }
    // Down.
    let place = Place::new();
    let realm = format!("Bearer realm=\"http://{NOBODY}/token\",service=\"x\"");
    place.registry.fault(Fault::answer("", "", Reply::new(401).with("www-authenticate", realm)));
    let output = place.patch();
    place.check("down", &output, Fails(12, "/token"));
}

#[test]
fn a_token_is_no_good_elsewhere() {
    // The registry sends us to a token service that is not one of this machine's.
    let place = Place::new();
    let realm = r#"Bearer realm="http://tokens.example/token",service="x""#;
    let challenge = Reply::new(401).with("www-authenticate", realm);
    place.registry.fault(Fault::answer("", "", challenge));
    let output = place.patch();
    place.check("a realm without TLS", &output, Fails(10, "TLS"));
    assert!(place.tokens.server.log().is_empty());
}

#[test]
fn wrong_logins_are_said_to_be_wrong() {
    let place = Place::new();
    for (content, code, part) in [
        ("{\"auths\":{}}", 11, "401"),
        ("{\"auths\":", 11, "auth.json"),
        ("{\"credHelpers\":{\"HOST\":\"no-such-helper\"}}", 11, "no-such-helper"),
    ] {
        let content = content.replace("HOST", place.registry.host());
        std::fs::write(place.bench.path("auth.json"), content).unwrap();
        let output = place.patch();
        place.check(part, &output, Fails(code, part));
    }
}

/// Where podman and docker keep logins, and what asks a helper for them.
#[test]
fn logins_are_found_where_other_tools_keep_them() {
    for file in [
        "xdg_runtime_dir/containers/auth.json",
        "xdg_config_home/containers/auth.json",
        "docker/config.json",
    ] {
        let mut place = Place::new();
        place.login.clear();
        let path = place.bench.path(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        // The longest path that fits decides.
        let host = place.registry.host().to_owned();
        let login = json!({"auths": {
            format!("{host}/build"): {"auth": LOGIN},
            format!("{host}/mirror"): {"auth": LOGIN},
            host: {"auth": "d3Jvbmc6d3Jvbmc="},
        }});
        std::fs::write(path, login.to_string()).unwrap();
        let output = place.patch();
        place.check(file, &output, Same);
    }
}

/// Puts a credential helper into the place's `PATH`.
fn with_helper(place: &mut Place, answer: &str) {
    let helper = place.bench.path("docker-credential-testing");
    std::fs::write(&helper, format!("#!/bin/sh\ncat >/dev/null\necho '{answer}'\n")).unwrap();
    std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", place.bench.dir().display(), std::env::var("PATH").unwrap());
    place.login.push(("PATH".to_owned(), path));
}

#[test]
fn helpers_are_asked_as_docker_asks_them() {
    let login = r#"{"Username":"robot","Secret":"secret"}"#;
    let wrong = json!({"auth": "d3Jvbmc6d3Jvbmc="});
    for (what, config) in [
        ("a helper for the host", json!({"credHelpers": {"HOST": "testing"}})),
        // `docker login` leaves an empty entry behind.
        ("a store for all", json!({"auths": {"HOST": {}}, "credsStore": "testing"})),
        (
            "a helper before what is in the file and the store for all",
            json!({
                "auths": {"HOST": wrong},
                "credHelpers": {"HOST": "testing"},
                "credsStore": "no-such-store",
            }),
        ),
    ] {
        let mut place = Place::new();
        with_helper(&mut place, login);
        let config = config.to_string().replace("HOST", place.registry.host());
        std::fs::write(place.bench.path("auth.json"), config).unwrap();
        let output = place.patch();
        place.check(what, &output, Same);
    }
}

/// What `docker login` keeps where the registry gives a refresh token for a password.
#[test]
fn identity_tokens_are_traded_for_tokens() {
    let no_user = "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==";
    for (what, config) in [
        (
            "in the file",
            json!({"auths": {"HOST": {"auth": no_user, "identitytoken": "secret-for-long"}}}),
        ),
        ("in a store", json!({"credsStore": "testing"})),
    ] {
        let mut place = Place::new();
        with_helper(&mut place, r#"{"Username":"<token>","Secret":"secret-for-long"}"#);
        place.tokens.insist_on_refresh("secret-for-long");
        let config = config.to_string().replace("HOST", place.registry.host());
        std::fs::write(place.bench.path("auth.json"), config).unwrap();
        let output = place.patch();
        place.check(what, &output, Same);
        // A secret is in no URL: those are logged.
        let requests = place.tokens.server.requests();
        assert!(!requests.is_empty() && requests.iter().all(|r| !r.target.contains("secret")));
    }
}

/// `--authfile`, else `REGISTRY_AUTH_FILE`, else the places where podman and docker keep logins: the
/// first of those that knows the registry decides.
#[test]
fn one_file_that_is_named_stands_for_all() {
    let (right, wrong) = (LOGIN, "d3Jvbmc6d3Jvbmc=");
    // What is in each file (absent: nothing for this registry), and what comes of it.
    let table = [
        ("a file that is named", None, Some(right), Some(wrong), Some(wrong), Same),
        ("a flag", Some(right), Some(wrong), Some(wrong), Some(wrong), Same),
        (
            "the file that is named and no other",
            None,
            Some(""),
            Some(right),
            None,
            Fails(11, "401"),
        ),
        ("podman's before docker's", None, None, Some(right), Some(wrong), Same),
        ("docker's where podman's says nothing", None, None, Some(""), Some(right), Same),
    ];
    for (what, flag, variable, podman, docker, ends) in table {
        let mut place = Place::new();
        place.login.clear();
        let host = place.registry.host().to_owned();
        let write = |file: &str, login: Option<&str>| {
            let Some(login) = login else { return };
            let host = if login.is_empty() { "other.example" } else { &host };
            let path = place.bench.path(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let login = json!({"auths": {host: {"auth": login}}});
            std::fs::write(path, login.to_string()).unwrap();
        };
        write("flag.json", flag);
        write("auth.json", variable);
        write("xdg_runtime_dir/containers/auth.json", podman);
        write("docker/config.json", docker);
        if variable.is_some() {
            place.login.push(("REGISTRY_AUTH_FILE".to_owned(), "auth.json".to_owned()));
        }
        let more: &[&str] = if flag.is_some() { &["--authfile=flag.json"] } else { &[] };
        let output = place.patch_with(&[&["--registry-timeout=20s"], more].concat());
        place.check(what, &output, ends);
    }
}

/// A large upload may take longer than a token lives.
#[test]
fn a_token_that_runs_out_during_an_upload() {
    let calm = Place::new();
    calm.patch().success();
    for after in [None, Some(100_000)] {
        let place = Place::new();
        let challenge = format!(
            r#"Bearer realm="{}",service="test",scope="repository:{TO}:pull,push""#,
            place.tokens.server.url("/token")
        );
        let refusal = Reply::error(401, "UNAUTHORIZED").with("www-authenticate", challenge);
        let part = format!("/{TO}/blobs/uploads/");
        let fault = Fault::answer("PUT", &part, refusal).times(1);
        place.registry.fault(after.map_or(fault.clone(), |bytes| fault.after(bytes)));
        let output = place.patch();
        place.check(&format!("a token that runs out after {after:?}"), &output, Same);
        let refused = |access: &Access| access.request.method == "PUT" && access.status == 401;
        assert!(place.registry.server.log().iter().any(refused), "after {after:?}");
        // In the middle of a body the answer may be lost with the connection; then it is sent again.
        let asked = place.tokens.server.log().len();
        assert!(after.is_some() || asked > calm.tokens.server.log().len());
    }
}

#[test]
fn logins_are_what_other_tools_write() {
    for tool in ["skopeo", "oras"] {
        let (place, clients) = (Place::new(), Clients::new());
        let file = place.bench.path("auth.json").display().to_string();
        std::fs::remove_file(&file).unwrap();
        let host = place.registry.host();
        let common = ["login", "--username", "robot", "--password", "secret", host];
        let own = match tool {
            "skopeo" => ["--tls-verify=false", "--authfile", &file],
            _ => ["--plain-http", "--registry-config", &file],
        };
        clients.run(tool, [&common[..], &own].concat()).success();
        let output = place.patch();
        place.check(tool, &output, Same);
    }
}

/// A registry that is not on this machine: by name, through a proxy, with TLS by an issuer of one's
/// own.
#[test]
fn proxies_and_issuers_of_ones_own() {
    let issuer = fleetfix_testkit::registry::Issuer::new();
    let place = Place::new();
    let registry = Registry::with_tls(Behaviour::default(), &issuer, &["registry.example"]);
    registry.load("mirror", &place.bench.path("base"));
    let proxy = Proxy::to(registry.server.address());
    std::fs::create_dir(place.bench.path("certs")).unwrap();
    std::fs::create_dir(place.bench.path("empty")).unwrap();
    std::fs::write(place.bench.path("certs/own.pem"), issuer.pem()).unwrap();
    let dirs =
        format!("{}:{}", place.bench.path("empty").display(), place.bench.path("certs").display());
    let args = ["--base-image", "registry.example/mirror:v1", "--files", "files"];
    let to = ["--image", "registry.example/build/app:fixed", "--retry-wait=1ms"];
    let file = place.bench.path("certs/own.pem").display().to_string();
    for (name, value) in [("SSL_CERT_DIR", &dirs), ("SSL_CERT_FILE", &file)] {
        let bench = fleetfix_tests::binary::Workbench::new()
            .with("HTTPS_PROXY", &proxy.url())
            .with("NO_PROXY", "127.0.0.1,other.example")
            .with(name, value);
        std::fs::create_dir_all(bench.path("files/opt/app")).unwrap();
        std::fs::write(bench.path("files/opt/app/data"), "other").unwrap();
        bench.run("fleetfix-patch", [&args[..], &to].concat()).success();
        assert!(registry.manifest("build/app", "fixed").is_some());
        registry.content().manifests.retain(|(repository, _), _| repository == "mirror");
    }
    let lines = proxy.lines();
    assert!(
        !lines.is_empty() && lines.iter().all(|l| l == "CONNECT registry.example:443"),
        "{lines:?}"
    );

    // An issuer that nobody named.
    let bench = fleetfix_tests::binary::Workbench::new().with("HTTPS_PROXY", &proxy.url());
    std::fs::create_dir_all(bench.path("files/opt/app")).unwrap();
    std::fs::write(bench.path("files/opt/app/data"), "other").unwrap();
    let output = bench.run("fleetfix-patch", [&args[..], &to].concat()).code(11);
    assert!(output.stderr.contains("SSL_CERT_FILE"), "{output}");
}
