//! Changes of brightness, contrast and saturation.

use crate::config::{AugmentationConfig, ImageShape};
use crate::random::Stream;

/// What of a channel a person sees as bright (Rec. 601, as in torchvision and Pillow).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// Multiplies brightness, then contrast, then saturation with a factor each, drawn from 1 less the strength to 1 more; as
/// torchvision's `ColorJitter` does in this order. What is not in 0..255 then is cut off.
pub(super) fn jitter(
    config: &AugmentationConfig,
    shape: ImageShape,
    stream: &mut Stream,
    image: &mut [u8],
) {
    // All are drawn, whichever are used: one strength does not change what another draws.
    let strengths = [config.brightness, config.contrast, config.saturation];
    let [brightness, contrast, saturation] =
        strengths.map(|strength| (1.0 + stream.symmetric() * strength).max(0.0) as f32);
    if config.brightness > 0.0 {
        for value in image.iter_mut() {
            *value = blended(f32::from(*value), 0.0, brightness);
        }
    }
    if config.contrast > 0.0 {
        let pixels = image.chunks_exact(shape.channels);
        let sum: f64 = pixels.map(|pixel| f64::from(luma(pixel))).sum();
        let mean = (sum / (shape.height * shape.width) as f64) as f32;
        for value in image.iter_mut() {
            *value = blended(f32::from(*value), mean, contrast);
        }
    }
    if config.saturation > 0.0 && shape.channels == 3 {
        for pixel in image.chunks_exact_mut(3) {
            let grey = luma(pixel);
            for value in pixel {
                *value = blended(f32::from(*value), grey, saturation);
            }
        }
    }
}

/// A value as far from `ground` as the factor says.
fn blended(value: f32, ground: f32, factor: f32) -> u8 {
    // The cast cuts off what is not in 0..255.
    ((value - ground) * factor + ground).round() as u8
}

/// How bright a pixel is; the mean of its channels where they are no colours.
fn luma(pixel: &[u8]) -> f32 {
    match *pixel {
        [red, green, blue] => {
            LUMA[0] * f32::from(red) + LUMA[1] * f32::from(green) + LUMA[2] * f32::from(blue)
        }
        _ => pixel.iter().map(|value| f32::from(*value)).sum::<f32>() / pixel.len() as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn jittered(config: &AugmentationConfig, image: &[u8], seed: u64) -> Vec<u8> {
        let mut changed = image.to_vec();
        let shape = ImageShape::from((2, image.len() / 6, 3));
        let mut stream = Stream::new(Purpose::Augmentation, &[seed]);
        jitter(config, shape, &mut stream, &mut changed);
        changed
    }

    fn config(brightness: f64, contrast: f64, saturation: f64) -> AugmentationConfig {
        AugmentationConfig {
            brightness,
            contrast,
            saturation,
            ..AugmentationConfig::default()
        }
    }

    #[test]
    fn brightness_multiplies_every_value_with_one_factor() {
        let image = [100, 50, 200, 10, 0, 255, 100, 50, 200, 10, 0, 255];
        for seed in 0..50 {
            let changed = jittered(&config(0.5, 0.0, 0.0), &image, seed);
            let factor = f32::from(changed[0]) / 100.0;
            assert!((0.495..=1.505).contains(&factor));
            assert!((f32::from(changed[1]) - 50.0 * factor).abs() <= 0.8);
            assert_eq!(changed[4], 0);
        }
    }

    #[test]
    fn contrast_keeps_the_mean_and_saturation_the_brightness() {
        let image = [100, 120, 90, 80, 100, 110, 90, 100, 95, 105, 100, 100];
        let mean = |image: &[u8]| image.chunks_exact(3).map(luma).sum::<f32>() / 4.0;
        for seed in 0..50 {
            let changed = jittered(&config(0.0, 0.4, 0.0), &image, seed);
            assert!((mean(&changed) - mean(&image)).abs() < 1.0);
            let changed = jittered(&config(0.0, 0.0, 0.4), &image, seed);
            for (new, old) in changed.chunks_exact(3).zip(image.chunks_exact(3)) {
                assert!((luma(new) - luma(old)).abs() < 1.0);
            }
        }
        let grey = [70; 12];
        assert_eq!(jittered(&config(0.0, 0.4, 0.4), &grey, 3), grey);
    }
}
