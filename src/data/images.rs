//! Raw pixels on their way to the network.

use super::{Dataset, IMAGE_PIXELS, IMAGE_SIZE};
use crate::device::{Backend, pack_bytes, unpack, words};
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Int, Tensor, TensorData};

/// Mean of the pixels of MNIST's training images, in 0..1.
pub const PIXEL_MEAN: f32 = 0.1307;
/// Their standard deviation.
pub const PIXEL_STD: f32 = 0.3081;

/// Bytes of a data set that is kept on a GPU: the size of a buffer that every adapter has (WebGPU's limit
/// `maxStorageBufferBindingSize`). A larger set goes there batch by batch.
const RESIDENT_BYTES: usize = 128 << 20;

/// A pixel in 0..1 as the network sees it.
pub fn normalise(pixel: f32) -> f32 {
    (pixel - PIXEL_MEAN) / PIXEL_STD
}

/// Raw pixels of whole images, row by row, as the network sees them.
///
/// # Shapes
///
/// - output: `[batch_size, height, width]`
pub(crate) fn normalised_images<B: Backend>(pixels: &[u8], device: &B::Device) -> Tensor<B, 3> {
    let count = pixels.len() / IMAGE_PIXELS;
    if B::ON_HOST {
        let values: Vec<f32> = pixels
            .iter()
            .map(|pixel| normalise(f32::from(*pixel) / 255.0))
            .collect();
        Tensor::from_data(
            TensorData::new(values, [count, IMAGE_SIZE, IMAGE_SIZE]),
            device,
        )
    } else {
        normalised_words(words(pack_bytes(pixels).collect(), count, device))
    }
}

/// The same from packed pixels, `[batch_size, IMAGE_PIXELS / 4]`, on their device.
fn normalised_words<B: BurnBackend>(words: Tensor<B, 2, Int>) -> Tensor<B, 3> {
    let [count, _] = words.dims();
    let pixels = unpack(words, 8).float() / 255.0;
    ((pixels - PIXEL_MEAN) / PIXEL_STD).reshape([count, IMAGE_SIZE, IMAGE_SIZE])
}

/// Classes as a tensor, `[batch_size]`.
pub(crate) fn targets_tensor<B: BurnBackend>(
    targets: &[u32],
    device: &B::Device,
) -> Tensor<B, 1, Int> {
    // Classes are at most i32::MAX, which the data set checks.
    let targets: Vec<i32> = targets.iter().map(|target| *target as i32).collect();
    let shape = [targets.len()];
    Tensor::from_data(TensorData::new(targets, shape), device)
}

/// A data set in the memory of a GPU, where batches are gathered.
#[derive(Clone)]
pub(super) struct ResidentImages<B: BurnBackend> {
    words: Tensor<B, 2, Int>,
    targets: Tensor<B, 1, Int>,
}

impl<B: Backend> ResidentImages<B> {
    /// Sends a data set to a GPU; `None` where it is of no use, or too large.
    pub fn send(dataset: &Dataset, device: &B::Device) -> Option<Self> {
        if B::ON_HOST || dataset.is_empty() || dataset.pixels().len() > RESIDENT_BYTES {
            return None;
        }
        let packed = pack_bytes(dataset.pixels()).collect();
        Some(Self {
            words: words(packed, dataset.len(), device),
            targets: targets_tensor(dataset.targets(), device),
        })
    }

    /// The images and targets at `indices`: `[batch_size, height, width]` and `[batch_size]`.
    pub fn gather(&self, indices: &[usize]) -> (Tensor<B, 3>, Tensor<B, 1, Int>) {
        let indices: Vec<i32> = indices.iter().map(|index| *index as i32).collect();
        let shape = [indices.len()];
        let indices = Tensor::from_data(TensorData::new(indices, shape), &self.words.device());
        (
            normalised_words(self.words.clone().select(0, indices.clone())),
            self.targets.clone().select(0, indices),
        )
    }
}

#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::backend::flex::FlexDevice;

    #[test]
    fn the_way_of_a_gpu_and_that_of_a_processor_give_the_same_images() {
        let pixels: Vec<u8> = (0..3 * IMAGE_PIXELS)
            .map(|number| (number * 7 % 256) as u8)
            .collect();
        let expected = normalised_images::<Flex>(&pixels, &FlexDevice);
        let packed = words(pack_bytes(&pixels).collect(), 3, &FlexDevice);
        let resident = ResidentImages::<Flex> {
            words: packed.clone(),
            targets: targets_tensor(&[4, 5, 6], &FlexDevice),
        };
        assert_eq!(normalised_words(packed).dims(), expected.dims());
        let (images, targets) = resident.gather(&[2, 0]);
        let data = |tensor: Tensor<Flex, 3>| tensor.into_data().into_vec::<f32>().unwrap();
        let (images, expected) = (data(images), data(expected));
        let rows = expected[2 * IMAGE_PIXELS..]
            .iter()
            .chain(&expected[..IMAGE_PIXELS]);
        assert!(
            images
                .iter()
                .zip(rows)
                .all(|(one, other)| (one - other).abs() < 1e-6)
        );
        assert_eq!(
            targets
                .into_data()
                .convert::<i64>()
                .into_vec::<i64>()
                .unwrap(),
            [6, 4]
        );
    }
}
