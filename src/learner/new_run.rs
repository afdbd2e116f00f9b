//! The start of a run.

use super::artifact::ArtifactDirectory;
use super::checked::{Checked, logged};
use super::data::Data;
use super::manifest::{CLASS_NAMES_FILE, DATA_FILE};
use super::observer::tell;
use super::options::TrainOptions;
use super::prepared::{Beginning, Prepared};
use super::run_data::RunData;
use crate::config::TrainingConfig;
use crate::error::Result;
use crate::network::ParameterSpec;
use std::path::Path;

/// Begins a run in the place of whatever may be replaced in the directory.
pub(super) fn begin(
    artifact_dir: &Path,
    data: &Data,
    options: &mut TrainOptions,
    checked: Checked,
) -> Result<Prepared> {
    let Checked {
        config,
        trainable,
        fingerprints,
        observer,
    } = checked;
    let metadata = data.train.metadata(config.model.num_classes());
    let initial = match options.start.take() {
        Some(start) => Some(start.initial(&config, metadata.class_names.as_deref())?),
        None => None,
    };
    let directory = ArtifactDirectory::create(artifact_dir, options.overwrite)?;
    let mut observer = logged(&directory, observer)?;
    if let Some(initial) = &initial {
        tell(observer.as_mut(), initial.message());
    }
    if !config.freeze.is_empty() {
        tell(observer.as_mut(), frozen(&config, &trainable));
    }
    let statistics = data.describe(config.model.num_classes(), observer.as_mut())?;
    if let Some(names) = data.train.class_names() {
        let names = format!("{:#}\n", serde_json::json!(names));
        directory.write(CLASS_NAMES_FILE, names.as_bytes())?;
    }
    let source = std::mem::take(&mut options.data_source);
    let run_data = RunData::of(data, source, &fingerprints, Some(statistics));
    directory.write(DATA_FILE, run_data.to_json()?.as_bytes())?;
    Ok(Prepared {
        config,
        directory,
        beginning: initial.map_or(Beginning::Random, Beginning::Start),
        trainable,
        fingerprints,
        statistics: Some(statistics),
        early_stopping: options.early_stopping.take(),
        retention: options.retention.take(),
        observer,
    })
}

/// What to tell of frozen parameters.
fn frozen(config: &TrainingConfig, trainable: &[ParameterSpec]) -> String {
    let all = config.model.parameters();
    let frozen = all.iter().filter(|spec| !trainable.contains(spec));
    let names: Vec<&str> = frozen.clone().map(|spec| spec.name.as_str()).collect();
    format!(
        "frozen are {}, {} of {} values",
        names.join(", "),
        frozen.map(ParameterSpec::len).sum::<usize>(),
        all.iter().map(ParameterSpec::len).sum::<usize>()
    )
}
