//! Attacks by whoever writes one step of the chain, each by its name: the step is changed, all that
//! follows is made from what it became, and a named check must refuse.

mod approvals;
mod attestations;
mod bundles;
mod channels;
mod harmless;
mod images;
mod parts;
mod signatures;

use fleetfix_model::verdict::Outcome;
use serde_json::Value;

use crate::fleet::{Attestation, Fleet, Made, Recipe, Signature, has_failed};

/// The attack, the recipe that makes it, the outcome, and the check that must fail.
type Attack = (&'static str, Recipe, Outcome, &'static str);

async fn run(attacks: Vec<Attack>) {
    for (name, recipe, outcome, check) in attacks {
        let audit = Fleet::make(&recipe).await.verify().await.unwrap();
        let verdict = audit.concluded.verdict;
        assert_eq!(verdict.outcome, outcome, "{name}:\n{verdict}");
        assert!(has_failed(&verdict.checks, check), "{name}: `{check}` did not fail:\n{verdict}");
        assert!(audit.verified.is_none(), "{name}");
    }
}

fn signatures(change: fn(&mut Vec<Signature>)) -> Recipe {
    Recipe { signatures: change, ..Recipe::default() }
}

fn attestations(change: fn(&mut Vec<Attestation>)) -> Recipe {
    Recipe { attestations: change, ..Recipe::default() }
}

fn approvals(change: fn(&mut Vec<Attestation>)) -> Recipe {
    Recipe { approvals: change, ..Recipe::default() }
}

fn channel(change: fn(&mut Value, &Made)) -> Recipe {
    Recipe { channel: change, ..Recipe::default() }
}

fn policy(change: fn(&mut Value)) -> Recipe {
    Recipe { policy: change, ..Recipe::default() }
}

fn plan(change: fn(&mut Value)) -> Recipe {
    Recipe { plan: change, ..Recipe::default() }
}

fn bundle(change: fn(&mut Value)) -> Recipe {
    Recipe { bundle: change, ..Recipe::default() }
}

fn artifact(change: fn(&mut Value)) -> Recipe {
    Recipe { artifact: change, ..Recipe::default() }
}

fn config(change: fn(&mut Value)) -> Recipe {
    Recipe { config: change, ..Recipe::default() }
}

fn manifest(change: fn(&mut Value)) -> Recipe {
    Recipe { manifest: change, ..Recipe::default() }
}

fn index(change: fn(&mut Value)) -> Recipe {
    Recipe { index: change, ..Recipe::default() }
}

fn remove(object: &mut Value, key: &str) {
    object.as_object_mut().unwrap().remove(key).unwrap();
}

fn pop(list: &mut Value) {
    list.as_array_mut().unwrap().pop().unwrap();
}
