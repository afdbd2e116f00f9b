//! Every kernel, on every instruction set of this processor, against plain loops in double precision, which themselves are
//! held to finite differences.

use super::convolutions::{self, Bits, FEATURES, Parameters, Weights};
use super::cross_entropy::cross_entropy;
use super::inference::{Folded, Prepared};
use super::linear::{self, Activation, OutputGradients, Panels, Sizes};
use super::optimizer;
use super::simd::Level;
use crate::config::GradientClippingConfig;
use crate::kernels::optimizer::{AdamRule, AdamStep, Decay, Moments};
use crate::kernels::{IMAGE_PIXELS, Pixels, Predict, normalise};
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

fn bit(kept: u8, channel: usize) -> f64 {
    f64::from(kept >> (channel % 8) & 1)
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

/// Sizes that fill no vector, no tile, no panel, no slab and no block, and some that do.
const SIZES: [(usize, usize, usize); 9] = [
    (1, 1, 1),
    (2, 3, 5),
    (3, 17, 10),
    (5, 64, 16),
    (7, 65, 33),
    (64, 100, 65),
    (65, 257, 130),
    (67, 300, 7),
    (130, 129, 71),
];

struct PlainLayer {
    sizes: Sizes,
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    kept: Vec<u8>,
}

impl PlainLayer {
    fn random(rows: usize, inputs: usize, outputs: usize) -> Self {
        let mut x = numbers(rows * inputs, 1, 1.0);
        // Inputs of zero are left out where there are few rows.
        x.iter_mut().step_by(3).for_each(|x| *x = 0.0);
        Self {
            sizes: Sizes { inputs, outputs },
            x,
            weight: numbers(inputs * outputs, 2, 0.5),
            bias: numbers(outputs, 3, 0.5),
            kept: bytes(rows * outputs.div_ceil(8), 4),
        }
    }

    fn activations(&self) -> [Activation<'_>; 3] {
        let kept = &self.kept;
        [
            Activation::None,
            Activation::Relu,
            Activation::DropoutRelu { kept, scale: 1.25 },
        ]
    }

    fn forward(&self, activation: Activation<'_>) -> Vec<f64> {
        let Sizes { inputs, outputs } = self.sizes;
        let mut y = Vec::new();
        for (row, x) in self.x.chunks_exact(inputs).enumerate() {
            for output in 0..outputs {
                let mut sum = f64::from(self.bias[output]);
                for (input, x) in x.iter().enumerate() {
                    sum += f64::from(*x) * f64::from(self.weight[input * outputs + output]);
                }
                y.push(match activation {
                    Activation::None => sum,
                    Activation::Relu => sum.max(0.0),
                    Activation::DropoutRelu { kept, scale } => {
                        let kept = kept[row * outputs.div_ceil(8) + output / 8];
                        (sum * bit(kept, output) * f64::from(scale)).max(0.0)
                    }
                });
            }
        }
        y
    }
}

#[test]
fn linear_layers_are_plain_loops_at_any_size() {
    for (rows, inputs, outputs) in SIZES {
        let layer = PlainLayer::random(rows, inputs, outputs);
        let PlainLayer {
            sizes,
            x,
            weight,
            bias,
            ..
        } = &layer;
        for activation in layer.activations() {
            let expected = layer.forward(activation);
            for level in levels() {
                let what = format!("{} {rows} {inputs} {outputs}", level.name());
                let y = linear::forward(level, *sizes, x, weight, bias, activation);
                assert_close(&y, &expected, 2e-6, &what);
                let mut prepared = vec![f32::NAN; y.len()];
                let panels = Panels::new(*sizes, weight, bias);
                linear::forward_rows(level, &panels, x, activation, &mut prepared);
                assert_eq!(prepared, y, "{what}: the same bits when prepared");
            }
        }
    }
}

#[test]
fn gradients_of_linear_layers_are_plain_loops_at_any_size() {
    for (rows, inputs, outputs) in SIZES {
        let layer = PlainLayer::random(rows, inputs, outputs);
        let PlainLayer {
            sizes, x, weight, ..
        } = &layer;
        let gradients = numbers(rows * outputs, 5, 1.0);
        for activation in layer.activations() {
            let y: Vec<f32> = layer
                .forward(activation)
                .iter()
                .map(|y| *y as f32)
                .collect();
            let (passed, scale) = match activation {
                Activation::None => (None, 1.0),
                Activation::Relu => (Some(y.as_slice()), 1.0),
                Activation::DropoutRelu { scale, .. } => (Some(y.as_slice()), scale),
            };
            let sum = |row: usize, output: usize| {
                let place = row * outputs + output;
                let stopped = passed.is_some_and(|passed| passed[place] <= 0.0);
                if stopped {
                    0.0
                } else {
                    f64::from(scale * gradients[place])
                }
            };
            let mut of_x = vec![0.0; rows * inputs];
            let mut of_weight = vec![0.0; inputs * outputs];
            let mut of_bias = vec![0.0; outputs];
            for row in 0..rows {
                for output in 0..outputs {
                    of_bias[output] += sum(row, output);
                    for input in 0..inputs {
                        of_x[row * inputs + input] +=
                            sum(row, output) * f64::from(weight[input * outputs + output]);
                        of_weight[input * outputs + output] +=
                            sum(row, output) * f64::from(x[row * inputs + input]);
                    }
                }
            }
            for level in levels() {
                let what = format!("{} {rows} {inputs} {outputs}", level.name());
                let sums = OutputGradients {
                    gradients: &gradients,
                    outputs: passed,
                    scale,
                };
                let actual = linear::backward(level, *sizes, x, weight, sums);
                assert_close(&actual.x, &of_x, 2e-6, &what);
                assert_close(&actual.weight, &of_weight, 2e-6, &what);
                assert_close(&actual.bias, &of_bias, 2e-6, &what);
            }
        }
    }
}

#[test]
fn every_number_of_threads_gives_the_same_bits() {
    let layer = PlainLayer::random(130, 300, 130);
    let PlainLayer {
        sizes,
        x,
        weight,
        bias,
        ..
    } = &layer;
    let gradients = numbers(130 * 130, 5, 1.0);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let sums = OutputGradients {
                gradients: &gradients,
                outputs: None,
                scale: 1.0,
            };
            let level = levels().last().unwrap();
            let y = linear::forward(level, *sizes, x, weight, bias, Activation::Relu);
            let back = linear::backward(level, *sizes, x, weight, sums);
            (y, back.x, back.weight, back.bias)
        })
    };
    let one = run(1);
    assert!((2..=5).all(|threads| run(threads) == one));
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
        let all = model.logits(Pixels::Raw(&pixels));
        for count in [1, 2, 3, 4, 7, 66] {
            let some = model.logits(Pixels::Raw(&pixels).range(67 - count..67));
            assert_eq!(some, all[10 * (67 - count)..], "{} {count}", level.name());
        }
        let unit: Vec<f32> = pixels
            .iter()
            .map(|pixel| f32::from(*pixel) / 255.0)
            .collect();
        assert_eq!(model.logits(Pixels::Unit(&unit)), all, "{}", level.name());
    }
}

#[test]
fn the_loss_and_its_gradient_are_those_of_plain_softmax() {
    let (rows, classes) = (5, 7);
    let logits = numbers(rows * classes, 1, 30.0);
    let targets = [0, 6, 3, 3, 1];
    let loss = |logits: &[f64]| -> f64 {
        let rows_of = logits.chunks_exact(classes).zip(targets);
        let sum: f64 = rows_of
            .map(|(row, target)| {
                row.iter().map(|logit| logit.exp()).sum::<f64>().ln() - row[target as usize]
            })
            .sum();
        sum / rows as f64
    };
    let double: Vec<f64> = logits.iter().map(|logit| f64::from(*logit)).collect();
    let (actual, gradient) = cross_entropy(&logits, &targets);
    assert!((f64::from(actual) - loss(&double)).abs() < 1e-6 * loss(&double));
    let differences: Vec<f64> = (0..logits.len())
        .map(|place| {
            let moved = |by: f64| {
                let mut moved = double.clone();
                moved[place] += by;
                loss(&moved)
            };
            (moved(1e-5) - moved(-1e-5)) / 2e-5
        })
        .collect();
    assert_close(&gradient, &differences, 1e-6, "gradient");
}

#[test]
fn a_target_that_is_no_class_gives_no_number() {
    assert!(cross_entropy(&[0.0, 1.0], &[2]).0.is_nan());
    assert!(cross_entropy(&[0.0, 1.0], &[-1]).0.is_nan());
}

/// One step of Adam on one number, in double precision, as the papers have it.
fn plain_adam(step: &AdamStep, factor: f64, state: [f64; 4], gradient: f64) -> [f64; 4] {
    let [value, mean, square, largest] = state;
    let rule = &step.rule;
    let mut gradient = gradient * factor;
    if let Some(GradientClippingConfig::Value(bound)) = rule.clipping {
        gradient = gradient.clamp(-f64::from(bound), bound.into());
    }
    if let Decay::Penalty(penalty) = rule.decay {
        gradient += f64::from(penalty) * value;
    }
    let (beta_1, beta_2) = (f64::from(rule.beta_1), f64::from(rule.beta_2));
    let mean = beta_1 * mean + (1.0 - beta_1) * gradient;
    let square = beta_2 * square + (1.0 - beta_2) * gradient * gradient;
    let largest = largest.max(square);
    let root = (1.0 - beta_2.powi(3)).sqrt();
    let used = if rule.amsgrad { largest } else { square };
    let direction =
        mean / (1.0 - beta_1.powi(3)) / ((used.sqrt() / root) + f64::from(rule.epsilon));
    let decayed = match rule.decay {
        Decay::Decoupled { rate, cautious } if !cautious || (value >= 0.0) == (mean >= 0.0) => {
            value * f64::from(rate) * f64::from(step.learning_rate)
        }
        _ => 0.0,
    };
    [
        value - decayed - f64::from(step.learning_rate) * direction,
        mean,
        square,
        largest,
    ]
}

#[test]
fn a_step_of_adam_is_that_of_the_papers_at_any_size() {
    let plain = AdamRule {
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-5,
        amsgrad: false,
        decay: Decay::None,
        clipping: None,
    };
    let rules = [
        plain,
        AdamRule {
            amsgrad: true,
            ..plain
        },
        AdamRule {
            decay: Decay::Penalty(0.1),
            ..plain
        },
        AdamRule {
            decay: Decay::Decoupled {
                rate: 0.5,
                cautious: false,
            },
            ..plain
        },
        AdamRule {
            decay: Decay::Decoupled {
                rate: 0.5,
                cautious: true,
            },
            ..plain
        },
        AdamRule {
            clipping: Some(GradientClippingConfig::Value(0.3)),
            ..plain
        },
        AdamRule {
            clipping: Some(GradientClippingConfig::Norm(1.5)),
            ..plain
        },
        AdamRule {
            clipping: Some(GradientClippingConfig::Norm(1e6)),
            ..plain
        },
    ];
    for (rule, size) in rules
        .iter()
        .flat_map(|rule| [1, 15, 16, 33, 20_001].map(|size| (rule, size)))
    {
        let step = AdamStep::new(rule, 0.01, 3);
        let start = [
            numbers(size, 1, 1.0),
            numbers(size, 2, 0.1),
            numbers(size, 3, 0.1)
                .iter()
                .map(|value| value.abs())
                .collect(),
            numbers(size, 4, 0.1)
                .iter()
                .map(|value| value.abs())
                .collect(),
        ];
        let gradient = numbers(size, 5, 1.0);
        let norm: f64 = gradient
            .iter()
            .map(|value| f64::from(value * value))
            .sum::<f64>()
            .sqrt();
        let factor = match rule.clipping {
            Some(GradientClippingConfig::Norm(bound)) => (f64::from(bound) / norm).min(1.0),
            _ => 1.0,
        };
        let expected: Vec<[f64; 4]> = (0..size)
            .map(|place| {
                let state = [0, 1, 2, 3].map(|part| f64::from(start[part][place]));
                plain_adam(&step, factor, state, gradient[place].into())
            })
            .collect();
        for level in levels() {
            let what = format!("{} {size} {rule:?}", level.name());
            let [mut value, mut mean, mut square, mut largest] = start.clone();
            let moments = Moments {
                mean: &mut mean[..],
                square: &mut square[..],
                largest: rule.amsgrad.then_some(&mut largest[..]),
            };
            optimizer::adam(level, &step, &mut value, &gradient, moments);
            let part =
                |part: usize| -> Vec<f64> { expected.iter().map(|each| each[part]).collect() };
            assert_close(&value, &part(0), 1e-5, &what);
            assert_close(&mean, &part(1), 1e-5, &what);
            assert_close(&square, &part(2), 1e-5, &what);
            if rule.amsgrad {
                assert_close(&largest, &part(3), 1e-5, &what);
            }
        }
    }
}

#[test]
fn raw_pixels_are_normalised_as_everywhere() {
    let pixels: Vec<u8> = (0..IMAGE_PIXELS).map(|place| (place % 256) as u8).collect();
    let mut image = [0.0; IMAGE_PIXELS];
    super::normalise_image(Pixels::Raw(&pixels), &mut image);
    for (pixel, value) in pixels.iter().zip(image) {
        let expected = normalise(f32::from(*pixel) / 255.0);
        assert_eq!(value.to_bits(), expected.to_bits());
    }
}
