//! The steps in their order, each beside the others where it does not need them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use fleetfix_model::{Digest, Repository};
use fleetfix_oci::edit::OtherManifests;
use fleetfix_oci::layer::{Content, Finished, Items, LaidOut};
use fleetfix_registry::{Client, Documents};
use fleetfix_task::Context;
use futures_util::future::{LocalBoxFuture, try_join, try_join3};
use futures_util::stream::{self, FuturesUnordered, StreamExt, TryStreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use crate::Error;
use crate::base::{self, Base};
use crate::compress::{Layers, Wanted, Works, wanted};
use crate::image;
use crate::indexes::Indexes;
use crate::job::{Files, Job};
use crate::programs::{Finding, Programs};
use crate::replaced::Replaced;
use crate::report::{PatchedImage, Report};
use crate::settings::Settings;
use crate::write::{self, Transfers};

/// Bases that are read, and images that are written, at a time.
pub(crate) const AT_ONCE: usize = 8;

/// Does the jobs: reads, compresses, edits, writes.
pub async fn patch(
    client: &Client,
    jobs: Vec<Job>,
    files: Files,
    settings: &Settings,
    context: &Context,
) -> Result<Report, Error> {
    context.step(format_args!("reading {} base images, compressing new files", jobs.len()));
    let replaced = Arc::new(Replaced::new(&jobs, settings.programs.as_deref()));
    let indexes = Arc::new(Indexes::new(settings.cache.clone(), Arc::clone(&replaced)));
    let run = Run {
        client,
        transfers: Transfers::new(client),
        programs: Programs::new(files.clone(), Arc::clone(&indexes), replaced),
        indexes,
        documents: settings.documents.clone(),
        others: settings.others,
        placed: Mutex::default(),
    };
    let wanted = wanted(&jobs);
    let meter = context.measure(wanted.iter().map(|wanted| wanted.size).sum());
    let (works, _stop) = Works::new(files, settings, meter);
    let (contents, new_contents) = unbounded_channel();
    let (archives, new_archives) = unbounded_channel();
    let (judged, early) = watch::channel(None);
    let ((), read, layers) = try_join3(
        compress(&works, wanted, contents),
        Box::pin(run.read(&works, jobs, archives, judged)),
        Box::pin(run.finish(&works, new_contents, new_archives, early)),
    )
    .await?;
    let (bases, findings): (Vec<_>, Vec<_>) = read.into_iter().unzip();

    let assemble = |base| image::assemble(base, &layers, settings.others);
    let patched: Vec<_> = bases.iter().map(assemble).collect::<Result<_, _>>()?;
    let images: Vec<_> =
        bases.iter().zip(&patched).map(|(base, patched)| write::Image { base, patched }).collect();
    context.step(format_args!("writing {} images with {} new layers", images.len(), layers.len()));
    Box::pin(write::all(&run.transfers, &images, &layers, context)).await?;

    let done = bases.iter().zip(&patched).zip(findings);
    let images: Vec<_> = done.map(|((b, p), findings)| PatchedImage::new(b, p, findings)).collect();
    for image in &images {
        for finding in &image.findings {
            context.step(format_args!("accepted: {}: {finding}", image.reference));
        }
        for note in &image.notes {
            context.step(format_args!("note: {}: {note}", image.reference));
        }
        for dropped in &image.dropped {
            context.step(format_args!(
                "note: {}: {dropped} is no image of the patched index, and is left out",
                image.reference
            ));
        }
        context.step(format_args!("patched {} as {}", image.reference, image.tag));
    }
    Ok(Report { images })
}

/// Compresses one content after the other: each uses all cores.
async fn compress(
    works: &Works,
    wanted: Vec<Wanted>,
    done: UnboundedSender<(Digest, Content)>,
) -> Result<(), Error> {
    for wanted in wanted {
        let content = works.content(wanted).await?;
        done.send(content).map_err(|_| Error::Abandoned { what: "a new content" })?;
    }
    Ok(())
}

/// An archive that waits for its large contents.
struct Archive {
    base: String,
    items: Arc<Items>,
    laid_out: LaidOut,
}

/// What became of a layer.
enum Event {
    Finished(Arc<Items>, Finished),
    Sent,
}

/// Where layers can go before all of them are there; nowhere, if that may turn out to be wrong.
type Early = BTreeMap<Arc<Items>, BTreeSet<Repository>>;

/// Entries of a layer, and the first base that gets it.
struct LayOut {
    base: String,
    items: Arc<Items>,
}

/// True if blobs can be written before all layers are there. A layout keeps what is written to it for
/// ever, so nothing goes there before all is known to be good. Where a tag is taken, or two are the
/// same, it depends on the layers whether that is refused, or whether anything is to be written at all.
fn is_early<'a>(bases: impl Iterator<Item = &'a Base>) -> bool {
    let mut tags = BTreeSet::new();
    let mut bases = bases;
    bases.all(|base| {
        let is_registry = matches!(base.job.to, Repository::Registry { .. });
        is_registry && base.tag_at.is_none() && tags.insert((&base.job.to, &base.job.tag))
    })
}

struct Run<'a> {
    client: &'a Client,
    indexes: Arc<Indexes>,
    documents: Option<Documents>,
    transfers: Transfers<'a>,
    programs: Programs,
    others: OtherManifests,
    /// Entries that are being laid out, or were.
    placed: Mutex<BTreeSet<Arc<Items>>>,
}

impl Run<'_> {
    /// Reads all bases, judges them, and lays out what goes onto them. Nothing is written before each
    /// of them was found to be good; what is then written is said to `judged`.
    async fn read(
        &self,
        works: &Works,
        jobs: Vec<Job>,
        archives: UnboundedSender<Archive>,
        judged: watch::Sender<Option<Early>>,
    ) -> Result<Vec<(Base, Vec<Finding>)>, Error> {
        let laying_out = async |archive: LayOut| {
            let LayOut { base, items } = archive;
            let laid_out = works.lay_out(base.clone(), Arc::clone(&items)).await?;
            let archive = Archive { base, items, laid_out };
            archives.send(archive).map_err(|_| Error::Abandoned { what: "a new layer" })
        };
        let (lay_out, to_lay_out) = unbounded_channel();
        let read = async {
            let read = |job| self.read_one(job, lay_out.clone());
            let read = stream::iter(jobs).map(read).buffered(AT_ONCE);
            let read: Vec<(Base, Vec<Finding>)> = read.try_collect().await?;
            drop(lay_out);
            for (base, _) in &read {
                image::rehearse(base, works.algorithm(), self.others)?;
            }
            let bases = || read.iter().map(|(base, _)| base);
            let find = |base| self.transfers.find_base(base);
            stream::iter(bases()).map(find).buffered(AT_ONCE).try_collect::<()>().await?;
            if !is_early(bases()) {
                judged.send_replace(Some(Early::new()));
                return Ok(read);
            }
            let each = |base| self.transfers.open(base);
            stream::iter(bases()).map(each).buffered(AT_ONCE).try_collect::<()>().await?;
            let mut early = Early::new();
            for base in bases() {
                for image in &base.images {
                    let to = early.entry(Arc::clone(&image.items)).or_default();
                    to.insert(base.job.to.clone());
                }
            }
            judged.send_replace(Some(early));
            let each = |base| self.transfers.copy_base(base);
            stream::iter(bases()).map(each).buffered(AT_ONCE).try_collect::<()>().await?;
            Ok(read)
        };
        let laid_out = stream::unfold(to_lay_out, async |mut to_lay_out| {
            to_lay_out.recv().await.map(|next| (next, to_lay_out))
        });
        let laid_out = laid_out.map(laying_out).buffer_unordered(AT_ONCE).try_collect::<()>();
        let (read, ()) = try_join(read, laid_out).await?;
        Ok(read)
    }

    async fn read_one(
        &self,
        job: Job,
        lay_out: UnboundedSender<LayOut>,
    ) -> Result<(Base, Vec<Finding>), Error> {
        let read = base::read(self.client, job, &self.indexes, self.documents.clone());
        let mut base = Box::pin(read).await?;
        let name = base.name();
        for image in &mut base.images {
            let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(same) = placed.get(&image.items) {
                image.items = Arc::clone(same);
                continue;
            }
            placed.insert(Arc::clone(&image.items));
            let base = format!("{name} ({})", image.platform);
            let next = LayOut { base, items: Arc::clone(&image.items) };
            lay_out.send(next).map_err(|_| Error::Abandoned { what: "a new layer" })?;
        }
        let findings = self.programs.check(&base).await?;
        for image in &mut base.images {
            image.written = Vec::new();
        }
        Ok((base, findings))
    }

    /// Puts layers together as their parts come, and sends them where that can be done already.
    async fn finish(
        &self,
        works: &Works,
        mut new_contents: UnboundedReceiver<(Digest, Content)>,
        mut new_archives: UnboundedReceiver<Archive>,
        early: watch::Receiver<Option<Early>>,
    ) -> Result<Layers, Error> {
        let mut contents = BTreeMap::new();
        let mut waiting: Vec<Archive> = Vec::new();
        let mut layers = Layers::default();
        let mut events: FuturesUnordered<LocalBoxFuture<'_, Result<Event, Error>>> =
            FuturesUnordered::new();
        loop {
            tokio::select! {
                Some((digest, content)) = new_contents.recv() => {
                    contents.insert(digest, content);
                }
                Some(archive) = new_archives.recv() => waiting.push(archive),
                Some(event) = events.next() => {
                    if let Event::Finished(items, finished) = event? {
                        let (sending, early) = (finished.clone(), early.clone());
                        events.push(Box::pin(self.send(Arc::clone(&items), sending, early)));
                        layers.insert(items, finished);
                    }
                }
                else => break,
            }
            let is_ready = |archive: &mut Archive| {
                archive.laid_out.lacks().all(|digest| contents.contains_key(&digest))
            };
            for Archive { base, items, laid_out } in waiting.extract_if(.., is_ready) {
                let lacks: BTreeSet<Digest> = laid_out.lacks().collect();
                let own = contents.iter().filter(|(digest, _)| lacks.contains(digest));
                let own = own.map(|(digest, content)| (*digest, content.clone())).collect();
                events.push(Box::pin(async move {
                    let finished = works.finish(base, laid_out, own).await?;
                    Ok(Event::Finished(items, finished))
                }));
            }
        }
        if waiting.is_empty() { Ok(layers) } else { Err(Error::Abandoned { what: "a new layer" }) }
    }

    /// Sends a layer to all repositories that it can go to before others are finished.
    async fn send(
        &self,
        items: Arc<Items>,
        layer: Finished,
        mut early: watch::Receiver<Option<Early>>,
    ) -> Result<Event, Error> {
        let early = early.wait_for(Option::is_some).await;
        let early = early.map_err(|_| Error::Abandoned { what: "a new layer" })?;
        let to = early.as_ref().and_then(|early| early.get(&items)).cloned().unwrap_or_default();
        drop(early);
        for to in to {
            self.transfers.send_layer(&to, &layer).await?;
        }
        Ok(Event::Sent)
    }
}
