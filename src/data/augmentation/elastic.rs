//! The elastic field: random displacements, smoothed.

use super::scratch::Scratch;
use super::series::exponential;
use crate::config::ImageShape;
use crate::random::Stream;

/// The smoothing of an elastic field.
#[derive(Clone, Debug)]
pub(super) struct Smoothing {
    pub radius: usize,
    /// The Gaussian, from edge to edge, times the strength.
    vertical: Vec<f32>,
    /// The Gaussian.
    horizontal: Vec<f32>,
}

impl Smoothing {
    pub fn new(strength: f64, sigma: f64) -> Self {
        let radius = (3.0 * sigma).ceil();
        let weights: Vec<f64> = (0..=2 * radius as usize)
            .map(|place| {
                let distance = (place as f64 - radius) / sigma;
                exponential(-0.5 * distance * distance)
            })
            .collect();
        let sum: f64 = weights.iter().sum();
        let times = |factor: f64| {
            let scaled = weights.iter().map(|weight| (weight / sum * factor) as f32);
            scaled.collect()
        };
        Self {
            radius: radius as usize,
            vertical: times(strength),
            horizontal: times(1.0),
        }
    }

    /// The displacements of an image.
    pub fn draw(&self, shape: ImageShape, stream: &mut Stream, scratch: &mut Scratch) {
        let width = shape.width + 2 * self.radius;
        for displacements in &mut scratch.displacements {
            fill(&mut scratch.field, stream);
            let rows = displacements.chunks_exact_mut(shape.width);
            for (row, displacements) in rows.enumerate() {
                let field = &scratch.field[row * width..];
                weighted_sums(field, width, &self.vertical, &mut scratch.smoothed);
                weighted_sums(&scratch.smoothed, 1, &self.horizontal, displacements);
            }
        }
    }
}

/// Random numbers in -1..1 with 16 bits each, four of a draw.
fn fill(numbers: &mut [f32], stream: &mut Stream) {
    let number = |word: u64, place: usize| {
        let bits = (word >> (16 * place)) as u16;
        (f32::from(bits) - 32_767.5) / 32_768.0
    };
    let (fours, rest) = numbers.as_chunks_mut::<4>();
    for four in fours {
        let word = stream.next_u64();
        for (place, value) in four.iter_mut().enumerate() {
            *value = number(word, place);
        }
    }
    if !rest.is_empty() {
        let word = stream.next_u64();
        for (place, value) in rest.iter_mut().enumerate() {
            *value = number(word, place);
        }
    }
}

/// Sums of every `step`th of the numbers from each place on, each times its weight.
#[allow(clippy::needless_range_loop, reason = "a zip is not vectorised here")]
fn weighted_sums(numbers: &[f32], step: usize, weights: &[f32], sums: &mut [f32]) {
    /// As many as fit the registers, and the number that is left.
    fn blocks<'a, const LANES: usize>(
        numbers: &[f32],
        step: usize,
        weights: &[f32],
        sums: &'a mut [f32],
    ) -> (usize, &'a mut [f32]) {
        let (blocks, rest) = sums.as_chunks_mut::<LANES>();
        let done = blocks.len() * LANES;
        for (number, block) in blocks.iter_mut().enumerate() {
            let mut total = [0.0; LANES];
            for (place, weight) in weights.iter().enumerate() {
                let numbers = &numbers[number * LANES + place * step..];
                let Some((numbers, _)) = numbers.split_first_chunk::<LANES>() else {
                    break;
                };
                // By their places: in this form the compiler keeps the sums in vector registers.
                for lane in 0..LANES {
                    total[lane] += weight * numbers[lane];
                }
            }
            *block = total;
        }
        (done, rest)
    }

    let (many, rest) = blocks::<16>(numbers, step, weights, sums);
    let numbers = &numbers[many..];
    let (few, rest) = blocks::<4>(numbers, step, weights, rest);
    blocks::<1>(&numbers[few..], step, weights, rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn an_elastic_field_is_as_strong_at_the_border_as_in_the_middle() {
        let smoothing = Smoothing::new(34.0, 4.0);
        let mut scratch = Scratch::new(ImageShape::MNIST, true, Some(smoothing.radius));
        let draws = 2_000;
        let places = [0, 27, 14 * 28 + 14, 27 * 28, 28 * 28 - 1];
        let mut squares = [[0.0; 5]; 2];
        for number in 0..draws {
            let mut stream = Stream::new(Purpose::Augmentation, &[number]);
            smoothing.draw(ImageShape::MNIST, &mut stream, &mut scratch);
            for (squares, displacements) in squares.iter_mut().zip(&scratch.displacements) {
                for (square, place) in squares.iter_mut().zip(places) {
                    *square += f64::from(displacements[place]).powi(2);
                }
            }
        }
        // A uniform number has the variance 1/3, and the squares of a Gaussian's weights in two dimensions add up to
        // 1 / (4 pi sigma^2).
        let expected = 34.0 * (1.0 / (3.0 * 4.0 * std::f64::consts::PI * 16.0)).sqrt();
        for square in squares.as_flattened() {
            let deviation = (square / draws as f64).sqrt();
            assert!(
                (deviation / expected - 1.0).abs() < 0.07,
                "{deviation}, not {expected}"
            );
        }
    }
}
