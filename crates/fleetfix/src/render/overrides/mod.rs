//! `fleetfix render overrides`: fixes as entries of the HyperShift operator's `overrides.yaml`.

mod fix;
mod pull_request;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fleetfix_hypershift::overrides::{Change, Merged, Overrides, TestReleases, Wanted};
use fleetfix_model::document::FixBundle;
use fleetfix_model::{Digest, HostedPlatform, Reference, Version, yaml};
use fleetfix_task::{Context, Failure, Outcome, file};
use serde_json::{Value, json};

use self::fix::Fix;
use super::source::Source;

/// A platform and a version on it.
type Place = (HostedPlatform, Version);

/// Entries of overrides.yaml.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The overrides.yaml to merge into, in place; default: a new one is printed
    #[arg(long, env = "FLEETFIX_INTO", value_name = "FILE")]
    into: Option<PathBuf>,
    /// Request that names finished images, YAML, instead of bundles; repeatable
    #[arg(
        long = "request",
        env = "FLEETFIX_REQUEST",
        value_name = "FILE",
        value_delimiter = ',',
        conflicts_with_all = ["bundle", "channels", "plan"]
    )]
    requests: Vec<PathBuf>,
    /// Plan that names finished images, instead of bundles
    #[arg(long, env = "FLEETFIX_PLAN", value_name = "FILE", conflicts_with_all = ["bundle", "channels"])]
    plan: Option<PathBuf>,
    /// Image whose entries may be replaced although nothing shows that its fixes are in the new one, such
    /// as that of an earlier revision which the new one was not made from; not needed where the plan was
    /// made with --overrides or --channels; repeatable
    #[arg(
        long = "replaces",
        env = "FLEETFIX_REPLACES",
        value_name = "IMAGE",
        value_delimiter = ','
    )]
    replaces: Vec<String>,
    /// Release images for HyperShift's tests, `{version}` standing for the version: sets `testing`
    #[arg(long, env = "FLEETFIX_TESTING", value_name = "TEMPLATE")]
    testing: Option<String>,
    /// File for the text of the pull request, with the `branch: X.Y wants: ...` lines that
    /// HyperShift's CI reads
    #[arg(long, env = "FLEETFIX_PULL_REQUEST", value_name = "FILE")]
    pull_request: Option<PathBuf>,
    /// Where the bundles are.
    #[command(flatten)]
    source: Source,
}

impl Args {
    /// Renders, and writes what changed.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        if let Some(template) =
            self.testing.as_ref().filter(|t| t.matches("{version}").count() != 1)
        {
            return Err(Failure::usage(format!(
                "--testing {template}: must hold `{{version}}` once"
            )));
        }
        let (mut paused, mut expired) = (Vec::new(), Vec::new());
        let fixes = if let Some(path) = &self.plan {
            vec![fix::of_plan(path, context.now)?]
        } else if !self.requests.is_empty() {
            self.requests.iter().map(|path| fix::of_request(path)).collect::<Result<_, _>>()?
        } else {
            let read = self.source.read(context).await?;
            paused = read.paused.iter().map(|c| named(&c.bundle)).collect();
            expired = read.expired.iter().map(|c| named(&c.bundle)).collect();
            fix::of_bundles(&read)?
        };
        for (waits, why) in [(&paused, "is paused"), (&expired, "has expired")] {
            for waits in waits {
                context.step(format_args!("{waits} {why}: nothing of it is added or taken away"));
            }
        }
        for fix in &fixes {
            for elsewhere in &fix.elsewhere {
                context.step(format_args!("{}: {elsewhere}", fix.label));
            }
            if let Some(waits) = pull_request::unreleased(fix) {
                context.step(waits);
            }
        }
        let text = self.text()?;
        let name = self.into.as_deref().unwrap_or(Path::new("overrides.yaml"));
        let overrides = Overrides::read(&name.display().to_string(), &text)?;
        let wanted = self.wanted(&fixes, &overrides)?;
        let testing = self.test_releases(&fixes);
        let merged = overrides.merge(&wanted, &testing)?;
        let branches = pull_request::branches(&fixes, &merged.changes, context);
        // Where nothing is left to change, the text of the change that was made stays.
        let is_done = |path: &&PathBuf| merged.changes.is_empty() && path.exists();
        if let Some(path) = self.pull_request.as_ref().filter(|path| !is_done(path)) {
            file::write_atomic(
                path,
                pull_request::text(&fixes, &merged.changes, &branches).as_bytes(),
            )?;
        }
        let Some(into) = &self.into else { return Ok(Outcome::text(merged.text)) };
        // Bytes that are there already keep their time as well.
        if merged.text.as_bytes() != text {
            file::write_atomic(into, merged.text.as_bytes())?;
        }
        say(context, into, &merged);
        let changes: Vec<_> = merged
            .changes
            .iter()
            .map(|change| {
                json!({
                    "platform": change.platform, "version": change.version,
                    "before": change.before, "after": change.after,
                })
            })
            .collect();
        Ok(Outcome::json(&json!({
            "file": into.display().to_string(),
            "digest": Digest::of(&merged.text),
            "changes": changes,
            "unreleased": fixes.iter().flat_map(waiting).collect::<Vec<_>>(),
            "paused": paused,
            "expired": expired,
            "branches": branches,
        }))?)
    }

    /// The file to merge into; none where it is not there yet.
    fn text(&self) -> Result<Vec<u8>, Failure> {
        match &self.into {
            Some(path) if path.exists() => Ok(file::read_bounded(path, yaml::MAX_SIZE as u64)?),
            _ => Ok(Vec::new()),
        }
    }

    /// Every entry that the fixes ask for. An entry that is there already is replaced only by an
    /// image that was made from it.
    fn wanted(&self, fixes: &[Fix], overrides: &Overrides) -> Result<Vec<Wanted>, Failure> {
        let mut wanted: BTreeMap<Place, Wanted> = BTreeMap::new();
        for fix in fixes {
            for ((platform, version), (image, base)) in &fix.places {
                let (platform, place) = (*platform, (*platform, version.clone()));
                let text = image.to_string();
                let now = overrides.image(platform, version);
                // What a withdrawn fix brought is nothing to keep: what stood there before it is.
                let kept = now.filter(|now| *now != text).and_then(|n| before(fixes, &place, n));
                if let Some(kept) = kept.filter(|kept| *kept != text) {
                    self.may_replace(&kept, &fix.label, &place, *base)?;
                }
                let new = Wanted {
                    platform,
                    version: version.clone(),
                    image: Some(text),
                    label: fix.label.clone(),
                };
                if let Some(other) = wanted.insert(place, new.clone())
                    && other.image != new.image
                {
                    return Err(Failure::refused(format!(
                        "{} and {} both name an image for {platform} {version}",
                        other.label, new.label
                    )));
                }
            }
        }
        for fix in fixes {
            for place in fix.given_back.keys() {
                // While another waits to take its place, or is over before it did, nothing is taken
                // away from clusters.
                let waits = fixes.iter().any(|other| other.held.contains(place));
                let now = overrides.image(place.0, &place.1);
                let Some(now) = now.filter(|_| !waits && !wanted.contains_key(place)) else {
                    continue;
                };
                let image = before(fixes, place, now);
                if image.as_deref() != Some(now) {
                    let ((platform, version), label) = (place.clone(), fix.label.clone());
                    wanted.insert(place.clone(), Wanted { platform, version, image, label });
                }
            }
        }
        Ok(wanted.into_values().collect())
    }

    /// Only what an image was made from tells that nothing is lost. That an entry stands in the section
    /// of this very fix does not: the comments name the fix that an entry was first written for, and its
    /// image may since be that of another, or a person's. Nor does the channel, which has the revision
    /// that is active now and none before it.
    fn may_replace(
        &self,
        now: &str,
        label: &str,
        (platform, version): &Place,
        base: Option<Digest>,
    ) -> Result<(), Failure> {
        let made_from_it = base.is_some() && digest(now) == base;
        if made_from_it || self.replaces.iter().any(|image| image == now) {
            return Ok(());
        }
        let why = match base {
            Some(base) => format!("{label} was made from {base}"),
            None => format!("nothing says what the image of {label} was made from"),
        };
        Err(Failure::refused(format!(
            "{platform} {version} runs {now}, and {why}: fixes could be lost"
        ))
        .hint(format!(
            "plan again with --overrides FILE; or, if its fixes are in the new image, pass --replaces {now}"
        )))
    }

    /// Release images for the tests of every platform that the fixes touch; those of others do not run.
    fn test_releases(&self, fixes: &[Fix]) -> Vec<TestReleases> {
        let Some(template) = &self.testing else { return Vec::new() };
        let mut versions: BTreeMap<HostedPlatform, BTreeSet<&Version>> = BTreeMap::new();
        for fix in fixes {
            for place in fix.places.keys() {
                let (platform, version) = place;
                if !fix.unreleased.contains(place) {
                    versions.entry(*platform).or_default().insert(version);
                }
            }
        }
        let platforms = [HostedPlatform::Aws, HostedPlatform::Azure];
        let release = |version: &Version| template.replace("{version}", &version.to_string());
        let of = |platform| match versions.get(&platform) {
            None => TestReleases { platform, latest: None, previous: None, run_tests: false },
            Some(versions) => {
                let latest = versions.last();
                // An upgrade from the release line before, or within the line.
                let older =
                    versions.iter().rev().find(|v| latest.is_some_and(|l| v.minor() < l.minor()));
                let previous = older.or_else(|| versions.first());
                TestReleases {
                    platform,
                    latest: latest.map(|v| release(v)),
                    previous: previous.map(|v| release(v)),
                    run_tests: true,
                }
            }
        };
        platforms.into_iter().map(of).collect()
    }
}

/// What stands at a place once the withdrawn fixes gave back what they brought there: only what is
/// theirs goes, and below one there may be another.
fn before(fixes: &[Fix], place: &Place, now: &str) -> Option<String> {
    let mut image = now.to_owned();
    let mut seen = BTreeSet::new();
    while let Some(digest) = digest(&image).filter(|digest| seen.insert(*digest)) {
        let given_back = fixes.iter().filter_map(|fix| fix.given_back.get(place));
        let Some((_, before)) = given_back.into_iter().find(|(ours, _)| *ours == digest) else {
            break;
        };
        image = before.as_ref()?.to_string();
    }
    Some(image)
}

/// The places of a fix that get no entry before their release.
fn waiting(fix: &Fix) -> impl Iterator<Item = Value> {
    let waits = fix.waiting().into_iter();
    waits.map(
        |(platform, version)| json!({"fix": fix.label, "platform": platform, "version": version}),
    )
}

/// A bundle for people.
fn named(bundle: &FixBundle) -> String {
    format!("{} revision {}", bundle.id, bundle.revision)
}

/// The digest of an image, where it is pinned.
fn digest(image: &str) -> Option<Digest> {
    image.parse::<Reference>().ok()?.digest
}

fn say(context: &Context, into: &Path, merged: &Merged) {
    let count = |what: fn(&Change) -> bool| merged.changes.iter().filter(|c| what(c)).count();
    if merged.changes.is_empty() {
        context.step(format_args!("{}: every entry is there already", into.display()));
    } else {
        context.step(format_args!(
            "{}: {} entries added, {} replaced, {} taken away",
            into.display(),
            count(|c| c.before.is_none()),
            count(|c| c.before.is_some() && c.after.is_some()),
            count(|c| c.after.is_none()),
        ));
    }
}
