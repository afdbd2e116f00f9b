//! Images on their way into the kernels.

use crate::kernels::cpu::scratch::LINE;
use crate::kernels::cpu::simd::prefetch;
use crate::kernels::cpu::slices::window;
use crate::kernels::operations::float;
use crate::kernels::{IMAGE_PIXELS, Images, PixelValues, normalise};
use burn::backend::Flex;
use std::sync::LazyLock;

/// The 256 values of a pixel as the network sees them.
pub static NORMALISED: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|pixel| normalise(pixel as f32 / 255.0)));

/// A whole image as the network sees it.
pub fn normalise_image(pixels: PixelValues<'_>, image: &mut [f32; IMAGE_PIXELS]) {
    match pixels {
        PixelValues::Raw(pixels) => {
            let (table, pixels): (_, &[u8; IMAGE_PIXELS]) = (&*NORMALISED, window(pixels, 0));
            for pixel in 0..IMAGE_PIXELS {
                image[pixel] = table[usize::from(pixels[pixel])];
            }
        }
        PixelValues::Unit(pixels) => {
            let pixels: &[f32; IMAGE_PIXELS] = window(pixels, 0);
            for pixel in 0..IMAGE_PIXELS {
                image[pixel] = normalise(pixels[pixel]);
            }
        }
    }
}

/// Gives `work` an image as the network sees it.
pub fn with_image(images: &Images<Flex>, place: usize, work: impl FnOnce(&[f32; IMAGE_PIXELS])) {
    match images {
        Images::Raw {
            pixels, indices, ..
        } => {
            let first = indices[place] as usize * IMAGE_PIXELS;
            let mut image = [0.0; IMAGE_PIXELS];
            normalise_image(PixelValues::Raw(&pixels[first..]), &mut image);
            work(&image);
        }
        Images::Normalised(images) => {
            let tensor = images.clone().into_primitive().tensor();
            let (all, _) = tensor.storage::<f32>().as_chunks();
            work(&all[place]);
        }
    }
}

/// Has an image brought nearer, if there is such an image: a batch is gathered from all over a data set.
pub fn prefetch_image(images: &Images<Flex>, place: usize) {
    if let Images::Raw {
        pixels, indices, ..
    } = images
        && let Some(index) = indices.get(place)
    {
        let first = *index as usize * IMAGE_PIXELS;
        for byte in (first..first + IMAGE_PIXELS).step_by(LINE) {
            prefetch(pixels, byte);
        }
    }
}

/// Images whose pixels lie one behind the other.
pub fn contiguous_images(images: &Images<Flex>) -> Images<Flex> {
    match images {
        Images::Normalised(images) => {
            let tensor = images.clone().into_primitive().tensor().to_contiguous();
            Images::Normalised(float(tensor))
        }
        Images::Raw { .. } => images.clone(),
    }
}
