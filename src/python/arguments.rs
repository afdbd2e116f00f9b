//! Arguments that are more than what PyO3 reads by itself.

use crate::config::ImageShape;
use crate::error::Result;
use crate::model::Pixels;
use crate::network::Parameter;
use pyo3::buffer::PyBuffer;
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

/// Images in a C-contiguous buffer: uint8 for raw pixels, float32 for pixels in 0..1.
pub enum ImageBuffer {
    Raw(PyBuffer<u8>),
    Unit(PyBuffer<f32>),
}

/// The same, copied: nobody changes it while it is computed with.
pub enum Images {
    Raw(Vec<u8>),
    Unit(Vec<f32>),
}

impl<'py> FromPyObject<'_, 'py> for ImageBuffer {
    type Error = PyErr;

    const INPUT_TYPE: PyStaticExpr = <PyBuffer<u8> as FromPyObject<'_, '_>>::INPUT_TYPE;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<PyBuffer<f32>>() {
            Ok(buffer) => Ok(Self::Unit(buffer)),
            Err(_) => Ok(Self::Raw(object.extract()?)),
        }
    }
}

impl ImageBuffer {
    pub fn copy(&self, py: Python<'_>) -> PyResult<Images> {
        Ok(match self {
            Self::Raw(buffer) => Images::Raw(buffer.to_vec(py)?),
            Self::Unit(buffer) => Images::Unit(buffer.to_vec(py)?),
        })
    }
}

impl Images {
    /// The images, each of `shape`.
    pub fn pixels(&self, shape: ImageShape) -> Result<Pixels<'_>> {
        match self {
            Self::Raw(pixels) => Pixels::raw(pixels, shape),
            Self::Unit(pixels) => Pixels::unit(pixels, shape),
        }
    }
}

/// Numbers as little-endian bytes, for `numpy.frombuffer`.
pub fn bytes_of<'py, T: Copy, const WIDTH: usize>(
    py: Python<'py>,
    numbers: &[T],
    to_bytes: impl Fn(T) -> [u8; WIDTH],
) -> PyResult<Bound<'py, PyByteArray>> {
    PyByteArray::new_with(py, numbers.len() * WIDTH, |bytes| {
        for (chunk, number) in bytes.chunks_exact_mut(WIDTH).zip(numbers) {
            chunk.copy_from_slice(&to_bytes(*number));
        }
        Ok(())
    })
}

/// f32 values as bytes.
pub fn float_bytes<'py>(py: Python<'py>, values: &[f32]) -> PyResult<Bound<'py, PyByteArray>> {
    bytes_of(py, values, f32::to_le_bytes)
}

/// Indices as int64 bytes.
pub fn index_bytes<'py>(py: Python<'py>, indices: &[usize]) -> PyResult<Bound<'py, PyByteArray>> {
    bytes_of(py, indices, |index| (index as i64).to_le_bytes())
}

/// A parameter or its gradient: name, shape and values.
pub type ParameterBuffer = (String, Vec<usize>, PyBuffer<f32>);

/// Parameters from their buffers.
pub fn parameters(py: Python<'_>, given: Vec<ParameterBuffer>) -> PyResult<Vec<Parameter>> {
    let parameter = |(name, shape, values): ParameterBuffer| {
        let values = values.to_vec(py)?;
        Ok(Parameter {
            name,
            shape,
            values,
        })
    };
    given.into_iter().map(parameter).collect()
}
