use super::images::targets_tensor;
use super::{Augmentation, DropoutKey, Images, Sample};
use crate::config::ImageShape;
use crate::device::Backend;
use crate::kernels::normalised;
use burn::data::dataloader::batcher::Batcher;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Int, Tensor};
use std::sync::Arc;

/// A batch of images.
#[derive(Clone, Debug)]
pub struct MnistBatch<B: BurnBackend> {
    /// `[batch_size, channels, height, width]`
    pub images: Images<B>,
    /// `[batch_size]`
    pub targets: Tensor<B, 1, Int>,
    /// How much each image counts in the loss, `[batch_size]`, of mean 1 over the step; `None` for 1.
    pub weights: Option<Tensor<B, 1>>,
    /// What the dropout masks of a training step follow from.
    pub dropout: DropoutKey,
    /// The share of the step's images that are in this batch: 1, or less where several devices share a step.
    pub share: f64,
}

/// Makes batches: pixels to floats in 0..1, less [`PIXEL_MEAN`](super::PIXEL_MEAN), over
/// [`PIXEL_STD`](super::PIXEL_STD), after their augmentation if there is one.
#[derive(Clone, Debug)]
pub struct MnistBatcher {
    /// The seed of the run.
    pub seed: u64,
    /// The epoch, from 1.
    pub epoch: u64,
    /// The shape of each image.
    pub shape: ImageShape,
    /// What is done to the images before.
    pub augmentation: Option<Arc<Augmentation>>,
}

impl MnistBatcher {
    /// The key of the images at `indices`.
    pub fn key(&self, indices: impl Iterator<Item = usize>) -> DropoutKey {
        DropoutKey {
            seed: self.seed,
            epoch: self.epoch,
            indices: indices.map(|index| index as u64).collect(),
        }
    }
}

impl<B: Backend> Batcher<B, Sample, MnistBatch<B>> for MnistBatcher {
    fn batch(&self, samples: Vec<Sample>, device: &B::Device) -> MnistBatch<B> {
        let mut pixels = Vec::with_capacity(samples.len() * self.shape.len());
        for sample in &samples {
            pixels.extend_from_slice(&sample.pixels);
        }
        if let Some(augmentation) = &self.augmentation {
            let indices: Vec<usize> = samples.iter().map(|sample| sample.index).collect();
            augmentation.apply_batch(self.epoch, &indices, &mut pixels);
        }
        let images = if B::ON_HOST {
            Images::Raw {
                pixels: pixels.into(),
                shape: self.shape,
                indices: (0..samples.len() as u64).collect(),
                device: device.clone(),
            }
        } else {
            normalised(&pixels, self.shape, device).into()
        };
        let targets: Vec<u32> = samples.iter().map(|sample| sample.target).collect();
        MnistBatch {
            images,
            targets: targets_tensor(&targets, device),
            weights: None,
            dropout: self.key(samples.iter().map(|sample| sample.index)),
            share: 1.0,
        }
    }
}
