use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fleetfix_model::{Class, Classify};

use super::*;

fn credentials(files: &[&str]) -> (tempfile::TempDir, Credentials) {
    let dir = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (i, content) in files.iter().enumerate() {
        let path = dir.path().join(i.to_string());
        std::fs::write(&path, content).unwrap();
        paths.push(AuthFile { path, required: false });
    }
    (dir, Credentials::new(paths))
}

fn entry(pair: &str) -> String {
    format!(r#"{{"auth":"{}"}}"#, STANDARD.encode(pair))
}

async fn user(credentials: &Credentials, name: &str) -> Option<String> {
    let (registry, path) = name.split_once('/').unwrap();
    match credentials.find(registry, path).await.unwrap()? {
        Credential::Password { user, .. } => Some(user),
        Credential::IdentityToken(token) => Some(format!("token {}", token.reveal())),
    }
}

#[tokio::test]
async fn the_longest_key_decides() {
    let file = format!(
        r#"{{"auths":{{"quay.io":{},"quay.io/org":{},"quay.io/org/app":{},"quay.io/org/app/deep/x":{},
            "https://old.example/v1/":{},"https://index.docker.io/v1/":{},"empty.example":{{}},
            "token.example":{{"auth":"{}","identitytoken":"t0"}},"k8s.example":{{"username":"k","password":"p"}},
            "localhost:5000":{}}},"other":[1]}}"#,
        entry("host:x"),
        entry("org:x"),
        entry("app:x"),
        entry("deep:x"),
        entry("old:x"),
        entry("hub:x"),
        STANDARD.encode("u:p"),
        entry("local:a:b"),
    );
    let (_dir, credentials) = credentials(&[&file]);
    for (name, expected) in [
        ("quay.io/other/app", Some("host")),
        ("quay.io/org2/app", Some("host")),
        ("quay.io/org/other", Some("org")),
        ("quay.io/org/app", Some("app")),
        ("quay.io/org/app/deep", Some("app")),
        ("quay.io/org/app/deep/x", Some("deep")),
        ("old.example/a", Some("old")),
        ("docker.io/library/busybox", Some("hub")),
        ("empty.example/a", None),
        ("token.example/a", Some("token t0")),
        ("k8s.example/a", Some("k")),
        ("localhost:5000/a", Some("local")),
        ("localhost:5001/a", None),
        ("quay.io:443/org/app", None),
        ("nowhere.example/a", None),
    ] {
        assert_eq!(user(&credentials, name).await.as_deref(), expected, "{name}");
    }
    let Some(Credential::Password { password, .. }) =
        credentials.find("localhost:5000", "a").await.unwrap()
    else {
        panic!("no password");
    };
    assert_eq!(password.reveal(), "a:b", "only the first colon separates");
}

#[tokio::test]
async fn the_first_file_with_an_entry_decides() {
    let one = format!(r#"{{"auths":{{"a.example":{}}}}}"#, entry("one:x"));
    let two = format!(
        r#"{{"auths":{{"a.example/org":{},"b.example":{}}}}}"#,
        entry("two:x"),
        entry("two:x")
    );
    let (dir, mut credentials) = credentials(&["", &one, &two]);
    let absent = AuthFile { path: dir.path().join("absent"), required: false };
    credentials.paths.insert(0, absent);
    assert_eq!(user(&credentials, "a.example/org").await.as_deref(), Some("one"));
    assert_eq!(user(&credentials, "b.example/org").await.as_deref(), Some("two"));
}

#[tokio::test]
async fn broken_files_are_named_and_not_quoted() {
    for broken in [
        r#"{"auths":"hunter2"}"#,
        r#"{"auths":{"a.example":"hunter2"}}"#,
        r#"{"auths":{"a.example":{"auth":"hunter2!"}}}"#,
        r#"{"auths":{"a.example":{"auth":"aHVudGVyMg=="}}}"#,
        "hunter2",
    ] {
        let (_dir, credentials) = credentials(&[broken]);
        let error = credentials.find("a.example", "x").await.unwrap_err();
        assert_eq!(error.class(), Class::Input, "{broken}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let path = "/nonexistent/auth.json".into();
    let credentials = Credentials::new(vec![AuthFile { path, required: true }]);
    assert_eq!(credentials.find("a.example", "x").await.unwrap_err().class(), Class::Input);
}

#[tokio::test]
async fn secrets_are_not_shown() {
    let (_dir, credentials) =
        credentials(&[&format!(r#"{{"auths":{{"a.example":{}}}}}"#, entry("u:hunter2"))]);
    let found = credentials.find("a.example", "x").await.unwrap();
    let shown = format!("{found:?} {credentials:?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains(&STANDARD.encode("u:hunter2")),
        "{shown}"
    );
    assert!(shown.contains("***"), "{shown}");
}

/// A helper is looked up in `PATH`, which a test cannot change for itself; a name that leads
/// elsewhere is refused.
#[tokio::test]
async fn helpers_have_plain_names() {
    for name in ["../../bin/x", "a b", "", "a/b"] {
        let file = serde_json::json!({ "credHelpers": { "a.example": name } }).to_string();
        let (_dir, credentials) = credentials(&[&file]);
        let error = credentials.find("a.example", "x").await.unwrap_err();
        assert!(matches!(error, Error::Helper { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn what_a_helper_says() {
    let dir = tempfile::tempdir().unwrap();
    let script = |body: &str| {
        let path = dir.path().join("helper");
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    };
    let say = |program: String| async move { helper::run(&program, "registry.example").await };
    let password = say(script(
        r#"read s; echo "{\"ServerURL\":\"$s\",\"Username\":\"$s $1\",\"Secret\":\"p\"}""#,
    ))
    .await;
    let Ok(Some(Credential::Password { user, .. })) = password else { panic!("{password:?}") };
    assert_eq!(user, "registry.example get");
    let token = say(script(r#"echo '{"Username":"<token>","Secret":"t"}'"#)).await.unwrap();
    assert_eq!(token, Some(Credential::IdentityToken(Secret::new("t"))));
    let none = say(script("echo credentials not found in native keychain; exit 1")).await.unwrap();
    assert_eq!(none, None);
    for bad in [
        "exit 1",
        "echo nonsense",
        r#"echo '{"Secret":"hunter2"}'"#,
        "exec head -c 100000 /dev/zero",
    ] {
        let error = say(script(bad)).await.unwrap_err();
        assert!(matches!(error, Error::Helper { .. }), "{bad}: {error:?}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
    assert!(say("/nonexistent/helper".into()).await.is_err());
}
