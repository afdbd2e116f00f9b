//! The one door out of the interpreter: all work in Rust is done behind it, without the GIL.

use super::pool::in_pool;
use super::{panics, tapes};
use crate::error::{Error, Result};
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How often a waiting thread looks for signals.
pub const TICK: Duration = Duration::from_millis(50);

/// Does short work without the GIL.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    let tapes = tapes::unused();
    let result = py.detach(|| {
        in_pool(|| {
            drop(tapes);
            work()
        })
    });
    panics::report(py);
    Ok(result?)
}

/// Does work that may take long on a thread of its own, and looks for Ctrl-C meanwhile.
///
/// `work` ends with [`Error::Interrupted`] soon after its flag is set; the exception of the signal handler is raised.
pub fn interruptible<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&AtomicBool) -> Result<T> + Send,
) -> PyResult<T> {
    watched(py, work, || Ok(()))
}

/// The same, with `watch` called meanwhile and at the end; what it raises ends the work and is raised.
pub fn watched<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&AtomicBool) -> Result<T> + Send,
    mut watch: impl FnMut() -> PyResult<()>,
) -> PyResult<T> {
    let stop = AtomicBool::new(false);
    let tapes = tapes::unused();
    let mut signal = None;
    let result = std::thread::scope(|scope| {
        let (done, mut waiting) = sync_channel::<()>(1);
        let stop = &stop;
        let worker = std::thread::Builder::new()
            .name("mnistburn".into())
            .spawn_scoped(scope, move || {
                let result = in_pool(|| {
                    drop(tapes);
                    work(stop)
                });
                drop(done);
                result
            });
        let worker = worker
            .map_err(|error| Error::Internal(format!("no thread could be started: {error}")))?;
        loop {
            let received;
            (waiting, received) = receive(py, waiting, TICK);
            if received.is_err_and(|error| error == RecvTimeoutError::Disconnected) {
                break;
            }
            let checked = py.check_signals().and_then(|()| match &signal {
                None => watch(),
                Some(_) => Ok(()),
            });
            if let Err(error) = checked {
                stop.store(true, Ordering::Relaxed);
                signal = Some(error);
            }
        }
        py.detach(|| join(worker))
    });
    panics::report(py);
    if let Some(signal) = signal {
        return Err(signal);
    }
    let result = result?;
    watch()?;
    Ok(result)
}

/// Waits for a message without the GIL. A receiver can't be lent to another thread, so it goes there and back.
pub fn receive<T: Send>(
    py: Python<'_>,
    receiver: Receiver<T>,
    timeout: Duration,
) -> (Receiver<T>, std::result::Result<T, RecvTimeoutError>) {
    py.detach(move || {
        let message = receiver.recv_timeout(timeout);
        (receiver, message)
    })
}

/// The result of a thread whose panics are contained already.
pub fn join<T>(worker: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    worker
        .join()
        .unwrap_or_else(|_| Err(Error::Internal("a thread ended without a result".into())))
}
