//! Every kernel, on every instruction set of this processor, against plain loops in double precision, which themselves are
//! held to finite differences.

mod adagrad;
mod adam;
mod batch_norm;
mod convolution;
mod cross_entropy;
mod group_norm;
mod guide;
mod lerp;
mod linear;
mod rmsprop;
mod sgd;
mod step;
mod tensors;
mod update;

use super::simd::Level;
use crate::random::{Purpose, Stream};

fn levels() -> impl Iterator<Item = Level> {
    Level::ALL.into_iter().filter(|level| level.is_available())
}

fn numbers(count: usize, seed: u64, bound: f32) -> Vec<f32> {
    let mut stream = Stream::new(Purpose::Weights, &[seed]);
    (0..count)
        .map(|_| (2.0 * stream.unit() - 1.0) * bound)
        .collect()
}

fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut stream = Stream::new(Purpose::Dropout, &[seed]);
    (0..count).map(|_| stream.next_u64() as u8).collect()
}

/// Each pair closer than `tolerance` times the largest number.
fn assert_close(actual: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(actual.len(), expected.len(), "{what}");
    let largest = expected
        .iter()
        .fold(1e-30, |largest: f64, value| largest.max(value.abs()));
    for (place, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let distance = (f64::from(*actual) - expected).abs();
        assert!(
            distance <= tolerance * largest,
            "{what}: {actual} at {place}, expected {expected}"
        );
    }
}

fn bit(kept: u8, channel: usize) -> f64 {
    f64::from(kept >> (channel % 8) & 1)
}
