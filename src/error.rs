//! The one error type of the crate. A message names the rule, the value and the way out.

use std::path::{Path, PathBuf};

/// Everything that can go wrong here, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration value breaks its rule.
    #[error("{0}")]
    Config(String),
    /// Images or targets can't be used as they are.
    #[error("{0}")]
    Data(String),
    /// The device is unknown, or can't be used on this machine.
    #[error("{0}")]
    Device(String),
    /// A record file is broken, or of another model.
    #[error("{0}")]
    Record(String),
    /// The artifact directory is in the way of the run.
    #[error("{0}")]
    Artifact(String),
    /// Training can't go on.
    #[error("{0}")]
    Training(String),
    /// A defect of this crate or of a library below it.
    #[error("{0}")]
    Internal(String),
    /// The caller asked to stop, and there is nothing to keep.
    #[error("interrupted")]
    Interrupted,
    /// The operating system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried, as in "could not read".
        action: &'static str,
        /// The file or directory it was tried on.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
}

/// A result with the crate's error.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A closure for `map_err` that adds the action and the path to an operating-system error.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// Runs `work` and turns a panic below it into [`Error::Internal`].
///
/// Burn and its runtimes report some faults by panicking; this is the one place where such a
/// panic ends.
pub(crate) fn contain_panics<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // A panicking run drops its own model and optimizer; nothing half-changed outlives it.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|payload| Err(Error::Internal(panic_text(payload.as_ref()))))
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    format!("a defect in mnistburn or Burn stopped the work: {text}; please report it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::panic)]
    fn a_panic_becomes_an_internal_error_with_its_text() {
        let error = contain_panics::<()>(|| panic!("tensor {} is gone", 7)).unwrap_err();
        assert!(matches!(&error, Error::Internal(text) if text.contains("tensor 7 is gone")));
    }
}
