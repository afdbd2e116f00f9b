//! What a training forward gives, and the way back from its loss.

use super::gradients::Gradients;
use super::run::detached;
use super::tapes;
use crate::error::{Error, Result};
use crate::model;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use std::sync::{Mutex, PoisonError};

/// What a training forward gives.
#[pyclass(frozen, module = "mnistburn._native")]
pub struct TrainingOutput {
    pub(super) loss: Py<Loss>,
    pub(super) losses: Py<PyByteArray>,
    pub(super) output: Py<PyByteArray>,
}

#[pymethods]
impl TrainingOutput {
    /// Mean loss of the batch.
    #[getter]
    fn loss(&self, py: Python<'_>) -> Py<Loss> {
        self.loss.clone_ref(py)
    }

    /// The loss of each image: n float32 values, as bytes.
    #[getter]
    fn losses(&self, py: Python<'_>) -> Py<PyByteArray> {
        self.losses.clone_ref(py)
    }

    /// Logits: n x num_classes float32 values, as bytes.
    #[getter]
    fn output(&self, py: Python<'_>) -> Py<PyByteArray> {
        self.output.clone_ref(py)
    }
}

/// Computes the gradients of a loss, and uses up its tape.
type Backward = Box<dyn FnOnce() -> Result<model::HeldGradients> + Send>;

/// A loss with its tape.
#[pyclass(frozen, module = "mnistburn._native")]
pub struct Loss {
    pub(super) value: f32,
    pub(super) backward: Mutex<Option<Backward>>,
}

impl Drop for Loss {
    fn drop(&mut self) {
        let tape = self.backward.get_mut();
        if let Some(tape) = tape.unwrap_or_else(PoisonError::into_inner).take() {
            tapes::put_aside(Box::new(tape));
        }
    }
}

#[pymethods]
impl Loss {
    fn __float__(&self) -> f64 {
        self.value.into()
    }

    /// The gradient of the loss for every parameter. Uses up the tape.
    ///
    /// Raises:
    ///     TrainingError: The tape was used before.
    fn backward(&self, py: Python<'_>) -> PyResult<Gradients> {
        let backward = self
            .backward
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let gradients = detached(py, || {
            let backward = backward.ok_or_else(|| {
                Error::Training(
                    "backward must be called once for each forward pass, got a second call; compute the loss again".into(),
                )
            })?;
            backward()
        })?;
        Ok(Gradients(gradients))
    }
}
