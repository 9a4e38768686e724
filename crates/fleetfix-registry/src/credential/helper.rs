//! Credential helpers: programs that keep secrets for other tools
//! (docker/docker-credential-helpers, `credentials/credentials.go`: `get` reads the server from
//! stdin and writes JSON; not finding anything is exit code 1 and a sentence on stdout).

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::{Credential, Secret};
use crate::Error;

/// Most that a helper may write, in bytes.
const MAX_OUTPUT: u64 = 64 << 10;
/// How long a helper may take: some ask a cloud for a token.
const DEADLINE: Duration = Duration::from_mins(1);
/// The user name that makes the secret an identity token.
const TOKEN_USER: &str = "<token>";
/// What helpers say when they know nothing (`credentials.ErrCredentialsNotFound`).
const NOT_FOUND: &str = "credentials not found in native keychain";

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    user: String,
    #[serde(rename = "Secret")]
    secret: String,
}

/// Asks `docker-credential-<name>` for `server`.
pub(super) async fn get(name: &str, server: &str) -> Result<Option<Credential>, Error> {
    let program = format!("docker-credential-{name}");
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(plain) {
        let program = program.chars().filter(|c| !c.is_control()).take(100).collect();
        return Err(Error::Helper { program, problem: "not the name of a program".into() });
    }
    run(&program, server).await
}

/// Asks `program` for `server`.
pub(super) async fn run(program: &str, server: &str) -> Result<Option<Credential>, Error> {
    let fail = |problem: String| Error::Helper { program: program.to_owned(), problem };
    let asked = tokio::time::timeout(DEADLINE, ask(program, server)).await;
    let (success, output) = match asked {
        Ok(result) => result.map_err(|e| fail(format!("cannot be run: {e}")))?,
        Err(_) => return Err(fail(format!("no answer within {} s", DEADLINE.as_secs()))),
    };
    if !success {
        let said = String::from_utf8_lossy(&output);
        // Helpers of clouds have their own words for it; these are the ones of the protocol.
        if said.trim() == NOT_FOUND {
            return Ok(None);
        }
        let said: String = said
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        return Err(fail(format!("failed for {server}: {said}")));
    }
    // Not the parser's own words: they may quote the secret.
    let answer: Answer = serde_json::from_slice(&output)
        .map_err(|_| fail(format!("no credentials in its answer for {server}")))?;
    Ok(match (answer.user.as_str(), answer.secret.as_str()) {
        (_, "") => None,
        (TOKEN_USER, token) => Some(Credential::IdentityToken(Secret::new(token))),
        (user, password) => {
            Some(Credential::Password { user: user.to_owned(), password: Secret::new(password) })
        }
    })
}

async fn ask(program: &str, server: &str) -> std::io::Result<(bool, Vec<u8>)> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that knows its answer need not read the question.
        let _ = stdin.write_all(format!("{server}\n").as_bytes()).await;
    }
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_OUTPUT).read_to_end(&mut output).await?;
    }
    Ok((child.wait().await?.success(), output))
}
