//! Noise.

use crate::random::Stream;

/// Adds noise of a standard deviation.
pub(super) fn add_noise(deviation: f64, stream: &mut Stream, image: &mut [u8]) {
    /// Every second number of 16 bits.
    const LOW: u64 = 0x0000_ffff_0000_ffff;
    /// Twelve times the mean of a number of 16 bits. The deviation of their sum is 2^16.
    const MEAN: i32 = 12 * 0xffff / 2;

    let factor = (deviation * 255.0 / 65_536.0) as f32;
    for value in image {
        let mut pairs = 0;
        for _ in 0..3 {
            let word = stream.next_u64();
            pairs += (word & LOW) + (word >> 16 & LOW);
        }
        let sum = (pairs as u32 + (pairs >> 32) as u32) as i32;
        // The cast rounds to the nearest, and what is below 0 or above 255 to these.
        *value = (f32::from(*value) + factor * (sum - MEAN) as f32 + 0.5) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn noise_is_normal_and_stays_within_a_byte() {
        let noisy = |level: u8| {
            let mut image = vec![level; 400 * 400];
            add_noise(
                0.1,
                &mut Stream::new(Purpose::Augmentation, &[1]),
                &mut image,
            );
            image
        };
        let grey = noisy(128);
        let count = grey.len() as f64;
        let mean = grey.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
        let squares = grey.iter().map(|value| (f64::from(*value) - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt();
        assert!((mean - 128.0).abs() < 0.3, "{mean}");
        // Rounding adds a twelfth to the variance.
        let expected = (25.5_f64.powi(2) + 1.0 / 12.0).sqrt();
        assert!((deviation / expected - 1.0).abs() < 0.01, "{deviation}");
        let share = |bound: f64| {
            let within = |value: &&u8| (f64::from(**value) - 128.0).abs() < bound * 25.5;
            grey.iter().filter(within).count() as f64 / count
        };
        for (bound, expected) in [(1.0, 0.683), (2.0, 0.954), (3.0, 0.997)] {
            assert!(
                (share(bound) - expected).abs() < 0.01,
                "{bound}: {}",
                share(bound)
            );
        }
        for (level, within) in [(0, 0.5), (255, 0.5)] {
            let kept: usize = noisy(level)
                .iter()
                .map(|value| usize::from(*value == level))
                .sum();
            assert!(
                (kept as f64 / count - within).abs() < 0.02,
                "{kept} at {level}"
            );
        }
    }
}
