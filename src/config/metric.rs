//! Metrics by name, and which way each is better.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The lower the better, as a loss is.
    Min,
    /// The higher the better, as an accuracy is.
    Max,
}

impl Direction {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    /// Whether a value is better than another.
    pub fn is_better(self, value: f64, than: f64) -> bool {
        match self {
            Self::Min => value < than,
            Self::Max => value > than,
        }
    }
}

impl FromStr for Direction {
    type Err = ();

    fn from_str(name: &str) -> std::result::Result<Self, ()> {
        [Self::Min, Self::Max]
            .into_iter()
            .find(|direction| direction.name() == name)
            .ok_or(())
    }
}

/// What is measured of a model's predictions beside loss and accuracy. Names and definitions are scikit-learn's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// `top_3_accuracy`: the share of images whose class has one of the so many largest logits.
    TopAccuracy(usize),
    /// `precision_macro`: of the images that the model takes for a class, the share that is of it.
    Precision(Average),
    /// `recall_macro`: of the images of a class, the share that the model takes for it.
    Recall(Average),
    /// `f1_macro`, `f0.5_macro`: the weighted harmonic mean of both; recall counts beta times as much as precision.
    FBeta(f64, Average),
    /// `auroc_macro`: the area under the ROC curve of each class against the rest, by its probability. It has no micro average.
    Auroc(Average),
    /// `confusion`: how many images of each class the model takes for each class; `confusion_3_5` those of class 3 that it takes
    /// for class 5.
    Confusion(Option<(usize, usize)>),
}

/// What becomes of the values of the classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// `macro`: their mean.
    Macro,
    /// `micro`: one value from the counts of all classes together.
    Micro,
    /// `per_class`: all of them.
    PerClass,
    /// `class_3`: one of them.
    Class(usize),
}

impl Metric {
    /// Which names there are, for messages.
    pub(super) const RULE: &'static str = "one of top_K_accuracy, precision_A, recall_A, fB_A, auroc_A and confusion, where K is a \
        number of classes, A is macro, micro, per_class or class_N, and B is a number, as in f1_macro; auroc has no micro average";

    /// The values that it has, each a metric with a single one: all classes in the place of `per_class`.
    pub fn values(self, num_classes: usize) -> Vec<Self> {
        let classes = || (0..num_classes).map(Average::Class);
        match self {
            Self::Precision(Average::PerClass) => classes().map(Self::Precision).collect(),
            Self::Recall(Average::PerClass) => classes().map(Self::Recall).collect(),
            Self::FBeta(beta, Average::PerClass) => {
                classes().map(|class| Self::FBeta(beta, class)).collect()
            }
            Self::Auroc(Average::PerClass) => classes().map(Self::Auroc).collect(),
            Self::Confusion(None) => (0..num_classes)
                .flat_map(|class| (0..num_classes).map(move |taken| (class, taken)))
                .map(|cell| Self::Confusion(Some(cell)))
                .collect(),
            single => vec![single],
        }
    }

    /// Refuses a metric of more classes than there are.
    pub fn check(self, num_classes: usize) -> Result<()> {
        let class = match self {
            Self::TopAccuracy(count) => count.checked_sub(1),
            Self::Precision(Average::Class(class))
            | Self::Recall(Average::Class(class))
            | Self::FBeta(_, Average::Class(class))
            | Self::Auroc(Average::Class(class)) => Some(class),
            Self::Confusion(Some((class, taken))) => Some(class.max(taken)),
            _ => None,
        };
        if class.is_some_and(|class| class >= num_classes) {
            return Err(Error::Config(format!(
                "metrics must be of the model's {num_classes} classes, numbered from 0, got {:?}",
                self.to_string()
            )));
        }
        Ok(())
    }
}

impl fmt::Display for Average {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Macro => formatter.write_str("macro"),
            Self::Micro => formatter.write_str("micro"),
            Self::PerClass => formatter.write_str("per_class"),
            Self::Class(class) => write!(formatter, "class_{class}"),
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TopAccuracy(count) => write!(formatter, "top_{count}_accuracy"),
            Self::Precision(average) => write!(formatter, "precision_{average}"),
            Self::Recall(average) => write!(formatter, "recall_{average}"),
            Self::FBeta(beta, average) => write!(formatter, "f{beta}_{average}"),
            Self::Auroc(average) => write!(formatter, "auroc_{average}"),
            Self::Confusion(None) => formatter.write_str("confusion"),
            Self::Confusion(Some((class, taken))) => {
                write!(formatter, "confusion_{class}_{taken}")
            }
        }
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let parsed = parse(name).filter(|metric| metric.to_string() == name);
        parsed
            .ok_or_else(|| Error::Config(format!("a metric must be {}, got {name:?}", Self::RULE)))
    }
}

fn parse(name: &str) -> Option<Metric> {
    if name == "confusion" {
        return Some(Metric::Confusion(None));
    }
    if let Some(cell) = name.strip_prefix("confusion_") {
        let (class, taken) = cell.split_once('_')?;
        let cell = (class.parse().ok()?, taken.parse().ok()?);
        return Some(Metric::Confusion(Some(cell)));
    }
    if let Some(count) = name.strip_prefix("top_") {
        let count: usize = count.strip_suffix("_accuracy")?.parse().ok()?;
        return (count > 0).then_some(Metric::TopAccuracy(count));
    }
    let (score, average) = name.split_once('_')?;
    let average = match average {
        "macro" => Average::Macro,
        "micro" => Average::Micro,
        "per_class" => Average::PerClass,
        other => Average::Class(other.strip_prefix("class_")?.parse().ok()?),
    };
    match score {
        "precision" => Some(Metric::Precision(average)),
        "recall" => Some(Metric::Recall(average)),
        "auroc" => (average != Average::Micro).then_some(Metric::Auroc(average)),
        other => {
            let beta: f64 = other.strip_prefix('f')?.parse().ok()?;
            (beta > 0.0 && beta.is_finite()).then_some(Metric::FBeta(beta, average))
        }
    }
}

/// A metric of an epoch: a column of the history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EpochMetric {
    /// `train_loss`
    TrainLoss,
    /// `train_accuracy`
    TrainAccuracy,
    /// `valid_loss`
    ValidLoss,
    /// `valid_accuracy`
    ValidAccuracy,
    /// `valid_f1_macro` and the like, one with a single value, where the run measures it.
    Valid(Metric),
}

impl EpochMetric {
    /// Those that every run has.
    pub const ALWAYS: [Self; 4] = [
        Self::TrainLoss,
        Self::TrainAccuracy,
        Self::ValidLoss,
        Self::ValidAccuracy,
    ];

    /// Which names there are, for messages.
    pub(super) fn rule() -> String {
        let names = Self::ALWAYS.map(|metric| metric.to_string());
        format!(
            "one of {}, or valid_ and the name of one of the run's metrics that has a single value, as in valid_f1_macro",
            names.join(", ")
        )
    }

    /// Which way it is better.
    pub fn direction(self) -> Direction {
        match self {
            Self::TrainLoss | Self::ValidLoss => Direction::Min,
            // Errors are better the fewer they are.
            Self::Valid(Metric::Confusion(Some((class, taken)))) if class != taken => {
                Direction::Min
            }
            Self::TrainAccuracy | Self::ValidAccuracy | Self::Valid(_) => Direction::Max,
        }
    }
}

impl fmt::Display for EpochMetric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TrainLoss => formatter.write_str("train_loss"),
            Self::TrainAccuracy => formatter.write_str("train_accuracy"),
            Self::ValidLoss => formatter.write_str("valid_loss"),
            Self::ValidAccuracy => formatter.write_str("valid_accuracy"),
            Self::Valid(metric) => write!(formatter, "valid_{metric}"),
        }
    }
}

impl FromStr for EpochMetric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = Self::ALWAYS
            .iter()
            .find(|metric| metric.to_string() == name);
        let single = || {
            let metric: Metric = name.strip_prefix("valid_")?.parse().ok()?;
            (metric.values(2) == [metric]).then_some(Self::Valid(metric))
        };
        known.copied().or_else(single).ok_or_else(|| {
            Error::Config(format!("a metric must be {}, got {name:?}", Self::rule()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in [
            "top_3_accuracy",
            "precision_macro",
            "recall_per_class",
            "recall_class_7",
            "f1_micro",
            "f0.5_macro",
            "auroc_macro",
            "confusion",
            "confusion_3_5",
        ] {
            assert_eq!(name.parse::<Metric>().unwrap().to_string(), name);
        }
        for name in [
            "",
            "f1",
            "f1.0_macro",
            "f0_macro",
            "top_0_accuracy",
            "auroc_micro",
            "precision_mean",
            "recall_class_",
            "recall_class_07",
            "confusion_3",
        ] {
            assert!(name.parse::<Metric>().is_err(), "{name}");
        }
        assert!("valid_f1_macro".parse::<EpochMetric>().is_ok());
        assert!("valid_f1_per_class".parse::<EpochMetric>().is_err());
        assert!("train_f1_macro".parse::<EpochMetric>().is_err());
    }
}
