use super::fields::nearest;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The endings of what is exported.
const EXPORTED: [&str; 3] = ["onnx", "safetensors", "npz"];
/// The endings of other programs' model files.
const OTHERS: [&str; 17] = [
    "pt",
    "pth",
    "ckpt",
    "pkl",
    "pickle",
    "joblib",
    "h5",
    "hdf5",
    "keras",
    "pb",
    "tflite",
    "npy",
    "gguf",
    "mlmodel",
    "torchscript",
    "msgpack",
    "bpk",
];

/// A format of records, by Burn's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recorder {
    /// Named MessagePack in half precision: Burn's `CompactRecorder`.
    Compact,
    /// Named MessagePack in full precision: Burn's `DefaultRecorder`.
    Default,
    /// Named MessagePack: Burn's `NamedMpkFileRecorder`.
    NamedMpk,
    /// The same, gzip-compressed: Burn's `NamedMpkGzFileRecorder`.
    NamedMpkGz,
    /// bincode, which names neither fields nor types: Burn's `BinFileRecorder`.
    Bin,
    /// The same, gzip-compressed: Burn's `BinGzFileRecorder`.
    BinGz,
    /// Indented JSON: Burn's `PrettyJsonFileRecorder`.
    Json,
    /// JSON, gzip-compressed: Burn's `JsonGzFileRecorder`.
    JsonGz,
}

/// How many bits a number takes in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 16 bits.
    Half,
    /// 32 bits.
    Full,
    /// 64 bits.
    Double,
}

impl Recorder {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Compact,
        Self::Default,
        Self::NamedMpk,
        Self::NamedMpkGz,
        Self::Bin,
        Self::BinGz,
        Self::Json,
        Self::JsonGz,
    ];

    /// The name in configurations and arguments.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Default => "default",
            Self::NamedMpk => "named-mpk",
            Self::NamedMpkGz => "named-mpk-gz",
            Self::Bin => "bin",
            Self::BinGz => "bin-gz",
            Self::Json => "json",
            Self::JsonGz => "json-gz",
        }
    }

    /// The file extension, as Burn's recorder has it.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Compact | Self::Default | Self::NamedMpk => "mpk",
            Self::NamedMpkGz => "mpk.gz",
            Self::Bin => "bin",
            Self::BinGz => "bin.gz",
            Self::Json => "json",
            Self::JsonGz => "json.gz",
        }
    }

    /// The precision that goes without saying.
    pub const fn precision(self) -> Precision {
        match self {
            Self::Compact => Precision::Half,
            _ => Precision::Full,
        }
    }

    /// Whether the bytes are gzip-compressed.
    pub const fn is_compressed(self) -> bool {
        matches!(self, Self::NamedMpkGz | Self::BinGz | Self::JsonGz)
    }

    /// `path` with the extension, unless it ends in it; no part of the name is ever replaced.
    ///
    /// Refuses a path that ends in the extension of another format: the file would lie about its contents.
    pub fn complete_path(self, path: &Path) -> Result<PathBuf> {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if name.is_empty() {
            return Err(Error::Record(format!(
                "a record's path must end in a file name, got {:?}",
                path.display().to_string()
            )));
        }
        let has = |extension: &str| name.to_lowercase().ends_with(&format!(".{extension}"));
        if has(self.extension()) {
            return Ok(path.to_path_buf());
        }
        if let Some(other) = Self::ALL
            .iter()
            .map(|recorder| recorder.extension())
            .find(|extension| has(extension))
        {
            return Err(Error::Record(format!(
                "a {:?} record must end in .{}, got {name:?}, which says .{other}; change the recorder or the name",
                self.name(),
                self.extension()
            )));
        }
        if let Some(other) = EXPORTED.into_iter().find(|extension| has(extension)) {
            return Err(Error::Record(format!(
                "a record must end in .{}, got {name:?}; for a file of .{other}, use Model.export",
                self.extension()
            )));
        }
        if let Some(other) = OTHERS.into_iter().find(|extension| has(extension)) {
            return Err(Error::Record(format!(
                "a record must end in .{}, got {name:?}; no .{other} file is written here, and Model.export writes .{}",
                self.extension(),
                EXPORTED.join(", .")
            )));
        }
        let mut completed = path.as_os_str().to_owned();
        completed.push(".");
        completed.push(self.extension());
        Ok(completed.into())
    }
}

impl FromStr for Recorder {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|recorder| recorder.name() == text)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name);
                let advice = nearest(text, &names)
                    .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                let shown: String = text.chars().take(40).collect();
                Error::Config(format!(
                    "recorder must be one of {}, got {shown:?}{advice}",
                    names.join(", ")
                ))
            })
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "half" => Ok(Self::Half),
            "full" => Ok(Self::Full),
            "double" => Ok(Self::Double),
            other => {
                let shown: String = other.chars().take(40).collect();
                Err(Error::Config(format!(
                    "precision must be half, full or double, got {shown:?}"
                )))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_added_and_nothing_replaced() {
        let path = |name: &str| Recorder::Compact.complete_path(Path::new(name)).unwrap();
        assert_eq!(path("model"), Path::new("model.mpk"));
        assert_eq!(path("model.mpk"), Path::new("model.mpk"));
        assert_eq!(path("my.model.v2"), Path::new("my.model.v2.mpk"));
        assert_eq!(path("d.mpk/model"), Path::new("d.mpk/model.mpk"));
        let compressed = Recorder::NamedMpkGz
            .complete_path(Path::new("m.mpk.gz"))
            .unwrap();
        assert_eq!(compressed, Path::new("m.mpk.gz"));
        let error = Recorder::Compact
            .complete_path(Path::new("m.json"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("must end in .mpk"), "{error}");
        assert!(Recorder::Bin.complete_path(Path::new("m.bin.gz")).is_err());
        assert!(Recorder::Compact.complete_path(Path::new("..")).is_err());
    }

    #[test]
    fn a_path_that_ends_as_another_program_s_files_do_is_refused() {
        let refusal = |name: &str| {
            let error = Recorder::Compact.complete_path(Path::new(name));
            error.unwrap_err().to_string()
        };
        assert!(refusal("digits.ONNX").contains("for a file of .onnx, use Model.export"));
        assert!(refusal("digits.pt").contains("writes .onnx, .safetensors, .npz"));
    }

    #[test]
    fn names_are_read_back() {
        for recorder in Recorder::ALL {
            assert_eq!(recorder.name().parse::<Recorder>().unwrap(), recorder);
        }
        let error = "compcat".parse::<Recorder>().unwrap_err().to_string();
        assert!(error.contains("did you mean \"compact\""), "{error}");
    }
}
