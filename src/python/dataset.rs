use super::arguments::index_bytes;
use super::run::{detached, interruptible, watched};
use crate::config::{ImageShape, Preprocessing};
use crate::data;
use crate::error::{Error, Result};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    ///     class_names: Names of the classes, or None.
    ///     preprocessing: How its pictures became images: fit, and prepare or None.
    #[staticmethod]
    fn from_buffer(
        py: Python<'_>,
        images: PyBuffer<u8>,
        shape: (usize, usize, usize),
        targets: PyBuffer<i64>,
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
        detached(py, || {
            let dataset = data::Dataset::new(pixels, shape, &targets)?;
            Ok(Self(
                dataset
                    .with_class_names(class_names)
                    .with_preprocessing(preprocessing_of(&preprocessing)?),
            ))
        })
    }

    /// A data set whose images stay on disk.
    ///
    /// Args:
    ///     file: The images.
    ///     positions: Which of them, int64; None for all.
    ///     targets: int64 classes, one for each image.
    ///     class_names: Names of the classes, or None.
    ///     preprocessing: How its pictures became images: fit, and prepare or None.
    #[staticmethod]
    fn from_file(
        py: Python<'_>,
        file: &ImageFile,
        positions: Option<PyBuffer<i64>>,
        targets: PyBuffer<i64>,
        class_names: Option<Vec<String>>,
        preprocessing: (String, Option<String>),
    ) -> PyResult<Self> {
        let positions = positions
            .map(|positions| positions.to_vec(py))
            .transpose()?;
        let targets = targets.to_vec(py)?;
        detached(py, || {
            let positions = positions.map(positions_of).transpose()?;
            let dataset = data::Dataset::from_file(Arc::clone(&file.0), positions, &targets)?;
            Ok(Self(
                dataset
                    .with_class_names(class_names)
                    .with_preprocessing(preprocessing_of(&preprocessing)?),
            ))
        })
    }

    /// SHA-256 of images and classes, in hexadecimal.
    fn fingerprint(&self, py: Python<'_>) -> PyResult<String> {
        detached(py, || self.0.fingerprint())
    }
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

/// The names of the sub-folders of a folder of pictures, in the order of the classes.
///
/// Raises:
///     DataError: There is no sub-folder.
///     OSError: The folder can't be read.
#[pyfunction]
pub fn folder_classes(py: Python<'_>, path: PathBuf) -> PyResult<Vec<String>> {
    detached(py, || data::class_names_of(&path))
}

/// The raw pixels of a picture, made to a shape.
///
/// Args:
///     path: The file.
///     shape: Height, width and channels (1 or 3).
///
/// Raises:
///     DataError: The file is no picture, or a broken one.
///     OSError: The file can't be read.
#[pyfunction]
pub fn read_picture(
    py: Python<'_>,
    path: PathBuf,
    shape: (usize, usize, usize),
) -> PyResult<Bound<'_, PyByteArray>> {
    let shape = ImageShape::from(shape);
    let pixels = detached(py, || data::read_picture(&path, shape))?;
    Ok(PyByteArray::new(py, &pixels))
}

/// Reads a folder of pictures with a sub-folder for each class.
///
/// Args:
///     path: The folder.
///     shape: Height, width and channels (1 or 3) of the images.
///     class_names: The classes; None for the names of the sub-folders.
///     progress: Called now and then with the pictures read so far and their number.
///
/// Returns:
///     The class names, the pixels, the int64 targets as bytes, and the pictures that can't be read with the reasons.
///
/// Raises:
///     DataError: There is no sub-folder, or no picture.
///     OSError: A folder can't be read.
#[pyfunction]
#[expect(clippy::type_complexity, reason = "a tuple for Python to unpack")]
pub fn read_folder<'py>(
    py: Python<'py>,
    path: PathBuf,
    shape: (usize, usize, usize),
    class_names: Option<Vec<String>>,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<(
    Vec<String>,
    Bound<'py, PyByteArray>,
    Bound<'py, PyByteArray>,
    Vec<(PathBuf, String)>,
)> {
    let shape = ImageShape::from(shape);
    let folder = detached(py, || data::Folder::open(&path, class_names))?;
    let (done, total) = (AtomicUsize::new(0), folder.files.len());
    let tell = || match &progress {
        None => Ok(()),
        Some(progress) => progress
            .call1((done.load(Ordering::Relaxed), total))
            .map(|_| ()),
    };
    tell()?;
    let pictures = watched(py, |stop| folder.read(shape, &done, stop), tell)?;
    let targets: Vec<usize> = pictures
        .targets
        .iter()
        .map(|target| *target as usize)
        .collect();
    Ok((
        folder.class_names,
        PyByteArray::new(py, &pictures.pixels),
        index_bytes(py, &targets)?,
        pictures.broken,
    ))
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
