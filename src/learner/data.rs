//! What a run learns from and is measured on.

use super::observer::{Observer, warn};
use crate::config::{ImageStatistics, TrainingConfig};
use crate::data::{Dataset, Description};
use crate::error::{Error, Result};

/// What a run learns from and is measured on.
#[derive(Clone)]
pub struct Data {
    /// The training images.
    pub train: Dataset,
    /// The validation images.
    pub valid: Dataset,
}

impl Data {
    /// Checks that there are images on both sides, and that they fit the model.
    pub(super) fn check(&self, config: &TrainingConfig) -> Result<()> {
        for (name, dataset) in [("training", &self.train), ("validation", &self.valid)] {
            if dataset.is_empty() {
                return Err(Error::Data(format!(
                    "the {name} set must have at least one image, got 0"
                )));
            }
            dataset
                .check_model(config.model.image(), config.model.num_classes())
                .map_err(|error| Error::Data(format!("in the {name} set, {error}")))?;
        }
        Ok(())
    }

    /// Tells what is odd about the data, once for a run; returns what the training images look like.
    pub(super) fn describe(
        &self,
        num_classes: usize,
        observer: &mut dyn Observer,
    ) -> Result<ImageStatistics> {
        let (train, train_hashes) = Description::of(&self.train, num_classes, &false.into())?;
        let (mut valid, valid_hashes) = Description::of(&self.valid, num_classes, &false.into())?;
        valid.find_leaks(&valid_hashes, &train_hashes);
        let warnings = [
            train.warnings("training images"),
            valid.warnings("validation images"),
        ];
        for message in warnings.into_iter().flatten() {
            warn(observer, message);
        }
        Ok(train.statistics())
    }
}
