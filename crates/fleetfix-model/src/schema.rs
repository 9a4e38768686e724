//! JSON Schemas of the documents (JSON Schema 2020-12), generated from the types. They are checked
//! in under `schemas/`, and a test holds the two together.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use crate::document::{Approval, Channel, Fix, FixBundle, FixPlan, FixRequest, Pause, TrustPolicy};
use crate::verdict::Verdict;

/// Every schema with the name of its file.
pub fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("fix-request.json", of::<FixRequest>()),
        ("fix-plan.json", of::<FixPlan>()),
        ("fix-bundle.json", of::<FixBundle>()),
        ("approval.json", of::<Approval>()),
        ("fix.json", of::<Fix>()),
        ("channel.json", of::<Channel>()),
        ("pause.json", of::<Pause>()),
        ("trust-policy.json", of::<TrustPolicy>()),
        ("verdict.json", of::<Verdict>()),
    ]
}

fn of<T: JsonSchema>() -> Value {
    SchemaGenerator::default().into_root_schema_for::<T>().to_value()
}
