//! Registries that do not answer, or not with what is asked for: nothing is said about the fleet then.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use crate::fleet::{NOW, time};
use fleetfix_audit::channel::{Anchor, Target, verify};
use fleetfix_model::Class;
use fleetfix_model::verdict::Outcome;
use fleetfix_registry::{Client, Options};

/// A client that gives up at once.
fn client() -> Client {
    let mut options = Options::default();
    options.limits.tries = 1;
    options.limits.connect = Duration::from_secs(5);
    Client::new(options).unwrap()
}

/// A server that gives one answer to everything, until the test ends.
fn server(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// An address that nobody listens at.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn who_cannot_be_asked_refuses_nothing() {
    let table = [
        (nobody(), Class::Environment),
        (server("500 Internal Server Error"), Class::Environment),
        (server("429 Too Many Requests"), Class::Environment),
        (server("401 Unauthorized"), Class::Input),
        (server("403 Forbidden"), Class::Input),
    ];
    let fleet = crate::fleet::Fleet::new().await;
    for (address, expected) in table {
        let place = format!("{address}/fleet/channels:current").parse().unwrap();
        let target = Target { place: &place, fleet: None, name: None };
        let anchor = Anchor { root: &fleet.root, state: None, now: time(NOW) };
        let audit = verify(&client(), &target, &anchor).await.unwrap();
        let verdict = &audit.concluded.verdict;
        assert_eq!(verdict.outcome, Outcome::CouldNotAsk, "{place}: {verdict}");
        let (class, why) = audit.concluded.ending().unwrap();
        assert_eq!(class, expected, "{place}: {why}");
        assert!(why.starts_with("state"), "{why}");
    }
}

#[tokio::test]
async fn a_registry_without_the_channel() {
    let fleet = crate::fleet::Fleet::new().await;
    let place = format!("{}/fleet/channels:current", server("404 Not Found")).parse().unwrap();
    let target = Target { place: &place, fleet: None, name: None };
    let anchor = Anchor { root: &fleet.root, state: None, now: time(NOW) };
    let error = verify(&client(), &target, &anchor).await.unwrap_err();
    assert!(matches!(error, fleetfix_audit::Error::Absent { .. }), "{error}");
}
