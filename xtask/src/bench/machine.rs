//! The machine that was measured on, from what Linux says about it.

use std::collections::BTreeMap;
use std::fs;

/// Facts by name.
pub(crate) fn facts() -> BTreeMap<&'static str, String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (processors, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    BTreeMap::from([
        ("processor", value(&processors, "model name", ':').unwrap_or_default()),
        ("processors", count.to_string()),
        ("memory", value(&memory, "MemTotal", ':').unwrap_or_default()),
        ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
        ("system", value(&read("/etc/os-release"), "PRETTY_NAME", '=').unwrap_or_default()),
    ])
}

/// Processes that ran or waited for a processor, mean of the last minute. Well above the number of
/// processors: others worked on this machine.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// What stands after the first `name` and `separator`.
fn value(text: &str, name: &str, separator: char) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    let (_, value) = line.split_once(separator)?;
    Some(value.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn values_stand_after_their_names() {
        let text = "processor\t: 0\nmodel name\t: A 7\nmodel name\t: B\nPRETTY_NAME=\"D 12\"\n";
        assert_eq!(value(text, "model name", ':').as_deref(), Some("A 7"));
        assert_eq!(value(text, "PRETTY_NAME", '=').as_deref(), Some("D 12"));
        assert_eq!(value(text, "MemTotal", ':'), None);
    }
}
