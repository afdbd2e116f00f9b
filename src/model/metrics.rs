use super::parameters::host_values;
use crate::error::{Error, Result};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::train::ClassificationOutput;

/// Loss and hits of batches, left on their device until they are read together: each reading waits for the device.
pub(crate) struct Metrics<B: Backend> {
    /// Loss and hits of each batch, `[2]`.
    batches: Vec<Tensor<B, 1>>,
}

impl<B: Backend> Metrics<B> {
    pub fn new() -> Self {
        Self {
            batches: Vec::new(),
        }
    }

    /// Takes a batch: one output, or the outputs of its parts; all of them on one device.
    pub fn push(&mut self, parts: Vec<ClassificationOutput<B>>) {
        let images = |part: &ClassificationOutput<B>| part.targets.dims()[0];
        let all: usize = parts.iter().map(images).sum();
        let rows = parts.into_iter().map(|part| {
            let share = images(&part) as f64 / all as f64;
            let right = part.output.argmax(1).flatten::<1>(0, 1).equal(part.targets);
            let loss = if share < 1.0 {
                part.loss * share
            } else {
                part.loss
            };
            Tensor::cat(vec![loss, right.int().sum().float()], 0)
        });
        self.batches
            .extend(rows.reduce(|sum: Tensor<B, 1>, row| sum + row));
    }

    /// Loss (a mean) and number of hits of each batch since the last reading.
    pub fn read(&mut self) -> Result<Vec<(f32, usize)>> {
        if self.batches.is_empty() {
            return Ok(Vec::new());
        }
        let count = self.batches.len();
        let rows = Tensor::cat(std::mem::take(&mut self.batches), 0);
        let values = host_values(rows.into_data())?;
        if values.len() != 2 * count {
            return Err(Error::Internal(format!(
                "{count} batches left {} numbers on their device",
                values.len()
            )));
        }
        let pairs = values.chunks_exact(2);
        Ok(pairs.map(|pair| (pair[0], pair[1] as usize)).collect())
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

    #[test]
    fn batches_are_read_together_in_their_order() {
        let mut metrics = Metrics::new();
        let logits = [[0.0, 1.0, 0.5], [2.0, 1.0, 0.0]];
        metrics.push(vec![part(0.5, &logits, &[1, 2])]);
        metrics.push(vec![part(0.25, &logits[..1], &[1])]);
        assert_eq!(metrics.read().unwrap(), [(0.5, 1), (0.25, 1)]);
        assert_eq!(metrics.read().unwrap(), []);
    }

    #[test]
    fn the_loss_of_parts_is_the_mean_over_their_images() {
        let mut metrics = Metrics::new();
        let logits = [[0.0, 1.0, 0.5]; 3];
        metrics.push(vec![
            part(1.0, &logits, &[1, 1, 0]),
            part(3.0, &logits[..1], &[1]),
        ]);
        assert_eq!(metrics.read().unwrap(), [(1.5, 3)]);
    }
}
