use super::arguments::bytes_of;
use super::dataset::Dataset;
use super::model::Model;
use super::panics;
use super::pool::{in_pool, is_child};
use super::ranks::Ranks;
use super::run::{TICK, join, receive};
use crate::config::{CheckpointConfig, EarlyStoppingConfig, Settings, TrainingConfig};
use crate::device::Device;
use crate::error::Error;
use crate::learner::{self, Data, Ended, Event, Moment, Observer, TrainOptions};
use crate::model::{Classifier, Predictions};
use crate::record::About;
use burn::train::Interrupter;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What the trainer tells the thread that has the GIL.
enum Message {
    /// An event; the trainer answers requests until `done` is dropped.
    Event {
        event: Event,
        done: Option<Sender<Request>>,
    },
    /// The trainer waits for the values of metrics.
    Measure {
        predictions: Predictions,
        values: Sender<Vec<f64>>,
    },
}

/// What the trainer is asked for while it waits.
enum Request {
    Model(Sender<crate::error::Result<(Box<dyn Classifier>, About)>>),
    /// The history so far, JSON.
    History(Sender<String>),
}

/// Sends events to the thread that has the GIL.
struct EventSender {
    messages: Sender<Message>,
    /// The trainer waits also after each step of the run whose number one of these divides.
    every: Vec<usize>,
    /// Training steps of an epoch.
    steps: usize,
    wants_all: bool,
    metrics: Vec<String>,
}

impl EventSender {
    fn waits_at(&self, event: &Event) -> bool {
        match event {
            Event::Log { .. } | Event::ValidStep { .. } => false,
            Event::StepStart { epoch, step } | Event::TrainStep { epoch, step, .. } => {
                let step = (epoch - 1) * self.steps + step;
                self.every.iter().any(|every| step.is_multiple_of(*every))
            }
            _ => true,
        }
    }

    fn send(&mut self, event: Event, answer: impl Fn(Request)) {
        if let Event::Start { train_steps, .. } = &event {
            self.steps = *train_steps;
        }
        let waits = self.waits_at(&event);
        let (done, requests) = channel();
        let sent = self.messages.send(Message::Event {
            event,
            done: waits.then_some(done),
        });
        if sent.is_ok() && waits {
            // The other side goes on by hanging up.
            while let Ok(request) = requests.recv() {
                answer(request);
            }
        }
    }
}

impl Observer for EventSender {
    fn notify(&mut self, event: Event) {
        self.send(event, drop);
    }

    fn notify_at(&mut self, event: Event, moment: &dyn Moment) {
        // One who no longer listens needs no answer.
        self.send(event, |request| match request {
            Request::Model(reply) => drop(reply.send(moment.model())),
            Request::History(reply) => {
                drop(reply.send(serde_json::to_string(moment.history()).unwrap_or_default()));
            }
        });
    }

    fn wants_each_step(&self) -> bool {
        !self.every.is_empty()
    }

    fn wants_all(&self) -> bool {
        self.wants_all
    }

    fn metrics(&self) -> Vec<String> {
        self.metrics.clone()
    }

    fn measure(&mut self, predictions: &Predictions) -> Option<Vec<f64>> {
        let (values, measured) = channel();
        let message = Message::Measure {
            predictions: predictions.clone(),
            values,
        };
        self.messages.send(message).ok()?;
        measured.recv().ok()
    }
}

/// A look at a run while its observer is told of an event.
#[pyclass(frozen, module = "mnistburn._native")]
pub struct RunView {
    /// To the trainer, while it waits.
    requests: Mutex<Option<Sender<Request>>>,
    seed: u64,
}

impl RunView {
    fn set(&self, requests: Option<Sender<Request>>) {
        *self.requests.lock().unwrap_or_else(PoisonError::into_inner) = requests;
    }

    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        request: impl FnOnce(Sender<T>) -> Request,
    ) -> PyResult<T> {
        let requests = self
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let (reply, answer) = channel();
        let asked = requests.and_then(|requests| requests.send(request(reply)).ok());
        let answer = asked.and_then(|()| py.detach(move || answer.recv().ok()));
        answer.ok_or_else(|| {
            Error::Training(
                "model and history of a run can be looked at only while a callback is called; keep what they give instead".into(),
            )
            .into()
        })
    }
}

#[pymethods]
impl RunView {
    /// The model as it is.
    ///
    /// Raises:
    ///     TrainingError: No callback is called.
    fn model(&self, py: Python<'_>) -> PyResult<Model> {
        let (classifier, about) = self.ask(py, Request::Model)??;
        Ok(Model::new(classifier, self.seed, about))
    }

    /// What was measured so far, JSON.
    ///
    /// Raises:
    ///     TrainingError: No callback is called.
    fn history(&self, py: Python<'_>) -> PyResult<String> {
        self.ask(py, Request::History)
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
///     retention: Which checkpoints are kept, JSON; None leaves a resumed run as it was.
///     metrics: The names of the metrics that the observer measures.
///     config_given: Whether config is the caller's; otherwise a resumed run has its own.
///     data_source: Where the data come from, JSON; kept with the run.
///     observer: Called with events, a JSON list of objects, and a view of the run; a true answer stops the run after the current
///         batch. Its method `measure` is called with logits, float64, [n, num_classes], and targets, int64, [n], and gives the
///         values of the metrics.
///     every: The trainer waits for the observer after each step of the run whose number one of these divides.
///     wants_all: Whether the observer is told of the beginnings of steps, and of the beginning and the end of validations.
///     ranks: The processes that share the run; None for this one alone.
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
    retention: Option<&str>,
    metrics: Vec<String>,
    config_given: bool,
    data_source: &str,
    observer: Option<Bound<'_, PyAny>>,
    every: Vec<NonZeroUsize>,
    wants_all: bool,
    ranks: Option<&Ranks>,
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
            every: every.into_iter().map(NonZeroUsize::get).collect(),
            steps: 0,
            wants_all,
            metrics,
        }),
        start,
        early_stopping: early_stopping
            .map(EarlyStoppingConfig::from_json)
            .transpose()?,
        retention: retention.map(CheckpointConfig::from_json).transpose()?,
        ranks: ranks.map(|ranks| Arc::clone(&ranks.0)),
        data_source: serde_json::from_str(data_source).map_err(|error| {
            Error::Data(format!("the source of the data must be JSON: {error}"))
        })?,
    };

    let view = RunView {
        requests: Mutex::new(None),
        seed,
    };
    let mut audience = Audience {
        observer,
        view: Bound::new(py, view)?,
        interrupter,
        signalled,
        signal: None,
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
    // One that came too late to stop the run stops what would come after it.
    if let Some(signal) = audience.signal
        && trained.ended != Ended::Interrupted
    {
        return Err(signal);
    }
    Ok(Model::new(trained.model, seed, trained.about))
}

/// The Python side of a run: tells the observer, and looks for Ctrl-C.
struct Audience<'py> {
    observer: Option<Bound<'py, PyAny>>,
    /// What it can see of the run.
    view: Bound<'py, RunView>,
    interrupter: Interrupter,
    /// Whether a signal is what stopped the run.
    signalled: Arc<AtomicBool>,
    /// The first Ctrl-C.
    signal: Option<PyErr>,
    /// What is raised when the run is over.
    error: Option<PyErr>,
}

impl Audience<'_> {
    /// Passes events on until the trainer hangs up.
    fn watch(&mut self, py: Python<'_>, mut messages: Receiver<Message>) {
        loop {
            let (events, waiting, open);
            (messages, events, waiting, open) = gather(py, messages);
            if let Some(Waiting::Told(requests)) = &waiting {
                self.view.get().set(Some(requests.clone()));
            }
            if !events.is_empty()
                && let Err(error) = self.tell(&events)
            {
                self.take(py, error);
            }
            self.view.get().set(None);
            if let Some(Waiting::Measure(predictions, values)) = &waiting
                && self.error.is_none()
            {
                match self.measure(py, predictions) {
                    Ok(measured) => drop(values.send(measured)),
                    // Without values the trainer stops, and keeps its work.
                    Err(error) => self.take(py, error),
                }
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
        if observer.call1((events, &self.view))?.is_truthy()? {
            self.interrupter.stop(None);
        }
        Ok(())
    }

    /// The values of the observer's metrics.
    fn measure(&self, py: Python<'_>, predictions: &Predictions) -> PyResult<Vec<f64>> {
        let Some(observer) = self.observer.as_ref() else {
            return Ok(Vec::new());
        };
        let logits = bytes_of(py, &predictions.logits, f64::to_le_bytes)?;
        let targets = bytes_of(py, &predictions.targets, |target| {
            i64::from(target).to_le_bytes()
        })?;
        let arguments = (logits, targets, predictions.num_classes);
        observer.call_method1("measure", arguments)?.extract()
    }

    /// The first Ctrl-C stops the run and keeps its work; a second one, and any other exception, is raised after that. So is the first
    /// if the run ends for another reason.
    fn take(&mut self, py: Python<'_>, error: PyErr) {
        let is_signal = error.is_instance_of::<PyKeyboardInterrupt>(py);
        // A run that a callback has stopped already is not interrupted.
        if is_signal && !self.interrupter.should_stop() {
            self.signalled.store(true, Ordering::Relaxed);
        }
        self.interrupter.stop(None);
        if is_signal && self.signal.is_none() {
            self.signal = Some(error);
        } else {
            self.error.get_or_insert(error);
        }
    }
}

/// What the trainer waits for.
enum Waiting {
    /// That an event is taken note of.
    Told(Sender<Request>),
    /// Values of metrics.
    Measure(Predictions, Sender<Vec<f64>>),
}

/// The events of one tick, up to the first that the trainer waits at; and whether there may be more.
fn gather(
    py: Python<'_>,
    mut messages: Receiver<Message>,
) -> (Receiver<Message>, Vec<Event>, Option<Waiting>, bool) {
    let mut events = Vec::new();
    let end = Instant::now() + TICK;
    loop {
        let received;
        (messages, received) = receive(py, messages, end.saturating_duration_since(Instant::now()));
        match received {
            Ok(Message::Event { event, done }) => {
                events.push(event);
                if let Some(done) = done {
                    return (messages, events, Some(Waiting::Told(done)), true);
                }
            }
            Ok(Message::Measure {
                predictions,
                values,
            }) => {
                return (
                    messages,
                    events,
                    Some(Waiting::Measure(predictions, values)),
                    true,
                );
            }
            Err(RecvTimeoutError::Timeout) => return (messages, events, None, true),
            Err(RecvTimeoutError::Disconnected) => return (messages, events, None, false),
        }
    }
}
