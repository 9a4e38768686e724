//! The work: one axis is varied at a time around the case in the middle.

use std::time::Duration;

use super::compression::{COMPRESSIONS, Compression};
use super::contender::Contender;
use super::options::Options;

/// Where the patched image goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    SameRepository,
    OtherRepository,
    OtherRegistry,
}

/// One piece of work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Case {
    pub(super) name: String,
    /// Size of the new program, MB.
    pub(super) file: u64,
    /// How many architectures.
    pub(super) architectures: usize,
    /// Compressed size of the base, MB an architecture.
    pub(super) base: u64,
    pub(super) place: Place,
    /// Added to each round trip.
    pub(super) delay: Duration,
    /// Bases that the same fix goes onto.
    pub(super) bases: usize,
    /// True if the product gets a plan, which is how it takes several bases.
    pub(super) planned: bool,
    /// How the product compresses; absent: as it does if nobody says.
    pub(super) compression: Option<Compression>,
}

impl Case {
    /// All cases of a run.
    pub(super) fn all(options: &Options) -> Vec<Self> {
        let (small, file, base, many) =
            if options.quick { ([1, 4], 12, 80, [2, 4]) } else { ([1, 54], 129, 600, [10, 30]) };
        let middle = Self {
            name: "middle".into(),
            file,
            architectures: 2,
            base: 40,
            place: Place::SameRepository,
            delay: Duration::ZERO,
            bases: 1,
            planned: false,
            compression: None,
        };
        let vary = |name: String, change: &dyn Fn(&mut Self)| {
            let mut case = Self { name, ..middle.clone() };
            change(&mut case);
            case
        };
        let mut cases = vec![middle.clone()];
        for mb in small {
            cases.push(vary(format!("file-{mb}"), &|case| case.file = mb));
        }
        cases.push(vary("arch-1".into(), &|case| case.architectures = 1));
        cases.push(vary(format!("base-{base}"), &|case| case.base = base));
        for (name, place) in
            [("other-repository", Place::OtherRepository), ("other-registry", Place::OtherRegistry)]
        {
            cases.push(vary(name.into(), &|case| case.place = place));
        }
        cases.push(vary("delay-20".into(), &|case| case.delay = Duration::from_millis(20)));
        for bases in [1, many[0], many[1]] {
            cases.push(vary(format!("bases-{bases}"), &|case| {
                case.bases = bases;
                case.planned = true;
            }));
        }
        for compression in COMPRESSIONS {
            cases.push(vary(compression.case(), &|case| case.compression = Some(compression)));
        }
        let only = &options.only;
        cases.retain(|case| only.is_empty() || only.iter().any(|part| case.name.starts_with(part)));
        cases
    }

    /// Who does it. Where a peer does the same work in another case, it does not here.
    pub(super) fn contenders(&self, options: &Options) -> Vec<Contender> {
        let mut contenders = match self.name.as_str() {
            "middle" => {
                [&[Contender::Product, Contender::ProductCold][..], &Contender::PEERS[..]].concat()
            }
            // Each peer has one way to compress.
            _ if self.compression.is_some() => vec![Contender::Product],
            "bases-1" => vec![Contender::Product],
            _ => Contender::USUAL.to_vec(),
        };
        if let Some(peers) = &options.peers {
            contenders.retain(|contender| contender.is_product() || peers.contains(contender));
        }
        contenders
    }

    /// How often a contender is timed: loops over many bases take minutes, and the more bases a run
    /// has the less one base matters, so that peers do them once.
    pub(super) fn rounds(&self, contender: Contender, options: &Options) -> usize {
        if self.bases > 1 && !contender.is_product() { 1 } else { options.rounds }
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, Place};
    use crate::bench::patch::contender::Contender;
    use crate::bench::patch::options::Options;

    fn options(args: &[&str]) -> Options {
        Options::parse(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn one_axis_is_varied_at_a_time() {
        let cases = Case::all(&options(&[]));
        let middle = &cases[0];
        for case in &cases[1..] {
            let differences = [
                case.file != middle.file,
                case.architectures != middle.architectures,
                case.base != middle.base,
                case.place != middle.place,
                case.delay != middle.delay,
                case.planned,
                case.compression.is_some(),
            ];
            let count = differences.iter().filter(|differs| **differs).count();
            assert_eq!(count, 1, "{case:?}");
        }
        let names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(
            names.join(" "),
            "middle file-1 file-54 arch-1 base-600 other-repository other-registry delay-20 \
             bases-1 bases-10 bases-30 compression-gzip-1 compression-gzip-2 compression-gzip-3 \
             compression-gzip-6 compression-gzip-9 compression-zstd-1 compression-zstd-3 \
             compression-zstd-9 compression-none"
        );
        assert_eq!((middle.file, middle.place), (129, Place::SameRepository));
    }

    #[test]
    fn cases_and_peers_are_chosen_by_name() {
        let options = options(&["--only", "bases,middle", "--peers", "crane"]);
        let cases = Case::all(&options);
        assert_eq!(cases.len(), 4);
        let (product, cold) = (Contender::Product, Contender::ProductCold);
        assert_eq!(cases[0].contenders(&options), [product, cold, Contender::Crane]);
        assert_eq!(cases[1].contenders(&options), [product]);
        let zstd = Case::all(&self::options(&["--only", "compression-zstd"]));
        assert_eq!(zstd.len(), 3);
        assert!(zstd.iter().all(|case| case.contenders(&options) == [product]));
        let many = &cases[3];
        assert_eq!(many.contenders(&options), [product, Contender::Crane]);
        assert_eq!(many.rounds(product, &options), 5);
        assert_eq!(many.rounds(Contender::Crane, &options), 1);
    }
}
