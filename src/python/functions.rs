use super::arguments::index_bytes;
use super::dataset::Dataset;
use super::model::Model;
use super::run::{detached, interruptible};
use crate::config::{
    AugmentationConfig, CheckpointConfig, EarlyStoppingConfig, NetworkConfig, Settings,
    TrainingConfig, for_each_optimizer,
};
use crate::device::{self, Device};
use crate::error::{Error, Result};
use crate::learner::{self, Data, RateRange, WhichModel};
use crate::{data, interchange};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// How the extension was built: its version, that of Burn, the profile and the back ends.
#[pyfunction]
pub fn build_info() -> BTreeMap<&'static str, String> {
    let backends: Vec<&str> = [
        ("cpu", cfg!(feature = "cpu")),
        ("wgpu", cfg!(feature = "wgpu")),
        ("cuda", cfg!(feature = "cuda")),
    ]
    .into_iter()
    .filter_map(|(name, built)| built.then_some(name))
    .collect();
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    BTreeMap::from([
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("burn", "0.21.0".to_owned()),
        ("profile", profile.to_owned()),
        ("backends", backends.join(", ")),
    ])
}

/// The names of all that a run may have in its directory.
#[pyfunction]
pub fn run_files() -> Vec<&'static str> {
    learner::run_files().collect()
}

/// What computes on the CPU: the name of an instruction set, as in "avx2", or "burn" for Burn's own operations.
///
/// Raises:
///     DeviceError: MNISTBURN_KERNELS asks for one that this processor lacks.
#[pyfunction]
pub fn cpu_kernels() -> PyResult<&'static str> {
    Ok(device::cpu_kernels()?)
}

fn json<T: Settings>(text: &str, complete: bool) -> Result<String> {
    let config = T::from_json(text)?;
    Ok(if complete {
        config.complete_json()
    } else {
        config.to_json()
    })
}

macro_rules! each_kind {
    ($($kind:ident($config:ident);)+) => {
        fn each_kind(kind: &str, text: &str, complete: bool) -> Result<String> {
            match kind {
                "training" => json::<TrainingConfig>(text, complete),
                "model" => json::<NetworkConfig>(text, complete),
                "augmentation" => json::<AugmentationConfig>(text, complete),
                "early_stopping" => json::<EarlyStoppingConfig>(text, complete),
                "checkpoint" => json::<CheckpointConfig>(text, complete),
                $(
                    name if name.eq_ignore_ascii_case(stringify!($kind)) => {
                        json::<crate::config::$config>(text, complete)
                    }
                )+
                other => Err(Error::Config(format!(
                    "the kind must be training, model, augmentation, early_stopping, checkpoint or one of the optimizers {}, got {other:?}",
                    [$(stringify!($kind)),+].join(", ").to_lowercase()
                ))),
            }
        }
    };
}
for_each_optimizer!(each_kind);

/// Checks a configuration and fills in its defaults.
///
/// Args:
///     kind: "training", "model", "augmentation", "early_stopping", "checkpoint" or the name of an optimizer, as "adamw".
///     text: JSON.
///
/// Returns:
///     JSON with every key.
///
/// Raises:
///     ConfigError: A key is unknown or a value breaks its rule.
#[pyfunction]
pub fn complete_config(kind: &str, text: &str) -> PyResult<String> {
    Ok(each_kind(kind, text, true)?)
}

/// Checks a configuration and writes it as Burn's type of that name does.
///
/// Args:
///     kind: "training", "model", "augmentation", "early_stopping", "checkpoint" or the name of an optimizer, as "adamw".
///     text: JSON.
///
/// Returns:
///     Indented JSON; keys that Burn lacks are left out where they hold their defaults.
///
/// Raises:
///     ConfigError: A key is unknown or a value breaks its rule.
#[pyfunction]
pub fn burn_config(kind: &str, text: &str) -> PyResult<String> {
    Ok(each_kind(kind, text, false)?)
}

/// The devices this build knows: (device, kind, name, reason why it can't be used or None).
#[pyfunction]
pub fn devices(py: Python<'_>) -> PyResult<Vec<(String, String, String, Option<String>)>> {
    detached(py, || {
        let list = Device::list().into_iter();
        Ok(list
            .map(|device| {
                (
                    device.device,
                    device.kind.to_owned(),
                    device.name,
                    device.reason,
                )
            })
            .collect())
    })
}

/// The device that a string stands for, in its shortest form.
///
/// Raises:
///     DeviceError: There is no such device, or it can't be used here.
#[pyfunction]
pub fn resolve_device(py: Python<'_>, device: &str) -> PyResult<String> {
    detached(py, || Ok(device.parse::<Device>()?.to_string()))
}

/// The fastest device that works here, and why faster ones were passed over.
///
/// Raises:
///     DeviceError: No device can be used here.
#[pyfunction]
pub fn choose_device(py: Python<'_>) -> PyResult<(String, Vec<String>)> {
    detached(py, || {
        let choice = Device::choose()?;
        Ok((choice.device.to_string(), choice.reasons))
    })
}

/// Whether NVIDIA's driver can be loaded.
#[pyfunction]
pub fn cuda_driver(py: Python<'_>) -> PyResult<bool> {
    detached(py, || Ok(device::cuda_driver()))
}

/// The CUDA toolkit whose headers kernels are compiled with: CUDA_PATH, or a usual place of one; None where there is none.
#[pyfunction]
pub fn cuda_toolkit() -> Option<PathBuf> {
    device::cuda_toolkit()
}

/// Compiles a kernel as CUDA's are, which takes neither a GPU nor a driver.
///
/// Args:
///     architecture: That of the GPU, as in "sm_90".
///
/// Raises:
///     DeviceError: The compiler or its headers are missing or broken.
#[pyfunction]
pub fn check_cuda_compiler(py: Python<'_>, architecture: &str) -> PyResult<()> {
    detached(py, || device::check_cuda_compiler(architecture))
}

/// Reads an IDX file of unsigned bytes, plain or gzip-compressed.
///
/// Args:
///     path: The file.
///     sha256: Expected hash of the uncompressed file, in hexadecimal.
///
/// Returns:
///     Shape and bytes.
///
/// Raises:
///     DataError: The file is broken, or its hash is another.
///     OSError: The file can't be read.
#[pyfunction]
#[pyo3(signature = (path, sha256=None))]
pub fn read_idx<'py>(
    py: Python<'py>,
    path: PathBuf,
    sha256: Option<&str>,
) -> PyResult<(Vec<usize>, Bound<'py, PyByteArray>)> {
    let array = detached(py, || data::read_idx(&path, sha256))?;
    Ok((array.shape, PyByteArray::new(py, &array.bytes)))
}

/// Splits indices in two, class by class.
///
/// Args:
///     targets: int64 classes.
///     fraction: Share of each class in the second half, above 0 and below 1.
///     seed: What the choice follows from.
///
/// Returns:
///     The indices of both halves, ascending, as int64 bytes.
///
/// Raises:
///     DataError: The share is out of range, or leaves nothing on one side.
#[pyfunction]
pub fn split_indices(
    py: Python<'_>,
    targets: PyBuffer<i64>,
    fraction: f64,
    seed: u64,
) -> PyResult<(Bound<'_, PyByteArray>, Bound<'_, PyByteArray>)> {
    let targets = targets.to_vec(py)?;
    let (kept, split) = detached(py, || data::split_indices(&targets, fraction, seed))?;
    Ok((index_bytes(py, &kept)?, index_bytes(py, &split)?))
}

/// The order in which training goes through `length` images in an epoch, as int64 bytes.
#[pyfunction]
pub fn batch_order(
    py: Python<'_>,
    length: usize,
    seed: u64,
    epoch: u64,
) -> PyResult<Bound<'_, PyByteArray>> {
    let order = detached(py, || Ok(data::batch_order(length, seed, epoch)))?;
    index_bytes(py, &order)
}

/// Changes images as a training does in an epoch.
///
/// Args:
///     config: Augmentation configuration, JSON.
///     images: n x height x width x channels raw pixels, uint8.
///     shape: Height, width and channels.
///     indices: The position of each image in its data set, n int64 values of at least 0.
///     seed: That of the training.
///     epoch: From 1.
///
/// Returns:
///     The changed images, as bytes.
///
/// Raises:
///     ConfigError: The configuration breaks a rule.
///     DataError: There are not as many bytes as the shape and the indices ask for.
#[pyfunction]
pub fn augment<'py>(
    py: Python<'py>,
    config: &str,
    images: PyBuffer<u8>,
    shape: (usize, usize, usize),
    indices: PyBuffer<i64>,
    seed: u64,
    epoch: u64,
) -> PyResult<Bound<'py, PyByteArray>> {
    /// Images between two looks at the flag.
    const PIECE: usize = 4096;

    let mut images = images.to_vec(py)?;
    let indices = indices.to_vec(py)?;
    let shape = data::ImageShape::from(shape);
    let work = |stop: &AtomicBool| {
        let config = AugmentationConfig::from_json(config)?;
        let indices: Vec<usize> = indices.iter().map(|index| *index as usize).collect();
        if shape.is_empty() || images.len() != indices.len() * shape.len() {
            return Err(Error::Data(format!(
                "{} images of {shape} values must have as many bytes, got {}",
                indices.len(),
                images.len()
            )));
        }
        let augmentation = data::Augmentation::new(&config, shape, seed)?;
        let pieces = images.chunks_mut(PIECE * shape.len());
        for (images, indices) in pieces.zip(indices.chunks(PIECE)) {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            // On a thread of the pool, where the others help.
            rayon::scope(|_| augmentation.apply_batch(epoch, indices, images));
        }
        Ok(())
    };
    interruptible(py, work)?;
    Ok(PyByteArray::new(py, &images))
}

/// A model of a run, in full precision where a checkpoint of such is kept.
///
/// Args:
///     artifact_dir: Where the run is kept.
///     device: Where the model computes.
///     epoch: The epoch after which; None for the model that the run ended with.
///     last: Whether it is the model after the last step, whatever the run ended with.
///
/// Raises:
///     ArtifactError: The checkpoint of the epoch is not kept.
///     RecordError: The record is broken.
///     OSError: The directory holds no run.
#[pyfunction]
#[pyo3(signature = (artifact_dir, device, epoch=None, last=false))]
pub fn load_run(
    py: Python<'_>,
    artifact_dir: PathBuf,
    device: &str,
    epoch: Option<usize>,
    last: bool,
) -> PyResult<Model> {
    let which = match epoch {
        Some(epoch) => WhichModel::Epoch(epoch),
        None if last => WhichModel::Last,
        None => WhichModel::Run,
    };
    let load = || learner::load_run(&artifact_dir, device.parse()?, which);
    let (model, config) = detached(py, load)?;
    Ok(Model::new(model.classifier, config.seed, model.about))
}

/// Trains a model of its own at growing learning rates, and says how the loss moved. Nothing is written.
///
/// Args:
///     config: Training configuration, JSON.
///     device: Where it computes.
///     train: The images to train with.
///     valid: Those to validate on, which are checked and not used.
///     range: The first rate, the last one, and the number of steps.
///
/// Returns:
///     Rates, losses, smoothed losses, the rate of the steepest descent and a tenth of that of the lowest loss, and whether the loss
///     grew out of bounds.
#[pyfunction]
#[expect(
    clippy::type_complexity,
    reason = "a tuple for the Python layer to name"
)]
pub fn find_rate(
    py: Python<'_>,
    config: &str,
    device: &str,
    train: &Dataset,
    valid: &Dataset,
    range: (f64, f64, usize),
) -> PyResult<(Vec<f64>, Vec<f64>, Vec<f64>, Option<f64>, Option<f64>, bool)> {
    let config = TrainingConfig::from_json(config)?;
    let device: Device = device.parse()?;
    let data = Data {
        train: train.0.clone(),
        valid: valid.0.clone(),
    };
    let (start, end, steps) = range;
    let range = RateRange { start, end, steps };
    let curve = interruptible(py, |stop| {
        learner::find_rate(&config, device, &data, range, stop)
    })?;
    Ok((
        curve.rates,
        curve.losses,
        curve.smoothed,
        curve.steepest,
        curve.minimum,
        curve.diverged,
    ))
}

/// What a run has measured, JSON: of one that was killed or is on, up to its newest whole checkpoint.
///
/// Raises:
///     ArtifactError: There is no checkpoint yet, or a file of the history is damaged.
///     OSError: A file can't be read.
#[pyfunction]
pub fn run_history(py: Python<'_>, artifact_dir: PathBuf) -> PyResult<String> {
    let read = || {
        serde_json::to_string(&learner::run_history(&artifact_dir)?)
            .map_err(|error| Error::Internal(format!("a history could not be encoded: {error}")))
    };
    detached(py, read)
}

/// Does what is left to do where a process was killed while its run took the place of an older one.
///
/// Raises:
///     ArtifactError: A run has been about that for too long.
///     OSError: A file can't be moved or removed.
#[pyfunction]
pub fn settle_run(py: Python<'_>, artifact_dir: PathBuf) -> PyResult<()> {
    detached(py, || learner::settle(&artifact_dir))
}

/// Whether a directory holds a run.
#[pyfunction]
pub fn holds_run(artifact_dir: PathBuf) -> bool {
    learner::holds_run(&artifact_dir)
}

/// What is in a model file: JSON with format, precision, tensors, config, about, metadata and problem.
#[pyfunction]
pub fn describe(py: Python<'_>, path: PathBuf) -> PyResult<String> {
    let found = detached(py, || interchange::describe(&path))?;
    let metadata: BTreeMap<String, String> = found.metadata.into_iter().collect();
    let about = found.about.map(|about| {
        serde_json::json!({
            "metadata": about.metadata,
            "image_size_known": about.image_size_known,
        })
    });
    Ok(serde_json::json!({
        "format": found.format,
        "precision": found.precision,
        "tensors": found.tensors,
        "config": found.config,
        "about": about,
        "metadata": metadata,
        "problem": found.problem,
    })
    .to_string())
}
