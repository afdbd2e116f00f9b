//! Models as files in the formats of Burn's recorders.
//!
//! Writing goes through Burn's own record types, so that a plain Burn program reads what is written here, but only as
//! far as bytes in memory: Burn's file recorders truncate a file on a full disk without an error. Reading goes through
//! types of our own: a file is read up to a limit and parsed, then names, shapes and sizes are checked, and only then
//! tensors are made.

mod about;
#[cfg(feature = "cpu")]
mod again;
mod beside;
mod content;
mod decode;
mod encode;
mod fault;
pub(crate) mod file;
mod format;
mod item;
mod module_item;
mod number;
mod optimizer;

pub use about::{About, Loaded};
pub(crate) use about::{Found, Stated};
#[cfg(feature = "cpu")]
#[doc(hidden)]
pub use again::{optimizer_again, schedule_again};
pub(crate) use beside::{run_metadata, stated_beside, write};
pub(crate) use decode::{Description, decode_model, decode_scheduler, describe, load_as, unstated};
pub use decode::{from_bytes, load};
pub(crate) use encode::{encode, encode_scheduler};
pub(crate) use fault::fault;
pub(crate) use number::Number;
pub use optimizer::StepperState;
pub(crate) use optimizer::{decode_optimizer, encode_optimizer};

use crate::config::{Precision, Recorder};
use crate::device::{Backend, Device, OnBackend, on_backend};
use crate::error::{Error, Result};
use crate::model::Classifier;
use crate::network::AnyNetwork;
use std::path::{Path, PathBuf};

/// Saves a model, and what is known of it in a companion of the file; the answer is the path with the format's extension.
///
/// The file appears atomically, and an older one of that name survives any failure.
pub fn save(
    model: &dyn Classifier,
    path: &Path,
    recorder: Recorder,
    precision: Option<Precision>,
    about: &About,
) -> Result<PathBuf> {
    let path = recorder.complete_path(path)?;
    if path.exists() && !path.is_file() {
        return Err(Error::Record(format!(
            "a record can replace nothing but a regular file, and {} is none; choose another path",
            path.display()
        )));
    }
    if file::name(&path).ends_with(beside::COMPANION_ENDING) {
        return Err(Error::Record(format!(
            "a record must not end in {}, which is the name of what is written beside one, got {:?}",
            beside::COMPANION_ENDING,
            file::name(&path)
        )));
    }
    let precision = precision.unwrap_or(recorder.precision());
    let bytes = to_bytes(model, recorder, precision)?;
    write(&path, &bytes, model.config(), about)?;
    Ok(path)
}

/// The bytes that [`save`] writes.
pub fn to_bytes(
    model: &dyn Classifier,
    recorder: Recorder,
    precision: Precision,
) -> Result<Vec<u8>> {
    struct Encode<'a>(&'a dyn Classifier, Recorder, Precision);

    impl OnBackend for Encode<'_> {
        type Output = Vec<u8>;

        fn run<B: Backend>(self, _device: Device, burn_device: &B::Device) -> Result<Vec<u8>> {
            let Self(model, recorder, precision) = self;
            let model = AnyNetwork::<B>::from_state(model.config(), model.state()?, burn_device)?;
            encode(model, recorder, precision)
        }
    }

    on_backend(model.device(), Encode(model, recorder, precision))
}
