use super::{assert_close, bit, bytes, levels, numbers};
use crate::kernels::cpu::linear::{self, Activation, OutputGradients, Panels, Sizes};

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
fn a_batch_of_nothing_has_gradients_of_zero() {
    let (sizes, weight) = (
        Sizes {
            inputs: 70,
            outputs: 66,
        },
        numbers(70 * 66, 2, 0.5),
    );
    for level in levels() {
        let sums = OutputGradients {
            gradients: &[],
            outputs: None,
            scale: 1.0,
        };
        let gradients = linear::backward(level, sizes, &[], &weight, sums);
        assert!(gradients.x.is_empty());
        assert!(gradients.weight.iter().all(|value| *value == 0.0));
        assert!(gradients.bias.iter().all(|value| *value == 0.0));
    }
}

#[test]
fn what_is_not_a_number_passes_relu_there_and_back() {
    for (rows, inputs, outputs) in [(1, 3, 5), (5, 17, 20)] {
        let mut layer = PlainLayer::random(rows, inputs, outputs);
        layer.bias[2] = f32::NAN;
        layer.kept.fill(u8::MAX);
        let PlainLayer {
            sizes,
            x,
            weight,
            bias,
            ..
        } = &layer;
        for (activation, level) in layer
            .activations()
            .into_iter()
            .flat_map(|activation| levels().map(move |level| (activation, level)))
        {
            let y = linear::forward(level, *sizes, x, weight, bias, activation);
            let mut prepared = vec![0.0; y.len()];
            let panels = Panels::new(*sizes, weight, bias);
            linear::forward_rows(level, &panels, x, activation, &mut prepared);
            for (place, (y, prepared)) in y.iter().zip(&prepared).enumerate() {
                let expected = place % outputs == 2;
                assert_eq!([y, prepared].map(|y| y.is_nan()), [expected; 2]);
            }
            let sums = OutputGradients {
                gradients: &vec![1.0; y.len()],
                outputs: Some(&y),
                scale: 1.0,
            };
            let gradients = linear::backward(level, *sizes, x, weight, sums);
            assert!((gradients.bias[2] - rows as f32).abs() < 1e-6);
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
