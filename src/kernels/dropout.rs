//! Dropout whose masks are a function of (seed, epoch, index in the data set, layer).
//!
//! Burn's own `Dropout` draws from a generator of the whole process, so a mask there depends on what else ran before.
//! Here any batch split, number of threads or resume gives an image the same mask.

use crate::data::DropoutKey;
use crate::device::{Backend, unpack, words};
use crate::random::{Purpose, Stream};
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
    let (shape, device) = (input.shape(), input.device());
    let rows = key.indices.len();
    let size = shape.num_elements() / rows.max(1);
    let mask = if B::ON_HOST {
        let mask = mask(size, threshold, key, layer);
        Tensor::from_data(TensorData::new(mask, shape), &device)
    } else {
        // A bit for each activation goes there instead of four bytes.
        let bits = dropped(size, threshold, key, layer);
        let dropped = unpack(words::<B>(bits, rows, &device), 1).narrow(1, 0, size);
        let scale = keep_scale(threshold);
        (dropped.float() * -scale + scale).reshape(shape)
    };
    input * mask
}

/// Calls `each` with 64 bits and the number of activations they are for, set for a dropped one; `size` activations for
/// each image of the key.
fn draw(
    size: usize,
    threshold: u16,
    key: &DropoutKey,
    layer: Layer,
    mut each: impl FnMut(u64, usize),
) {
    for index in key.indices.iter() {
        let mut stream = Stream::new(
            Purpose::Dropout,
            &[key.seed, key.epoch, *index, layer as u64],
        );
        for done in (0..size).step_by(64) {
            each(stream.bernoulli_bits(threshold), (size - done).min(64));
        }
    }
}

/// 0 for a dropped activation and the scale for a kept one.
fn mask(size: usize, threshold: u16, key: &DropoutKey, layer: Layer) -> Vec<f32> {
    let scale = keep_scale(threshold);
    let mut mask = Vec::with_capacity(size * key.indices.len());
    draw(size, threshold, key, layer, |dropped, count| {
        mask.extend((0..count).map(|bit| if dropped >> bit & 1 == 1 { 0.0 } else { scale }));
    });
    mask
}

/// The same as bits, set for a dropped activation; each image begins with a word of its own.
fn dropped(size: usize, threshold: u16, key: &DropoutKey, layer: Layer) -> Vec<i32> {
    let mut words = Vec::with_capacity(size.div_ceil(32) * key.indices.len());
    draw(size, threshold, key, layer, |dropped, count| {
        words.push(dropped as i32);
        if count > 32 {
            words.push((dropped >> 32) as i32);
        }
    });
    words
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
    fn the_bits_for_a_gpu_are_the_mask_of_a_processor() {
        let key = key(&[5, 9]);
        for size in [1, 16, 32, 33, 64, 100, 9216] {
            let mask = mask(size, threshold(0.5), &key, Layer::Conv2);
            let bits = dropped(size, threshold(0.5), &key, Layer::Conv2);
            assert_eq!(bits.len(), 2 * size.div_ceil(32));
            for (image, row) in bits.chunks(size.div_ceil(32)).enumerate() {
                for activation in 0..size {
                    let bit = row[activation / 32] >> (activation % 32) & 1;
                    assert_eq!(bit == 1, mask[image * size + activation] == 0.0);
                }
            }
        }
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
