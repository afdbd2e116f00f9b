//! The one way from the crate's error to a Python exception.

use crate::error::Error;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError};
use pyo3::{PyErr, import_exception};
use std::io::ErrorKind;

import_exception!(mnistburn.errors, ArtifactError);
import_exception!(mnistburn.errors, ConfigError);
import_exception!(mnistburn.errors, DataError);
import_exception!(mnistburn.errors, DeviceError);
import_exception!(mnistburn.errors, InternalError);
import_exception!(mnistburn.errors, RecordError);
import_exception!(mnistburn.errors, TrainingError);

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Config(_) => ConfigError::new_err(text),
            Error::Data(_) => DataError::new_err(text),
            Error::Device(_) => DeviceError::new_err(text),
            Error::Record(_) => RecordError::new_err(text),
            Error::Artifact(_) => ArtifactError::new_err(text),
            Error::Training(_) => TrainingError::new_err(text),
            Error::Internal(_) => InternalError::new_err(text),
            Error::Interrupted => PyKeyboardInterrupt::new_err(()),
            // With an error number Python itself picks FileNotFoundError and its like.
            Error::Io {
                action,
                path,
                source,
            } => match errno(&source) {
                Some(number) => {
                    let tried = format!("{action}: {}", reason(&source));
                    PyOSError::new_err((number, tried, path.into_os_string()))
                }
                None => PyOSError::new_err(text),
            },
        }
    }
}

fn errno(error: &std::io::Error) -> Option<i32> {
    // EISDIR is the one number that the crate raises without the system's help.
    let own = || (error.kind() == ErrorKind::IsADirectory).then_some(21);
    error.raw_os_error().or_else(own)
}

/// The system's words without Rust's "(os error N)": Python shows the number itself.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
