//! The command lines of the contenders for the same work: one layer with the new file onto each
//! image of each base, and an index over them.

use std::path::{Path, PathBuf};

use super::base::Base;
use super::contender::Contender;
use super::crane::Crane;
use super::files::Files;
use crate::command::Command;

/// The commit that the file is said to be built from.
pub(super) const COMMIT: &str = "cccccccccccccccccccccccccccccccccccccccc";

/// Programs of the contenders.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) product: PathBuf,
    pub(super) crane: PathBuf,
    pub(super) regctl: PathBuf,
    /// The root that Debian's packages lie in.
    pub(super) buildah: PathBuf,
}

/// One run's work.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) bases: &'a [Base],
    pub(super) files: &'a Files,
    /// `HOST:PORT` of the bases.
    pub(super) from: String,
    /// Repository of the results with its host.
    pub(super) to: String,
    /// What tags of the results begin with.
    pub(super) tag: String,
    /// The contender's own directory.
    pub(super) home: PathBuf,
    /// Plan for the product.
    pub(super) plan: Option<PathBuf>,
    /// Flags for the product about compression.
    pub(super) compression: Vec<String>,
    /// Tags that the product will use, where a plan says so.
    pub(super) planned_tags: Vec<String>,
}

impl Work<'_> {
    /// Tags of the results, in the order of the bases.
    pub(super) fn tags(&self, contender: Contender) -> Vec<String> {
        if contender.is_product() && self.plan.is_some() {
            return self.planned_tags.clone();
        }
        (0..self.bases.len()).map(|i| format!("{}-{i}", self.tag)).collect()
    }
}

/// What `contender` runs: stages one after the other, the commands of a stage at once.
pub(super) fn stages(
    contender: Contender,
    programs: &Programs,
    work: &Work<'_>,
) -> Vec<Vec<Command>> {
    match contender {
        Contender::Product | Contender::ProductCold => vec![vec![product(programs, work)]],
        Contender::Crane | Contender::CraneParallel => {
            crane(programs, work, contender == Contender::CraneParallel)
        }
        Contender::Regctl => each(work, |base, out| vec![vec![regctl(programs, work, base, out)]]),
        Contender::Buildah | Contender::BuildahCold => {
            each(work, |base, out| buildah(programs, work, base, out))
        }
    }
}

fn each(
    work: &Work<'_>,
    mut stages: impl FnMut(&Base, &str) -> Vec<Vec<Command>>,
) -> Vec<Vec<Command>> {
    let bases = work.bases.iter().enumerate();
    bases.flat_map(|(i, base)| stages(base, &format!("{}:{}-{i}", work.to, work.tag))).collect()
}

fn product(programs: &Programs, work: &Work<'_>) -> Command {
    let command = Command::new(&programs.product).at_home(&work.home);
    let command = command.args(["--files".into(), work.files.files()]).args(&work.compression);
    if let Some(plan) = &work.plan {
        // The component's name is the last word of the repository.
        let place = work.to.rsplit_once('/').map_or(work.to.as_str(), |(place, _)| place);
        return command.args(["--plan".as_ref(), plan.as_os_str()]).args(["--to", place]);
    }
    let base = work.bases.first().map(|base| reference(work, base)).unwrap_or_default();
    let to = format!("{}:{}-0", work.to, work.tag);
    command.args(["--base-image", &base, "--image", &to, "--commit", COMMIT])
}

fn reference(work: &Work<'_>, base: &Base) -> String {
    format!("{}/{}@{}", work.from, base.repository, base.digest)
}

fn crane(programs: &Programs, work: &Work<'_>, parallel: bool) -> Vec<Vec<Command>> {
    let crane = Crane { program: programs.crane.clone(), home: work.home.clone() };
    each(work, |base, out| {
        let repository = format!("{}/{}", work.from, base.repository);
        let mut append = Vec::new();
        let mut index = crane.command().args(["index", "append", "--tag", out]);
        for image in &base.images {
            let part = format!("{out}-{}", image.architecture);
            append.push(
                crane
                    .command()
                    .args(["mutate", &format!("{repository}@{}", image.digest), "--tag", &part])
                    .args(["--append".into(), work.files.layer(image.architecture)])
                    .args(["--label", &format!("vcs-ref={COMMIT}"), "--annotation"])
                    .args([&format!("org.opencontainers.image.base.digest={}", image.digest)])
                    .args([
                        "--annotation",
                        &format!("org.opencontainers.image.base.name={repository}"),
                    ]),
            );
            index = index.args(["--manifest", &part]);
        }
        let mut stages = if parallel {
            vec![append]
        } else {
            append.into_iter().map(|command| vec![command]).collect()
        };
        stages.push(vec![index]);
        stages
    })
}

fn regctl(programs: &Programs, work: &Work<'_>, base: &Base, out: &str) -> Command {
    let mut command = Command::new(&programs.regctl).at_home(&work.home);
    let to = work.to.split_once('/').map_or(work.to.as_str(), |(host, _)| host);
    for host in [work.from.as_str(), to] {
        command = command.args(["--host", &format!("reg={host},tls=disabled")]);
    }
    command = command.args(["image", "mod", &reference(work, base), "--create", out]);
    for image in &base.images {
        let layer = work.files.layer(image.architecture);
        let add = format!("tar={},platform=linux/{}", layer.display(), image.architecture);
        command = command.args(["--layer-add", &add]);
    }
    let name = format!("[*]org.opencontainers.image.base.name={}/{}", work.from, base.repository);
    command.args(["--label", &format!("vcs-ref={COMMIT}"), "--annotation", &name])
}

fn buildah(programs: &Programs, work: &Work<'_>, base: &Base, out: &str) -> Vec<Vec<Command>> {
    let platforms: Vec<String> =
        base.images.iter().map(|image| format!("linux/{}", image.architecture)).collect();
    let policy = policy(&work.home);
    let build = buildah_command(programs, work)
        .args(["build".as_ref(), "--signature-policy".as_ref(), policy.as_os_str()])
        .args(["--tls-verify=false", "--isolation=chroot", "--layers=false", "--format=oci"])
        .args(["--platform", &platforms.join(","), "--manifest", out])
        .args(["--timestamp=1767225600", "--identity-label=false"])
        .args(["--build-arg", &format!("BASE={}", reference(work, base)), "--file"])
        .args([work.files.context().join("Containerfile"), work.files.context()]);
    let push = buildah_command(programs, work)
        .args([
            "manifest".as_ref(),
            "push".as_ref(),
            "--signature-policy".as_ref(),
            policy.as_os_str(),
        ])
        .args(["--tls-verify=false", "--all", out, &format!("docker://{out}")]);
    vec![vec![build], vec![push]]
}

/// buildah for a run.
pub(super) fn buildah_command(programs: &Programs, work: &Work<'_>) -> Command {
    buildah_at(programs, &work.home)
}

/// buildah with its storage below `home`. The overlay driver: the quickest that it has.
pub(super) fn buildah_at(programs: &Programs, home: &Path) -> Command {
    let libraries = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let registries = registries(home);
    Command::new(programs.buildah.join("usr/bin/buildah"))
        .at_home(home)
        .env("LD_LIBRARY_PATH", programs.buildah.join(libraries))
        .args(["--root".into(), home.join("storage"), "--runroot".into(), home.join("run")])
        .args([
            "--storage-driver=overlay".as_ref(),
            "--registries-conf".as_ref(),
            registries.as_os_str(),
        ])
}

/// buildah's policy, which asks for no signatures.
pub(super) fn policy(home: &Path) -> PathBuf {
    home.join("policy.json")
}

/// buildah's list of registries, which is empty.
pub(super) fn registries(home: &Path) -> PathBuf {
    home.join("registries.conf")
}
