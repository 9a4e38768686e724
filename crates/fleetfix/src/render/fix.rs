//! The fix that is for one HostedCluster.

use fleetfix_audit::bundle::Contents;
use fleetfix_hypershift::annotations::{self, HostedCluster, Patch, survives_upgrade};
use fleetfix_model::Reference;
use fleetfix_model::document::bundle::PatchedImage;
use fleetfix_model::document::delivery::DeliveryMethod;
use fleetfix_model::document::finding::Waiver;
use fleetfix_task::{Context, Failure};

use super::cluster::ClusterArgs;
use super::source::Source;
use super::targets;

/// Which cluster, and which fix.
#[derive(Debug, clap::Args)]
pub struct FixArgs {
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Component of the bundle that is meant, where several are active
    #[arg(long, env = "FLEETFIX_COMPONENT", value_name = "TAG")]
    pub component: Option<String>,
    /// Where the bundles are.
    #[command(flatten)]
    pub source: Source,
}

/// The fix for one cluster.
#[derive(Debug)]
pub(super) struct Meant {
    /// The cluster.
    pub(super) cluster: HostedCluster,
    /// The bundle with its plan and request.
    pub(super) contents: Contents,
    /// How it gets there.
    pub(super) method: DeliveryMethod,
    /// The image for the cluster's version.
    pub(super) image: PatchedImage,
    /// Who accepted that it survives an upgrade.
    pub(super) waiver: Option<Waiver>,
}

impl FixArgs {
    /// Reads the cluster and the bundles, and finds what is for it.
    pub(super) async fn read(&self, context: &Context) -> Result<Meant, Failure> {
        let (object, cluster) = self.cluster.read()?;
        let contents = self.bundle(context).await?;
        let meant = Meant::new(cluster, contents)?;
        if let Some(targets) = &meant.contents.bundle.targets {
            let refuse = |why: String| Failure::refused(why).about(meant.cluster.name());
            let version = meant.cluster.version().map_err(refuse)?;
            let operator = self.cluster.operator_version.as_ref();
            targets::named(targets, &object, &version, operator).map_err(refuse)?;
        }
        Ok(meant)
    }

    /// The one bundle that is meant.
    async fn bundle(&self, context: &Context) -> Result<Contents, Failure> {
        let read = self.source.read(context).await?;
        let asked = |contents: &Contents| {
            let component = contents.bundle.component.as_str();
            self.component.as_ref().is_none_or(|asked| asked == component)
        };
        let mut found: Vec<Contents> = read.active.into_iter().filter(asked).collect();
        match (found.pop(), found.is_empty()) {
            (Some(contents), true) => Ok(contents),
            (None, _) => Err(Failure::refused("no active bundle is meant")
                .hint("see `fleetfix verify channel`; a paused bundle is none")),
            (Some(_), false) => Err(Failure::usage(
                "several bundles are active [say which with --bundle REF, or with --component TAG]",
            )),
        }
    }

    /// The patch that brings `image`, made from `base`, to the cluster.
    pub(super) fn patch(
        &self,
        meant: &Meant,
        image: &Reference,
        base: &Reference,
    ) -> Result<Patch, Failure> {
        let fix = annotations::Fix {
            component: &meant.contents.bundle.component,
            method: meant.method,
            image,
            base,
            waiver: meant.waiver.as_ref(),
        };
        Ok(annotations::patch(&meant.cluster, fix, self.cluster.place())?)
    }
}

impl Meant {
    fn new(cluster: HostedCluster, contents: Contents) -> Result<Self, Failure> {
        let refuse = |why: String| Failure::refused(why).about(cluster.name());
        let bundle = &contents.bundle;
        let version = cluster.version().map_err(refuse)?;
        let (platform, minor) = (cluster.platform(), version.minor());
        let not_meant = || {
            refuse(format!(
                "{} revision {} has nothing for {platform} {version}",
                bundle.id, bundle.revision
            ))
        };
        let affects = bundle.affects.iter().find(|a| (a.platform, a.minor) == (platform, minor));
        let covered = affects.and_then(|a| a.versions.iter().find(|v| v.version == version));
        let covered = covered.ok_or_else(not_meant)?;
        let image = bundle.images.iter().find(|image| image.index.digest == covered.image);
        let image = image.cloned().ok_or_else(not_meant)?;
        let delivery = bundle.delivery.iter().find(|d| (d.platform, d.minor) == (platform, minor));
        let method = delivery.map(|d| d.method).ok_or_else(not_meant)?;
        let accepted = survives_upgrade(platform, minor);
        let finding = contents.plan.findings.iter().find(|f| Some(&f.id) == accepted.as_ref());
        let waiver = finding.and_then(|finding| finding.waiver.clone());
        Ok(Self { cluster, contents, method, image, waiver })
    }

    /// Where clusters pull the image from: the fleet's own name.
    pub(super) fn reference(&self) -> Reference {
        self.contents.bundle.fleet.below(&self.image.repository).at(self.image.index.digest)
    }

    /// What it was made from.
    pub(super) fn base(&self) -> Reference {
        self.image.base.repository.at(self.image.base.digest)
    }
}
