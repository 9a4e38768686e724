//! What a build system may claim in provenance (SLSA provenance v1).

use fleetfix_model::document::policy::BuilderRule;
use serde_json::Value;

use super::place::is_text_below;

/// Checks a provenance predicate against one rule; the error says what does not fit.
pub(crate) fn check(rule: &BuilderRule, predicate: &Value) -> Result<(), String> {
    let text = |path: &str| predicate.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let id = text("/runDetails/builder/id");
    if id != rule.builder_id {
        return Err(format!("builder id `{}`, expected `{}`", short(id), rule.builder_id));
    }
    let build_type = text("/buildDefinition/buildType");
    if !rule.build_types.iter().any(|allowed| allowed == build_type) {
        return Err(format!("build type `{}`", short(build_type)));
    }
    rule.source_prefix.as_ref().map_or(Ok(()), |prefix| check_sources(prefix, predicate))
}

/// Every Git source lies below `prefix`, and there is one.
fn check_sources(prefix: &str, predicate: &Value) -> Result<(), String> {
    let dependencies = predicate.pointer("/buildDefinition/resolvedDependencies");
    let uris = dependencies.and_then(Value::as_array).into_iter().flatten();
    let uris = uris.filter_map(|one| one.get("uri").and_then(Value::as_str));
    let mut sources = uris.filter_map(|uri| uri.strip_prefix("git+")).peekable();
    if sources.peek().is_none() {
        return Err("no Git source among its resolved dependencies".to_owned());
    }
    // `git+URL@REVISION` (in-toto/attestation `spec/v1/resource_descriptor.md`, SPDX download
    // location): what follows the repository is cut at `@`, `#` or `?`, or ends in `.git`.
    let repository = |source: &str| {
        let end = source.find(['#', '?']).unwrap_or(source.len());
        let source = source.get(..end).unwrap_or_default();
        let path = source.find("://").map_or(0, |at| at + 3);
        let cut = source.get(path..).and_then(|rest| rest.find('/')).map_or(path, |at| path + at);
        let end =
            source.get(cut..).and_then(|rest| rest.find('@')).map_or(source.len(), |at| cut + at);
        source.get(..end).unwrap_or_default().trim_end_matches(".git").to_owned()
    };
    let below =
        |source: &str| !source.contains("/../") && is_text_below(&repository(source), prefix);
    match sources.find(|source| !below(source)) {
        Some(other) => Err(format!("source `{}` is not below `{prefix}`", short(other))),
        None => Ok(()),
    }
}

fn short(text: &str) -> String {
    text.chars().take(200).collect()
}
