use super::{IMAGE_SIZE, Sample};
use burn::data::dataloader::batcher::Batcher;
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use std::sync::Arc;

/// Mean of the pixels of MNIST's training images, in 0..1.
pub const PIXEL_MEAN: f32 = 0.1307;
/// Their standard deviation.
pub const PIXEL_STD: f32 = 0.3081;

/// A batch of normalised images.
#[derive(Clone, Debug)]
pub struct MnistBatch<B: Backend> {
    /// `[batch_size, height, width]`
    pub images: Tensor<B, 3>,
    /// `[batch_size]`
    pub targets: Tensor<B, 1, Int>,
    /// What the dropout masks of a training step follow from.
    pub dropout: DropoutKey,
}

/// What dropout masks follow from, beside the layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropoutKey {
    /// The seed of the run.
    pub seed: u64,
    /// The epoch, from 1.
    pub epoch: u64,
    /// The position in the data set of each image of the batch.
    pub indices: Arc<[u64]>,
}

/// Makes batches: pixels to floats in 0..1, less [`PIXEL_MEAN`], over [`PIXEL_STD`].
#[derive(Clone, Copy, Debug)]
pub struct MnistBatcher {
    /// The seed of the run.
    pub seed: u64,
    /// The epoch, from 1.
    pub epoch: u64,
}

/// A pixel in 0..1 as the network sees it.
pub fn normalise(pixel: f32) -> f32 {
    (pixel - PIXEL_MEAN) / PIXEL_STD
}

impl<B: Backend> Batcher<B, Sample, MnistBatch<B>> for MnistBatcher {
    fn batch(&self, samples: Vec<Sample>, device: &B::Device) -> MnistBatch<B> {
        let pixels: Vec<f32> = samples
            .iter()
            .flat_map(|sample| {
                sample
                    .pixels
                    .iter()
                    .map(|pixel| normalise(f32::from(*pixel) / 255.0))
            })
            .collect();
        // Classes are at most i32::MAX, which the data set checks.
        let targets: Vec<i32> = samples.iter().map(|sample| sample.target as i32).collect();
        let shape = [samples.len(), IMAGE_SIZE, IMAGE_SIZE];
        MnistBatch {
            images: Tensor::from_data(TensorData::new(pixels, shape), device),
            targets: Tensor::from_data(TensorData::new(targets, [samples.len()]), device),
            dropout: DropoutKey {
                seed: self.seed,
                epoch: self.epoch,
                indices: samples.iter().map(|sample| sample.index as u64).collect(),
            },
        }
    }
}
