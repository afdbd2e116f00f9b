use super::run::detached;
use crate::config::ImageShape;
use crate::data;
use crate::error::Error;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

/// Makes a picture of a digit as MNIST was made: light strokes on a dark ground, fitted into 20 x 20 pixels, placed by their mass.
///
/// Args:
///     grey: Pixels of the picture, uint8, C-contiguous.
///     size: Its height and width.
///     shape: Height, width and channels of the image.
///
/// Returns:
///     The raw pixels of the image, and whether the picture was inverted, moved (cropped, scaled or centred), and blank.
///
/// Raises:
///     DataError: There are not as many pixels as the size says.
#[pyfunction]
pub fn prepare_digit(
    py: Python<'_>,
    grey: PyBuffer<u8>,
    size: (usize, usize),
    shape: (usize, usize, usize),
) -> PyResult<(Bound<'_, PyByteArray>, (bool, bool, bool))> {
    let grey = grey.to_vec(py)?;
    let (height, width) = size;
    let prepared = detached(py, || {
        if height.checked_mul(width) != Some(grey.len()) {
            return Err(Error::Data(format!(
                "a picture of {height} x {width} must have as many pixels, got {}",
                grey.len()
            )));
        }
        Ok(data::prepare(&grey, width, height, ImageShape::from(shape)))
    })?;
    Ok((
        PyByteArray::new(py, &prepared.pixels),
        (prepared.inverted, prepared.moved, prepared.blank),
    ))
}
