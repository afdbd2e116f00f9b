use crate::kernels::cpu::guide::convolutions::{self, Weights};
use crate::kernels::cpu::guide::geometry::{Bits, FEATURES};
use crate::kernels::cpu::guide::images::normalise_image;
use crate::kernels::cpu::guide::inference::{Folded, Prepared};
use crate::kernels::cpu::guide::parameters::Parameters;
use crate::kernels::cpu::linear::{Panels, Sizes};
use crate::kernels::cpu::simd::Level;
use crate::kernels::cpu::tests::{assert_close, bit, bytes, levels, numbers};
use crate::kernels::kernel::Predict;
use crate::kernels::{IMAGE_PIXELS, ImageShape, PixelValues, Pixels, normalise};

/// Parameters of the convolutions, in double precision.
#[derive(Clone)]
struct Network {
    weight1: Vec<f64>,
    bias1: Vec<f64>,
    weight2: Vec<f64>,
    bias2: Vec<f64>,
}

struct Single([Vec<f32>; 4]);

impl Single {
    fn random(seed: u64) -> Self {
        Self([
            numbers(72, seed, 0.33),
            numbers(8, seed + 1, 0.33),
            numbers(16 * 72, seed + 2, 0.12),
            numbers(16, seed + 3, 0.12),
        ])
    }

    fn parameters(&self) -> Parameters<'_> {
        let [weight1, bias1, weight2, bias2] = &self.0;
        Parameters {
            weight1,
            bias1,
            weight2,
            bias2,
        }
    }

    fn double(&self) -> Network {
        let double = |place: usize| {
            self.0[place]
                .iter()
                .map(|value| f64::from(*value))
                .collect()
        };
        Network {
            weight1: double(0),
            bias1: double(1),
            weight2: double(2),
            bias2: double(3),
        }
    }
}

impl Network {
    /// The first convolution after dropout, `[8, 26, 26]`.
    fn first(&self, image: &[f32], bits: &Bits, scale: f64) -> Vec<f64> {
        let mut output = Vec::new();
        for channel in 0..8 {
            for pixel in 0..26 * 26 {
                let mut sum = self.bias1[channel];
                for tap in 0..9 {
                    let place = 28 * (pixel / 26 + tap / 3) + pixel % 26 + tap % 3;
                    sum += self.weight1[9 * channel + tap] * f64::from(image[place]);
                }
                output.push(sum * scale * bit(bits.conv1[pixel], channel));
            }
        }
        output
    }

    /// The second one after dropout, `[16, 24, 24]`.
    fn second(&self, first: &[f64], bits: &Bits, scale: f64) -> Vec<f64> {
        let mut output = Vec::new();
        for channel in 0..16 {
            for pixel in 0..24 * 24 {
                let mut sum = self.bias2[channel];
                for input in 0..8 {
                    for tap in 0..9 {
                        let place = 26 * (pixel / 24 + tap / 3) + pixel % 24 + tap % 3;
                        let weight = self.weight2[(8 * channel + input) * 9 + tap];
                        sum += weight * first[676 * input + place];
                    }
                }
                output.push(sum * scale * bit(bits.conv2[channel / 8][pixel], channel));
            }
        }
        output
    }

    fn features(&self, image: &[f32], bits: &Bits, scale: f64) -> Vec<f64> {
        let second = self.second(&self.first(image, bits, scale), bits, scale);
        let mut features = vec![0.0; FEATURES];
        for (place, value) in second.iter().enumerate() {
            let (channel, pixel) = (place / 576, place % 576);
            let cell = 8 * (pixel / 72) + pixel % 24 / 3;
            features[64 * channel + cell] += value.max(0.0) / 9.0;
        }
        features
    }

    /// The gradients of the sum of the features, each times its `slope`.
    fn gradients(&self, image: &[f32], bits: &Bits, scale: f64, slopes: &[f32]) -> [Vec<f64>; 4] {
        let first = self.first(image, bits, scale);
        let second = self.second(&first, bits, scale);
        let mut gradients = [vec![0.0; 72], vec![0.0; 8], vec![0.0; 1152], vec![0.0; 16]];
        let mut back = vec![0.0; 8 * 676];
        for (place, value) in second.iter().enumerate() {
            let (channel, pixel) = (place / 576, place % 576);
            let cell = 8 * (pixel / 72) + pixel % 24 / 3;
            if *value <= 0.0 {
                continue;
            }
            let slope = f64::from(slopes[64 * channel + cell]) / 9.0 * scale;
            gradients[3][channel] += slope;
            for input in 0..8 {
                for tap in 0..9 {
                    let other = 676 * input + 26 * (pixel / 24 + tap / 3) + pixel % 24 + tap % 3;
                    let weight = (8 * channel + input) * 9 + tap;
                    gradients[2][weight] += slope * first[other];
                    back[other] += slope * self.weight2[weight];
                }
            }
        }
        for (place, slope) in back.iter().enumerate() {
            let (channel, pixel) = (place / 676, place % 676);
            let slope = slope * scale * bit(bits.conv1[pixel], channel);
            gradients[1][channel] += slope;
            for tap in 0..9 {
                let place = 28 * (pixel / 26 + tap / 3) + pixel % 26 + tap % 3;
                gradients[0][9 * channel + tap] += slope * f64::from(image[place]);
            }
        }
        gradients
    }
}

fn image(seed: u64) -> [f32; IMAGE_PIXELS] {
    numbers(IMAGE_PIXELS, seed, 1.5).try_into().unwrap()
}

fn random_bits(seed: u64) -> Bits {
    let mut bits = Bits::ALL;
    bits.conv1.copy_from_slice(&bytes(676, seed));
    bits.conv2
        .as_flattened_mut()
        .copy_from_slice(&bytes(1152, seed + 1));
    bits
}

#[test]
fn the_plain_gradients_are_finite_differences() {
    let network = Single::random(1).double();
    let (image, bits, slopes) = (image(9), random_bits(10), numbers(FEATURES, 12, 1.0));
    let gradients = network.gradients(&image, &bits, 2.0, &slopes);
    let sum = |network: &Network| -> f64 {
        let features = network.features(&image, &bits, 2.0);
        features
            .iter()
            .zip(&slopes)
            .map(|(feature, slope)| feature * f64::from(*slope))
            .sum()
    };
    let step = 1e-6;
    for (parameter, places) in [(0, 72), (1, 8), (2, 1152), (3, 16)] {
        for place in (0..places).step_by(if parameter == 2 { 37 } else { 5 }) {
            let moved = |by: f64| {
                let mut network = network.clone();
                let parameters = [
                    &mut network.weight1,
                    &mut network.bias1,
                    &mut network.weight2,
                    &mut network.bias2,
                ];
                parameters.into_iter().nth(parameter).unwrap()[place] += by;
                sum(&network)
            };
            let difference = (moved(step) - moved(-step)) / (2.0 * step);
            let gradient = gradients[parameter][place];
            assert!(
                (difference - gradient).abs() < 1e-4 * gradient.abs().max(1.0),
                "parameter {parameter} at {place}: {gradient}, by differences {difference}"
            );
        }
    }
}

#[test]
fn convolutions_and_their_gradients_are_those_of_plain_loops() {
    let single = Single::random(1);
    for (dropped, scale) in [(false, 1.0_f32), (true, 2.0)] {
        let kept = if dropped { random_bits(10) } else { Bits::ALL };
        let weights = Weights::new(single.parameters(), scale);
        for level in levels() {
            let mut gradients = convolutions::Gradients::ZERO;
            let mut sums = [vec![0.0; 72], vec![0.0; 8], vec![0.0; 1152], vec![0.0; 16]];
            // Two images: gradients are added up.
            for seed in [20, 30] {
                let (image, slopes) = (image(seed), numbers(FEATURES, seed + 1, 1.0));
                let mut bits = kept;
                let mut features = [0.0; FEATURES];
                convolutions::forward(level, &weights, &image, &mut bits, &mut features);
                let network = single.double();
                let expected = network.features(&image, &kept, scale.into());
                assert_close(&features, &expected, 1e-6, level.name());

                let slopes_array: [f32; FEATURES] = slopes.clone().try_into().unwrap();
                convolutions::backward(
                    level,
                    &weights,
                    &image,
                    &bits,
                    &slopes_array,
                    &mut gradients,
                );
                let expected = network.gradients(&image, &kept, scale.into(), &slopes);
                for (sum, expected) in sums.iter_mut().zip(expected) {
                    for (sum, value) in sum.iter_mut().zip(expected) {
                        *sum += value;
                    }
                }
            }
            for (actual, expected) in gradients.finish(scale).iter().zip(&sums) {
                assert_close(actual, expected, 5e-6, level.name());
            }
        }
    }
}

#[test]
fn gradients_of_tasks_are_added_place_by_place() {
    let (single, scale) = (Single::random(1), 2.0);
    let weights = Weights::new(single.parameters(), scale);
    let level = Level::Portable;
    let mut both = convolutions::Gradients::ZERO;
    let mut parts = [convolutions::Gradients::ZERO; 2];
    for (part, seed) in parts.iter_mut().zip([20, 30]) {
        let (image, mut bits) = (image(seed), random_bits(seed));
        let mut features = [0.0; FEATURES];
        convolutions::forward(level, &weights, &image, &mut bits, &mut features);
        convolutions::backward(level, &weights, &image, &bits, &features, &mut both);
        convolutions::backward(level, &weights, &image, &bits, &features, part);
    }
    let [mut sum, second] = parts;
    sum.add(&second);
    for (sum, both) in sum.finish(scale).iter().zip(both.finish(scale)) {
        let both: Vec<f64> = both.iter().map(|value| f64::from(*value)).collect();
        assert_close(sum, &both, 1e-5, "sum");
    }
}

#[test]
fn folded_convolutions_are_the_two() {
    let single = Single::random(1);
    let folded = Folded::new(single.parameters());
    let image = image(20);
    let expected = single.double().features(&image, &Bits::ALL, 1.0);
    for level in levels() {
        let mut features = [0.0; FEATURES];
        folded.features(level, &image, &mut features);
        assert_close(&features, &expected, 1e-6, level.name());
    }
}

#[test]
fn an_image_has_the_same_bits_among_any_others() {
    let single = Single::random(1);
    let pixels = bytes(67 * IMAGE_PIXELS, 3);
    for level in levels() {
        let hidden = Panels::new(
            Sizes {
                inputs: FEATURES,
                outputs: 33,
            },
            &numbers(FEATURES * 33, 5, 0.1),
            &numbers(33, 6, 0.1),
        );
        let output = Panels::new(
            Sizes {
                inputs: 33,
                outputs: 10,
            },
            &numbers(330, 7, 0.1),
            &numbers(10, 8, 0.1),
        );
        let model = Prepared::new(level, single.parameters(), hidden, output);
        let raw = Pixels::raw(&pixels, ImageShape::MNIST).unwrap();
        let all = model.logits(raw);
        for count in [1, 2, 3, 4, 7, 66] {
            let some = model.logits(raw.range(67 - count..67));
            assert_eq!(some, all[10 * (67 - count)..], "{} {count}", level.name());
        }
        let unit: Vec<f32> = pixels
            .iter()
            .map(|pixel| f32::from(*pixel) / 255.0)
            .collect();
        let unit = Pixels::unit(&unit, ImageShape::MNIST).unwrap();
        assert_eq!(model.logits(unit), all, "{}", level.name());
    }
}

#[test]
fn raw_pixels_are_normalised_as_everywhere() {
    let pixels: Vec<u8> = (0..IMAGE_PIXELS).map(|place| (place % 256) as u8).collect();
    let mut image = [0.0; IMAGE_PIXELS];
    normalise_image(PixelValues::Raw(&pixels), &mut image);
    for (pixel, value) in pixels.iter().zip(image) {
        let expected = normalise(f32::from(*pixel) / 255.0);
        assert_eq!(value.to_bits(), expected.to_bits());
    }
}
