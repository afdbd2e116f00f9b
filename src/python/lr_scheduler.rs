use super::run::detached;
use crate::config::{LrSchedule, Settings, TrainingConfig};
use burn::lr_scheduler::LrScheduler as _;
use pyo3::prelude::*;
use std::sync::{Mutex, PoisonError};

/// A learning-rate schedule that goes on from step to step.
#[pyclass(frozen, module = "mnistburn._native")]
pub struct LrScheduler(Mutex<Position>);

struct Position {
    schedule: LrSchedule,
    steps: u64,
}

#[pymethods]
impl LrScheduler {
    /// A schedule before its first step.
    ///
    /// Args:
    ///     config: Training configuration, JSON, of which learning_rate and lr_scheduler count.
    ///     num_steps: What a schedule without a length takes; None where it has one.
    #[new]
    fn py_new(py: Python<'_>, config: &str, num_steps: Option<usize>) -> PyResult<Self> {
        let schedule = detached(py, || {
            let mut config = TrainingConfig::from_json(config)?;
            if let Some(steps) = num_steps {
                let schedule = config.lr_scheduler;
                config.lr_scheduler = schedule.map(|schedule| schedule.with_length(steps));
            }
            config.schedule()
        })?;
        Ok(Self(Mutex::new(Position { schedule, steps: 0 })))
    }

    /// The learning rate of the next step.
    fn step(&self) -> f64 {
        let mut position = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        position.steps += 1;
        position.schedule.step()
    }

    /// Steps so far.
    #[getter]
    fn steps(&self) -> u64 {
        let position = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        position.steps
    }
}
