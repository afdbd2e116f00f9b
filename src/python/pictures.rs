use super::arguments::index_bytes;
use super::dataset::preprocessing_of;
use super::run::{detached, watched};
use crate::config::ImageShape;
use crate::data;
use crate::error::Error;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A picture as it is seen: upright, without transparency, grey where all of it is grey.
#[pyclass(frozen, module = "mnistburn._native")]
pub struct Picture(data::Picture);

#[pymethods]
impl Picture {
    /// Reads a picture from a file.
    ///
    /// Args:
    ///     path: The file.
    ///
    /// Raises:
    ///     DataError: The file is no picture, or a broken one.
    ///     OSError: The file can't be read.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        detached(py, || data::Picture::open(&path).map(Self))
    }

    /// Reads a picture from the bytes of a file.
    ///
    /// Args:
    ///     content: The bytes.
    ///
    /// Raises:
    ///     DataError: They are no picture, or a broken one; the message says why.
    #[staticmethod]
    fn decode(py: Python<'_>, content: PyBuffer<u8>) -> PyResult<Self> {
        let content = content.to_vec(py)?;
        detached(py, || {
            data::Picture::decode(&content)
                .map(Self)
                .map_err(Error::Data)
        })
    }

    /// Takes the pixels of a picture that is decoded already.
    ///
    /// Args:
    ///     pixels: The bytes, row by row.
    ///     size: Width and height.
    ///     mode: What they mean: "L", "LA", "RGB", "RGBA", or "I;16" in the order of bytes of this machine.
    ///     orientation: How the picture is to be turned, 1 to 8 as in EXIF.
    ///
    /// Raises:
    ///     DataError: The picture is too large, or the bytes are too few.
    #[staticmethod]
    fn from_pixels(
        py: Python<'_>,
        pixels: PyBuffer<u8>,
        size: (usize, usize),
        mode: &str,
        orientation: u8,
    ) -> PyResult<Self> {
        let pixels = pixels.to_vec(py)?;
        let layout = match mode {
            "L" => data::Layout::Grey,
            "LA" => data::Layout::GreyAlpha,
            "RGB" => data::Layout::Colour,
            "RGBA" => data::Layout::ColourAlpha,
            "I;16" => data::Layout::Grey16,
            _ => return Err(Error::Data(format!("there is no mode {mode:?}")).into()),
        };
        detached(py, || {
            data::Picture::from_pixels(pixels, size.0, size.1, layout, orientation)
                .map(Self)
                .map_err(Error::Data)
        })
    }

    /// Whether bytes begin as the file of a picture does.
    ///
    /// Args:
    ///     content: The bytes, or the first 32 of them.
    #[staticmethod]
    fn is_picture(content: &[u8]) -> bool {
        data::Picture::is_begun_by(content)
    }

    /// Height, width and channels: 1 where it is grey in all pixels, else 3.
    #[getter]
    fn shape(&self) -> (usize, usize, usize) {
        (self.0.height, self.0.width, self.0.channels)
    }

    /// Frames or pages of the file, of which this is the first.
    #[getter]
    fn frames(&self) -> usize {
        self.0.frames
    }

    /// The raw pixels of the image that a model takes.
    ///
    /// Args:
    ///     shape: Height, width and channels (1 or 3) of the image.
    ///     preprocessing: How the picture becomes an image: fit, and prepare or None.
    fn image<'py>(
        &self,
        py: Python<'py>,
        shape: (usize, usize, usize),
        preprocessing: (String, Option<String>),
    ) -> PyResult<Bound<'py, PyByteArray>> {
        let shape = ImageShape::from(shape);
        let pixels = detached(py, || {
            self.0.image(shape, preprocessing_of(&preprocessing)?)
        })?;
        Ok(PyByteArray::new(py, &pixels))
    }
}

/// What was read of a folder of pictures.
#[pyclass(frozen, get_all, module = "mnistburn._native")]
pub struct PictureFolder {
    /// The names of the classes.
    class_names: Vec<String>,
    /// Height, width and channels of the images.
    shape: (usize, usize, usize),
    /// Why they have that shape; None where it was asked for.
    shape_rule: Option<String>,
    /// Raw pixels, image by image.
    pixels: Py<PyByteArray>,
    /// The classes of the images, int64 as bytes.
    targets: Py<PyByteArray>,
    /// Pictures that can't be read, and why.
    broken: Vec<(PathBuf, String)>,
    /// Pictures of several frames or pages, and how many.
    animated: Vec<(PathBuf, usize)>,
    /// How many files were passed over, by what they are.
    passed_over: BTreeMap<String, usize>,
}

/// The names of the sub-folders of a folder of pictures, in the order of the classes.
///
/// Hidden folders and those that archivers and operating systems leave are none.
///
/// Raises:
///     DataError: There is no sub-folder.
///     OSError: The folder can't be read.
#[pyfunction]
pub fn folder_classes(py: Python<'_>, path: PathBuf) -> PyResult<Vec<String>> {
    detached(py, || data::class_names_of(&path))
}

/// The pictures in a folder and in those below it, sorted, and how many other files there are, by extension.
///
/// Raises:
///     OSError: A folder can't be read.
#[pyfunction]
pub fn folder_pictures(
    py: Python<'_>,
    path: PathBuf,
) -> PyResult<(Vec<PathBuf>, BTreeMap<String, usize>)> {
    detached(py, || data::pictures_below(&path))
}

/// The part of a data set that a folder of this name holds: "train", "valid" or "test"; None for the name of none.
#[pyfunction]
pub fn part_named(name: &str) -> Option<&'static str> {
    data::part_named(name)
}

/// Whether a folder of this name is hidden, or one that programs leave.
#[pyfunction]
pub fn is_passed_over(name: &str) -> bool {
    data::is_passed_over(name)
}

/// Whether a file of this name has the extension of a picture.
#[pyfunction]
pub fn is_called_picture(name: &str) -> bool {
    data::is_called_picture(name)
}

/// Reads a folder of pictures with a sub-folder for each class.
///
/// Args:
///     path: The folder.
///     size: Height and width of the images; None for what the pictures have in common.
///     channels: 1 for grey, 3 for colours; None for what the pictures have.
///     preprocessing: How pictures become images: fit, and prepare or None.
///     class_names: The classes; None for the names of the sub-folders.
///     progress: Called now and then with the pictures read so far and their number.
///
/// Raises:
///     DataError: There is no sub-folder or no picture, or the sub-folders are no classes.
///     OSError: A folder can't be read.
#[pyfunction]
pub fn read_folder(
    py: Python<'_>,
    path: PathBuf,
    size: Option<(usize, usize)>,
    channels: Option<usize>,
    preprocessing: (String, Option<String>),
    class_names: Option<Vec<String>>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<PictureFolder> {
    let folder = detached(py, || data::Folder::open(&path, class_names))?;
    let wanted = data::Wanted {
        size,
        channels,
        preprocessing: preprocessing_of(&preprocessing)?,
    };
    let (done, total) = (AtomicUsize::new(0), folder.files.len());
    let tell = || match &progress {
        None => Ok(()),
        Some(progress) => progress
            .call1((done.load(Ordering::Relaxed), total))
            .map(|_| ()),
    };
    tell()?;
    let pictures = watched(py, |stop| folder.read(wanted, &done, stop), tell)?;
    let targets: Vec<usize> = pictures
        .targets
        .iter()
        .map(|target| *target as usize)
        .collect();
    let shape = pictures.shape;
    Ok(PictureFolder {
        class_names: folder.class_names,
        shape: (shape.height, shape.width, shape.channels),
        shape_rule: pictures.shape_rule,
        pixels: PyByteArray::new(py, &pictures.pixels).unbind(),
        targets: index_bytes(py, &targets)?.unbind(),
        broken: pictures.broken,
        animated: pictures.animated,
        passed_over: folder.passed_over,
    })
}
