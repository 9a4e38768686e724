//! `fleetfix demo`: the whole chain over a small synthetic payload set.

use std::path::PathBuf;

use fleetfix_task::{Context, Failure, Outcome};

use crate::build;

mod material;

/// The whole chain over a small synthetic payload set: keys of several people, a request, two
/// payloads, a fleet. Everything stays to be looked at.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory to write to; default: a new one below the directory for temporary files.
    #[arg(long, env = "FLEETFIX_DIR", value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Args {
    /// Runs the demo.
    pub async fn run(self, context: &Context) -> Result<Outcome, Failure> {
        let dir = match self.dir {
            Some(dir) => dir,
            None => tempfile::Builder::new()
                .prefix("fleetfix-demo-")
                .tempdir()
                .map_err(|source| fleetfix_task::Error::Write {
                    path: std::env::temp_dir(),
                    source,
                })?
                .keep(),
        };
        std::fs::create_dir_all(&dir)
            .map_err(|source| fleetfix_task::Error::Write { path: dir.clone(), source })?;
        context
            .step(format_args!("writing two payloads and a component image to {}", dir.display()));
        material::write(&dir)?;
        let sources = format!("{}=oci:{}", material::SOURCE, dir.join("sources").display());
        let args = build::Args {
            request: dir.join("request/fix.yaml"),
            dir: dir.clone(),
            keys: None,
            key_password_file: None,
            fleet: fixed(build::DEFAULT_FLEET)?,
            channel: fixed("stable")?,
            mirror: vec![sources],
        };
        let built = Box::pin(args.build(context)).await?;
        Ok(Outcome::text(built.story(&dir)))
    }
}

/// A name that stands in this program.
fn fixed<T>(name: &str) -> Result<T, Failure>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    name.parse().map_err(|e| Failure::new(fleetfix_model::Class::Bug, e))
}
