//! The plan of an epoch: which images are in each batch, and how it is made from them.

use crate::data::images::{ResidentImages, targets_tensor};
use crate::data::{Dataset, Images, MnistBatch, MnistBatcher, Sample};
use crate::device::Backend;
use crate::error::Result;
use burn::data::dataloader::batcher::Batcher;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Tensor, TensorData};
use std::ops::Range;
use std::sync::Arc;

/// Which part of each batch a loader gives: the one at `number` of `count` that are equally large, but for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub number: usize,
    pub count: usize,
}

impl Part {
    pub const WHOLE: Self = Self {
        number: 0,
        count: 1,
    };

    fn of(self, batch: Range<usize>) -> Range<usize> {
        let bound = |number: usize| batch.start + batch.len() * number / self.count;
        bound(self.number)..bound(self.number + 1)
    }
}

/// All that decides the batches of one epoch.
pub(super) struct EpochPlan<B: BurnBackend> {
    pub dataset: Dataset,
    pub resident: Option<ResidentImages<B>>,
    pub batcher: MnistBatcher,
    pub order: Vec<usize>,
    pub weights: Option<Arc<[f32]>>,
    pub batch_size: usize,
    pub accumulated: usize,
    pub device: B::Device,
    pub part: Part,
}

impl<B: Backend> EpochPlan<B> {
    /// This loader's part of a batch.
    pub fn batch(&self, number: usize) -> Result<MnistBatch<B>> {
        let part = self.part.of(self.range(number));
        let step = self.step(number);
        let share = part.len() as f64 / step.len() as f64;
        let indices = &self.order[part];
        let dropout = self.batcher.key(indices.iter().copied());
        let (images, targets) = if let Some(resident) = &self.resident {
            let (images, targets) = resident.gather(indices);
            (images.into(), targets)
        } else if B::ON_HOST
            && self.batcher.augmentation.is_none()
            && let Some(pixels) = self.dataset.pixels()
        {
            let images = Images::Raw {
                pixels: Arc::clone(pixels),
                shape: self.dataset.shape(),
                indices: Arc::clone(&dropout.indices),
                device: self.device.clone(),
            };
            let all = self.dataset.targets();
            let targets: Vec<u32> = indices.iter().map(|index| all[*index]).collect();
            (images, targets_tensor(&targets, &self.device))
        } else {
            let samples = indices
                .iter()
                .map(|index| self.dataset.sample(*index))
                .collect::<Result<Vec<Sample>>>()?;
            let batch = self.batcher.batch(samples, &self.device);
            (batch.images, batch.targets)
        };
        let weights = self.weights.as_ref().map(|all| {
            let of = |indices: &[usize]| -> Vec<f32> {
                indices.iter().map(|index| all[*index]).collect()
            };
            let mut weights = of(indices);
            // The mean of the whole step's is 1: then losses of its parts add up to the weighted mean.
            let total: f64 = of(&self.order[step.clone()])
                .into_iter()
                .map(f64::from)
                .sum();
            if total > 0.0 {
                let scale = step.len() as f64 / total;
                for weight in &mut weights {
                    *weight = (f64::from(*weight) * scale) as f32;
                }
            }
            let images = weights.len();
            Tensor::from_data(TensorData::new(weights, [images]), &self.device)
        });
        Ok(MnistBatch {
            images,
            targets,
            weights,
            dropout,
            share,
        })
    }

    /// Batches with an image for this loader: in an epoch's last, there may be fewer images than devices.
    pub fn num_batches(&self) -> usize {
        let whole = self.order.len().div_ceil(self.batch_size);
        match whole.checked_sub(1) {
            Some(last) if self.part.of(self.range(last)).is_empty() => last,
            _ => whole,
        }
    }

    /// Where the images of a batch are in the order.
    fn range(&self, number: usize) -> Range<usize> {
        let first = number * self.batch_size;
        first..(first + self.batch_size).min(self.order.len())
    }

    /// Where the images of the step that a batch belongs to are.
    fn step(&self, number: usize) -> Range<usize> {
        let first = number - number % self.accumulated;
        self.range(first).start..self.range(first + self.accumulated - 1).end
    }
}

#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests {
    use super::*;
    use crate::config::ImageShape;
    use burn::backend::Flex;
    use burn::backend::flex::FlexDevice;

    /// 23 images in batches of 5.
    fn plan(part: Part) -> EpochPlan<Flex> {
        let shape = ImageShape::MNIST;
        let targets: Vec<i64> = (0..23).collect();
        EpochPlan {
            dataset: Dataset::new(vec![0; 23 * shape.len()], shape, &targets).unwrap(),
            resident: None,
            batcher: MnistBatcher {
                seed: 9,
                epoch: 1,
                shape,
                augmentation: None,
            },
            order: (0..23).rev().collect(),
            weights: None,
            batch_size: 5,
            accumulated: 1,
            device: FlexDevice,
            part,
        }
    }

    #[test]
    fn the_shares_of_a_batch_add_up_to_one() {
        let parts = (0..3).map(|number| plan(Part { number, count: 3 }));
        let shares: Vec<Vec<f64>> = parts
            .map(|plan| {
                let batches = 0..plan.num_batches();
                batches
                    .map(|batch| plan.batch(batch).unwrap().share)
                    .collect()
            })
            .collect();
        for batch in 0..5 {
            let sum: f64 = shares.iter().map(|part| part[batch]).sum();
            assert!((sum - 1.0).abs() < 1e-12, "{shares:?}");
        }
    }
}
