//! The metrics of an epoch by name, and which way each is better.

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
        format!("one of {}", names.join(", "))
    }

    /// Which way it is better.
    pub fn direction(self) -> Direction {
        match self {
            Self::TrainLoss | Self::ValidLoss => Direction::Min,
            Self::TrainAccuracy | Self::ValidAccuracy => Direction::Max,
        }
    }
}

impl fmt::Display for EpochMetric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TrainLoss => "train_loss",
            Self::TrainAccuracy => "train_accuracy",
            Self::ValidLoss => "valid_loss",
            Self::ValidAccuracy => "valid_accuracy",
        })
    }
}

impl FromStr for EpochMetric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = Self::ALWAYS
            .iter()
            .find(|metric| metric.to_string() == name);
        known.copied().ok_or_else(|| {
            Error::Config(format!("a metric must be {}, got {name:?}", Self::rule()))
        })
    }
}
