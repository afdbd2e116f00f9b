//! The two convolutions as one.
//!
//! Nothing but dropout lies between them, so that without it they are one, of 5 x 5 pixels: the sum of the products of their
//! weights.

use super::parameters::Parameters;

/// The weight, `[16, channels, 5, 5]`, and the bias of two convolutions as one.
pub fn fold(parameters: Parameters<'_>, channels: usize) -> (Vec<f64>, [f64; 16]) {
    let mut weight = vec![0.0; 16 * 25 * channels];
    let mut bias = [0.0; 16];
    for (output, weight) in weight.chunks_exact_mut(25 * channels).enumerate() {
        bias[output] = f64::from(parameters.bias2[output]);
        for between in 0..8 {
            let first = &parameters.weight1[9 * channels * between..][..9 * channels];
            let second = &parameters.weight2[9 * (8 * output + between)..][..9];
            for (tap, second) in second.iter().enumerate() {
                bias[output] += f64::from(*second) * f64::from(parameters.bias1[between]);
                for (place, first) in first.iter().enumerate() {
                    let (input, other) = (place / 9, place % 9);
                    let place = 5 * (tap / 3 + other / 3) + tap % 3 + other % 3;
                    weight[25 * input + place] += f64::from(*second) * f64::from(*first);
                }
            }
        }
    }
    (weight, bias)
}

/// Whether the one has fewer products than the two.
pub const fn saves(channels: usize) -> bool {
    16 * 25 * channels < 8 * 9 * channels + 16 * 9 * 8
}
