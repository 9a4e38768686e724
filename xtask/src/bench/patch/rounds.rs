//! All runs, in rounds. Everything is done once a round, so that what changes on the machine meets
//! all alike.

use std::collections::BTreeMap;

use super::case::Case;
use super::contender::Contender;
use super::options::Options;
use super::report::Report;
use super::run::Site;
use super::sample::Samples;
use super::verdict::Verdict;
use super::{say, verdict, versions};
use crate::bench::machine;
use crate::failure::Failure;
use crate::workspace::Workspace;

/// Round 0 is not timed and for those who remember something from run to run; the others are. The
/// report is written after each: an hour's work is not lost to a mishap, nor to one run that fails.
pub(super) fn run(
    workspace: &Workspace,
    options: &Options,
    cases: &[Case],
    site: &mut Site,
) -> Result<(), Failure> {
    let mut samples = Samples::default();
    let (mut failed, mut verdicts) = (Vec::new(), Vec::new());
    let given = options.product.is_some();
    let versions = versions::versions(workspace, &site.programs, site.buildah(), given);
    let mut machine: BTreeMap<_, _> = machine::facts();
    machine.insert("load before", machine::load().to_string());
    let out = options.out.clone().unwrap_or_else(|| workspace.target().join("bench"));
    for round in 0..=options.rounds {
        for case in cases {
            for who in in_turn(case.contenders(options), round) {
                if !runs(case, who, round, options) {
                    continue;
                }
                match site.run(case, who, round) {
                    Ok(sample) => {
                        let (wall, peak) = (sample.measured.wall, sample.measured.peak >> 20);
                        let (case, who) = (&case.name, who.name());
                        say(&format!("round {round}: {case}: {who}: {wall:.2} s, {peak} MiB"));
                        samples.0.extend((round > 0).then_some(sample));
                    }
                    Err(failure) => {
                        say(&format!("FAILED: {failure}"));
                        failed.push(failure.to_string());
                    }
                }
            }
        }
        machine.insert("load after", machine::load().to_string());
        verdicts = verdict::verdicts(cases, &samples);
        let (samples, verdicts) = (&samples, &verdicts);
        let (machine, versions, failed) = (&machine, &versions, &failed);
        Report { options, cases, samples, verdicts, machine, versions, failed }.write(&out)?;
    }
    for verdict in &verdicts {
        println!("{verdict}");
    }
    println!("{}", out.join("patch.md").display());
    judged(failed.len(), &verdicts, options.quick)
}

/// A run that failed says nothing of speed, and small inputs do not either.
fn judged(failed: usize, verdicts: &[Verdict], quick: bool) -> Result<(), Failure> {
    if failed > 0 {
        return Err(Failure::new(format!("{failed} runs failed")));
    }
    let missed = verdicts.iter().filter(|verdict| verdict.holds() == Some(false)).count();
    if missed > 0 && !quick {
        return Err(Failure::missed(format!("targets missed: {missed}")));
    }
    Ok(())
}

fn runs(case: &Case, who: Contender, round: usize, options: &Options) -> bool {
    if round == 0 {
        // A peer's loop over many bases is not worth being done twice: most of it is warm.
        return who.warms_up() && (who.is_product() || case.bases == 1);
    }
    round <= case.rounds(who, options)
}

/// Another begins in each round.
fn in_turn(mut contenders: Vec<Contender>, round: usize) -> Vec<Contender> {
    let count = contenders.len().max(1);
    contenders.rotate_left(round % count);
    contenders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_begins_in_each_round() {
        let usual = Contender::USUAL.to_vec();
        let first = |round| in_turn(usual.clone(), round).first().copied();
        let begin: Vec<_> = (0..5).filter_map(first).collect();
        assert_eq!(begin, [usual.clone(), vec![Contender::Product]].concat());
        assert!(in_turn(Vec::new(), 3).is_empty());
    }

    #[test]
    fn a_missed_target_is_told_by_the_exit_code() {
        let measured =
            |measured| Verdict { what: "wall".to_owned(), measured, from: 0.0, to: 1.0, unit: "" };
        let (good, bad, none) = (measured(Some(1.0)), measured(Some(1.1)), measured(None));
        let said = |failed, verdicts: &[Verdict], quick| {
            judged(failed, verdicts, quick).map_err(|failure| failure.to_string())
        };
        assert_eq!(said(0, &[good.clone(), none], false), Ok(()));
        let both = [good, bad];
        assert_eq!(said(0, &both, false), Err("targets missed: 1".to_owned()));
        assert_eq!(said(0, &both, true), Ok(()));
        assert_eq!(said(2, &both, false), Err("2 runs failed".to_owned()));
        let code = judged(0, &both, false).unwrap_err().report();
        assert_eq!(code, std::process::ExitCode::from(10));
    }

    #[test]
    fn only_who_remembers_has_a_round_that_is_not_timed() {
        let options = Options::parse(&[]).unwrap();
        let cases = Case::all(&options);
        let named = |name: &str| cases.iter().find(|case| case.name == name).unwrap();
        for (case, who, round, expected) in [
            ("middle", Contender::Product, 0, true),
            ("middle", Contender::ProductCold, 0, false),
            ("middle", Contender::Crane, 0, false),
            ("middle", Contender::Buildah, 0, true),
            ("middle", Contender::Crane, 5, true),
            ("bases-30", Contender::Product, 0, true),
            ("bases-30", Contender::Buildah, 0, false),
            ("bases-30", Contender::Buildah, 1, true),
            ("bases-30", Contender::Buildah, 2, false),
            ("bases-30", Contender::Product, 2, true),
        ] {
            assert_eq!(runs(named(case), who, round, &options), expected, "{case} {who:?} {round}");
        }
    }
}
