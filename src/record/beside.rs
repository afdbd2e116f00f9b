//! What files beside a model's file say of it: its companion, and those of a run.
//!
//! Burn's formats have no room for more than parameters. The companion of `digits.mpk` is `digits.mpk.meta.json`; it has the
//! SHA-256 of the file, so that it never speaks of another one.

use super::about::{About, Found, Stated, read_metadata};
use super::fault::fault;
use super::file;
use crate::config::{AugmentationConfig, Metadata, NetworkConfig, Settings, Views};
use crate::data::hexadecimal;
use crate::error::{Error, Result};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// What the name of a companion ends in.
pub(super) const COMPANION_ENDING: &str = ".meta.json";
/// Largest file that is read here: the names of a million classes take less.
const MAX_BYTES: u64 = 64 << 20;
const SHA256: &str = "sha256";
/// Until the file is replaced, the companion speaks of the older one too.
const REPLACED: &str = "replaced";

/// What is known of the model in a file that says no more of itself than its parameters; `None` where no file beside it says
/// more.
pub(crate) fn stated_beside(path: &Path, found: &Found<'_>) -> Result<Option<Stated>> {
    match of_companion(path)? {
        Some(stated) if (found.fits)(&stated.config) => Ok(Some(stated)),
        Some(stated) => Err(other_model(path, &stated.config, found)),
        None => of_run(path, found),
    }
}

/// The name of a file's companion.
pub(crate) fn companion(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(COMPANION_ENDING);
    name.into()
}

/// Writes a model's file and its companion; the file appears atomically, and at no moment is there one whose
/// companion speaks of another.
pub(crate) fn write(
    path: &Path,
    bytes: &[u8],
    config: &NetworkConfig,
    about: &About,
) -> Result<()> {
    let companion = companion(path);
    let mut object = about.write(config);
    object.insert(SHA256.into(), hexadecimal(&Sha256::digest(bytes)).into());
    let is_new = !path.exists();
    // A companion of something else would be refused after a crash, and so would be told.
    let older = matching(path).ok().flatten();
    if is_new {
        write_object(&companion, &object)?;
    } else if let Some(older) = older {
        let mut both = object.clone();
        both.insert(REPLACED.into(), older.into());
        write_object(&companion, &both)?;
    }
    if let Err(error) = file::write(path, bytes) {
        if is_new {
            let _ = fs::remove_file(&companion);
        }
        return Err(error);
    }
    if is_new {
        Ok(())
    } else {
        write_object(&companion, &object)
    }
}

fn write_object(path: &Path, object: &Map<String, Value>) -> Result<()> {
    let text = format!("{:#}\n", Value::Object(object.clone()));
    file::write(path, text.as_bytes())
}

fn of_companion(path: &Path) -> Result<Option<Stated>> {
    let damaged = |reason: &str| {
        fault(
            &companion(path),
            &format!(
                "it must be what mnistburn wrote beside {}, and is damaged: {reason}; delete it, and load the model with \
                 image_size=(height, width)",
                file::name(path)
            ),
        )
    };
    matching(path)?
        .map(|object| Stated::parse(&object.into()).map_err(|reason| damaged(&reason)))
        .transpose()
}

/// What the companion says of the file as it is now.
fn matching(path: &Path) -> Result<Option<Map<String, Value>>> {
    let companion = companion(path);
    if let Err(error) = companion.metadata()
        && error.kind() == ErrorKind::NotFound
    {
        return Ok(None);
    }
    let bytes = file::read_at_most(&companion, MAX_BYTES)?;
    let object: Option<Map<String, Value>> = serde_json::from_slice(&bytes).ok();
    let hash = hash(path)?;
    let speaks_of = |object: &Map<String, Value>| {
        object.get(SHA256).and_then(Value::as_str) == Some(hash.as_str())
    };
    let found = object.and_then(|mut object| {
        let replaced = object.remove(REPLACED);
        if speaks_of(&object) {
            return Some(object);
        }
        match replaced {
            Some(Value::Object(older)) if speaks_of(&older) => Some(older),
            _ => None,
        }
    });
    found.map(Some).ok_or_else(|| {
        fault(
            &companion,
            &format!(
                "it must have the SHA-256 of {}, which is {hash}, and has another: one of the two was replaced or changed; bring \
                 both back as they were written, or delete {} and load the model with image_size=(height, width)",
                path.display(),
                file::name(&companion)
            ),
        )
    })
}

fn hash(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    File::open(path)
        .and_then(|mut file| io::copy(&mut file, &mut hasher))
        .map_err(Error::io("could not read", path))?;
    Ok(hexadecimal(&hasher.finalize()))
}

fn other_model(path: &Path, stated: &NetworkConfig, found: &Found<'_>) -> Error {
    fault(
        &companion(path),
        &format!(
            "it must be of the model in {}, with {found}, and is of one with {}; delete it, and load the model with \
             image_size=(height, width)",
            path.display(),
            stated.sizes()
        ),
    )
}

/// What a `config.json` beside the file says, or, for one of a run's checkpoints, that of the run: a model's or a training's.
/// One of another model, and anything else of that name, is left alone.
fn of_run(path: &Path, found: &Found<'_>) -> Result<Option<Stated>> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let Some(folder) = path.parent() else {
        return Ok(None);
    };
    let run = folder
        .parent()
        .filter(|checkpoints| file::name(checkpoints) == "checkpoint")
        .and_then(Path::parent);
    for folder in [Some(folder), run].into_iter().flatten() {
        let Ok(bytes) = file::read_at_most(&folder.join("config.json"), MAX_BYTES) else {
            continue;
        };
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let training = value.get("model");
        let Ok(config) = NetworkConfig::from_value(training.unwrap_or(&value), "") else {
            continue;
        };
        if !(found.fits)(&config) {
            continue;
        }
        let metadata = match training {
            Some(_) => Metadata {
                views: trained_views(&value),
                ..run_metadata(folder, config.num_classes())?
            },
            None => Metadata::default(),
        };
        let about = About {
            metadata,
            image_size_known: true,
        };
        return Ok(Some(Stated { config, about }));
    }
    Ok(None)
}

/// The views that a training's configuration says.
fn trained_views(training: &Value) -> Views {
    let augmentation = training.get("augmentation");
    let augmentation =
        augmentation.and_then(|value| AugmentationConfig::from_value(value, "").ok());
    Views::of_training(augmentation.as_ref())
}

/// What the files of a run say of its model: `data.json`, and in runs of older versions `class_names.json`.
pub(crate) fn run_metadata(folder: &Path, num_classes: usize) -> Result<Metadata> {
    let read = |name: &str| -> Result<Option<Value>> {
        let path = folder.join(name);
        if !path.is_file() {
            return Ok(None);
        }
        let bytes = file::read_at_most(&path, MAX_BYTES)?;
        let value = serde_json::from_slice(&bytes);
        value
            .map(Some)
            .map_err(|error| damaged(&path, &error.to_string()))
    };
    let mut metadata = match read("data.json")? {
        Some(value) => {
            read_metadata(&value).map_err(|reason| damaged(&folder.join("data.json"), &reason))?
        }
        None => Metadata::default(),
    };
    let name = "class_names.json";
    if metadata.class_names.is_none()
        && let Some(names) = read(name)?
    {
        let names = read_metadata(&serde_json::json!({ "class_names": names }));
        metadata.class_names = names
            .map_err(|reason| damaged(&folder.join(name), &reason))?
            .class_names;
    }
    // Images may have names for classes that the model lacks.
    if let Some(names) = &mut metadata.class_names {
        names.truncate(num_classes);
    }
    Ok(metadata)
}

fn damaged(path: &Path, reason: &str) -> Error {
    Error::Artifact(format!("{} is damaged: {reason}", path.display()))
}
