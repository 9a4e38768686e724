//! What was measured, and what becomes of several measurements of the same.

use serde_json::{Value, json};

use super::case::Case;
use super::contender::Contender;
use super::registry::Traffic;
use crate::bench::process::Measured;
use crate::bench::statistics::{median, range, ratio};

/// One run.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) case: String,
    pub(super) contender: Contender,
    /// From 1.
    pub(super) round: usize,
    pub(super) measured: Measured,
    pub(super) traffic: Traffic,
    /// Compressed size of the new layer, bytes, mean of the architectures.
    pub(super) layer: f64,
    /// Load of the machine before the run.
    pub(super) load: f64,
}

/// A quantity of a run.
pub(super) type Quantity = fn(&Sample) -> f64;

/// Bytes and counts here are far below what a float holds exactly.
pub(super) fn float(number: u64) -> f64 {
    u32::try_from(number >> 20).map_or(f64::MAX, f64::from) * 1_048_576.0
        + u32::try_from(number & 0xf_ffff).map_or(0.0, f64::from)
}

pub(super) const WALL: Quantity = |sample| sample.measured.wall;
pub(super) const CPU: Quantity = |sample| sample.measured.cpu;
pub(super) const PEAK: Quantity = |sample| float(sample.measured.peak);
pub(super) const REQUESTS: Quantity = |sample| float(sample.traffic.requests);
pub(super) const UP: Quantity = |sample| float(sample.traffic.up);
pub(super) const DOWN: Quantity = |sample| float(sample.traffic.down);
pub(super) const MOVED: Quantity = |sample| UP(sample) + DOWN(sample);
pub(super) const LAYER: Quantity = |sample| sample.layer;

/// All runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples(pub(super) Vec<Sample>);

impl Samples {
    /// A quantity of a contender in a case, by round.
    pub(super) fn of(&self, case: &Case, who: Contender, what: Quantity) -> Vec<(usize, f64)> {
        let all = self.0.iter().filter(|s| s.case == case.name && s.contender == who);
        all.map(|sample| (sample.round, what(sample))).collect()
    }

    pub(super) fn values(&self, case: &Case, who: Contender, what: Quantity) -> Vec<f64> {
        self.of(case, who, what).into_iter().map(|(_, value)| value).collect()
    }

    pub(super) fn median(&self, case: &Case, who: Contender, what: Quantity) -> Option<f64> {
        median(&self.values(case, who, what))
    }

    pub(super) fn range(&self, case: &Case, who: Contender, what: Quantity) -> Option<(f64, f64)> {
        range(&self.values(case, who, what))
    }

    /// Median of the ratios of pairs of one round.
    pub(super) fn ratio(
        &self,
        what: Quantity,
        a: (&Case, Contender),
        b: (&Case, Contender),
    ) -> Option<f64> {
        ratio(&self.of(a.0, a.1, what), &self.of(b.0, b.1, what))
    }
}

impl Sample {
    /// With the names and units of the JSON report.
    pub(super) fn json(&self) -> Value {
        json!({
            "case": self.case,
            "contender": self.contender.name(),
            "round": self.round,
            "wallSeconds": self.measured.wall,
            "cpuSeconds": self.measured.cpu,
            "peakBytes": self.measured.peak,
            "requests": self.traffic.requests,
            "upBytes": self.traffic.up,
            "downBytes": self.traffic.down,
            "layerBytes": self.layer,
            "load": self.load,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::float;

    #[test]
    fn counts_stay_exact() {
        for (number, expected) in
            [(0, 0.0), (1, 1.0), (1_048_577, 1_048_577.0), (600_000_000_001, 600_000_000_001.0)]
        {
            assert!((float(number) - expected).abs() < 0.5, "{number}");
        }
    }
}
