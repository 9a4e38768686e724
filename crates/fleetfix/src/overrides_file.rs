//! The `overrides.yaml` of somebody else, as an argument.

use std::path::PathBuf;

use fleetfix_hypershift::overrides::Overrides;
use fleetfix_model::yaml;
use fleetfix_task::{Failure, file};

/// The file.
#[derive(Debug, clap::Args)]
pub(crate) struct OverridesFile {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl OverridesFile {
    /// Its name, for messages.
    pub(crate) fn name(&self) -> String {
        self.file.display().to_string()
    }

    /// Reads it.
    pub(crate) fn read(&self) -> Result<Overrides, Failure> {
        let text = file::read_bounded(&self.file, yaml::MAX_SIZE as u64)?;
        Ok(Overrides::read(&self.name(), &text)?)
    }
}
