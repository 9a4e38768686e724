//! What was measured against what is wanted.

use std::fmt;

use super::case::Case;
use super::contender::Contender;
use super::sample::{LAYER, MOVED, PEAK, Samples, WALL};

/// One target.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) what: String,
    /// Absent: not measured in this run.
    pub(super) measured: Option<f64>,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) unit: &'static str,
}

impl Verdict {
    /// Absent: not measured in this run.
    pub(super) fn holds(&self) -> Option<bool> {
        self.measured.map(|measured| (self.from..=self.to).contains(&measured))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, from, to, unit, .. } = self;
        let word = match self.holds() {
            Some(true) => "reached",
            Some(false) => "MISSED",
            None => "not measured",
        };
        write!(f, "{word}: {what}: ")?;
        if let Some(measured) = self.measured {
            write!(f, "{measured:.3}{unit}, ")?;
        }
        if *from > 0.0 {
            write!(f, "wanted {from} to {to}{unit}")
        } else {
            write!(f, "wanted at most {to}{unit}")
        }
    }
}

/// A MiB.
const MIB: f64 = 1_048_576.0;

/// Every target, with what these samples say about it.
pub(super) fn verdicts(cases: &[Case], samples: &Samples) -> Vec<Verdict> {
    let product = Contender::Product;
    let middle = cases.iter().find(|case| case.name == "middle");
    let at_most = |what: String, measured: Option<f64>, to: f64, unit: &'static str| Verdict {
        what,
        measured,
        from: 0.0,
        to,
        unit,
    };
    let against = |what, peer| {
        middle.and_then(|middle| samples.ratio(what, (middle, product), (middle, peer)))
    };
    let mut verdicts = Vec::new();
    for (peer, target) in
        [(Contender::Crane, 0.35), (Contender::Regctl, 0.22), (Contender::Buildah, 0.16)]
    {
        let what = format!("wall against {}", peer.name());
        verdicts.push(at_most(what, against(WALL, peer), target, ""));
    }
    let layer = against(LAYER, Contender::Crane);
    verdicts.push(at_most("size of a layer against crane's".into(), layer, 1.0, ""));

    let large = cases.iter().filter(|case| !case.planned).max_by_key(|case| case.base);
    let large = large.filter(|large| middle.is_some_and(|middle| large.base > middle.base));
    for (name, what) in [("wall", WALL), ("bytes moved", MOVED)] {
        let measured = middle
            .zip(large)
            .and_then(|(middle, large)| samples.ratio(what, (large, product), (middle, product)));
        let what = format!("{name} with the large base against the small one");
        verdicts.push(Verdict { what, measured, from: 0.9, to: 1.1, unit: "" });
    }

    let planned = |count: &dyn Fn(&usize) -> bool| {
        cases.iter().filter(|case| case.planned && count(&case.bases)).max_by_key(|case| case.bases)
    };
    let (one, many) = (planned(&|bases| *bases == 1), planned(&|bases| *bases > 1));
    let measured =
        one.zip(many).and_then(|(one, many)| samples.ratio(WALL, (many, product), (one, product)));
    let bases = many.map_or_else(|| "many".to_owned(), |case| case.bases.to_string());
    verdicts.push(at_most(format!("wall with {bases} bases against 1"), measured, 1.3, ""));

    for case in cases.iter().filter(|case| case.name == "middle" || case.name.starts_with("file-"))
    {
        let peak = samples.range(case, product, PEAK).map(|(_, highest)| highest / MIB);
        let what = format!("peak of memory with {} MB", case.file);
        verdicts.push(at_most(what, peak, 32.0, " MiB"));
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::patch::options::Options;
    use crate::bench::patch::registry::Traffic;
    use crate::bench::patch::sample::Sample;
    use crate::bench::process::Measured;

    fn sample(case: &str, contender: Contender, round: usize, wall: f64) -> Sample {
        let measured = Measured { wall, cpu: 1.0, peak: 40 << 20 };
        let traffic = Traffic { requests: 1, up: 100, down: 10 };
        Sample { case: case.into(), contender, round, measured, traffic, layer: 50.0, load: 0.0 }
    }

    #[test]
    fn targets_are_held_against_pairs_of_one_round() {
        let cases = Case::all(&Options::parse(&[]).unwrap());
        let samples = Samples(vec![
            sample("middle", Contender::Product, 1, 1.0),
            sample("middle", Contender::Crane, 1, 4.0),
            sample("middle", Contender::Product, 2, 3.0),
            sample("middle", Contender::Crane, 2, 4.0),
            sample("base-600", Contender::Product, 1, 1.05),
            sample("bases-1", Contender::Product, 1, 1.0),
            sample("bases-30", Contender::Product, 1, 1.2),
        ]);
        let said: Vec<String> =
            verdicts(&cases, &samples).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "MISSED: wall against crane: 0.500, wanted at most 0.35",
                "not measured: wall against regctl: wanted at most 0.22",
                "not measured: wall against buildah: wanted at most 0.16",
                "reached: size of a layer against crane's: 1.000, wanted at most 1",
                "reached: wall with the large base against the small one: 1.050, wanted 0.9 to 1.1",
                "reached: bytes moved with the large base against the small one: 1.000, wanted 0.9 to 1.1",
                "reached: wall with 30 bases against 1: 1.200, wanted at most 1.3",
                "MISSED: peak of memory with 129 MB: 40.000 MiB, wanted at most 32 MiB",
                "not measured: peak of memory with 1 MB: wanted at most 32 MiB",
                "not measured: peak of memory with 54 MB: wanted at most 32 MiB",
            ]
        );
    }
}
