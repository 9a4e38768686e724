//! The steps in their order, each beside the others where it does not need them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use fleetfix_model::{Digest, Repository};
use fleetfix_oci::layer::{Content, Finished, Items, LaidOut};
use fleetfix_registry::Client;
use fleetfix_task::Context;
use futures_util::future::{LocalBoxFuture, try_join3};
use futures_util::stream::{self, FuturesUnordered, StreamExt, TryStreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::Error;
use crate::base::{self, Base};
use crate::compress::{Layers, Wanted, Works, wanted};
use crate::image;
use crate::indexes::Indexes;
use crate::job::{Files, Job};
use crate::programs::{Finding, Programs};
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
    let run = Run {
        client,
        indexes: Indexes::new(settings.cache.clone()),
        transfers: Transfers::new(client),
        programs: Programs::new(files.clone(), settings.programs.as_deref()),
        placed: Mutex::default(),
    };
    let wanted = wanted(&jobs);
    let meter = context.measure(wanted.iter().map(|wanted| wanted.size).sum());
    let (works, _stop) = Works::new(files, settings, meter);
    let (contents, new_contents) = unbounded_channel();
    let (archives, new_archives) = unbounded_channel();
    let ((), read, layers) = try_join3(
        compress(&works, wanted, contents),
        Box::pin(run.read(&works, jobs, archives)),
        Box::pin(run.finish(&works, new_contents, new_archives)),
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
    items: Items,
    laid_out: LaidOut,
    /// Where the layer can go at once.
    to: Option<Repository>,
}

/// What became of a layer.
enum Event {
    Finished(Items, Finished),
    Sent,
}

struct Run<'a> {
    client: &'a Client,
    indexes: Indexes,
    transfers: Transfers<'a>,
    programs: Programs,
    /// Entries that are being laid out, or were.
    placed: Mutex<BTreeSet<Items>>,
}

impl Run<'_> {
    /// Reads all bases, and lays out what goes onto them.
    async fn read(
        &self,
        works: &Works,
        jobs: Vec<Job>,
        archives: UnboundedSender<Archive>,
    ) -> Result<Vec<(Base, Vec<Finding>)>, Error> {
        let read = |job| self.read_one(works, job, archives.clone());
        stream::iter(jobs).map(read).buffered(AT_ONCE).try_collect().await
    }

    async fn read_one(
        &self,
        works: &Works,
        job: Job,
        archives: UnboundedSender<Archive>,
    ) -> Result<(Base, Vec<Finding>), Error> {
        let base = Box::pin(base::read(self.client, job, &self.indexes)).await?;
        // A layout keeps what is written to it for ever, so nothing goes there before all is known
        // to be good. Where the tag is taken, it may be that nothing is to be written at all.
        let early = matches!(base.job.to, Repository::Registry { .. }) && base.tag_at.is_none();
        let to = early.then(|| base.job.to.clone());
        let mut lay_out = Vec::new();
        for image in &base.images {
            let items = &image.placed.items;
            let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
            if placed.insert(items.clone()) {
                lay_out.push((format!("{} ({})", base.name(), image.platform), items.clone()));
            }
        }
        if early {
            self.transfers.open(&base).await?;
        }
        let lay_out = stream::iter(lay_out).map(|(base, items): (String, Items)| {
            let (archives, to) = (archives.clone(), to.clone());
            async move {
                let laid_out = works.lay_out(base.clone(), items.clone()).await?;
                let archive = Archive { base, items, laid_out, to };
                archives.send(archive).map_err(|_| Error::Abandoned { what: "a new layer" })
            }
        });
        let lay_out = lay_out.buffer_unordered(2).try_collect::<()>();
        let copy = async { if early { self.transfers.copy_base(&base).await } else { Ok(()) } };
        let programs = self.programs.check(&base);
        let (findings, (), ()) = try_join3(programs, lay_out, copy).await?;
        Ok((base, findings))
    }

    /// Puts layers together as their parts come, and sends them where that can be done already.
    async fn finish(
        &self,
        works: &Works,
        mut new_contents: UnboundedReceiver<(Digest, Content)>,
        mut new_archives: UnboundedReceiver<Archive>,
    ) -> Result<Layers, Error> {
        let mut contents = BTreeMap::new();
        let mut waiting: Vec<Archive> = Vec::new();
        let mut layers = Layers::default();
        let mut targets: BTreeMap<Items, Repository> = BTreeMap::new();
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
                        if let Some(to) = targets.remove(&items) {
                            let sending = finished.clone();
                            events.push(Box::pin(async move {
                                self.transfers.send_layer(&to, &sending).await.map(|()| Event::Sent)
                            }));
                        }
                        layers.insert(items, finished);
                    }
                }
                else => break,
            }
            let is_ready = |archive: &mut Archive| {
                archive.laid_out.lacks().all(|digest| contents.contains_key(&digest))
            };
            for Archive { base, items, laid_out, to } in waiting.extract_if(.., is_ready) {
                if let Some(to) = to {
                    targets.insert(items.clone(), to);
                }
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
}
