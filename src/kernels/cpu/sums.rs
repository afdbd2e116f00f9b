//! Sums of many numbers.

/// Sums that go on beside each other: a vector of the widest instructions.
pub const LANES: usize = 16;

/// The sum of a function of each value, in lanes.
pub fn sum(values: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] += of(chunk[lane]);
        }
    }
    for (lane, value) in rest.iter().enumerate() {
        lanes[lane] += of(*value);
    }
    lanes.iter().sum()
}
