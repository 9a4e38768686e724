//! Whether a plan is of its request: what a plan takes over as it stands, it must not change.

use std::collections::BTreeSet;

use fleetfix_model::document::plan::{PlannedFix, Status};
use fleetfix_model::document::request::{Affected, MinorFix};
use fleetfix_model::document::rollout::FixReference;
use fleetfix_model::document::{FixPlan, FixRequest};

use super::list_empty;
use crate::judgement::Judged;

/// Everything that the request says and the plan repeats. Separation and waivers go by the plan's names,
/// so a plan that names somebody else would let anybody approve their own fix.
pub(super) fn check(request: &FixRequest, plan: &FixPlan) -> Judged {
    let same: [(&str, bool); 15] = [
        ("id", request.fix_id().is_none_or(|id| id == plan.id)),
        ("revision", request.revision() == plan.revision),
        ("title", request.title == plan.title),
        ("tickets", request.tickets == plan.tickets),
        ("severity", request.severity == plan.severity),
        ("incident", request.incident == plan.incident),
        ("requester", request.requester == plan.requester),
        ("supersedes", is_list(&request.supersedes, &plan.supersedes)),
        ("conflicts", sorted(&request.conflicts) == sorted(&plan.conflicts)),
        ("targets", request.targets == plan.targets),
        ("rollout", request.rollout == plan.rollout),
        ("healthGates", request.health_gates == plan.health_gates),
        ("irreversible", request.irreversible == plan.irreversible),
        ("expires", request.expires == plan.expires),
        // Where the request says nothing, it follows from `fixedIn`.
        ("retireWhen", request.retire_when.is_none() || request.retire_when == plan.retire_when),
    ];
    let different = same.iter().filter(|(_, same)| !same).map(|(field, _)| (*field).to_owned());
    let mut different: Vec<String> = different.collect();
    different.extend(component(request, plan));
    for planned in &plan.fixes {
        let asked = request.fixes.iter().find(|asked| asked.minor == planned.minor);
        let fields = asked.map_or_else(|| vec!["fix"], |asked| fix(asked, planned));
        different.extend(fields.into_iter().map(|field| format!("{field} for {}", planned.minor)));
    }
    for finding in &plan.findings {
        if finding.waiver.as_ref().is_some_and(|waiver| !request.waivers.contains(waiver)) {
            different.push(format!("waiver of {}", finding.id));
        }
    }
    for row in plan.rows.iter().filter(|row| row.status == Status::Covered) {
        let affected = |one: &Affected| one.platform == row.platform && one.means(&row.version);
        if !request.affected.iter().any(affected) {
            different.push(format!("{} {}, which is not affected", row.platform, row.version));
        }
    }
    list_empty("request", &different, "the plan differs from its request in")
}

/// A plan has each reference once.
fn sorted(references: &[FixReference]) -> BTreeSet<&FixReference> {
    references.iter().collect()
}

/// A plan has each reference once, and with a revision where it knew one.
fn is_list(asked: &[FixReference], planned: &[FixReference]) -> bool {
    asked.iter().all(|a| planned.iter().any(|p| a.becomes(p)))
        && planned.iter().all(|p| asked.iter().any(|a| a.becomes(p)))
}

/// People may write a workload's name; the plan then says in a finding which tag that is.
fn component(request: &FixRequest, plan: &FixPlan) -> Option<String> {
    let said = format!("component/{}", request.component);
    let told = plan.findings.iter().any(|finding| finding.id.as_str() == said);
    (request.component != plan.component && !told).then(|| "component".to_owned())
}

/// The fields in which a planned fix is not the one that was asked for.
fn fix(asked: &MinorFix, planned: &PlannedFix) -> Vec<&'static str> {
    let mut files: Vec<_> =
        asked.files.iter().map(|f| (&f.path, f.create, f.mode, f.uid, f.gid)).collect();
    files.sort_by_key(|file| file.0);
    let mut remove: Vec<_> = asked.remove.iter().collect();
    remove.sort();
    let image = match (&asked.image, &planned.image) {
        (None, None) => true,
        (Some(asked), Some(planned)) => {
            asked.repository == planned.repository
                && (asked.digest.is_none() || asked.digest == planned.digest)
        }
        _ => false,
    };
    let table = [
        ("source", asked.source == planned.source),
        // A commit that nobody named may follow from the pull requests.
        ("commit", asked.commit.is_none() || asked.commit == planned.commit),
        ("pullRequests", asked.pull_requests == planned.pull_requests),
        ("authors", asked.authors == planned.authors),
        (
            "files",
            files
                .into_iter()
                .eq(planned.files.iter().map(|f| (&f.path, f.create, f.mode, f.uid, f.gid))),
        ),
        ("remove", remove.into_iter().eq(&planned.remove)),
        ("image", image),
    ];
    table.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect()
}
