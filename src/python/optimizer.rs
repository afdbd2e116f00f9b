//! Steps of a loop of one's own.

use super::gradients::Gradients;
use super::model::Model;
use super::run::detached;
use crate::config::{NetworkConfig, OptimizerConfig, Settings};
use crate::model::Stepper;
use crate::record::StepperState;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// An optimizer with its state.
#[pyclass(frozen, module = "mnistburn._native")]
pub struct Optimizer {
    config: OptimizerConfig,
    /// Made at the first step, for the device of its model.
    stepper: Mutex<Option<Box<dyn Stepper>>>,
}

#[pymethods]
impl Optimizer {
    /// An optimizer without state.
    ///
    /// Args:
    ///     config: Optimizer configuration, JSON.
    #[new]
    fn py_new(config: &str) -> PyResult<Self> {
        Ok(Self {
            config: OptimizerConfig::from_json(config)?,
            stepper: Mutex::new(None),
        })
    }

    /// An optimizer as its state gave it.
    ///
    /// Args:
    ///     config: Optimizer configuration, JSON.
    ///     state: Burn's record, the configuration of the model it is of, JSON, and the device.
    #[staticmethod]
    fn restore(py: Python<'_>, config: &str, state: (Vec<u8>, String, String)) -> PyResult<Self> {
        let (bytes, model, device) = state;
        let (config, stepper) = detached(py, || {
            let config = OptimizerConfig::from_json(config)?;
            let state = StepperState {
                bytes,
                model: NetworkConfig::from_json(&model)?,
                device: device.parse()?,
            };
            let stepper = state.restore(&config, Path::new("a pickled Optimizer"))?;
            Ok((config, stepper))
        })?;
        Ok(Self {
            config,
            stepper: Mutex::new(Some(stepper)),
        })
    }

    /// What it has learned of the gradients, as restore takes it; None before the first step.
    fn state<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<(Bound<'py, PyBytes>, String, String)>> {
        let state = detached(py, || {
            let stepper = self.stepper.lock().unwrap_or_else(PoisonError::into_inner);
            stepper.as_deref().map_or(Ok(None), StepperState::of)
        })?;
        Ok(state.map(|state| {
            (
                PyBytes::new(py, &state.bytes),
                state.model.complete_json(),
                state.device.to_string(),
            )
        }))
    }

    /// The model after one step; the given one stays as it is.
    fn step(
        &self,
        py: Python<'_>,
        learning_rate: f64,
        model: &Model,
        gradients: &Gradients,
    ) -> PyResult<Model> {
        let classifier = model.classifier();
        let stepped = detached(py, || {
            let mut stepper = self.stepper.lock().unwrap_or_else(PoisonError::into_inner);
            let stepper = stepper.get_or_insert_with(|| classifier.optimizer(&self.config));
            stepper.step(learning_rate, classifier.as_ref(), &gradients.0)
        })?;
        Ok(model.like(stepped))
    }
}
