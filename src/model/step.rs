//! Burn's training and validation steps.

use super::Model;
use super::cnn::classification;
use crate::data::MnistBatch;
use crate::device::{AutodiffBackend, Backend};
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};

impl<B: AutodiffBackend> TrainStep for Model<B> {
    type Input = MnistBatch<B>;
    type Output = ClassificationOutput<B>;

    fn step(&self, batch: MnistBatch<B>) -> TrainOutput<ClassificationOutput<B>> {
        let logits = self.forward_training(batch.images, &batch.dropout);
        let item = classification(logits, batch.targets);
        // The gradients of the parts of a step add up to that of the whole.
        let loss = if batch.share < 1.0 {
            item.loss.clone() * batch.share
        } else {
            item.loss.clone()
        };
        TrainOutput::new(self, loss.backward(), item)
    }
}

impl<B: Backend> InferenceStep for Model<B> {
    type Input = MnistBatch<B>;
    type Output = ClassificationOutput<B>;

    fn step(&self, batch: MnistBatch<B>) -> ClassificationOutput<B> {
        classification(self.forward(batch.images), batch.targets)
    }
}
