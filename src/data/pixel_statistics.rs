use super::Dataset;
use crate::error::Result;

/// Images that are read together.
const CHUNK: usize = 4096;
/// Channels that are the same everywhere have the deviation of one grey level: it is divided by.
const SMALLEST_DEVIATION: f64 = 1.0 / 255.0;

/// Mean and standard deviation of the pixels of each channel, in 0..1. Sums are whole numbers, so that they depend on no order.
pub fn pixel_statistics(dataset: &Dataset) -> Result<(Vec<f64>, Vec<f64>)> {
    let channels = dataset.shape().channels;
    let mut sums = vec![(0_u64, 0_u64); channels];
    for first in (0..dataset.len()).step_by(CHUNK) {
        let last = (first + CHUNK).min(dataset.len());
        for pixel in dataset.read(first..last)?.chunks_exact(channels) {
            for ((sum, squares), value) in sums.iter_mut().zip(pixel) {
                let value = u64::from(*value);
                *sum += value;
                *squares += value * value;
            }
        }
    }
    let pixels = (dataset.len() * dataset.shape().len() / channels.max(1)).max(1) as f64;
    let of_channel = |(sum, squares): (u64, u64)| {
        let mean = sum as f64 / pixels / 255.0;
        let square = squares as f64 / pixels / (255.0 * 255.0);
        let deviation = (square - mean * mean).max(0.0).sqrt();
        (mean, deviation.max(SMALLEST_DEVIATION))
    };
    Ok(sums.into_iter().map(of_channel).unzip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ImageShape;

    #[test]
    fn each_channel_has_its_own() {
        let shape = ImageShape::from((5, 5, 2));
        let mut pixels = Vec::new();
        for image in 0..4_u8 {
            for _ in 0..25 {
                pixels.extend([image * 10, 51]);
            }
        }
        let dataset = Dataset::new(pixels, shape, &[0; 4]).unwrap();
        let (mean, deviation) = pixel_statistics(&dataset).unwrap();
        let near = |found: f64, expected: f64| (found - expected).abs() < 1e-12;
        assert!(near(mean[0], 15.0 / 255.0) && near(mean[1], 0.2));
        assert!(near(deviation[0], 125.0_f64.sqrt() / 255.0));
        assert!(near(deviation[1], 1.0 / 255.0));
    }
}
