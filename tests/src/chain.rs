//! The links of the chain as command lines, in a lab.

use serde_json::Value;

use crate::child::Output;
use crate::keys::{self, KeyPair};
use crate::lab::{Lab, Place};
use crate::people::People;

/// The channel that everything is published to.
pub const CHANNEL: &str = "stable";

/// A lab with people in it.
#[derive(Debug)]
pub struct Chain {
    /// The place.
    pub lab: Lab,
    /// The people.
    pub people: People,
}

impl Chain {
    /// Upstream's images, a request and keys; nothing was done yet.
    pub fn new(place: Place) -> Self {
        Self::in_lab(Lab::new(place))
    }

    /// The same in a lab that is there.
    pub fn in_lab(lab: Lab) -> Self {
        let people = People::new(&lab.clients);
        Self { lab, people }
    }

    /// Plan, patched images, their signatures and attestations, the bundle. Returns the bundle's
    /// reference, by digest.
    pub fn build(&self) -> String {
        self.lab.plan().success();
        self.lab.patch().success();
        self.sign().success();
        self.attest().success();
        let bundle = self.bundle().success().json();
        bundle["bundle"].as_str().expect("the bundle's reference").to_owned()
    }

    /// Registry and path that clusters pull from.
    pub fn fleet(&self) -> String {
        if self.lab.has_registry() {
            self.lab.at("fleet")
        } else {
            "fleet.example/fixes".to_owned()
        }
    }

    /// `fleetfix-sign --plan`, by the builder.
    pub fn sign(&self) -> Output {
        let (from, fleet) = (self.lab.at("build"), self.fleet());
        self.with_key(
            "fleetfix-sign",
            &self.people.builder,
            &["--plan", "plan.json", "--from", &from, "--fleet", &fleet],
        )
    }

    /// `fleetfix-attest --plan`, by the builder.
    pub fn attest(&self) -> Output {
        let from = self.lab.at("build");
        self.with_key(
            "fleetfix-attest",
            &self.people.builder,
            &["--plan", "plan.json", "--from", &from, &self.lab.mirror()],
        )
    }

    /// `fleetfix-bundle`.
    pub fn bundle(&self) -> Output {
        let (from, fleet) = (self.lab.at("build"), self.fleet());
        let args = ["--plan", "plan.json", "--request", "request.yaml", "--from", &from];
        self.lab.bench.run("fleetfix-bundle", [&args[..], &["--fleet", &fleet]].concat())
    }

    /// `fleetfix approve`: writes `NAME.approval`.
    pub fn approve(&self, bundle: &str, name: &str, key: &KeyPair) -> Output {
        self.approve_with(bundle, name, key, &[])
    }

    /// The same by both approvers, with more flags.
    pub fn approve_both(&self, bundle: &str, more: &[&str]) {
        for (name, key) in [("alice", &self.people.alice), ("bob", &self.people.bob)] {
            self.approve_with(bundle, name, key, more).success();
        }
    }

    fn approve_with(&self, bundle: &str, name: &str, key: &KeyPair, more: &[&str]) -> Output {
        let approval = format!("{name}.approval");
        // An approval is never overwritten, and some tests have people change their mind.
        let _ = std::fs::remove_file(self.lab.bench.path(&approval));
        let who = ["approve", "--bundle", bundle, "--principal", name, "--channel", CHANNEL];
        let what = ["--reason", "read and understood", "--approval", &approval];
        self.with_key("fleetfix", key, &[&who[..], &what, more].concat())
    }

    /// `fleetfix-publish init`: writes `root.json` and `tuf/`.
    pub fn init(&self) -> Output {
        self.lab.bench.run("fleetfix-publish", self.init_args())
    }

    /// Its arguments.
    pub fn init_args(&self) -> Vec<String> {
        let people = &self.people;
        let (fleet, policy) = (self.fleet(), people.policy.display().to_string());
        let keys = [
            ("--root-key", &people.root),
            ("--policy-key", &people.policy_owner),
            ("--publisher-key", &people.publishers[0]),
            ("--publisher-key", &people.publishers[1]),
            ("--pause-key", &people.pause),
        ];
        let mut args =
            vec!["init".to_owned(), "--fleet".to_owned(), fleet, "--policy".to_owned(), policy];
        args.extend(keys.into_iter().flat_map(|(flag, key)| [flag.to_owned(), key.private()]));
        args.extend(self.to_the_channel());
        args
    }

    /// Arguments of `fleetfix-publish bundle` with these approvals and publishers.
    pub fn publish_args(
        &self,
        bundle: &str,
        approvals: &[&str],
        publishers: &[KeyPair],
    ) -> Vec<String> {
        let mut args = vec!["bundle".to_owned(), "--bundle".to_owned(), bundle.to_owned()];
        args.extend(["--release-key".to_owned(), self.people.release.private()]);
        args.extend(
            publishers.iter().flat_map(|key| ["--publisher-key".to_owned(), key.private()]),
        );
        args.extend(
            approvals.iter().flat_map(|name| ["--approval".to_owned(), format!("{name}.approval")]),
        );
        args.extend(self.to_the_channel());
        args.extend(["--state".to_owned(), "publisher-state".to_owned()]);
        args
    }

    /// `fleetfix-publish bundle`, with both publishers.
    pub fn publish(&self, bundle: &str, approvals: &[&str]) -> Output {
        self.lab
            .bench
            .run("fleetfix-publish", self.publish_args(bundle, approvals, &self.people.publishers))
    }

    /// `fleetfix-publish refresh`.
    pub fn refresh(&self) -> Output {
        self.lab.bench.run("fleetfix-publish", self.refresh_args())
    }

    /// Its arguments.
    pub fn refresh_args(&self) -> Vec<String> {
        let args = self.to_the_channel();
        let without_channel = args.chunks(2).filter(|pair| pair[0] != "--channel").flatten();
        let mut args: Vec<String> =
            [&"refresh".to_owned()].into_iter().chain(without_channel).cloned().collect();
        args.extend(["--state".to_owned(), "publisher-state".to_owned()]);
        args
    }

    /// Both approvals and the publication of a bundle to a new fleet.
    pub fn release(&self, bundle: &str) {
        self.approve_both(bundle, &[]);
        self.init().success();
        self.publish(bundle, &["alice", "bob"]).success();
    }

    /// `fleetfix-verify WHAT REFERENCE --root root.json` with more flags.
    pub fn verify(&self, what: &str, reference: &str, more: &[&str]) -> Output {
        self.lab
            .bench
            .run("fleetfix-verify", [&[what, reference, "--root", "root.json"], more].concat())
    }

    /// The channel's reference.
    pub fn channel(&self) -> String {
        format!("{}:current", self.lab.at("fleet/channels"))
    }

    /// What the fleet serves for each base: `(tag, digest)`.
    pub fn published(&self) -> Vec<(String, String)> {
        let images = self.lab.patch().success().json();
        let text = |image: &Value, field: &str| image[field].as_str().expect("text").to_owned();
        let images = images["images"].as_array().expect("images");
        images.iter().map(|image| (text(image, "tag"), text(image, "digest"))).collect()
    }

    fn to_the_channel(&self) -> Vec<String> {
        let pairs = [
            ("--to", self.lab.at("fleet")),
            ("--channel", CHANNEL.to_owned()),
            ("--root", "root.json".to_owned()),
            ("--tuf-dir", "tuf".to_owned()),
            ("--online-key", self.people.online.private()),
        ];
        pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }

    fn with_key(&self, program: &str, key: &KeyPair, args: &[&str]) -> Output {
        let key = keys::flags(&self.lab.clients, key);
        self.lab.bench.run(program, args.iter().map(|arg| (*arg).to_owned()).chain(key))
    }
}
