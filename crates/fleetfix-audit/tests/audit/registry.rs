//! Registries that do not answer, or not with what is asked for: nothing is said about the fleet then.

use std::time::Duration;

use crate::fleet::{NOW, time};
use fleetfix_audit::channel::{Anchor, Target, verify};
use fleetfix_model::Class;
use fleetfix_model::verdict::Outcome;
use fleetfix_registry::{Client, Options};
use fleetfix_testkit::registry::{NOBODY, Reply, Server};

/// A client that gives up at once.
fn client() -> Client {
    let mut options = Options::default();
    options.limits.tries = 1;
    options.limits.connect = Duration::from_secs(5);
    Client::new(options).unwrap()
}

/// A server that gives one answer to everything.
fn server(status: u16) -> Server {
    Server::answering(move |_| Reply::new(status))
}

#[tokio::test]
async fn who_cannot_be_asked_refuses_nothing() {
    let table = [
        (None, Class::Environment),
        (Some(500), Class::Environment),
        (Some(429), Class::Environment),
        (Some(401), Class::Input),
        (Some(403), Class::Input),
    ];
    let fleet = crate::fleet::Fleet::new().await;
    for (status, expected) in table {
        let server = status.map(server);
        let host = server.as_ref().map_or_else(|| NOBODY.to_string(), |server| server.host.clone());
        let place = format!("{host}/fleet/channels:current").parse().unwrap();
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
    let server = server(404);
    let place = format!("{}/fleet/channels:current", server.host).parse().unwrap();
    let target = Target { place: &place, fleet: None, name: None };
    let anchor = Anchor { root: &fleet.root, state: None, now: time(NOW) };
    let error = verify(&client(), &target, &anchor).await.unwrap_err();
    assert!(matches!(error, fleetfix_audit::Error::Absent { .. }), "{error}");
}
