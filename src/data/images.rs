//! Data sets on their way to a GPU, and classes as tensors.

use super::Dataset;
use crate::config::ImageShape;
use crate::device::Backend;
use crate::kernels::{normalised_words, packed};
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Int, Tensor, TensorData};

/// Bytes of a data set that is kept on a GPU: the size of a buffer that every adapter has (WebGPU's limit
/// `maxStorageBufferBindingSize`). A larger set goes there batch by batch.
const RESIDENT_BYTES: usize = 128 << 20;

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
    shape: ImageShape,
    targets: Tensor<B, 1, Int>,
}

impl<B: Backend> ResidentImages<B> {
    /// Sends a data set to a GPU; `None` where it is of no use, too large, or on disk.
    pub fn send(dataset: &Dataset, device: &B::Device) -> Option<Self> {
        let pixels = dataset.pixels()?;
        if B::ON_HOST || dataset.is_empty() || pixels.len() > RESIDENT_BYTES {
            return None;
        }
        Some(Self {
            words: packed(pixels, dataset.shape(), device),
            shape: dataset.shape(),
            targets: targets_tensor(dataset.targets(), device),
        })
    }

    /// The images and targets at `indices`: `[batch_size, channels, height, width]` and `[batch_size]`.
    pub fn gather(&self, indices: &[usize]) -> (Tensor<B, 4>, Tensor<B, 1, Int>) {
        let indices: Vec<i32> = indices.iter().map(|index| *index as i32).collect();
        let shape = [indices.len()];
        let indices = Tensor::from_data(TensorData::new(indices, shape), &self.words.device());
        (
            normalised_words(self.words.clone().select(0, indices.clone()), self.shape),
            self.targets.clone().select(0, indices),
        )
    }
}

#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests {
    use super::*;
    use crate::data::IMAGE_PIXELS;
    use crate::kernels::normalised;
    use burn::backend::Flex;
    use burn::backend::flex::FlexDevice;

    #[test]
    fn images_are_gathered_where_they_are_kept() {
        let pixels: Vec<u8> = (0..3 * IMAGE_PIXELS)
            .map(|number| (number * 7 % 256) as u8)
            .collect();
        let resident = ResidentImages::<Flex> {
            words: packed(&pixels, ImageShape::MNIST, &FlexDevice),
            shape: ImageShape::MNIST,
            targets: targets_tensor(&[4, 5, 6], &FlexDevice),
        };
        let (images, targets) = resident.gather(&[2, 0]);
        let reordered = [&pixels[2 * IMAGE_PIXELS..], &pixels[..IMAGE_PIXELS]].concat();
        let expected = normalised::<Flex>(&reordered, ImageShape::MNIST, &FlexDevice).into_data();
        let tolerance = burn::tensor::Tolerance::<f32>::absolute(1e-6);
        images.into_data().assert_approx_eq(&expected, tolerance);
        assert_eq!(
            targets.into_data().iter::<i64>().collect::<Vec<_>>(),
            [6, 4]
        );
    }
}
