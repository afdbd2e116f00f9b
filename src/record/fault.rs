//! Errors about files of models.

use crate::error::Error;
use std::path::Path;

/// The error for a file that is not what it should be.
pub(crate) fn fault(path: &Path, what: &str) -> Error {
    Error::Record(format!("{}: {what}", path.display()))
}

/// The same error, with the file that it is about.
pub(super) fn about(path: &Path, error: &Error) -> Error {
    fault(path, &error.to_string())
}
