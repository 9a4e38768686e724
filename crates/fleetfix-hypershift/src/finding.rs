//! How a rule says what it found.

use fleetfix_model::HostedPlatform;
use fleetfix_model::document::finding::{Finding, FindingLevel};

use crate::Error;

/// Most names that one finding lists.
const LISTED: usize = 5;

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

/// Names for a message: the first of them, and how many more there are.
pub fn listed<T: std::fmt::Display>(
    names: impl ExactSizeIterator<Item = T>,
    between: &str,
) -> String {
    let more = names.len().saturating_sub(LISTED);
    let first: Vec<String> = names.take(LISTED).map(|name| name.to_string()).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", first.join(between))
}

/// A platform as it stands in the name of a finding.
pub(crate) fn word(platform: HostedPlatform) -> String {
    platform.as_str().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_up_to_a_number() {
        assert_eq!(listed(["a", "b"].iter(), "; "), "a; b");
        assert_eq!(listed(0..5, ", "), "0, 1, 2, 3, 4");
        assert_eq!(listed(0..7, ", "), "0, 1, 2, 3, 4 and 2 more");
    }

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
