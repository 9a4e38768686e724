//! The tables: Markdown for people, JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::case::Case;
use super::compression;
use super::contender::Contender;
use super::options::Options;
use super::sample::{CPU, DOWN, LAYER, PEAK, Quantity, REQUESTS, Sample, Samples, UP, WALL};
use super::verdict::Verdict;
use crate::failure::Failure;

/// All that a report is made from.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) options: &'a Options,
    pub(super) cases: &'a [Case],
    pub(super) samples: &'a Samples,
    /// What the samples say about each target.
    pub(super) verdicts: &'a [Verdict],
    pub(super) machine: &'a BTreeMap<&'static str, String>,
    pub(super) versions: &'a BTreeMap<&'static str, String>,
    /// Runs that failed, with what they said.
    pub(super) failed: &'a [String],
}

impl Report<'_> {
    /// Writes `patch.md` and `patch.json`.
    pub(super) fn write(&self, dir: &Path) -> Result<(), Failure> {
        std::fs::create_dir_all(dir).map_err(Failure::at(dir))?;
        for (name, text) in
            [("patch.md", self.markdown()), ("patch.json", format!("{:#}\n", self.json()))]
        {
            let path = dir.join(name);
            std::fs::write(&path, text).map_err(Failure::at(&path))?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let verdict = |verdict: &Verdict| {
            json!({
                "what": verdict.what,
                "measured": verdict.measured,
                "from": verdict.from,
                "to": verdict.to,
                "holds": verdict.holds(),
            })
        };
        json!({
            "quick": self.options.quick,
            "rounds": self.options.rounds,
            "machine": self.machine,
            "versions": self.versions,
            "failed": self.failed,
            "verdicts": self.verdicts.iter().map(verdict).collect::<Vec<Value>>(),
            "samples": self.samples.0.iter().map(Sample::json).collect::<Vec<Value>>(),
        })
    }

    fn markdown(&self) -> String {
        let mut text = String::from("# Bench: patch\n\n");
        if self.options.quick {
            text.push_str(
                "Quick inputs: this run shows that the bench works, not how fast anything is.\n\n",
            );
        }
        for (name, value) in self.machine.iter().chain(self.versions) {
            let _ = writeln!(text, "- {name}: {value}");
        }
        text.push_str("\n## Targets\n\n");
        for verdict in self.verdicts {
            let _ = writeln!(text, "- {verdict}");
        }
        if !self.failed.is_empty() {
            text.push_str("\n## Failed runs\n\n");
            for failed in self.failed {
                let _ = writeln!(text, "```\n{}\n```", failed.trim_end());
            }
        }
        for case in self.cases {
            self.table(case, &mut text);
        }
        text.push_str(&compression::table(self.cases, self.samples));
        text
    }

    fn table(&self, case: &Case, text: &mut String) {
        let mut contenders: Vec<Contender> = case.contenders(self.options);
        contenders.retain(|who| !self.samples.of(case, *who, WALL).is_empty());
        if contenders.is_empty() {
            return;
        }
        let Case { name, file, architectures, base, place, delay, bases, .. } = case;
        let _ = writeln!(
            text,
            "\n## {name}\n\n{file} MB, {architectures} architectures, base of {base} MB, {place:?}, {} ms, {bases} bases\n",
            delay.as_millis()
        );
        text.push_str(HEAD);
        for who in contenders {
            let ratio = |what: Quantity| {
                let ratio = self.samples.ratio(what, (case, Contender::Product), (case, who));
                let ratio = ratio.filter(|_| who != Contender::Product);
                ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
            };
            let (low, high) = self.samples.range(case, who, WALL).unwrap_or_default();
            let number = |what: Quantity, unit: f64, digits: usize| {
                let median = self.samples.median(case, who, what).unwrap_or_default();
                format!("{:.digits$}", median / unit)
            };
            let columns = [
                who.name().to_owned(),
                self.samples.of(case, who, WALL).len().to_string(),
                number(WALL, 1.0, 2),
                format!("{low:.2} to {high:.2}"),
                ratio(WALL),
                number(CPU, 1.0, 2),
                ratio(CPU),
                number(PEAK, 1_048_576.0, 1),
                number(REQUESTS, 1.0, 0),
                number(UP, 1e6, 2),
                number(DOWN, 1e6, 2),
                number(LAYER, 1e6, 2),
            ];
            let _ = writeln!(text, "| {} |", columns.join(" | "));
        }
    }
}

const HEAD: &str = "\
| contender | runs | wall s | range | fleetfix / it | CPU s | fleetfix / it | peak MiB | requests | up MB | down MB | layer MB |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::patch::registry::Traffic;
    use crate::bench::patch::verdict::verdicts;
    use crate::bench::process::Measured;

    #[test]
    fn a_row_holds_medians_and_a_ratio_of_pairs() {
        let options = Options::parse(&["--only".into(), "middle".into()]).unwrap();
        let cases = Case::all(&options);
        let sample = |contender, round, wall| Sample {
            case: "middle".into(),
            contender,
            round,
            measured: Measured { wall, cpu: 2.0 * wall, peak: 16 << 20 },
            traffic: Traffic { requests: 21, up: 107_000_000, down: 12_000 },
            layer: 53.5e6,
            load: 0.5,
        };
        let samples = Samples(vec![
            sample(Contender::Product, 1, 1.0),
            sample(Contender::Product, 2, 1.5),
            sample(Contender::Product, 3, 2.5),
            sample(Contender::Crane, 1, 4.0),
            sample(Contender::Crane, 2, 5.0),
            sample(Contender::Crane, 3, 5.0),
        ]);
        let facts = BTreeMap::from([("crane", "v0".to_owned())]);
        let report = Report {
            options: &options,
            cases: &cases,
            samples: &samples,
            verdicts: &verdicts(&cases, &samples),
            machine: &facts,
            versions: &facts,
            failed: &["middle: regctl: round 2: it said so".to_owned()],
        };
        let text = report.markdown();
        for row in [
            "| fleetfix | 3 | 1.50 | 1.00 to 2.50 | - | 3.00 | - | 16.0 | 21 | 107.00 | 0.01 | 53.50 |",
            "| crane | 3 | 5.00 | 4.00 to 5.00 | 0.30 | 10.00 | 0.30 | 16.0 | 21 | 107.00 | 0.01 | 53.50 |",
            "- crane: v0",
            "middle: regctl: round 2: it said so",
            "- reached: wall against crane: 0.300, wanted at most 0.35",
        ] {
            assert!(text.lines().any(|line| line == row), "no `{row}` in\n{text}");
        }
        assert!(!text.contains("regctl |"), "{text}");
        let json = report.json();
        assert_eq!(json["samples"][0]["contender"], "fleetfix");
        assert_eq!(json["samples"][0]["peakBytes"], 16 << 20);
    }
}
