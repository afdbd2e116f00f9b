//! What is known of a run before its directory is touched.

use super::artifact::ArtifactDirectory;
use super::log_file::LogFile;
use super::observer::{Observer, warn};
use crate::config::TrainingConfig;
use crate::error::Result;
use crate::network::ParameterSpec;

/// What is known of a run before its directory is touched.
pub(super) struct Checked {
    pub config: TrainingConfig,
    pub trainable: Vec<ParameterSpec>,
    pub fingerprints: [String; 2],
    pub observer: Box<dyn Observer>,
}

/// Adds the log of the directory to an observer, and tells both what the directory's file system lacks, once for a run.
pub(super) fn logged(
    directory: &ArtifactDirectory,
    observer: Box<dyn Observer>,
) -> Result<Box<dyn Observer>> {
    let mut log = LogFile::append_to(directory.place(), observer)?;
    for message in directory.notices() {
        warn(&mut log, message);
    }
    Ok(Box::new(log))
}
