//! The configuration that a run keeps, and what a resumed run may change of it.

use super::manifest::CONFIG_FILE;
use crate::config::{Settings, TrainingConfig, shown};
use crate::error::{Error, Result};
use crate::record::file;
use serde_json::{Map, Value};
use std::path::Path;

/// What a resumed run may change. All but the learning rate, which a run that diverged goes on with lowered, has no effect on
/// what a step does; the rest decides it.
const FREE: [&str; 7] = [
    "num_epochs",
    "learning_rate",
    "num_workers",
    "threads",
    "max_seconds",
    "recorder",
    "checkpoint_every",
];

pub(super) fn read_config(artifact_dir: &Path) -> Result<TrainingConfig> {
    let path = artifact_dir.join(CONFIG_FILE);
    let bytes = file::read(&path)?;
    TrainingConfig::from_json(&String::from_utf8_lossy(&bytes))
        .map_err(|error| Error::Artifact(format!("{}: {error}", path.display())))
}

pub(super) fn check_same_run(stored: &Map<String, Value>, given: &TrainingConfig) -> Result<()> {
    let given = given.write(true);
    // What an older version did not know has its default.
    let known = TrainingConfig::from_value(&Value::Object(stored.clone()), "");
    let stored = known.map_or_else(|_| stored.clone(), |known| known.write(true));
    let changed = |(key, value): &(&String, &Value)| {
        !FREE.contains(&key.as_str()) && given.get(*key) != Some(value)
    };
    match stored.iter().find(changed) {
        None => Ok(()),
        Some((key, value)) => {
            let (name, stored, given) =
                difference(key, value, given.get(key).unwrap_or(&Value::Null));
            Err(Error::Config(format!(
                "a resumed run may change only {}, and {name} was {stored} at its start, got {given}; leave config out and \
                 config.json as it is to go on",
                FREE.join(", ")
            )))
        }
    }
}

/// The learning rate of a stored configuration.
pub(super) fn learning_rate(stored: &Map<String, Value>) -> Option<f64> {
    stored.get("learning_rate").and_then(Value::as_f64)
}

/// The innermost key that both have and whose values differ.
fn difference(name: &str, stored: &Value, given: &Value) -> (String, String, String) {
    if let (Value::Object(stored), Value::Object(given)) = (stored, given)
        && let Some((key, value)) = stored
            .iter()
            .find(|(key, value)| given.get(*key).is_some_and(|given| given != *value))
    {
        return difference(
            &format!("{name}.{key}"),
            value,
            given.get(key).unwrap_or(&Value::Null),
        );
    }
    (name.to_owned(), shown(stored), shown(given))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AugmentationConfig;

    #[test]
    fn a_run_of_a_version_that_knew_fewer_keys_is_the_same_run() {
        let mut config = TrainingConfig {
            augmentation: Some(AugmentationConfig {
                rotate: 10.0,
                ..AugmentationConfig::default()
            }),
            ..TrainingConfig::default()
        };
        let mut stored = config.write(true);
        let augmentation = stored
            .get_mut("augmentation")
            .and_then(Value::as_object_mut);
        assert!(augmentation.unwrap().remove("flip").is_some());
        check_same_run(&stored, &config).unwrap();
        config.batch_size += 1;
        let error = check_same_run(&stored, &config).unwrap_err().to_string();
        assert!(error.contains("batch_size was 64"), "{error}");
    }
}
