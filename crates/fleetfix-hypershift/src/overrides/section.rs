//! The comments by which people say which ticket an entry is for.
//!
//! HyperShift's people write `# Beginning of TICKETS overrides X.Y section` and `# End of ...`
//! around a run of entries; sections stand inside of each other.

use fleetfix_model::Minor;

use super::Entry;

const BEGINNING: &str = "# Beginning of ";
const END: &str = "# End of ";

/// The comment that opens a section for `label`.
pub(super) fn beginning(label: &str, minor: Minor) -> String {
    format!("{BEGINNING}{label} overrides {minor} section")
}

/// The comment that closes it.
pub(super) fn end(label: &str, minor: Minor) -> String {
    format!("{END}{label} overrides {minor} section")
}

/// True for a comment that closes a section.
pub(super) fn closes(line: &str) -> bool {
    line.trim_start().starts_with(END)
}

/// True for a line of a comment, or without anything.
pub(super) fn is_comment(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// The tickets of a marker, `A-1/A-2` as two.
fn tickets(rest: &str) -> Vec<String> {
    let label = rest.split_whitespace().next().unwrap_or_default();
    let words = label.split(['/', ',']).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// Gives each entry the tickets and remarks of the sections that it stands in.
pub(super) fn name(text: &str, entries: &mut [Entry]) {
    // Sections that are open: tickets, and what is said in them.
    let mut open: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    let mut next = entries.iter_mut().peekable();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix(BEGINNING) {
            open.push((tickets(rest), Vec::new()));
        } else if let Some(rest) = line.strip_prefix(END) {
            let tickets = tickets(rest);
            if let Some(at) = open.iter().rposition(|(known, _)| *known == tickets) {
                open.truncate(at);
            }
        } else if let Some(said) = line.strip_prefix('#') {
            if let Some((_, remarks)) = open.last_mut() {
                remarks.push(said.trim().to_owned());
            }
        } else if let Some(entry) = next.next_if(|entry| entry.lines.first == number) {
            for (tickets, remarks) in &open {
                let new = tickets.iter().filter(|t| !entry.tickets.contains(t));
                let new: Vec<String> = new.cloned().collect();
                entry.tickets.extend(new);
                entry.remarks.extend(remarks.iter().cloned());
            }
        } else if line.starts_with("testing:") {
            // A section that nobody closed ends with its list.
            open.clear();
        }
    }
}
