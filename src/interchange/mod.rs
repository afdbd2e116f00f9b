//! Models as files of other programs.
//!
//! Names are those of the parameters in Burn and in a PyTorch `state_dict` of the same network (`docs/interchange.md`).

mod archive;
mod description;
mod format;
mod names;
mod npy;
mod npz;
mod onnx;
mod protobuf;
mod pytorch;
mod safetensors;
mod source;
mod state;
mod weights;

pub use description::{Description, describe};
pub use format::Format;
pub use onnx::Input;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::model::{Classifier, from_state};
use crate::record::{self, About, Loaded, file};
use source::Source;
use state::{LinearLayout, State};
use std::path::{Path, PathBuf};
use weights::Weights;

/// Writes a model for another program; the answer is the path with the format's extension.
///
/// Without `format` the extension says it. `input` is what an ONNX graph takes, and for no other format.
/// The file appears atomically, and an older one of that name survives any failure.
pub fn export(
    model: &dyn Classifier,
    path: &Path,
    format: Option<Format>,
    input: Input,
    about: &About,
) -> Result<PathBuf> {
    let (format, path) = Format::complete_path(format, path)?;
    if input == Input::Normalised && format != Format::Onnx {
        return Err(Error::Config(format!(
            "normalise must be left out unless the format is \"onnx\", got False with {:?}: the file holds weights alone",
            format.name()
        )));
    }
    if path.exists() && !path.is_file() {
        return Err(Error::Record(format!(
            "an export can replace nothing but a regular file, and {} is none; choose another path",
            path.display()
        )));
    }
    file::write(&path, &to_bytes(model, format, input, about)?)?;
    Ok(path)
}

/// The bytes that [`export`] writes.
pub fn to_bytes(
    model: &dyn Classifier,
    format: Format,
    input: Input,
    about: &About,
) -> Result<Vec<u8>> {
    about.check_image_size()?;
    let layout = match format {
        // Operators have weights as PyTorch does.
        Format::Onnx | Format::Pytorch => LinearLayout::OutputsFirst,
        Format::Safetensors | Format::Npz => LinearLayout::InputsFirst,
    };
    let state = State::of(model, layout, about)?;
    match format {
        Format::Onnx => onnx::encode(&state, input),
        Format::Safetensors => safetensors::encode(&state),
        Format::Npz => npz::encode(&state),
        Format::Pytorch => Err(Error::Internal("files of PyTorch are not written".into())),
    }
}

/// Loads a model from a safetensors, NumPy or PyTorch file, or from a record of Burn; nothing in it is executed.
///
/// The name of the file says the format, else its first bytes do. What weights don't say, the dropout rate, the height and width
/// of images, the names of classes and more, comes from the file if this program wrote it, else from a companion or a
/// `config.json` beside it.
pub fn load(path: &Path, device: Device) -> Result<Loaded> {
    let mut source = Source::open(path)?;
    let Some(format) = Format::of_file(&mut source)? else {
        return record::load(path, device);
    };
    let mut weights = open(source, format)?;
    let (checked, parameters) = weights::read(weights.as_mut(), path)?;
    Ok(Loaded {
        classifier: from_state(&checked.config, parameters, device)?,
        about: checked.about,
    })
}

fn open(source: Source, format: Format) -> Result<Box<dyn Weights>> {
    Ok(match format {
        Format::Onnx => Box::new(onnx::Onnx::open(source)?),
        Format::Safetensors => Box::new(safetensors::Safetensors::open(source)?),
        Format::Npz => Box::new(npz::Npz::open(source)?),
        Format::Pytorch => Box::new(pytorch::StateDict::open(source)?),
    })
}
