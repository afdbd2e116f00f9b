use super::run::detached;
use crate::config::{ImageShape, ImageStatistics};
use crate::data::{self, Origin};
use crate::error::Error;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;

/// How images are unlike those that a model was trained with.
///
/// Args:
///     statistics: What the training images looked like, JSON.
///     images: n images of the shape, uint8, C-contiguous.
///     shape: Height, width and channels.
///     pictures: Whether the images were read from pictures, else they are arrays; decides the way out that is named.
///
/// Returns:
///     For each difference its kind ("inverted", "scale", "blank" or "border") and the words.
///
/// Raises:
///     DataError: The statistics are broken, or there are not as many bytes as whole images have.
#[pyfunction]
pub fn unlike(
    py: Python<'_>,
    statistics: &str,
    images: PyBuffer<u8>,
    shape: (usize, usize, usize),
    pictures: bool,
) -> PyResult<Vec<(&'static str, String)>> {
    let images = images.to_vec(py)?;
    detached(py, || {
        let training: ImageStatistics = serde_json::from_str(statistics)
            .map_err(|error| Error::Data(format!("statistics of images: {error}")))?;
        let shape = ImageShape::from(shape);
        if shape.is_empty() || images.len() % shape.len() != 0 {
            return Err(Error::Data(format!(
                "images of {shape} values have a multiple of that many bytes, got {}",
                images.len()
            )));
        }
        let origin = if pictures {
            Origin::Pictures(shape)
        } else {
            Origin::Arrays
        };
        let (found, blank) = data::statistics_of(&images, shape);
        let count = images.len() / shape.len();
        let told = data::unlike(&training, &found, blank, count, origin);
        Ok(told
            .into_iter()
            .map(|unlike| (unlike.kind, unlike.message))
            .collect())
    })
}
