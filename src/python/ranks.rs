//! The processes that share a run, as the Python layer joins them.

#![allow(
    unsafe_code,
    reason = "MPI sums megabytes in each step in the memory that they are in"
)]

use super::run::detached;
use crate::error::{Error, Result};
use crate::learner;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// The processes that share a run, each of which is a rank.
#[pyclass(frozen, module = "mnistburn._native")]
pub struct Ranks(pub(super) Arc<learner::Ranks>);

#[pymethods]
impl Ranks {
    /// Ranks that a communicator joins.
    ///
    /// Args:
    ///     communicator: Its method `all_reduce` sums float32 numbers, a memoryview of bytes, over all ranks, in place; its method
    ///         `all_gather` gives the bytes of all ranks in their order. Both are called from a thread of the training.
    ///     rank: The number of this process.
    ///     size: How many there are.
    ///     parts: Each batch is cut into so many parts, whose gradients are summed in their order; None for one each.
    ///     threads: The threads of this rank, where the configuration leaves that open.
    ///
    /// Raises:
    ///     ConfigError: parts is no multiple of size.
    #[new]
    fn py_new(
        communicator: Py<PyAny>,
        rank: usize,
        size: NonZeroUsize,
        parts: Option<NonZeroUsize>,
        threads: Option<NonZeroUsize>,
    ) -> PyResult<Self> {
        let communicator = Communicator {
            object: communicator,
            rank,
            size: size.get(),
        };
        let ranks = learner::Ranks::new(Box::new(communicator), parts, threads)?;
        Ok(Self(Arc::new(ranks)))
    }

    /// Waits until all ranks are here.
    ///
    /// Args:
    ///     failure: What this rank tells the others if it has failed, unless they know; None if it has not.
    ///
    /// Raises:
    ///     TrainingError: A rank has failed.
    fn settle(&self, py: Python<'_>, failure: Option<String>) -> PyResult<()> {
        let result = match failure {
            None => Ok(()),
            Some(message) => Err(Error::Training(message)),
        };
        detached(py, || self.0.settle(result))
    }
}

struct Communicator {
    object: Py<PyAny>,
    rank: usize,
    size: usize,
}

impl Communicator {
    fn failed(error: &PyErr) -> Error {
        Error::Training(format!("the ranks can't reach each other: {error}"))
    }
}

/// A view of the numbers, to be released before they go.
fn lent<'py>(py: Python<'py>, values: &mut [f32]) -> PyResult<Bound<'py, PyAny>> {
    let length = isize::try_from(size_of_val(values)).unwrap_or(isize::MAX);
    // SAFETY: the memory is borrowed for as long as the view is used, and any bytes are numbers. The result is a new reference
    // or null with an exception.
    unsafe {
        let view =
            ffi::PyMemoryView_FromMemory(values.as_mut_ptr().cast(), length, ffi::PyBUF_WRITE);
        Bound::from_owned_ptr_or_err(py, view)
    }
}

// The trainer has a thread of its own, which takes the GIL for as long as a call needs it: MPI lets go of it while it waits.
impl learner::Communicator for Communicator {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_reduce(&self, values: &mut [f32]) -> Result<()> {
        let summed = Python::attach(|py| {
            let view = lent(py, values)?;
            let called = self.object.call_method1(py, "all_reduce", (&view,));
            // Whoever still has the view finds it closed.
            view.call_method0("release")?;
            called.map(drop)
        });
        summed.map_err(|error| Self::failed(&error))
    }

    fn all_gather(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        let gathered: PyResult<_> = Python::attach(|py| {
            let own = PyBytes::new(py, &bytes);
            let all = self.object.call_method1(py, "all_gather", (own,))?;
            let all: Vec<PyBackedBytes> = all.extract(py)?;
            Ok(all.iter().map(|bytes| bytes.to_vec()).collect())
        });
        gathered.map_err(|error| Self::failed(&error))
    }
}
