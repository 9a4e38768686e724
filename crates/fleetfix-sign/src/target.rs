//! The images that are meant, and what their signatures will call them.

use fleetfix_model::document::{FixPlan, from_canonical};
use fleetfix_model::name::{RepositoryPath, Tag};
use fleetfix_model::{Digest, Reference, Repository, Timestamp, canonical};
use fleetfix_registry::{Client, Image, Store};
use fleetfix_task::{Failure, file};

use crate::identity::{Identity, NotAnIdentity};
use crate::{Args, Error};

/// What the command line asks for, checked as far as it can be without a registry.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// Images that a plan calls for, all in one repository.
    Planned {
        /// Where they are.
        repository: Repository,
        /// Their tags, with what they will be called.
        images: Vec<(Tag, Identity)>,
    },
    /// One image.
    Image(Reference, Identity),
}

/// One image to sign.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it was found, for people.
    pub place: Reference,
    /// The repository that it is in.
    pub store: Store,
    /// What its signatures call it.
    pub identity: Identity,
    /// Its index and every image manifest, or its one manifest.
    pub digests: Vec<Digest>,
}

impl Chosen {
    /// Reads the plan, or takes the image. `now` is when waivers are judged.
    pub fn new(args: &Args, now: Timestamp) -> Result<Self, Failure> {
        match (&args.plan, &args.from, &args.fleet, &args.image) {
            (Some(plan), Some(from), Some(fleet), None) => {
                let bytes = file::read_bounded(plan, canonical::MAX_SIZE as u64)?;
                let plan = from_canonical(&plan.display().to_string(), &bytes)?;
                Ok(Self::planned(&plan, from, fleet, now)?)
            }
            (None, _, _, Some(image)) => {
                let identity = match &args.docker_reference {
                    Some(name) if name.digest.is_some() => {
                        Err(NotAnIdentity::Digest { found: name.clone() })
                    }
                    Some(name) => Identity::of_image(name),
                    None => Identity::of_image(image),
                };
                Ok(Self::Image(image.clone(), identity.map_err(Error::Identity)?))
            }
            _ => Err(Failure::usage("give --plan, --from and --fleet, or --image")),
        }
    }

    /// The images of `plan` below `from`, named as they will be below `fleet`, unless a finding stops it
    /// now.
    pub fn planned(
        plan: &FixPlan,
        from: &Repository,
        fleet: &Repository,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let findings: Vec<_> = plan.stopping(now).map(|f| f.id.to_string()).collect();
        if !findings.is_empty() {
            let findings = findings.join(", ");
            return Err(Error::Blocked { id: plan.id.clone(), findings });
        }
        if fleet.layout_dir().is_some() {
            return Err(Error::Fleet { fleet: fleet.clone() });
        }
        let component: RepositoryPath = plan
            .component
            .as_str()
            .parse()
            .map_err(|source| Error::Component { component: plan.component.to_string(), source })?;
        let called = fleet.below(&component);
        let images = plan
            .bases
            .iter()
            .map(|base| {
                let no_tag = || Error::NoTag { id: plan.id.clone(), base: base.digest };
                let tag = plan.image_tag(base.digest).ok_or_else(no_tag)?;
                let identity = Identity::new(&called, tag.clone());
                Ok((tag, identity.map_err(Error::Identity)?))
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self::Planned { repository: from.below(&component), images })
    }

    /// Finds all of it before anything is signed.
    pub async fn find(&self, client: &Client) -> Result<Vec<Target>, Failure> {
        match self {
            Self::Planned { repository, images } => {
                let store = client.store(repository);
                let mut targets = Vec::new();
                for (tag, identity) in images {
                    let place = repository.tagged(tag.clone());
                    let image = Image::find(&store, tag)
                        .await?
                        .ok_or_else(|| Error::NotPatched { image: place.clone() })?;
                    targets.push(Target::new(place, &store, identity, &image));
                }
                Ok(targets)
            }
            Self::Image(reference, identity) => {
                let store = client.store(&reference.repository);
                let image = Image::get(&store, reference).await?;
                Ok(vec![Target::new(reference.clone(), &store, identity, &image)])
            }
        }
    }
}

impl Target {
    fn new(place: Reference, store: &Store, identity: &Identity, image: &Image) -> Self {
        let (store, identity) = (store.clone(), identity.clone());
        Self { place, store, identity, digests: image.digests() }
    }
}
