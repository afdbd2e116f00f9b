//! Dropout whose masks are a function of (seed, epoch, index in the data set, layer).
//!
//! Burn's own `Dropout` draws from a generator of the whole process, so a mask there depends on what else ran before.
//! Here any batch split, number of threads or resume gives an image the same mask, and any back end.

use super::Operations;
use super::words::{unpack, words};
use crate::random::{Purpose, Stream};
use burn::tensor::{Tensor, TensorData};
use std::sync::Arc;

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

/// The dropout of a training step.
#[derive(Clone, Debug)]
pub struct Dropout {
    threshold: u16,
    key: DropoutKey,
}

/// The stream of random numbers that the masks of a layer are drawn from: layers of one stream have the same masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskStream(u64);

impl MaskStream {
    /// What tells streams of paths from those of numbers.
    const OF_PATH: u64 = 1 << 63;

    /// The stream of a number below 2^63.
    pub(super) const fn new(number: u64) -> Self {
        assert!(number < Self::OF_PATH, "larger numbers are those of paths");
        Self(number)
    }

    /// The stream of the layer at a path in its network, as in `hidden.0`.
    pub const fn of_path(path: &str) -> Self {
        // FNV-1a (Fowler, Noll and Vo): short, the same everywhere, and of all bytes.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let bytes = path.as_bytes();
        let mut place = 0;
        while place < bytes.len() {
            hash = (hash ^ bytes[place] as u64).wrapping_mul(0x0100_0000_01b3);
            place += 1;
        }
        Self(hash | Self::OF_PATH)
    }
}

/// The dropout of one layer in a training step.
#[derive(Clone, Copy, Debug)]
pub struct LayerDropout<'a> {
    dropout: &'a Dropout,
    stream: MaskStream,
}

/// Channels whose bits lie beside each other.
const CHANNELS: usize = 8;

impl Dropout {
    /// Drops activations with `probability`, rounded to the nearest that 16 random bits can draw.
    pub fn new(probability: f64, key: &DropoutKey) -> Self {
        Self {
            // The cast saturates, also for a probability that is not a number.
            threshold: (probability * 65_536.0).round() as u16,
            key: key.clone(),
        }
    }

    /// Whether nothing is dropped.
    pub fn is_none(&self) -> bool {
        self.threshold == 0
    }

    /// What keeps the expected activation the same: one over the share that is kept.
    pub fn scale(&self) -> f32 {
        65_536.0 / (65_536.0 - f32::from(self.threshold))
    }

    /// Images of the batch.
    pub fn images(&self) -> usize {
        self.key.indices.len()
    }

    /// That of the layer whose masks are of `stream`.
    pub fn layer(&self, stream: MaskStream) -> LayerDropout<'_> {
        LayerDropout {
            dropout: self,
            stream,
        }
    }
}

impl LayerDropout<'_> {
    /// Whether nothing is dropped.
    pub fn is_none(self) -> bool {
        self.dropout.is_none()
    }

    /// See [`Dropout::scale`].
    pub fn scale(self) -> f32 {
        self.dropout.scale()
    }

    /// Images of the batch.
    pub fn images(self) -> usize {
        self.dropout.images()
    }

    /// Draws the bits of one image, set for an activation that is kept, eight to a byte and lowest bit first.
    ///
    /// The activations of a convolution are in blocks of eight channels, which lie beside each other: bit `c` of byte
    /// `height * width * block + pixel` is that of channel `8 * block + c`.
    pub fn draw(self, image: usize, bits: &mut [u8]) {
        let Dropout { threshold, key } = self.dropout;
        let index = key.indices[image];
        let words = [key.seed, key.epoch, index, self.stream.0];
        let mut stream = Stream::new(Purpose::Dropout, &words);
        let (words, rest) = bits.as_chunks_mut::<8>();
        for word in words {
            *word = (!stream.bernoulli_bits(*threshold)).to_le_bytes();
        }
        if !rest.is_empty() {
            let word = (!stream.bernoulli_bits(*threshold)).to_le_bytes();
            rest.copy_from_slice(&word[..rest.len()]);
        }
    }

    /// Sets activations to zero, and scales the others so that their expected value stays.
    ///
    /// # Shapes
    ///
    /// - input: `[batch_size, features]` or `[batch_size, channels, height, width]`, `channels` a multiple of eight; the
    ///   batch in the order of the key's indices
    /// - output: as the input
    pub(super) fn apply<B: Operations, const D: usize>(self, input: Tensor<B, D>) -> Tensor<B, D> {
        if self.is_none() {
            return input;
        }
        let shape: [usize; D] = input.dims();
        let device = input.device();
        let size: usize = shape[1..].iter().product();
        let kept = if B::ON_HOST {
            self.mask::<B>(size, &device)
        } else {
            // A bit for each activation goes there instead of four bytes.
            let bytes = size.div_ceil(32) * 4;
            let mut bits = vec![0; bytes * self.images()];
            for (image, bits) in bits.chunks_exact_mut(bytes).enumerate() {
                self.draw(image, bits);
            }
            let words = words::<B>(
                super::words::pack_bytes(&bits).collect(),
                self.images(),
                &device,
            );
            unpack(words, 1).narrow(1, 0, size).float() * self.scale()
        };
        let kept = match shape[1..] {
            [channels, height, width] => kept
                .reshape([shape[0], channels / CHANNELS, height, width, CHANNELS])
                .permute([0, 1, 4, 2, 3])
                .reshape(shape),
            _ => kept.reshape(shape),
        };
        input * kept
    }

    /// 0 for a dropped activation and the scale for a kept one, `[batch_size, size]`.
    fn mask<B: Operations>(self, size: usize, device: &B::Device) -> Tensor<B, 2> {
        let values = [0.0, self.scale()];
        let mut bits = vec![0; size.div_ceil(8)];
        let mut mask = Vec::with_capacity(size * self.images());
        for image in 0..self.images() {
            self.draw(image, &mut bits);
            let value = |activation: usize| {
                values[usize::from(bits[activation / 8] >> (activation % 8) & 1)]
            };
            mask.extend((0..size).map(value));
        }
        Tensor::from_data(TensorData::new(mask, [self.images(), size]), device)
    }
}

#[cfg(test)]
mod tests {
    use super::super::guide::{CONV1, CONV2, LINEAR1};
    use super::*;

    fn dropout(probability: f64, seed: u64, epoch: u64, indices: &[u64]) -> Dropout {
        let indices = indices.into();
        Dropout::new(
            probability,
            &DropoutKey {
                seed,
                epoch,
                indices,
            },
        )
    }

    fn bits(dropout: &Dropout, image: usize, stream: MaskStream) -> [u8; 512] {
        let mut bits = [0; 512];
        dropout.layer(stream).draw(image, &mut bits);
        bits
    }

    #[test]
    fn an_image_has_the_same_mask_in_any_batch() {
        let together = bits(&dropout(0.3, 42, 3, &[5, 9, 7]), 1, CONV1);
        let alone = bits(&dropout(0.3, 42, 3, &[9]), 0, CONV1);
        assert_eq!(together, alone);
    }

    #[test]
    fn seed_epoch_image_and_layer_each_change_the_mask() {
        let reference = bits(&dropout(0.5, 42, 3, &[1]), 0, CONV1);
        let others = [
            bits(&dropout(0.5, 42, 3, &[2]), 0, CONV1),
            bits(&dropout(0.5, 42, 3, &[1]), 0, LINEAR1),
            bits(&dropout(0.5, 43, 3, &[1]), 0, CONV1),
            bits(&dropout(0.5, 42, 4, &[1]), 0, CONV1),
        ];
        assert!(others.iter().all(|other| *other != reference));
    }

    #[test]
    fn hidden_layers_of_one_width_have_masks_of_their_own() {
        let dropout = dropout(0.5, 42, 3, &[1]);
        let paths = ["hidden.0", "hidden.1", "hidden.10", "0.hidden", ""];
        let masks = paths.map(|path| bits(&dropout, 0, MaskStream::of_path(path)));
        for (place, mask) in masks.iter().enumerate() {
            assert!(!masks[..place].contains(mask), "{}", paths[place]);
        }
    }

    #[test]
    fn a_path_has_the_published_hash_and_no_number_of_the_guide_network() {
        // FNV-1a of "a" and "foobar" in 64 bits (draft-eastlake-fnv); the highest bit is set in both.
        assert_eq!(MaskStream::of_path("a").0, 0xaf63_dc4c_8601_ec8c);
        assert_eq!(MaskStream::of_path("foobar").0, 0x8594_4171_f739_67e8);
        assert!((1..1000).all(|n| MaskStream::of_path(&format!("hidden.{n}")).0 >> 63 == 1));
    }

    #[test]
    fn a_beginning_of_the_bits_is_the_same_whatever_their_number() {
        let dropout = dropout(0.5, 42, 3, &[1]);
        let whole = bits(&dropout, 0, LINEAR1);
        for length in [1, 7, 8, 9, 64, 511] {
            let mut bits = vec![0; length];
            dropout.layer(LINEAR1).draw(0, &mut bits);
            assert_eq!(bits, whole[..length]);
        }
    }

    #[test]
    fn the_expected_activation_stays() {
        for probability in [0.0, 0.1, 0.25, 0.5, 0.9] {
            let indices: Vec<u64> = (0..200).collect();
            let dropout = dropout(probability, 42, 3, &indices);
            let kept: u32 = (0..200)
                .flat_map(|image| bits(&dropout, image, CONV2))
                .map(u8::count_ones)
                .sum();
            let all = 200.0 * 512.0 * 8.0;
            let mean = f64::from(dropout.scale()) * f64::from(kept) / all;
            let deviation = (probability / (1.0 - probability) / all).sqrt();
            assert!(
                (mean - 1.0).abs() <= 5.0 * deviation,
                "p {probability}: mean {mean}"
            );
        }
    }

    #[cfg(feature = "cpu")]
    #[test]
    fn a_mask_has_the_bits_of_its_channels_and_pixels() {
        use burn::backend::Flex;
        use burn::backend::flex::FlexDevice;
        let dropout = dropout(0.5, 42, 3, &[5, 9]);
        let ones = Tensor::<Flex, 4>::ones([2, 16, 3, 5], &FlexDevice);
        let mask = dropout.layer(CONV2).apply(ones).into_data();
        let mask = mask.into_vec::<f32>().unwrap();
        for image in 0..2 {
            let mut bits = [0; 2 * 15];
            dropout.layer(CONV2).draw(image, &mut bits);
            for channel in 0..16 {
                for pixel in 0..15 {
                    let kept = bits[15 * (channel / 8) + pixel] >> (channel % 8) & 1;
                    let value = mask[(16 * image + channel) * 15 + pixel];
                    assert_eq!(value.to_bits(), (2.0 * f32::from(kept)).to_bits());
                }
            }
        }
    }
}
