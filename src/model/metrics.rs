use super::objective::of_part;
use crate::error::{Error, Result};
use crate::network::host_values;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::train::ClassificationOutput;
use serde::{Deserialize, Serialize};

/// Loss and hits of batches, left on their device until they are read together: each reading waits for the device.
pub(crate) struct Metrics<B: Backend> {
    /// Loss and hits of each batch, `[2]`.
    batches: Vec<Tensor<B, 1>>,
    /// Images of each batch.
    images: Vec<usize>,
}

/// What was measured on one batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub images: usize,
    /// Mean cross-entropy over the images.
    pub loss: f64,
    /// Images whose largest logit is that of their class.
    pub hits: usize,
}

impl Measured {
    /// The share of hits.
    pub fn accuracy(&self) -> f64 {
        self.hits as f64 / self.images as f64
    }
}

impl<B: Backend> Metrics<B> {
    pub fn new() -> Self {
        Self {
            batches: Vec::new(),
            images: Vec::new(),
        }
    }

    /// Batches since the last reading.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Takes a batch: one output, or the outputs of its parts; all of them on one device. The answer is its number of images.
    pub fn push(&mut self, parts: Vec<ClassificationOutput<B>>) -> usize {
        let images = |part: &ClassificationOutput<B>| part.targets.dims()[0];
        let all: usize = parts.iter().map(images).sum();
        let rows = parts.into_iter().map(|part| {
            let share = images(&part) as f64 / all as f64;
            let right = part.output.argmax(1).flatten::<1>(0, 1).equal(part.targets);
            let loss = of_part(part.loss, share);
            Tensor::cat(vec![loss, right.int().sum().float()], 0)
        });
        self.batches
            .extend(rows.reduce(|sum: Tensor<B, 1>, row| sum + row));
        self.images.push(all);
        all
    }

    /// The batches since the last reading, in their order.
    pub fn read(&mut self) -> Result<Vec<Measured>> {
        let images = std::mem::take(&mut self.images);
        if self.batches.is_empty() {
            return Ok(Vec::new());
        }
        let rows = Tensor::cat(std::mem::take(&mut self.batches), 0);
        let values = host_values(rows.into_data())?;
        if values.len() != 2 * images.len() {
            return Err(Error::Internal(format!(
                "{} batches left {} numbers on their device",
                images.len(),
                values.len()
            )));
        }
        let pairs = values.chunks_exact(2).zip(images);
        Ok(pairs
            .map(|(pair, images)| Measured {
                images,
                loss: pair[0].into(),
                hits: pair[1] as usize,
            })
            .collect())
    }
}

/// An output without its tape, which holds the parameters.
pub(crate) fn without_tape<B: AutodiffBackend>(
    output: ClassificationOutput<B>,
) -> ClassificationOutput<B::InnerBackend> {
    ClassificationOutput::new(
        output.loss.inner(),
        output.output.inner(),
        output.targets.inner(),
    )
}

#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::backend::flex::FlexDevice;

    fn part(loss: f32, logits: &[[f32; 3]], targets: &[i32]) -> ClassificationOutput<Flex> {
        let rows: Vec<f32> = logits.as_flattened().to_vec();
        let data = burn::tensor::TensorData::new(rows, [logits.len(), 3]);
        ClassificationOutput::new(
            Tensor::from_floats([loss], &FlexDevice),
            Tensor::from_data(data, &FlexDevice),
            Tensor::from_ints(targets, &FlexDevice),
        )
    }

    fn measured(images: usize, loss: f64, hits: usize) -> Measured {
        Measured { images, loss, hits }
    }

    #[test]
    fn batches_are_read_together_in_their_order() {
        let mut metrics = Metrics::new();
        let logits = [[0.0, 1.0, 0.5], [2.0, 1.0, 0.0]];
        metrics.push(vec![part(0.5, &logits, &[1, 2])]);
        metrics.push(vec![part(0.25, &logits[..1], &[1])]);
        let expected = [measured(2, 0.5, 1), measured(1, 0.25, 1)];
        assert_eq!(metrics.read().unwrap(), expected);
        assert_eq!(metrics.read().unwrap(), []);
    }

    #[test]
    fn the_loss_of_parts_is_the_mean_over_their_images() {
        let mut metrics = Metrics::new();
        let logits = [[0.0, 1.0, 0.5]; 3];
        let images = metrics.push(vec![
            part(1.0, &logits, &[1, 1, 0]),
            part(3.0, &logits[..1], &[1]),
        ]);
        assert_eq!(images, 4);
        assert_eq!(metrics.read().unwrap(), [measured(4, 1.5, 3)]);
    }
}
