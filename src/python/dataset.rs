use super::run::{detached, interruptible};
use crate::config::{ImageShape, Preprocessing};
use crate::data;
use crate::error::{Error, Result};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use std::path::PathBuf;
use std::sync::Arc;

/// Images with their classes, as the core has them.
#[pyclass(frozen, module = "mnistburn._native")]
pub struct Dataset(pub data::Dataset);

#[pymethods]
impl Dataset {
    /// A data set in memory, of copies of the arrays.
    ///
    /// Args:
    ///     images: C-contiguous raw pixels, uint8, n images of the shape.
    ///     shape: Height, width and channels.
    ///     targets: n int64 classes.
    ///     weights: n float32 weights in the loss of training, or None.
    ///     class_names: Names of the classes, or None.
    ///     preprocessing: How its pictures became images: fit, and prepare or None.
    #[staticmethod]
    fn from_buffer(
        py: Python<'_>,
        images: PyBuffer<u8>,
        shape: (usize, usize, usize),
        targets: PyBuffer<i64>,
        weights: Option<PyBuffer<f32>>,
        class_names: Option<Vec<String>>,
        preprocessing: (String, Option<String>),
    ) -> PyResult<Self> {
        let shape = ImageShape::from(shape);
        // Shared from the start: a vector would be copied once more.
        let mut pixels: Arc<[u8]> = std::iter::repeat_n(0, images.item_count()).collect();
        if let Some(pixels) = Arc::get_mut(&mut pixels) {
            images.copy_to_slice(py, pixels)?;
        }
        let targets = targets.to_vec(py)?;
        let weights = weights.map(|weights| weights.to_vec(py)).transpose()?;
        detached(py, || {
            let dataset = data::Dataset::new(pixels, shape, &targets)?;
            Ok(Self(
                dataset
                    .with_class_names(class_names)
                    .with_preprocessing(preprocessing_of(&preprocessing)?)
                    .with_weights(weights)?,
            ))
        })
    }

    /// A data set whose images stay on disk.
    ///
    /// Args:
    ///     file: The images.
    ///     positions: Which of them, int64; None for all.
    ///     targets: int64 classes, one for each image.
    ///     weights: float32 weights in the loss of training, one for each image, or None.
    ///     class_names: Names of the classes, or None.
    ///     preprocessing: How its pictures became images: fit, and prepare or None.
    #[staticmethod]
    fn from_file(
        py: Python<'_>,
        file: &ImageFile,
        positions: Option<PyBuffer<i64>>,
        targets: PyBuffer<i64>,
        weights: Option<PyBuffer<f32>>,
        class_names: Option<Vec<String>>,
        preprocessing: (String, Option<String>),
    ) -> PyResult<Self> {
        let positions = positions
            .map(|positions| positions.to_vec(py))
            .transpose()?;
        let targets = targets.to_vec(py)?;
        let weights = weights.map(|weights| weights.to_vec(py)).transpose()?;
        detached(py, || {
            let positions = positions.map(positions_of).transpose()?;
            let dataset = data::Dataset::from_file(Arc::clone(&file.0), positions, &targets)?;
            Ok(Self(
                dataset
                    .with_class_names(class_names)
                    .with_preprocessing(preprocessing_of(&preprocessing)?)
                    .with_weights(weights)?,
            ))
        })
    }

    /// SHA-256 of the shape, the images and the classes, in hexadecimal.
    fn fingerprint(&self, py: Python<'_>) -> PyResult<String> {
        detached(py, || self.0.fingerprint())
    }

    /// Whether a fingerprint is that of these images; also an older one, without the shape.
    ///
    /// Args:
    ///     fingerprint: SHA-256 in hexadecimal, as a run keeps it.
    fn has_fingerprint(&self, py: Python<'_>, fingerprint: &str) -> PyResult<bool> {
        detached(py, || self.0.has_fingerprint(fingerprint))
    }
}

/// Check that there is a weight for each image, a finite number of at least 0.
///
/// Args:
///     weights: float32.
///     images: The number of images.
#[pyfunction]
pub fn check_weights(py: Python<'_>, weights: PyBuffer<f32>, images: usize) -> PyResult<()> {
    let weights = weights.to_vec(py)?;
    detached(py, || data::check_weights(&weights, images))
}

/// What data sets hold and what is odd about them, as JSON: an object for each, with its warnings.
///
/// Args:
///     datasets: The sets with what their images are called, as in ("training images", ...). What is also in the first one is a leak of the others.
///     num_classes: Number of classes.
#[pyfunction]
pub fn describe_datasets(
    py: Python<'_>,
    datasets: Vec<(String, PyRef<'_, Dataset>)>,
    num_classes: usize,
) -> PyResult<String> {
    let datasets: Vec<(String, data::Dataset)> = datasets
        .into_iter()
        .map(|(name, dataset)| (name, dataset.0.clone()))
        .collect();
    let found = interruptible(py, |stop| {
        let mut first = None;
        let mut found = Vec::new();
        for (name, dataset) in &datasets {
            let (mut description, hashes) = data::Description::of(dataset, num_classes, stop)?;
            match &first {
                None => first = Some(hashes),
                Some(first) => description.find_leaks(&hashes, first),
            }
            let warnings = description.warnings(name);
            found.push(serde_json::json!({"found": description, "warnings": warnings}));
        }
        Ok(found)
    })?;
    Ok(serde_json::Value::from(found).to_string())
}

/// How pictures become images, from the names that Python has for it.
pub fn preprocessing_of((fit, prepare): &(String, Option<String>)) -> Result<Preprocessing> {
    Ok(Preprocessing {
        fit: fit.parse()?,
        prepare: prepare.as_deref().map(str::parse).transpose()?,
    })
}

fn positions_of(positions: Vec<i64>) -> Result<Vec<usize>> {
    let positions = positions.into_iter().map(|position| {
        usize::try_from(position)
            .map_err(|_| Error::Data(format!("positions must be at least 0, got {position}")))
    });
    positions.collect()
}

/// An uncompressed IDX file of images that stays on disk.
#[pyclass(frozen, module = "mnistburn._native")]
pub struct ImageFile(Arc<data::ImageFile>);

#[pymethods]
impl ImageFile {
    /// Opens a file, whose size must be what its header says.
    ///
    /// Args:
    ///     path: The file.
    #[new]
    fn py_new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        detached(py, || data::ImageFile::open(&path).map(Arc::new).map(Self))
    }

    /// Number of images, height, width and channels.
    #[getter]
    fn shape(&self) -> (usize, usize, usize, usize) {
        let shape = self.0.shape();
        (self.0.len(), shape.height, shape.width, shape.channels)
    }

    /// The raw pixels of the images at int64 positions, one behind the other.
    fn read<'py>(
        &self,
        py: Python<'py>,
        positions: PyBuffer<i64>,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        let positions = positions.to_vec(py)?;
        let pixels = detached(py, || self.0.gather(&positions_of(positions)?))?;
        Ok(PyByteArray::new(py, &pixels))
    }

    /// Where the first image begins, in bytes.
    #[getter]
    fn offset(&self) -> u64 {
        self.0.offset()
    }
}
