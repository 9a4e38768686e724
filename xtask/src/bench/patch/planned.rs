//! A plan for many bases, as `fleetfix-plan` writes it. Made here and not by that program, which
//! would want release payloads: what is measured begins where the plan is done.

use serde_json::{Value, json};

use super::base::Base;
use super::commands::COMMIT;
use super::files::{Files, PATH};
use crate::failure::Failure;

/// The last word of the bases' repository, which the results' gets too.
pub(super) const COMPONENT: &str = "app";

/// The plan in its canonical form, and the tag of each result.
pub(super) fn plan(
    bases: &[Base],
    from: &str,
    files: &Files,
    number: u64,
) -> Result<(String, Vec<String>), Failure> {
    let id = format!("BENCH-{number}");
    let architectures: Vec<&str> =
        bases.iter().take(1).flat_map(|base| &base.images).map(|i| i.architecture).collect();
    let contents = architectures
        .iter()
        .map(|architecture| {
            let (digest, size) = files.content(architecture)?;
            let from = format!("{architecture}/{PATH}");
            Ok(json!({"architecture": architecture, "digest": digest, "from": from, "size": size}))
        })
        .collect::<Result<Vec<Value>, Failure>>()?;
    let platform = |architecture: &str| format!("linux/{architecture}");
    let mut bases: Vec<&Base> = bases.iter().collect();
    bases.sort_by(|a, b| a.digest.cmp(&b.digest));
    let listed = bases.iter().map(|base| {
        let images = base.images.iter();
        json!({
            "digest": base.digest,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "minor": "4.20",
            "origin": "payload",
            "platforms": images
                .map(|image| json!({"digest": image.digest, "platform": platform(image.architecture)}))
                .collect::<Vec<Value>>(),
            "repository": format!("{from}/{}", base.repository),
        })
    });
    let plan = json!({
        "apiVersion": "fleetfix.openshift.io/v1alpha1",
        "bases": listed.collect::<Vec<Value>>(),
        "checks": [],
        "component": COMPONENT,
        "delivery": [],
        "findings": [],
        "fixes": [{
            "commit": COMMIT,
            "files": [{"contents": contents, "path": format!("/{PATH}")}],
            "minor": "4.20",
        }],
        "id": id,
        "impact": [],
        "kind": "FixPlan",
        "request": format!("sha256:{}", "0".repeat(64)),
        "revision": 1,
        "rows": [],
        "tickets": [id],
    });
    let tags = bases.iter().map(|base| {
        let short: String = base.digest.trim_start_matches("sha256:").chars().take(12).collect();
        format!("{}-r1-{short}", id.to_ascii_lowercase())
    });
    Ok((sorted(&plan).to_string(), tags.collect()))
}

/// RFC 8785 for what is in here: sorted keys, no white space, whole numbers and ASCII only.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> =
                fields.iter().map(|(key, v)| (key.clone(), sorted(v))).collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::bench::patch::base::BaseImage;
    use crate::bench::patch::program::MARK;

    fn object(value: &Value) -> BTreeSet<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn a_plan_has_what_its_schema_asks_for() {
        let dir = std::env::temp_dir().join(format!("xtask-plan-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let program = dir.join("program");
        std::fs::write(&program, format!("{MARK}0000000000000000")).unwrap();
        let files = Files::lay_out(&dir.join("x"), &[("amd64", program)]).unwrap();
        let base = |byte: char| Base {
            repository: "base-40/app".into(),
            digest: format!("sha256:{}", byte.to_string().repeat(64)),
            images: vec![BaseImage {
                architecture: "amd64",
                digest: format!("sha256:{}", "1".repeat(64)),
                layers: Vec::new(),
                diff_ids: Vec::new(),
            }],
        };
        let (text, tags) = plan(&[base('b'), base('a')], "127.0.0.1:1", &files, 7).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(tags, ["bench-7-r1-aaaaaaaaaaaa", "bench-7-r1-bbbbbbbbbbbb"]);
        assert!(text.starts_with(r#"{"apiVersion":"fleetfix.openshift.io/v1alpha1","bases":[{"#));

        let plan: Value = serde_json::from_str(&text).unwrap();
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/fix-plan.json");
        let schema: Value = serde_json::from_slice(&std::fs::read(schema).unwrap()).unwrap();
        for (definition, value) in [
            (&schema, &plan),
            (&schema["$defs"]["PlannedFix"], &plan["fixes"][0]),
            (&schema["$defs"]["PlannedFile"], &plan["fixes"][0]["files"][0]),
            (&schema["$defs"]["FileContent"], &plan["fixes"][0]["files"][0]["contents"][0]),
            (&schema["$defs"]["BaseImage"], &plan["bases"][0]),
            (&schema["$defs"]["BasePlatform"], &plan["bases"][0]["platforms"][0]),
        ] {
            let required = definition["required"].as_array().unwrap();
            let required: BTreeSet<&str> = required.iter().map(|r| r.as_str().unwrap()).collect();
            let missing = required.difference(&object(value)).copied().collect::<Vec<_>>();
            assert!(missing.is_empty(), "missing: {missing:?}");
        }
        let real = Path::new(env!("CARGO_MANIFEST_DIR")).join(REAL);
        let real: Value = serde_json::from_slice(&std::fs::read(real).unwrap()).unwrap();
        has_form(&plan, &real, "");
    }

    /// A plan that `fleetfix-plan` wrote.
    const REAL: &str = "../crates/fleetfix-plan/tests/goldens/plan.json";

    /// Everything in `value` is in the first of its kind in `real`, and of the same type.
    fn has_form(value: &Value, real: &Value, at: &str) {
        match (value, real) {
            (Value::Object(ours), Value::Object(real)) => {
                for (key, value) in ours {
                    let at = format!("{at}/{key}");
                    has_form(value, real.get(key).unwrap_or_else(|| panic!("unknown: {at}")), &at);
                }
            }
            (Value::Array(ours), Value::Array(real)) => {
                for item in ours {
                    has_form(item, &real[0], at);
                }
            }
            (Value::String(_), Value::String(_)) | (Value::Number(_), Value::Number(_)) => {}
            _ => panic!("{at}: {value} and not such as {real}"),
        }
    }
}
