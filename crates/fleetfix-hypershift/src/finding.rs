//! How a rule says what it found.

use fleetfix_model::HostedPlatform;
use fleetfix_model::document::finding::{Finding, FindingLevel};

use crate::Error;

/// A finding. `path` is the name of the check and what it is about, such as `coverage/aws/4.20.7`;
/// it is brought into the alphabet of finding ids, because versions may have capital letters and
/// `+`. The message says what, where, and what to do.
pub fn finding(
    level: FindingLevel,
    path: &str,
    message: impl Into<String>,
) -> Result<Finding, Error> {
    let id = spelled(path).parse().map_err(Error::FindingName)?;
    Ok(Finding { id, level, message: message.into(), waivable: true, waiver: None })
}

/// A path as the name of its finding.
pub(crate) fn spelled(path: &str) -> String {
    let mut spelled: String = path
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_alphanumeric() || "._-/".contains(c) { c } else { '-' })
        .take(200)
        .collect();
    spelled.truncate(spelled.trim_end_matches(['.', '_', '-', '/']).len());
    spelled
}

/// A finding that stops the plan and that nobody can waive: what would be done has no effect, or
/// must never be done.
pub fn refusal(path: &str, message: impl Into<String>) -> Result<Finding, Error> {
    let found = finding(FindingLevel::Blocking, path, message)?;
    Ok(Finding { waivable: false, ..found })
}

/// A platform as it stands in the name of a finding.
pub(crate) fn word(platform: HostedPlatform) -> String {
    platform.as_str().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_their_alphabet() {
        let table = [
            ("coverage/AWS/4.20.7", "coverage/aws/4.20.7"),
            ("coverage/aws/4.20.0-rc.1+Build", "coverage/aws/4.20.0-rc.1-build"),
            ("component/x/", "component/x"),
        ];
        for (path, id) in table {
            let found = finding(FindingLevel::Info, path, "m").unwrap();
            assert_eq!(found.id.as_str(), id);
        }
        assert!(matches!(finding(FindingLevel::Info, "/", "m"), Err(Error::FindingName(_))));
    }
}
