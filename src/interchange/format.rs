use super::archive;
use super::source::Source;
use crate::config::{Recorder, nearest};
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What a file of another program is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A graph with its weights, for onnxruntime, browsers and compilers.
    Onnx,
    /// Weights by name, for PyTorch, JAX and others.
    Safetensors,
    /// NumPy's archive of arrays.
    Npz,
    /// A `state_dict` that PyTorch has saved; it is read, not written.
    Pytorch,
}

impl Format {
    /// All that can be written.
    pub const EXPORTED: [Self; 3] = [Self::Onnx, Self::Safetensors, Self::Npz];
    const ALL: [Self; 4] = [Self::Onnx, Self::Safetensors, Self::Npz, Self::Pytorch];

    /// The name in arguments.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Onnx => "onnx",
            Self::Safetensors => "safetensors",
            Self::Npz => "npz",
            Self::Pytorch => "pytorch",
        }
    }

    /// The endings of file names, the usual one first.
    pub const fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Onnx => &["onnx"],
            Self::Safetensors => &["safetensors"],
            Self::Npz => &["npz"],
            Self::Pytorch => &["pt", "pth"],
        }
    }

    /// The format that the name of a file says.
    pub fn of_name(path: &Path) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.extensions().iter().any(|end| ends_in(path, end)))
    }

    /// The format of a file by its name, else by what it begins with; `None` stands for a record of Burn.
    pub(super) fn of_file(source: &mut Source) -> Result<Option<Self>> {
        const START: u64 = 9;
        const ZIP: &[u8] = b"PK\x03\x04";

        if let Some(format) = Self::of_name(&source.path) {
            return Ok(Some(format));
        }
        if burns_own(&source.path) || source.length < START {
            return Ok(None);
        }
        let start = source.read(0, START)?;
        Ok(match start[..] {
            // A small header's length, and the header's brace.
            [_, _, _, 0, 0, 0, 0, 0, b'{'] => Some(Self::Safetensors),
            // The version of ONNX's format, a varint that a MessagePack map can't begin with.
            [0x08, 1..=0x7f, ..] => Some(Self::Onnx),
            _ if start.starts_with(ZIP) => {
                let archive = archive::open(source, "a model file")?;
                let pickled = archive
                    .file_names()
                    .flatten()
                    .any(|name| name.ends_with(".pkl"));
                Some(if pickled { Self::Pytorch } else { Self::Npz })
            }
            _ => None,
        })
    }

    /// Where to export to: `path` with the extension of `format`, or of what the path says.
    ///
    /// Refuses a path that ends in the extension of another format: the file would lie about its contents.
    pub(super) fn complete_path(format: Option<Self>, path: &Path) -> Result<(Self, PathBuf)> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.is_empty() {
            return Err(Error::Record(format!(
                "the path of an export must end in a file name, got {:?}",
                path.display().to_string()
            )));
        }
        if burns_own(path) {
            return Err(Error::Record(format!(
                "an export must not end in the extension of one of Burn's records, got {name:?}; such a file is written by \
                 Model.save"
            )));
        }
        let said = Self::of_name(path);
        if said == Some(Self::Pytorch) {
            return Err(Error::Record(format!(
                "an export must end in no extension of PyTorch's, whose files can run code, got {name:?}; export to .safetensors, \
                 whose weights PyTorch's load_state_dict takes with the linear ones transposed"
            )));
        }
        match (format, said) {
            (None, None) => Err(Error::Record(format!(
                "an export must end in {}, or its format be given, got {name:?}",
                Self::EXPORTED
                    .map(|format| format!(".{}", format.extensions()[0]))
                    .join(" or ")
            ))),
            (Some(format), Some(said)) if format != said => Err(Error::Record(format!(
                "a file of the format {:?} must end in .{}, got {name:?}; change the format or the name",
                format.name(),
                format.extensions()[0]
            ))),
            (_, Some(said)) => Ok((said, path.to_path_buf())),
            (Some(format), None) => {
                let mut completed = path.as_os_str().to_owned();
                completed.push(".");
                completed.push(format.extensions()[0]);
                Ok((format, completed.into()))
            }
        }
    }
}

/// Whether a name is that of a record of Burn.
fn burns_own(path: &Path) -> bool {
    Recorder::ALL
        .iter()
        .map(|recorder| recorder.extension())
        .chain(["bin", "bin.gz"])
        .any(|extension| ends_in(path, extension))
}

fn ends_in(path: &Path, extension: &str) -> bool {
    path.file_name().is_some_and(|name| {
        name.to_string_lossy()
            .to_lowercase()
            .ends_with(&format!(".{extension}"))
    })
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::EXPORTED
            .into_iter()
            .find(|format| format.name() == text)
            .ok_or_else(|| {
                let names = Self::EXPORTED.map(Self::name);
                let advice = nearest(text, &names)
                    .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                let shown: String = text.chars().take(40).collect();
                Error::Config(format!(
                    "format must be one of {}, got {shown:?}{advice}",
                    names.join(", ")
                ))
            })
    }
}
