use super::arguments::{ParameterBuffer, float_bytes, parameters};
use super::run::detached;
use crate::error::Result;
use crate::model;
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

/// Gradients by parameter. They never change: what changes them gives others.
#[pyclass(frozen, module = "mnistburn._native")]
pub struct Gradients(pub model::HeldGradients);

impl Gradients {
    /// Others that are made of these.
    fn with(
        &self,
        py: Python<'_>,
        make: impl FnOnce(&model::Gradients) -> Result<model::Gradients> + Send,
    ) -> PyResult<Self> {
        let made = detached(py, || make(self.0.get()?))?;
        Ok(Self(made.into()))
    }

    /// The numbers, read from their device when they are first asked for.
    fn get_host(&self, py: Python<'_>) -> PyResult<&model::Gradients> {
        detached(py, || self.0.get())
    }
}

#[pymethods]
impl Gradients {
    /// Gradients of the given values.
    ///
    /// Args:
    ///     gradients: (name, shape, float32 buffer) for each parameter.
    ///
    /// Raises:
    ///     TrainingError: A name is there twice, or a value is not finite.
    #[new]
    fn py_new(py: Python<'_>, gradients: Vec<ParameterBuffer>) -> PyResult<Self> {
        let given = parameters(py, gradients)?;
        let gradients = detached(py, || model::Gradients::new(given))?;
        Ok(Self(gradients.into()))
    }

    /// The names of the parameters.
    fn names(&self, py: Python<'_>) -> PyResult<Vec<&str>> {
        Ok(self.get_host(py)?.names())
    }

    /// Shape and float32 values, as bytes, of one gradient.
    ///
    /// Raises:
    ///     KeyError: There is no such parameter.
    fn get<'py>(
        &self,
        py: Python<'py>,
        name: &str,
    ) -> PyResult<(Vec<usize>, Bound<'py, PyByteArray>)> {
        let mut gradients = self.get_host(py)?.parameters.iter();
        let gradient = gradients.find(|gradient| gradient.name == name);
        let gradient = gradient.ok_or_else(|| PyKeyError::new_err(name.to_owned()))?;
        Ok((gradient.shape.clone(), float_bytes(py, &gradient.values)?))
    }

    /// L2 norm over all gradients together.
    fn norm(&self, py: Python<'_>) -> PyResult<f64> {
        detached(py, || Ok(self.0.get()?.norm()))
    }

    /// The sum with the gradients of the same parameters.
    ///
    /// Raises:
    ///     TrainingError: They are of others.
    fn add(&self, py: Python<'_>, other: &Self) -> PyResult<Self> {
        self.with(py, |own| own.clone().plus(other.0.get()?))
    }

    /// Every value times a number.
    ///
    /// Raises:
    ///     ConfigError: The number is not finite.
    fn scale(&self, py: Python<'_>, factor: f64) -> PyResult<Self> {
        self.with(py, |own| own.clone().scale(factor))
    }

    /// Scaled down where their norm is larger, as PyTorch's clip_grad_norm_ does it.
    ///
    /// Raises:
    ///     ConfigError: The bound is not above 0.
    ///     TrainingError: A value is not finite.
    fn clip_by_norm(&self, py: Python<'_>, max_norm: f64) -> PyResult<Self> {
        self.with(py, |own| own.clone().clip_by_norm(max_norm))
    }

    /// Every value within plus or minus max_value.
    ///
    /// Raises:
    ///     ConfigError: The bound is not above 0.
    ///     TrainingError: A value is not finite.
    fn clip_by_value(&self, py: Python<'_>, max_value: f64) -> PyResult<Self> {
        self.with(py, |own| own.clone().clip_by_value(max_value))
    }

    /// The same with other values for some of the parameters.
    ///
    /// Args:
    ///     gradients: (name, shape, float32 buffer) for each of these.
    ///
    /// Raises:
    ///     TrainingError: There is no such parameter, it has another shape, or a value is not finite.
    fn replace(&self, py: Python<'_>, gradients: Vec<ParameterBuffer>) -> PyResult<Self> {
        let given = parameters(py, gradients)?;
        self.with(py, |own| own.replace(given))
    }
}
