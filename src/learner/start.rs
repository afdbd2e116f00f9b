//! The model that a run starts from, in place of random parameters.

use super::artifact::ArtifactDirectory;
use super::{START_FILE, START_MODEL_FILE};
use crate::config::{NetworkConfig, Precision, Recorder, TrainingConfig};
use crate::data::hexadecimal;
use crate::device::Backend;
use crate::error::{Error, Result};
use crate::model::Classifier;
use crate::network::{AnyNetwork, Parameter, initial};
use crate::record::{About, decode_model, encode, file};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;

/// A trained model whose parameters a run begins with.
pub struct Start {
    config: NetworkConfig,
    parameters: Vec<Parameter>,
    class_names: Option<Vec<String>>,
    path: Option<String>,
}

/// Where a run started, as `start.json` keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStart {
    /// The file or the run that the model came from; `None` where it was in memory.
    pub path: Option<String>,
    /// SHA-256 of its parameters: their numbers in the order of the network, as 32-bit floats, little-endian.
    pub sha256: String,
    /// What became of its output layer.
    pub output_layer: OutputLayer,
    /// SHA-256 of `start.mpk`, the model before the first step.
    pub(super) model_sha256: String,
}

/// What became of the output layer of the model that a run started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputLayer {
    /// It is that of the start: the classes are the same.
    Kept,
    /// Its parameters are random: the classes are others.
    Initialised,
}

/// The parameters of a run before its first step, made from a start.
pub(super) struct Initial {
    pub parameters: Vec<Parameter>,
    path: Option<String>,
    sha256: String,
    /// Why the output layer is initialised anew; `None` where it is kept.
    other_classes: Option<String>,
    output_layer: String,
}

impl Start {
    /// Starts from a model of which `about` is known; `path` is where it came from.
    pub fn of(model: &dyn Classifier, about: &About, path: Option<String>) -> Result<Self> {
        Ok(Self {
            config: model.config().clone(),
            parameters: model.state()?,
            class_names: about.metadata.class_names.clone(),
            path,
        })
    }

    /// The configuration with the normalisation of the start, whose weights were learnt with it, unless it has one of its own.
    pub(super) fn with_pixels(&self, config: TrainingConfig) -> TrainingConfig {
        let graph = self.config.graph();
        if !config.model.wants_pixels()
            || graph.image.channels != config.model.image().channels
            || graph.name != config.model.graph().name
        {
            return config;
        }
        let model = config
            .model
            .with_pixels(&graph.pixel_mean, &graph.pixel_std);
        TrainingConfig { model, ..config }
    }

    /// The parameters of a run of `config` whose classes have these names: those of the start, and where the classes are others
    /// an output layer from the seed.
    pub(super) fn initial(
        &self,
        config: &TrainingConfig,
        class_names: Option<&[String]>,
    ) -> Result<Initial> {
        let (from, to) = (self.config.graph(), config.model.graph());
        if let Some(layer) = from.first_difference(&to) {
            return Err(Error::Config(format!(
                "start must be a model of the run's network, and they differ from {layer} on: start is a {} with {}, and the run's model \
                 a {} with {}; leave model out of TrainingConfig to take the network of start, or start from a model of that \
                 network",
                self.config.kind(),
                self.config.sizes(),
                config.model.kind(),
                config.model.sizes()
            )));
        }
        let layer = to.output_layer().to_owned();
        let is_output = |parameter: &Parameter| parameter.name.starts_with(&format!("{layer}."));
        let other_classes = self.other_classes(config.model.num_classes(), class_names);
        let mut parameters = self.parameters.clone();
        if let Some(reason) = &other_classes {
            let trainable = config.model.trainable(&config.freeze)?;
            let random = initial(config.model.state(), config.seed);
            for (parameter, random) in parameters.iter_mut().zip(random) {
                if !is_output(&random) {
                    continue;
                }
                if !trainable.iter().any(|spec| spec.name == random.name) {
                    return Err(Error::Config(format!(
                        "freeze must leave the output layer, {layer}, whose parameters are random where {reason}; leave {} out of \
                         freeze",
                        random.name
                    )));
                }
                *parameter = random;
            }
        }
        Ok(Initial {
            parameters,
            path: self.path.clone(),
            sha256: self.sha256(),
            other_classes,
            output_layer: layer,
        })
    }

    /// In what way the classes of the run are others.
    fn other_classes(&self, num_classes: usize, class_names: Option<&[String]>) -> Option<String> {
        let before = self.config.num_classes();
        if before != num_classes {
            return Some(format!(
                "start has {before} classes and the run {num_classes}"
            ));
        }
        let (before, names) = (self.class_names.as_deref()?, class_names?);
        (before != names).then(|| {
            format!(
                "the classes of start are {}, and those of the run {}",
                listed(before),
                listed(names)
            )
        })
    }

    fn sha256(&self) -> String {
        sha256(&self.parameters)
    }
}

/// SHA-256 of the numbers of parameters in their order, as 32-bit floats, little-endian.
pub(super) fn sha256(parameters: &[Parameter]) -> String {
    let mut hash = Sha256::new();
    for value in parameters.iter().flat_map(|parameter| &parameter.values) {
        hash.update(value.to_le_bytes());
    }
    hexadecimal(&hash.finalize())
}

fn listed(names: &[String]) -> String {
    const MOST: usize = 12;
    let more = if names.len() > MOST { ", ..." } else { "" };
    names[..names.len().min(MOST)].join(", ") + more
}

impl Initial {
    /// What is to be told of it.
    pub fn message(&self) -> String {
        let from = self.path.as_deref().unwrap_or("a model in memory");
        match &self.other_classes {
            None => format!("starts from {from}, all its parameters"),
            Some(reason) => format!(
                "starts from {from}; the output layer, {}, is initialised anew: {reason}",
                self.output_layer
            ),
        }
    }

    /// Keeps the model before the first step, so that a run without a checkpoint can start over, and where it came from.
    pub fn write<B: Backend>(
        self,
        model: AnyNetwork<B>,
        directory: &ArtifactDirectory,
    ) -> Result<()> {
        let bytes = encode(model, Recorder::Default, Precision::Full)?;
        directory.write(START_MODEL_FILE, &bytes)?;
        let start = RunStart {
            path: self.path,
            sha256: self.sha256,
            output_layer: match self.other_classes {
                None => OutputLayer::Kept,
                Some(_) => OutputLayer::Initialised,
            },
            model_sha256: hexadecimal(&Sha256::digest(&bytes)),
        };
        let text = format!("{:#}\n", serde_json::json!(start));
        directory.write(START_FILE, text.as_bytes())
    }
}

impl RunStart {
    /// Where the run in a directory started; `None` for one that began with random parameters.
    pub(super) fn read(artifact_dir: &Path) -> Result<Option<Self>> {
        let path = artifact_dir.join(START_FILE);
        let model = artifact_dir.join(START_MODEL_FILE);
        if !path.exists() && !model.exists() {
            return Ok(None);
        }
        serde_json::from_slice(&file::read(&path)?)
            .map(Some)
            .map_err(|error| {
                Error::Artifact(format!(
                    "{} must say where the run started: {error}",
                    path.display()
                ))
            })
    }

    /// Refuses a start that is not that of the run.
    pub(super) fn check(stored: Option<&Self>, given: &Start) -> Result<()> {
        let sha256 = given.sha256();
        let found = match stored {
            Some(stored) if stored.sha256 == sha256 => return Ok(()),
            Some(stored) => format!(
                "another model{} (SHA-256 {}, got {sha256})",
                stored
                    .path
                    .as_ref()
                    .map_or_else(String::new, |path| format!(", {path}")),
                stored.sha256
            ),
            None => "random parameters".to_owned(),
        };
        Err(Error::Artifact(format!(
            "start must be the model that a resumed run began with, and this one began with {found}; leave start out to go on with the \
             run, or start a new one without resume"
        )))
    }

    /// The model before the first step, as it was written.
    pub(super) fn model<B: Backend>(
        &self,
        directory: &ArtifactDirectory,
        config: &NetworkConfig,
        device: &B::Device,
    ) -> Result<AnyNetwork<B>> {
        let path = directory.file(START_MODEL_FILE);
        let bytes = file::read(&path)?;
        if hexadecimal(&Sha256::digest(&bytes)) == self.model_sha256 {
            return decode_model(&bytes, &path, config, device);
        }
        Err(Error::Artifact(format!(
            "{} is not as it was written, and the run has no checkpoint to go on from; start it again without resume{}",
            path.display(),
            self.path
                .as_ref()
                .map_or_else(String::new, |path| format!(", with start={path:?}"))
        )))
    }
}
