//! How far a run has come, and the names of checkpoints.

use super::history::History;
use crate::error::{Error, Result};
use crate::record::file;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// How far a run has come: the epoch in progress, and what of it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Whether the epoch is validated, and so at its end.
    pub ended: bool,
    /// Training steps done in it.
    pub step: usize,
}

impl fmt::Display for Progress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, ended, step } = self;
        if *ended {
            write!(formatter, "after epoch {epoch}")
        } else {
            write!(formatter, "in epoch {epoch} after step {step}")
        }
    }
}

impl Progress {
    /// The name of its checkpoint's directory.
    pub fn directory_name(self) -> String {
        if self.ended {
            format!("epoch-{:04}", self.epoch)
        } else {
            format!("epoch-{:04}-step-{:06}", self.epoch, self.step)
        }
    }

    /// The progress that a checkpoint's directory is named for.
    pub fn from_directory_name(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("epoch-")?;
        let progress = match rest.split_once("-step-") {
            None => Self {
                epoch: rest.parse().ok()?,
                ended: true,
                step: 0,
            },
            Some((epoch, step)) => Self {
                epoch: epoch.parse().ok()?,
                ended: false,
                step: step.parse().ok()?,
            },
        };
        (progress.directory_name() == name).then_some(progress)
    }

    /// The moment as one within an epoch: the end of an epoch is the one before the first step of the next.
    pub fn at_step(self) -> Self {
        if !self.ended {
            return self;
        }
        Self {
            epoch: self.epoch + 1,
            ended: false,
            step: 0,
        }
    }

    /// Ended epochs all have the same number of steps: where a name doesn't say it, it doesn't count.
    pub fn key(self) -> (usize, bool, usize) {
        (
            self.epoch,
            self.ended,
            if self.ended { 0 } else { self.step },
        )
    }

    /// Checks that a run can be there, and that the directory of a checkpoint is named for it.
    pub fn check_directory(self, directory: &Path) -> Result<()> {
        if self.epoch > 0 && self.directory_name() == file::name(directory) {
            Ok(())
        } else {
            Err(another_moment(directory))
        }
    }

    /// Checks that a history goes as far, and that its columns fit together.
    pub fn check_history(self, history: &History, checkpoint: &Path) -> Result<()> {
        history.check()?;
        let reached = self.step == 0 || history.last_step() == Some((self.epoch, self.step));
        let ended = history.epochs.epoch.last().copied().unwrap_or(0);
        let fits = ended
            == if self.ended {
                self.epoch
            } else {
                self.epoch.saturating_sub(1)
            };
        if reached && fits {
            Ok(())
        } else {
            Err(another_moment(checkpoint))
        }
    }
}

fn another_moment(checkpoint: &Path) -> Error {
    Error::Artifact(format!(
        "{} holds the state of another moment of the run",
        checkpoint.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for progress in [(3, true, 0), (3, false, 0), (12_345, false, 9_999_999)] {
            let progress = Progress {
                epoch: progress.0,
                ended: progress.1,
                step: progress.2,
            };
            assert_eq!(
                Progress::from_directory_name(&progress.directory_name()),
                Some(progress)
            );
        }
        assert_eq!(Progress::from_directory_name("epoch-1"), None);
        assert_eq!(Progress::from_directory_name("epoch-0001-step-x"), None);
    }
}
