use super::metric::{Direction, EpochMetric};
use super::{Fields, Settings, impl_config};
use crate::error::Result;
use serde_json::{Map, Value, json};

/// When a run stops because it gets no better: Prechelt, "Early Stopping — But When?", 1998, as Keras and Lightning have it.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlyStoppingConfig {
    /// The metric: a column of the history's epochs.
    pub metric: String,
    /// Epochs without an improvement after which the run stops.
    pub patience: usize,
    /// An epoch improves the metric if it is better by more than this.
    pub min_delta: f64,
    /// Which way the metric is better.
    pub direction: Direction,
    /// Whether the run's model is that of the best epoch, and not of the last one.
    pub restore_best: bool,
}

impl Default for EarlyStoppingConfig {
    fn default() -> Self {
        let metric = EpochMetric::ValidLoss;
        Self {
            metric: metric.to_string(),
            patience: 3,
            min_delta: 0.0,
            direction: metric.direction(),
            restore_best: true,
        }
    }
}

impl EarlyStoppingConfig {
    const MAX_PATIENCE: u64 = (u32::MAX >> 1) as u64;

    /// Epochs since the last improvement, from the values of the metric after each epoch.
    pub fn waited(&self, values: &[f64]) -> usize {
        let mut best: Option<f64> = None;
        let mut waited = 0;
        for value in values {
            let threshold = best.map(|best| match self.direction {
                Direction::Min => best - self.min_delta,
                Direction::Max => best + self.min_delta,
            });
            if threshold.is_none_or(|threshold| self.direction.is_better(*value, threshold)) {
                best = Some(*value);
                waited = 0;
            } else {
                waited += 1;
            }
        }
        waited
    }

    /// Whether a run stops after epochs with these values of the metric.
    pub fn is_over(&self, values: &[f64]) -> bool {
        self.waited(values) >= self.patience
    }
}

impl Settings for EarlyStoppingConfig {
    const KIND: &'static str = "early stopping";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let default = Self::default();
        let metric = match fields.get("metric") {
            None => default.metric,
            Some(Value::String(name)) => name.clone(),
            Some(other) => return Err(fields.broken("metric", "the name of a metric", other)),
        };
        let patience = fields.whole(
            "patience",
            Some(default.patience as u64),
            (1, Self::MAX_PATIENCE),
        )? as usize;
        let min_delta = fields.number(
            "min_delta",
            Some(default.min_delta),
            "a finite number of at least 0",
            |delta| delta >= 0.0,
        )?;
        let known = metric.parse::<EpochMetric>().map(EpochMetric::direction);
        let direction = match fields.get_some("direction") {
            None => known.map_err(|_| {
                let rule = format!(
                    "\"min\" or \"max\" where metric is one of your own, {metric:?}; of the metrics that this package knows the \
                     direction is known"
                );
                fields.broken("direction", &rule, &Value::Null)
            })?,
            Some(value) => value
                .as_str()
                .and_then(|name| name.parse().ok())
                .ok_or_else(|| fields.broken("direction", "\"min\", \"max\" or null", value))?,
        };
        Ok(Self {
            metric,
            patience,
            min_delta,
            direction,
            restore_best: fields.flag("restore_best", default.restore_best)?,
        })
    }

    fn write(&self, _complete: bool) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("metric".into(), json!(self.metric));
        object.insert("patience".into(), json!(self.patience));
        object.insert("min_delta".into(), json!(self.min_delta));
        object.insert("direction".into(), json!(self.direction.name()));
        object.insert("restore_best".into(), json!(self.restore_best));
        object
    }
}

impl_config!(EarlyStoppingConfig);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_improves_a_metric_by_more_than_min_delta_over_the_last_improvement() {
        let rule = |direction, min_delta| EarlyStoppingConfig {
            patience: 2,
            direction,
            min_delta,
            ..EarlyStoppingConfig::default()
        };
        let losses = [1.0, 0.9, 0.95, 0.9, 0.8];
        let waited = |rule: &EarlyStoppingConfig| -> Vec<usize> {
            (0..=5)
                .map(|epochs| rule.waited(&losses[..epochs]))
                .collect()
        };
        assert_eq!(waited(&rule(Direction::Min, 0.0)), [0, 0, 0, 1, 2, 0]);
        // 0.9 is no improvement over 1.0 by more than 0.15, and neither is it once 0.9 was seen: 0.8 is one over 1.0.
        assert_eq!(waited(&rule(Direction::Min, 0.15)), [0, 0, 1, 2, 3, 0]);
        assert_eq!(waited(&rule(Direction::Max, 0.0)), [0, 0, 1, 2, 3, 4]);
        assert!(rule(Direction::Min, 0.0).is_over(&losses[..4]));
        assert!(!rule(Direction::Min, 0.0).is_over(&losses[..3]));
        assert!(!rule(Direction::Min, 0.0).is_over(&[]));
    }

    #[test]
    fn the_direction_follows_from_a_known_metric_and_must_be_given_for_another() {
        let read = |text: &str| EarlyStoppingConfig::from_json(text);
        let direction = |text| read(text).map(|config| config.direction);
        assert_eq!(direction("{}").unwrap(), Direction::Min);
        let accuracy = r#"{"metric": "valid_accuracy"}"#;
        assert_eq!(direction(accuracy).unwrap(), Direction::Max);
        let error = direction(r#"{"metric": "valid_mine"}"#).unwrap_err();
        assert!(error.to_string().contains("direction must be"), "{error}");
        let given = r#"{"metric": "valid_mine", "direction": "min"}"#;
        assert_eq!(direction(given).unwrap(), Direction::Min);
        for wrong in [
            r#"{"patience": 0}"#,
            r#"{"min_delta": -1}"#,
            r#"{"direction": "up"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
