use super::dataset::Dataset;
use super::model::Model;
use super::panics;
use super::pool::{in_pool, is_child};
use super::run::{TICK, join, receive};
use crate::config::{EarlyStoppingConfig, Settings, TrainingConfig};
use crate::device::Device;
use crate::error::Error;
use crate::learner::{self, Data, Event, Observer, TrainOptions};
use burn::train::Interrupter;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::Instant;

/// An event on its way to Python; the trainer waits for `done` to be dropped.
struct Message {
    event: Event,
    done: Option<SyncSender<()>>,
}

/// Sends events to the thread that has the GIL.
struct EventSender {
    messages: Sender<Message>,
    /// Whether the trainer waits also after each step.
    synchronous: bool,
}

impl Observer for EventSender {
    fn notify(&mut self, event: Event) {
        let is_step = matches!(event, Event::TrainStep { .. } | Event::ValidStep { .. });
        let waits = !matches!(event, Event::Log { .. }) && (!is_step || self.synchronous);
        let (done, answered) = sync_channel(1);
        let sent = self.messages.send(Message {
            event,
            done: waits.then_some(done),
        });
        if sent.is_ok() && waits {
            // The other side answers by hanging up.
            let _ = answered.recv();
        }
    }

    fn wants_each_step(&self) -> bool {
        self.synchronous
    }
}

/// Trains a model, and keeps the run in a directory.
///
/// Args:
///     artifact_dir: Where the run is kept.
///     config: Training configuration, JSON.
///     devices: Where it computes; several of one kind share each step.
///     train: The images to train with.
///     valid: The images to validate on.
///     start: The model that a new run begins with; None for random parameters.
///     start_path: Where that came from; None where it was in memory.
///     resume: Whether to go on with the run in the directory.
///     overwrite: Whether a new run may take the place of one in the directory.
///     early_stopping: When the run stops because it gets no better, JSON; None leaves a resumed run as it was.
///     config_given: Whether config is the caller's; otherwise a resumed run has its own.
///     data_source: Where the data come from, JSON; kept with the run.
///     observer: Called with events, a JSON list of objects; a true answer stops the run after the current batch.
///     synchronous: Whether the trainer waits for the observer after each step.
///
/// Returns:
///     The model after the last step.
#[pyfunction]
#[expect(
    clippy::too_many_arguments,
    clippy::fn_params_excessive_bools,
    reason = "the Python layer passes its keywords on"
)]
pub fn train(
    py: Python<'_>,
    artifact_dir: PathBuf,
    config: &str,
    devices: Vec<String>,
    train: &Dataset,
    valid: &Dataset,
    start: Option<&Model>,
    start_path: Option<String>,
    resume: bool,
    overwrite: bool,
    early_stopping: Option<&str>,
    config_given: bool,
    data_source: &str,
    observer: Option<Bound<'_, PyAny>>,
    synchronous: bool,
) -> PyResult<Model> {
    let config = TrainingConfig::from_json(config)?;
    let devices = devices
        .iter()
        .map(|device| device.parse())
        .collect::<crate::error::Result<Vec<Device>>>()?;
    if devices.len() > 1 && is_child() {
        // Burn's threads, one for each device, would look for the parent's pool.
        return Err(Error::Device(
            "several devices can share the steps of a run only in a process whose parent had not computed when it was forked, \
             and this one's had; start it with multiprocessing's \"spawn\" method, or use one device"
                .into(),
        )
        .into());
    }
    let data = Data {
        train: train.0.clone(),
        valid: valid.0.clone(),
    };
    let start = start
        .map(|model| model.as_start(py, start_path))
        .transpose()?;
    let seed = config.seed;
    let given = (config_given || !resume).then_some(&config);
    let interrupter = Interrupter::new();
    let signalled = Arc::new(AtomicBool::new(false));
    let (sender, messages) = channel();
    let options = TrainOptions {
        resume,
        overwrite,
        interrupter: interrupter.clone(),
        interrupted: Arc::clone(&signalled),
        observer: Box::new(EventSender {
            messages: sender,
            synchronous,
        }),
        start,
        early_stopping: early_stopping
            .map(EarlyStoppingConfig::from_json)
            .transpose()?,
        data_source: serde_json::from_str(data_source).map_err(|error| {
            Error::Data(format!("the source of the data must be JSON: {error}"))
        })?,
    };

    let mut audience = Audience {
        observer,
        interrupter,
        signalled,
        signals: 0,
        error: None,
    };
    let trained = std::thread::scope(|scope| {
        let work = || in_pool(|| learner::train(&artifact_dir, given, &devices, &data, options));
        let worker = std::thread::Builder::new()
            .name("mnistburn-train".into())
            .spawn_scoped(scope, work);
        let worker = worker
            .map_err(|error| Error::Internal(format!("no thread could be started: {error}")))?;
        audience.watch(py, messages);
        py.detach(|| join(worker))
    });
    panics::report(py);
    if let Some(error) = audience.error {
        return Err(error);
    }
    let trained = trained?;
    Ok(Model::new(trained.model, seed, trained.about))
}

/// The Python side of a run: tells the observer, and looks for Ctrl-C.
struct Audience<'py> {
    observer: Option<Bound<'py, PyAny>>,
    interrupter: Interrupter,
    /// Whether a signal is what stopped the run.
    signalled: Arc<AtomicBool>,
    signals: usize,
    /// What is raised when the run is over.
    error: Option<PyErr>,
}

impl Audience<'_> {
    /// Passes events on until the trainer hangs up.
    fn watch(&mut self, py: Python<'_>, mut messages: Receiver<Message>) {
        loop {
            let (events, waiting, open);
            (messages, events, waiting, open) = gather(py, messages);
            if !events.is_empty()
                && let Err(error) = self.tell(&events)
            {
                self.take(py, error);
            }
            if let Err(error) = py.check_signals() {
                self.take(py, error);
            }
            drop(waiting);
            if !open {
                return;
            }
        }
    }

    fn tell(&self, events: &[Event]) -> PyResult<()> {
        let Some(observer) = self.observer.as_ref().filter(|_| self.error.is_none()) else {
            return Ok(());
        };
        let events = serde_json::to_string(&events)
            .map_err(|error| Error::Internal(format!("events could not be encoded: {error}")))?;
        if observer.call1((events,))?.is_truthy()? {
            self.interrupter.stop(None);
        }
        Ok(())
    }

    /// The first Ctrl-C stops the run and keeps its work; a second one, and any other exception, is raised after that.
    fn take(&mut self, py: Python<'_>, error: PyErr) {
        let is_signal = error.is_instance_of::<PyKeyboardInterrupt>(py);
        // A run that a callback has stopped already is not interrupted.
        if is_signal && !self.interrupter.should_stop() {
            self.signalled.store(true, Ordering::Relaxed);
        }
        self.interrupter.stop(None);
        if is_signal {
            self.signals += 1;
            if self.signals == 1 {
                return;
            }
        }
        self.error.get_or_insert(error);
    }
}

/// The events of one tick, up to the first that the trainer waits at; and whether there may be more.
fn gather(
    py: Python<'_>,
    mut messages: Receiver<Message>,
) -> (Receiver<Message>, Vec<Event>, Option<SyncSender<()>>, bool) {
    let mut events = Vec::new();
    let end = Instant::now() + TICK;
    loop {
        let received;
        (messages, received) = receive(py, messages, end.saturating_duration_since(Instant::now()));
        match received {
            Ok(Message { event, done }) => {
                events.push(event);
                if done.is_some() {
                    return (messages, events, done, true);
                }
            }
            Err(RecvTimeoutError::Timeout) => return (messages, events, None, true),
            Err(RecvTimeoutError::Disconnected) => return (messages, events, None, false),
        }
    }
}
