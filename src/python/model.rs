use super::arguments::{ImageBuffer, ParameterBuffer, bytes_of, float_bytes, parameters};
use super::dataset::Dataset;
use super::loss::{Loss, TrainingOutput};
use super::run::{detached, interruptible};
use crate::config::{Metadata, Metric, NetworkConfig, Precision, Recorder, Settings, Views};
use crate::data::DropoutKey;
use crate::error::Result;
use crate::interchange::{self, Format, Input};
use crate::learner::Start;
use crate::model::{self, Classifier, Predictions, Targets};
use crate::record::{self, About, Loaded};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// A network on a device.
#[pyclass(frozen, module = "mnistburn._native")]
pub struct Model {
    classifier: RwLock<Arc<dyn Classifier>>,
    about: Arc<About>,
    seed: u64,
    /// Training forwards so far: dropout masks follow from it.
    forwards: AtomicU64,
}

impl Model {
    pub fn new(classifier: Box<dyn Classifier>, seed: u64, about: About) -> Self {
        Self {
            classifier: RwLock::new(classifier.into()),
            about: Arc::new(about),
            seed,
            forwards: AtomicU64::new(0),
        }
    }

    pub(super) fn classifier(&self) -> Arc<dyn Classifier> {
        Arc::clone(
            &self
                .classifier
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// The model as one that a run starts from; `path` is where it came from.
    pub fn as_start(&self, py: Python<'_>, path: Option<String>) -> PyResult<Start> {
        let classifier = self.classifier();
        detached(py, || Start::of(classifier.as_ref(), &self.about, path))
    }

    fn forward_training(
        &self,
        py: Python<'_>,
        images: &ImageBuffer,
        targets: Targets<'_>,
        weights: Option<PyBuffer<f32>>,
        dropout: Option<(u64, u64, PyBuffer<i64>)>,
    ) -> PyResult<TrainingOutput> {
        self.about.check_image_size()?;
        let (classifier, images) = (self.classifier(), images.copy(py)?);
        let weights = weights.map(|weights| weights.to_vec(py)).transpose()?;
        let given = match dropout {
            None => None,
            Some((seed, epoch, indices)) => Some((seed, epoch, indices.to_vec(py)?)),
        };
        let forward = detached(py, || {
            let pixels = images.pixels(classifier.config().image())?;
            let key = match given {
                Some((seed, epoch, indices)) => DropoutKey {
                    seed,
                    epoch,
                    indices: indices.into_iter().map(|index| index as u64).collect(),
                },
                None => DropoutKey {
                    seed: self.seed,
                    epoch: self.forwards.fetch_add(1, Ordering::Relaxed) + 1,
                    indices: (0..pixels.len() as u64).collect(),
                },
            };
            classifier.forward_training(pixels, targets, weights.as_deref(), &key)
        })?;
        let loss = Loss {
            value: forward.loss,
            backward: Mutex::new(Some(forward.backward)),
        };
        Ok(TrainingOutput {
            loss: Py::new(py, loss)?,
            losses: float_bytes(py, &forward.losses)?.unbind(),
            output: float_bytes(py, &forward.output)?.unbind(),
        })
    }

    pub(super) fn like(&self, classifier: Box<dyn Classifier>) -> Self {
        Self {
            classifier: RwLock::new(classifier.into()),
            about: Arc::clone(&self.about),
            seed: self.seed,
            forwards: AtomicU64::new(self.forwards.load(Ordering::Relaxed)),
        }
    }
}

#[pymethods]
impl Model {
    /// A model with random parameters.
    ///
    /// Args:
    ///     config: Model configuration, JSON.
    ///     device: Where it computes.
    ///     seed: What parameters and dropout masks follow from.
    ///     class_names: Names of the classes, or None.
    #[new]
    fn py_new(
        py: Python<'_>,
        config: &str,
        device: &str,
        seed: u64,
        class_names: Option<Vec<String>>,
    ) -> PyResult<Self> {
        let classifier = detached(py, || {
            model::init(&NetworkConfig::from_json(config)?, seed, device.parse()?)
        })?;
        let metadata = Metadata {
            class_names,
            ..Metadata::default()
        };
        let about = About {
            metadata,
            ..About::default()
        };
        Ok(Self::new(classifier, seed, about))
    }

    /// Loads a model file; format, precision and sizes are read from it.
    ///
    /// Args:
    ///     path: The file.
    ///     device: Where the model computes.
    ///     image_size: Height and width of the images; None for what is known of them.
    ///     class_names: The names of the classes; None for those that are known.
    #[staticmethod]
    fn load(
        py: Python<'_>,
        path: PathBuf,
        device: &str,
        image_size: Option<(usize, usize)>,
        class_names: Option<Vec<String>>,
    ) -> PyResult<Self> {
        let Loaded { classifier, about } = detached(py, || {
            let mut loaded = interchange::load(&path, device.parse()?)?;
            if let Some(size) = image_size {
                loaded = loaded.with_image_size(size, &path)?;
            }
            match class_names {
                None => Ok(loaded),
                Some(names) => loaded.with_class_names(names, &path),
            }
        })?;
        Ok(Self::new(classifier, 0, about))
    }

    /// A model as state_bytes and the other properties gave it.
    ///
    /// Args:
    ///     state: Its parameters.
    ///     about: What is known of it, JSON.
    ///     device: Where it computes.
    ///     seed: What parameters and dropout masks follow from.
    ///     forwards: Training forwards so far.
    #[staticmethod]
    fn restore(
        py: Python<'_>,
        state: &[u8],
        about: &str,
        device: &str,
        seed: u64,
        forwards: u64,
    ) -> PyResult<Self> {
        let Loaded { classifier, about } = detached(py, || {
            record::from_bytes(state, about, Path::new("a pickled Model"), device.parse()?)
        })?;
        Ok(Self {
            forwards: AtomicU64::new(forwards),
            ..Self::new(classifier, seed, about)
        })
    }

    /// The parameters with every bit, as Burn's default recorder writes them.
    fn state_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let classifier = self.classifier();
        let bytes = detached(py, || {
            record::to_bytes(classifier.as_ref(), Recorder::Default, Precision::Full)
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// What is known of it beside its parameters, JSON: config, class_names, preprocessing and statistics.
    #[getter]
    fn about(&self) -> String {
        self.about.to_json(self.classifier().config())
    }

    /// Height and width of its images; None where they are not known.
    #[getter]
    fn image_size(&self) -> Option<(usize, usize)> {
        let image = self.classifier().config().image();
        let known = self.about.image_size_known;
        known.then_some((image.height, image.width))
    }

    /// Refuses a model whose images may be of any size.
    ///
    /// Raises:
    ///     DataError: Their size is not known.
    fn check_image_size(&self) -> PyResult<()> {
        Ok(self.about.check_image_size()?)
    }

    /// Training forwards so far: dropout masks follow from it.
    #[getter]
    fn forwards(&self) -> u64 {
        self.forwards.load(Ordering::Relaxed)
    }

    /// The model configuration, JSON.
    #[getter]
    fn config(&self) -> String {
        self.classifier().config().complete_json()
    }

    /// Where it computes.
    #[getter]
    fn device(&self) -> String {
        self.classifier().device().to_string()
    }

    /// Number of parameters.
    #[getter]
    fn num_params(&self) -> usize {
        self.classifier().config().graph().num_parameters()
    }

    /// What parameters and dropout masks follow from.
    #[getter]
    fn seed(&self) -> u64 {
        self.seed
    }

    /// Logits without dropout.
    ///
    /// Args:
    ///     images: C-contiguous buffer of raw pixels (uint8) or pixels in 0..1 (float32), n images of the model's shape.
    ///
    /// Returns:
    ///     n x num_classes float32 values, as bytes.
    fn forward<'py>(
        &self,
        py: Python<'py>,
        images: ImageBuffer,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        /// Up to here the answer is there before anyone could press Ctrl-C, and a thread would cost more than it helps.
        const SHORT: usize = 64;

        self.about.check_image_size()?;
        let (classifier, images) = (self.classifier(), images.copy(py)?);
        let pixels = images.pixels(classifier.config().image())?;
        let logits = if pixels.len() <= SHORT {
            detached(py, || classifier.forward(pixels, &false.into()))?
        } else {
            interruptible(py, |stop| classifier.forward(pixels, stop))?
        };
        float_bytes(py, &logits)
    }

    /// Logarithms of the mean probabilities over views of the images.
    ///
    /// Args:
    ///     images: As for forward.
    ///     views: The names of the views.
    ///
    /// Returns:
    ///     n x num_classes float32 values, as bytes.
    fn log_probabilities<'py>(
        &self,
        py: Python<'py>,
        images: ImageBuffer,
        views: Vec<String>,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        self.about.check_image_size()?;
        let views = Views::named(&views, self.about.metadata.views)?;
        let (classifier, images) = (self.classifier(), images.copy(py)?);
        let pixels = images.pixels(classifier.config().image())?;
        let values = interruptible(py, |stop| {
            model::log_probabilities(classifier.as_ref(), pixels, views, stop)
        })?;
        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
        float_bytes(py, &values)
    }

    /// Cross-entropy and logits with dropout; the tape is recorded.
    ///
    /// Args:
    ///     images: As for forward; at least one.
    ///     targets: n int64 classes.
    ///     weights: n float32 numbers, what the images count in the mean; None for alike.
    ///     dropout: What dropout masks follow from: seed, epoch and n int64 indices; None for the model's own.
    fn forward_classification(
        &self,
        py: Python<'_>,
        images: ImageBuffer,
        targets: PyBuffer<i64>,
        weights: Option<PyBuffer<f32>>,
        dropout: Option<(u64, u64, PyBuffer<i64>)>,
    ) -> PyResult<TrainingOutput> {
        let targets = targets.to_vec(py)?;
        self.forward_training(py, &images, Targets::Classes(&targets), weights, dropout)
    }

    /// Mean squared error and outputs with dropout; the tape is recorded.
    ///
    /// Args:
    ///     images: As for forward; at least one.
    ///     targets: n x num_classes float32 values.
    ///     weights: As for forward_classification.
    ///     dropout: As for forward_classification.
    fn forward_regression(
        &self,
        py: Python<'_>,
        images: ImageBuffer,
        targets: PyBuffer<f32>,
        weights: Option<PyBuffer<f32>>,
        dropout: Option<(u64, u64, PyBuffer<i64>)>,
    ) -> PyResult<TrainingOutput> {
        let targets = targets.to_vec(py)?;
        self.forward_training(py, &images, Targets::Values(&targets), weights, dropout)
    }

    /// Mean loss and accuracy without dropout.
    ///
    /// Args:
    ///     dataset: Images of the model's shape.
    ///     batch_size: Images in a forward pass.
    ///     views: The names of the views whose probabilities are averaged; None for the image alone.
    ///     metrics: The names of metrics.
    ///     keep: Whether the logits are returned.
    ///
    /// Returns:
    ///     Loss, accuracy, the values of each metric, and the logits, float64, [n, num_classes].
    #[expect(
        clippy::type_complexity,
        reason = "a tuple for the Python layer to name"
    )]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        dataset: &Dataset,
        batch_size: usize,
        views: Option<Vec<String>>,
        metrics: Vec<String>,
        keep: bool,
    ) -> PyResult<(f64, f64, Vec<Vec<f64>>, Option<Bound<'py, PyByteArray>>)> {
        self.about.check_image_size()?;
        let classifier = self.classifier();
        let views = views.map(|names| Views::named(&names, self.about.metadata.views));
        let views = views.transpose()?;
        let metrics = metrics
            .iter()
            .map(|name| name.parse())
            .collect::<Result<Vec<Metric>>>()?;
        let num_classes = classifier.config().num_classes();
        for metric in &metrics {
            Predictions::check(dataset.0.targets(), num_classes, *metric)?;
        }
        let keeps = keep || !metrics.is_empty();
        let (evaluation, measured, logits) = interruptible(py, |stop| {
            let mut logits = Vec::new();
            let kept = keeps.then_some(&mut logits);
            let model = classifier.as_ref();
            let evaluation = match views {
                None => model.evaluate(&dataset.0, batch_size, kept, stop),
                Some(views) => {
                    model::evaluate_views(model, &dataset.0, batch_size, views, kept, stop)
                }
            }?;
            let predictions = Predictions {
                logits,
                targets: dataset.0.targets().to_vec(),
                num_classes,
            };
            let measured = if metrics.is_empty() {
                Vec::new()
            } else {
                predictions.measure(&metrics)?
            };
            Ok((evaluation, measured, predictions.logits))
        })?;
        let logits = keep.then(|| bytes_of(py, &logits, f64::to_le_bytes));
        Ok((
            evaluation.loss,
            evaluation.accuracy,
            measured,
            logits.transpose()?,
        ))
    }

    /// Saves a record.
    ///
    /// Args:
    ///     path: The file; the recorder's extension is appended unless it is there.
    ///     recorder: Name of a recorder of Burn.
    ///     precision: "half", "full" or "double"; None for the recorder's own.
    ///
    /// Returns:
    ///     The path with its extension.
    fn save(
        &self,
        py: Python<'_>,
        path: PathBuf,
        recorder: &str,
        precision: Option<&str>,
    ) -> PyResult<PathBuf> {
        let classifier = self.classifier();
        detached(py, || {
            let precision = precision.map(str::parse::<Precision>).transpose()?;
            record::save(
                classifier.as_ref(),
                &path,
                recorder.parse::<Recorder>()?,
                precision,
                &self.about,
            )
        })
    }

    /// Writes the model for another program.
    ///
    /// Args:
    ///     path: The file.
    ///     format: Its format; None for what its extension says.
    ///     normalise: Whether an ONNX graph takes raw pixels.
    ///
    /// Returns:
    ///     The path with its extension.
    fn export(
        &self,
        py: Python<'_>,
        path: PathBuf,
        format: Option<&str>,
        normalise: bool,
    ) -> PyResult<PathBuf> {
        let classifier = self.classifier();
        detached(py, || {
            let format = format.map(str::parse::<Format>).transpose()?;
            let input = if normalise {
                Input::Raw
            } else {
                Input::Normalised
            };
            interchange::export(classifier.as_ref(), &path, format, input, &self.about)
        })
    }

    /// The parameters: (name, shape, float32 values as bytes) each.
    fn state_dict<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Vec<(String, Vec<usize>, Bound<'py, PyByteArray>)>> {
        let classifier = self.classifier();
        let parameters = detached(py, || classifier.state())?;
        parameters
            .into_iter()
            .map(|parameter| {
                Ok((
                    parameter.name,
                    parameter.shape,
                    float_bytes(py, &parameter.values)?,
                ))
            })
            .collect()
    }

    /// Replaces the parameters.
    ///
    /// Args:
    ///     state: (name, shape, float32 buffer) for every parameter.
    fn load_state_dict(&self, py: Python<'_>, state: Vec<ParameterBuffer>) -> PyResult<()> {
        let parameters = parameters(py, state)?;
        let old = self.classifier();
        let new = detached(py, || {
            model::from_state(old.config(), parameters, old.device())
        })?;
        *self
            .classifier
            .write()
            .unwrap_or_else(PoisonError::into_inner) = new.into();
        Ok(())
    }

    /// The model on another device; this one stays.
    fn to(&self, py: Python<'_>, device: &str) -> PyResult<Self> {
        let classifier = self.classifier();
        let moved = detached(py, || {
            model::from_state(classifier.config(), classifier.state()?, device.parse()?)
        })?;
        Ok(self.like(moved))
    }

    /// A table of layers, output shapes and parameters.
    fn summary(&self) -> String {
        model::summary(self.classifier().config())
    }
}
