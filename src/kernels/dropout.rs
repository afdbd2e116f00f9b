//! Dropout whose masks are a function of (seed, epoch, index in the data set, layer).
//!
//! Burn's own `Dropout` draws from a generator of the whole process, so a mask there depends on what else ran before.
//! Here any batch split, number of threads or resume gives an image the same mask.

use crate::data::DropoutKey;
use crate::random::{Purpose, Stream};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// Which of the network's dropouts a mask is for.
#[derive(Clone, Copy, Debug)]
pub enum Layer {
    /// After the first convolution.
    Conv1 = 1,
    /// After the second convolution.
    Conv2 = 2,
    /// After the first linear layer.
    Linear1 = 3,
}

/// The probability of a dropped activation, in 65,536ths: the nearest that 16 random bits can draw.
pub fn threshold(probability: f64) -> u16 {
    // The cast saturates, also for a probability that is not a number.
    (probability * 65_536.0).round() as u16
}

/// What keeps the expected activation the same: one over the share that is kept.
pub fn keep_scale(threshold: u16) -> f32 {
    65_536.0 / (65_536.0 - f32::from(threshold))
}

/// Sets activations to zero with `probability`, and scales the others so that their expected value stays.
///
/// # Shapes
///
/// - input: `[batch_size, ...]`, the batch in the order of the key's indices
/// - output: as the input
pub fn dropout<B: Backend, const D: usize>(
    input: Tensor<B, D>,
    probability: f64,
    key: &DropoutKey,
    layer: Layer,
) -> Tensor<B, D> {
    let threshold = threshold(probability);
    if threshold == 0 {
        return input;
    }
    let shape = input.shape();
    let size = shape.num_elements() / key.indices.len().max(1);
    let mask = TensorData::new(mask(size, threshold, key, layer), shape);
    let mask = Tensor::from_data(mask, &input.device());
    input * mask
}

/// 0 for a dropped activation and the scale for a kept one; `size` activations for each image of the key.
fn mask(size: usize, threshold: u16, key: &DropoutKey, layer: Layer) -> Vec<f32> {
    let scale = keep_scale(threshold);
    let mut mask = Vec::with_capacity(size * key.indices.len());
    for index in key.indices.iter() {
        let mut stream = Stream::new(
            Purpose::Dropout,
            &[key.seed, key.epoch, *index, layer as u64],
        );
        let mut left = size;
        while left > 0 {
            let count = left.min(64);
            let dropped = stream.bernoulli_bits(threshold);
            mask.extend((0..count).map(|bit| if dropped >> bit & 1 == 1 { 0.0 } else { scale }));
            left -= count;
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(indices: &[u64]) -> DropoutKey {
        DropoutKey {
            seed: 42,
            epoch: 3,
            indices: indices.into(),
        }
    }

    #[test]
    fn an_image_has_the_same_mask_in_any_batch() {
        let together = mask(100, threshold(0.3), &key(&[5, 9, 7]), Layer::Conv1);
        let alone = mask(100, threshold(0.3), &key(&[9]), Layer::Conv1);
        assert_eq!(together[100..200], alone);
    }

    #[test]
    fn seed_epoch_image_and_layer_each_change_the_mask() {
        let reference = mask(512, threshold(0.5), &key(&[1]), Layer::Conv1);
        let others = [
            mask(512, threshold(0.5), &key(&[2]), Layer::Conv1),
            mask(512, threshold(0.5), &key(&[1]), Layer::Linear1),
            mask(
                512,
                threshold(0.5),
                &DropoutKey {
                    seed: 43,
                    ..key(&[1])
                },
                Layer::Conv1,
            ),
            mask(
                512,
                threshold(0.5),
                &DropoutKey {
                    epoch: 4,
                    ..key(&[1])
                },
                Layer::Conv1,
            ),
        ];
        assert!(others.iter().all(|other| *other != reference));
    }

    #[test]
    fn the_expected_activation_stays() {
        for probability in [0.1, 0.25, 0.5, 0.9] {
            let indices: Vec<u64> = (0..200).collect();
            let mask = mask(1000, threshold(probability), &key(&indices), Layer::Conv2);
            let mean = mask.iter().map(|value| f64::from(*value)).sum::<f64>() / mask.len() as f64;
            let deviation = (probability / (1.0 - probability) / mask.len() as f64).sqrt();
            assert!(
                (mean - 1.0).abs() < 5.0 * deviation,
                "p {probability}: mean {mean}"
            );
        }
    }
}
