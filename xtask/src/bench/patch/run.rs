//! One run: the state that it starts from, the run itself, and what it left.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::base::Base;
use super::case::{Case, Place};
use super::commands::{self, Programs, Work};
use super::compression::Compression;
use super::contender::Contender;
use super::crane::Crane;
use super::delay::Delay;
use super::files::Files;
use super::outcome;
use super::planned;
use super::registry::{Registry, Traffic};
use super::sample::Sample;
use crate::bench::{machine, process};
use crate::command::Command;
use crate::failure::Failure;

/// Everything that runs need.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) dir: PathBuf,
    pub(super) programs: Programs,
    pub(super) crane: Crane,
    /// Where the bases are.
    pub(super) near: Registry,
    /// The program of registries.
    pub(super) registry: PathBuf,
    /// The other registry, a new one for each run that writes there: it has nothing that could be
    /// mounted.
    pub(super) far: Option<Registry>,
    /// Proxies in front of the near one.
    pub(super) delays: BTreeMap<Duration, Delay>,
    /// By size and number of architectures.
    pub(super) bases: BTreeMap<(u64, usize), Vec<Base>>,
    /// By size and number of architectures.
    pub(super) files: BTreeMap<(u64, usize), Files>,
    /// The last number that a run got.
    pub(super) number: u64,
}

impl Site {
    /// Lets a contender do a case.
    pub(super) fn run(
        &mut self,
        case: &Case,
        who: Contender,
        round: usize,
    ) -> Result<Sample, Failure> {
        self.number += 1;
        self.far = None;
        if case.place == Place::OtherRegistry {
            let dir = self.dir.join("far");
            if dir.exists() {
                fs::remove_dir_all(&dir).map_err(Failure::at(&dir))?;
            }
            self.far = Some(Registry::start(&self.registry, &dir)?);
        }
        let context = |failure: Failure| {
            Failure::new(format!("{}: {}: round {round}: {failure}", case.name, who.name()))
        };
        self.numbered(case, who, round).map_err(context)
    }

    fn numbered(&self, case: &Case, who: Contender, round: usize) -> Result<Sample, Failure> {
        let work = self.work(case, who)?;
        let buildah = matches!(who, Contender::Buildah | Contender::BuildahCold);
        let before = if buildah { self.buildah_images(&work)? } else { Vec::new() };
        let log = self.dir.join(format!("{}-{}-{round}.log", case.name, who.name()));
        let registries = || [Some(&self.near), self.far.as_ref()].into_iter().flatten();
        let marks = registries().map(Registry::mark).collect::<Result<Vec<_>, _>>()?;
        let load = machine::load();
        let measured = process::measure(commands::stages(who, &self.programs, &work), &log)?;
        let mut traffic = Traffic::default();
        for (registry, mark) in registries().zip(marks) {
            traffic += registry.traffic(&registry.requests(mark)?);
        }
        if buildah {
            // The base stays, what was made goes.
            let mut made = self.buildah_images(&work)?;
            made.retain(|image| !before.contains(image));
            if round > 0 && !made.is_empty() {
                let remove = commands::buildah_command(&self.programs, &work);
                remove.args(["rmi", "--force"]).args(made).quiet()?;
            }
        }
        // What a contender made is looked into the first time; that it is all there, every time.
        let look_into = round <= 1;
        let layers = outcome::check(&self.crane, &work, who, look_into.then_some(&self.dir))?;
        for digest in layers.keys() {
            registries().for_each(|registry| registry.forget(digest));
        }
        let layer = outcome::mean(&layers);
        let case = case.name.clone();
        Ok(Sample { case, contender: who, round, measured, traffic, layer, load })
    }

    /// Gives a run its own file content, its own place to write to, and its memory.
    fn work(&self, case: &Case, who: Contender) -> Result<Work<'_>, Failure> {
        let number = self.number;
        let missing = || Failure::new("inputs: not made");
        let key = (case.base, case.architectures);
        let bases = self.bases.get(&key).and_then(|all| all.get(..case.bases));
        let bases = bases.ok_or_else(missing)?;
        let files = self.files.get(&(case.file, case.architectures)).ok_or_else(missing)?;
        files.stamp(number)?;
        let delayed = self.delays.get(&case.delay).map(Delay::address);
        let from = delayed.unwrap_or(self.near.address()).to_string();
        let other = format!("out-{number}/{}", planned::COMPONENT);
        let to = match case.place {
            Place::SameRepository => {
                let repository = bases.first().map(|base| base.repository.as_str());
                format!("{from}/{}", repository.unwrap_or_default())
            }
            Place::OtherRepository => format!("{from}/{other}"),
            Place::OtherRegistry => {
                let far = self.far.as_ref().ok_or_else(missing)?;
                format!("{}/{other}", far.address())
            }
        };
        let home = self.home(who)?;
        let (mut plan, mut planned_tags) = (None, Vec::new());
        if case.planned && who.is_product() {
            let path = self.dir.join("plan.json");
            let (text, tags) = planned::plan(bases, &from, files, number)?;
            fs::write(&path, text).map_err(Failure::at(&path))?;
            (plan, planned_tags) = (Some(path), tags);
        }
        let tag = format!("{}-{number}", who.name());
        let compression = case.compression.map(Compression::flags).unwrap_or_default();
        Ok(Work { bases, files, from, to, tag, home, plan, compression, planned_tags })
    }

    /// What a contender keeps between runs, empty for those that keep nothing.
    fn home(&self, who: Contender) -> Result<PathBuf, Failure> {
        let home = self.dir.join("home").join(who.name());
        if who.is_cold() && home.exists() {
            fs::remove_dir_all(&home).map_err(Failure::at(&home))?;
        }
        fs::create_dir_all(&home).map_err(Failure::at(&home))?;
        let policy = "{\"default\": [{\"type\": \"insecureAcceptAnything\"}]}\n";
        for (path, text) in [(commands::policy(&home), policy), (commands::registries(&home), "")] {
            fs::write(&path, text).map_err(Failure::at(&path))?;
        }
        Ok(home)
    }

    fn buildah_images(&self, work: &Work<'_>) -> Result<Vec<String>, Failure> {
        let list = commands::buildah_command(&self.programs, work);
        let said = list.args(["images", "--all", "--quiet", "--no-trunc"]).quiet()?;
        Ok(String::from_utf8_lossy(&said).lines().map(str::to_owned).collect())
    }

    /// buildah, to ask for its version.
    pub(super) fn buildah(&self) -> Command {
        commands::buildah_at(&self.programs, &self.dir)
    }
}
