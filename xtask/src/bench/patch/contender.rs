//! Who does the work: the product and its peers, each as one would use it.

/// A program, or a way of using one.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Contender {
    /// The product, with what it remembers of bases from an earlier run.
    Product,
    /// The product on a machine that has never seen the base.
    ProductCold,
    /// One `crane mutate --append` an architecture, one `crane index append`.
    Crane,
    /// The same with all architectures at once.
    CraneParallel,
    /// One `regctl image mod --layer-add`.
    Regctl,
    /// `buildah build` and `buildah manifest push`, the base in its storage already.
    Buildah,
    /// The same with an empty storage, as a pipeline step has it.
    BuildahCold,
}

impl Contender {
    pub(super) const PEERS: [Self; 5] =
        [Self::Crane, Self::CraneParallel, Self::Regctl, Self::Buildah, Self::BuildahCold];

    /// Those that every case has.
    pub(super) const USUAL: [Self; 4] = [Self::Product, Self::Crane, Self::Regctl, Self::Buildah];

    /// As tables and the command line name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Product => "fleetfix",
            Self::ProductCold => "fleetfix-cold",
            Self::Crane => "crane",
            Self::CraneParallel => "crane-parallel",
            Self::Regctl => "regctl",
            Self::Buildah => "buildah",
            Self::BuildahCold => "buildah-cold",
        }
    }

    pub(super) fn is_product(self) -> bool {
        matches!(self, Self::Product | Self::ProductCold)
    }

    /// True if what it keeps between runs is thrown away before each.
    pub(super) fn is_cold(self) -> bool {
        matches!(self, Self::ProductCold | Self::BuildahCold)
    }

    /// True if an earlier run makes the next one quicker.
    pub(super) fn warms_up(self) -> bool {
        matches!(self, Self::Product | Self::Buildah)
    }
}
