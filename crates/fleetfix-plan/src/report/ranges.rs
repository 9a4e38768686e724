//! Versions as people write them: neighbours as a range.

use fleetfix_model::Version;

/// Sorted versions, `4.20.1-4.20.7 (7)`; empty if there are none.
pub(super) fn told<'a>(versions: impl IntoIterator<Item = &'a Version>) -> String {
    let mut ranges: Vec<(&Version, &Version)> = Vec::new();
    let mut count = 0_usize;
    for version in versions {
        count += 1;
        match ranges.last_mut() {
            Some((_, last)) if follows(last, version) => *last = version,
            _ => ranges.push((version, version)),
        }
    }
    let spelled = |(first, last): &(&Version, &Version)| {
        if first == last { first.to_string() } else { format!("{first} to {last}") }
    };
    let ranges: Vec<String> = ranges.iter().map(spelled).collect();
    match count {
        0 => String::new(),
        1 => ranges.join(", "),
        _ => format!("{} ({count})", ranges.join(", ")),
    }
}

/// True if no z-stream can be between the two.
fn follows(a: &Version, b: &Version) -> bool {
    a.minor() == b.minor()
        && !a.is_prerelease()
        && !b.is_prerelease()
        && a.patch().checked_add(1) == Some(b.patch())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_a_range() {
        let table: [(&[&str], &str); 5] = [
            (&[], ""),
            (&["4.20.1"], "4.20.1"),
            (&["4.20.1", "4.20.2", "4.20.4"], "4.20.1 to 4.20.2, 4.20.4 (3)"),
            (&["4.20.0-rc.1", "4.20.0", "4.20.1"], "4.20.0-rc.1, 4.20.0 to 4.20.1 (3)"),
            (&["4.20.9", "4.21.10"], "4.20.9, 4.21.10 (2)"),
        ];
        for (versions, expected) in table {
            let versions: Vec<Version> = versions.iter().map(|v| v.parse().unwrap()).collect();
            assert_eq!(told(&versions), expected);
        }
    }
}
