use super::{assert_close, levels, numbers};
use crate::kernels::cpu::convolution::backward::backward;
use crate::kernels::cpu::convolution::forward::{After, forward};
use crate::kernels::cpu::convolution::geometry::Geometry;
use crate::kernels::cpu::convolution::gradients::Gradients;
use crate::kernels::cpu::simd::Level;

struct Case {
    images: usize,
    geometry: Geometry,
    after: After,
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// Images, inputs, outputs, kernel, height, width, padding. Channels that fill no vector and some that do; sizes that fill no
/// tile, that leave a row or a column without a partner, and that leave fewer than eight pixels.
const CASES: [[usize; 7]; 18] = [
    [1, 1, 1, 3, 3, 3, 0],
    [2, 1, 16, 3, 28, 28, 1],
    [2, 3, 8, 3, 9, 7, 1],
    [3, 3, 5, 5, 6, 9, 2],
    [6, 5, 3, 5, 11, 8, 0],
    [5, 8, 24, 3, 5, 4, 0],
    [2, 16, 16, 3, 8, 8, 1],
    [2, 16, 33, 3, 6, 7, 1],
    [1, 24, 16, 5, 7, 7, 2],
    [9, 33, 8, 3, 4, 4, 1],
    [1, 64, 64, 3, 7, 7, 1],
    [2, 32, 32, 3, 14, 15, 1],
    [1, 2, 3, 3, 1, 2, 2],
    [1, 17, 17, 3, 20, 13, 1],
    [2, 1, 4, 5, 9, 9, 2],
    [3, 10, 6, 3, 7, 8, 1],
    [1, 24, 8, 3, 6, 6, 0],
    [1, 40, 9, 3, 30, 18, 1],
];

const AFTER: [After; 4] = [
    After {
        pool: false,
        relu: false,
    },
    After {
        pool: false,
        relu: true,
    },
    After {
        pool: true,
        relu: false,
    },
    After {
        pool: true,
        relu: true,
    },
];

fn cases() -> impl Iterator<Item = Case> {
    let cases = CASES.into_iter().flat_map(|sizes| {
        AFTER.into_iter().map(move |after| {
            let [images, inputs, outputs, kernel, height, width, padding] = sizes;
            let geometry = Geometry {
                inputs,
                outputs,
                kernel,
                height,
                width,
                padding,
            };
            Case::random(images, geometry, after)
        })
    });
    cases.filter(|case| case.output() > 0)
}

/// Winograd's transforms cost two digits.
fn tolerance(geometry: Geometry) -> f64 {
    let tiled = geometry.kernel == 3 && geometry.inputs.max(geometry.outputs) >= 16;
    if tiled { 1e-4 } else { 3e-6 }
}

impl Case {
    fn random(images: usize, geometry: Geometry, after: After) -> Self {
        let mut x = numbers(images * geometry.image(), 1, 1.0);
        // Windows of zeros alone, whose sums are equal.
        let zeros = x.len() / 3;
        x[..zeros].fill(0.0);
        Self {
            images,
            geometry,
            after,
            x,
            weight: numbers(geometry.outputs * geometry.taps(), 2, 0.5),
            bias: numbers(geometry.outputs, 3, 0.2),
        }
    }

    /// Sides of what leaves.
    fn sides(&self) -> [usize; 2] {
        let side = if self.after.pool { 2 } else { 1 };
        [self.geometry.rows() / side, self.geometry.columns() / side]
    }

    /// The numbers that leave an image.
    fn output(&self) -> usize {
        let [rows, columns] = self.sides();
        self.geometry.outputs * rows * columns
    }

    fn forward(&self, level: Level) -> Vec<f32> {
        let Self {
            geometry, after, ..
        } = *self;
        forward(
            level,
            geometry,
            after,
            &self.x,
            &self.weight,
            &self.bias,
            false,
        )
        .0
    }

    fn backward(&self, level: Level, gradients: &[f32], wants_input: bool) -> Gradients {
        let Self {
            geometry, after, ..
        } = *self;
        let (x, weight) = (&self.x, &self.weight);
        let (_, routes) = forward(level, geometry, after, x, weight, &self.bias, true);
        backward(
            level,
            geometry,
            after,
            x,
            weight,
            &routes,
            gradients,
            wants_input,
        )
    }

    /// The place of each input of a window and that of its weight.
    fn window(&self, [output, row, column]: [usize; 3]) -> Vec<(usize, usize)> {
        let Geometry {
            inputs,
            kernel,
            height,
            width,
            padding,
            ..
        } = self.geometry;
        let mut window = Vec::new();
        for input in 0..inputs {
            for tap in 0..kernel * kernel {
                let (y, x) = (row + tap / kernel, column + tap % kernel);
                if (padding..padding + height).contains(&y)
                    && (padding..padding + width).contains(&x)
                {
                    let weight = (output * inputs + input) * kernel * kernel + tap;
                    let pixel = (input * height + y - padding) * width + x - padding;
                    window.push((pixel, weight));
                }
            }
        }
        window
    }

    /// By plain loops what leaves, and for each number of it the pixel that it is, if ReLU passes it.
    fn plain(&self) -> (Vec<f64>, Vec<Option<[usize; 3]>>) {
        let [rows, columns] = self.sides();
        let side = if self.after.pool { 2 } else { 1 };
        let (mut y, mut routes) = (Vec::new(), Vec::new());
        for x in self.x.chunks_exact(self.geometry.image()) {
            for place in 0..self.output() {
                let output = place / (rows * columns);
                let (row, column) = (place / columns % rows * side, place % columns * side);
                let mut largest = f64::NEG_INFINITY;
                let mut route = [0; 3];
                for pixel in 0..side * side {
                    let at = [output, row + pixel / side, column + pixel % side];
                    let mut sum = f64::from(self.bias[output]);
                    for (pixel, weight) in self.window(at) {
                        sum += f64::from(x[pixel]) * f64::from(self.weight[weight]);
                    }
                    if sum > largest || sum.is_nan() {
                        (largest, route) = (sum, at);
                    }
                }
                let stopped = self.after.relu && largest <= 0.0;
                y.push(if stopped { 0.0 } else { largest });
                routes.push((!stopped).then_some(route));
            }
        }
        (y, routes)
    }

    /// By plain loops the gradients of what enters, of the weight and of the bias.
    fn plain_gradients(&self, gradients: &[f32]) -> [Vec<f64>; 3] {
        let mut of_x = vec![0.0; self.x.len()];
        let mut of_weight = vec![0.0; self.weight.len()];
        let mut of_bias = vec![0.0; self.bias.len()];
        let (_, routes) = self.plain();
        for (place, (route, gradient)) in routes.into_iter().zip(gradients).enumerate() {
            let Some(route) = route else { continue };
            let (gradient, first) = (
                f64::from(*gradient),
                place / self.output() * self.geometry.image(),
            );
            of_bias[route[0]] += gradient;
            for (pixel, weight) in self.window(route) {
                of_x[first + pixel] += gradient * f64::from(self.weight[weight]);
                of_weight[weight] += gradient * f64::from(self.x[first + pixel]);
            }
        }
        [of_x, of_weight, of_bias]
    }

    fn name(&self, level: Level) -> String {
        format!("{} {:?} {:?}", level.name(), self.geometry, self.after)
    }
}

#[test]
fn convolutions_are_plain_loops_at_any_size() {
    for case in cases() {
        let (expected, _) = case.plain();
        for level in levels() {
            let y = case.forward(level);
            assert_eq!(y.len(), case.images * case.output());
            assert_close(&y, &expected, tolerance(case.geometry), &case.name(level));
        }
    }
}

#[test]
fn gradients_of_convolutions_are_plain_loops_at_any_size() {
    for case in cases() {
        let gradients = numbers(case.images * case.output(), 4, 1.0);
        let [of_x, of_weight, of_bias] = case.plain_gradients(&gradients);
        for level in levels() {
            let what = case.name(level);
            let actual = case.backward(level, &gradients, true);
            assert_close(&actual.x.unwrap(), &of_x, tolerance(case.geometry), &what);
            assert_close(&actual.weight, &of_weight, tolerance(case.geometry), &what);
            assert_close(&actual.bias, &of_bias, tolerance(case.geometry), &what);
            let without = case.backward(level, &gradients, false);
            assert!(without.x.is_none(), "{what}");
            assert_eq!(without.weight, actual.weight, "{what}");
        }
    }
}

#[test]
fn an_image_has_the_same_bits_in_any_batch() {
    for mut case in cases() {
        let gradients = numbers(9 * case.output(), 4, 1.0);
        case = Case::random(9, case.geometry, case.after);
        for level in levels() {
            let y = case.forward(level);
            let of_x = case.backward(level, &gradients, true).x.unwrap();
            for image in [0, 3, 8] {
                let (length, output) = (case.geometry.image(), case.output());
                let alone = Case {
                    images: 1,
                    x: case.x[image * length..][..length].to_vec(),
                    weight: case.weight.clone(),
                    bias: case.bias.clone(),
                    ..case
                };
                let gradients = &gradients[image * output..][..output];
                assert_eq!(alone.forward(level), y[image * output..][..output]);
                let gradients = alone.backward(level, gradients, true);
                assert_eq!(gradients.x.unwrap(), of_x[image * length..][..length]);
            }
        }
    }
}

#[test]
fn every_number_of_threads_gives_the_same_bits() {
    let geometry = Geometry {
        inputs: 16,
        outputs: 24,
        kernel: 3,
        height: 9,
        width: 12,
        padding: 1,
    };
    let case = Case::random(23, geometry, AFTER[3]);
    let gradients = numbers(23 * case.output(), 4, 1.0);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let level = levels().last().unwrap();
            let back = case.backward(level, &gradients, true);
            (case.forward(level), back.x, back.weight, back.bias)
        })
    };
    let one = run(1);
    assert!([2, 3, 4].into_iter().all(|threads| run(threads) == one));
}

#[test]
fn what_is_not_a_number_passes_relu_and_pooling_there_and_back() {
    for after in AFTER {
        let geometry = Geometry {
            inputs: 1,
            outputs: 20,
            kernel: 3,
            height: 8,
            width: 8,
            padding: 1,
        };
        let mut case = Case::random(1, geometry, after);
        // In the windows around it; of the four that are pooled it is in the last alone, in two, and in all.
        case.x[18] = f32::NAN;
        let (expected, _) = case.plain();
        let gradients = numbers(case.output(), 4, 1.0);
        let [of_x, _, of_bias] = case.plain_gradients(&gradients);
        for level in levels() {
            let what = case.name(level);
            let y = case.forward(level);
            assert!(y.iter().any(|y| y.is_nan()) && !y.iter().all(|y| y.is_nan()));
            for (y, expected) in y.iter().zip(&expected) {
                assert_eq!(y.is_nan(), expected.is_nan(), "{what}");
            }
            let actual = case.backward(level, &gradients, true);
            assert_close(&actual.x.unwrap(), &of_x, 3e-6, &what);
            assert_close(&actual.bias, &of_bias, 3e-6, &what);
        }
    }
}

#[test]
fn a_batch_of_nothing_has_gradients_of_zero() {
    for case in cases() {
        let case = Case::random(0, case.geometry, case.after);
        for level in levels() {
            assert!(case.forward(level).is_empty());
            let gradients = case.backward(level, &[], true);
            assert!(gradients.x.unwrap().is_empty());
            assert_eq!(gradients.weight, vec![0.0; case.weight.len()]);
            assert_eq!(gradients.bias, vec![0.0; case.bias.len()]);
        }
    }
}

mod beside_burn {
    use crate::kernels::convolution::standard;
    use crate::kernels::cpu::kernels;
    use crate::kernels::cpu::simd::Level;
    use crate::kernels::kernel::ConvolutionKernel;
    use crate::kernels::{Activation, Around, Convolution, convolution};
    use burn::backend::flex::FlexDevice;
    use burn::backend::{Autodiff, Flex};
    use burn::tensor::{Distribution, Tensor};

    type Tracked = Autodiff<Flex>;

    fn random<const D: usize>(shape: [usize; D]) -> Tensor<Tracked, D> {
        let distribution = Distribution::Uniform(-1.0, 1.0);
        Tensor::random(shape, distribution, &FlexDevice).require_grad()
    }

    #[test]
    fn the_tape_gives_what_burn_s_operations_give() {
        for (padding, pool, activation) in [
            (1, true, Activation::Relu),
            (0, false, Activation::None),
            (1, false, Activation::Relu),
        ] {
            let around = Around {
                padding,
                pool,
                activation,
            };
            let x = random([5, 6, 11, 8]);
            let parameters = Convolution {
                weight: random([18, 6, 3, 3]),
                bias: random([18]),
            };
            let run =
                |by: fn(Tensor<Tracked, 4>, Convolution<Tracked>, Around) -> Tensor<Tracked, 4>| {
                    let y = by(x.clone(), parameters.clone(), around);
                    let gradients = (y.clone() * y.clone()).sum().backward();
                    let flat = |tensor: Tensor<Flex, 1>| tensor.into_data();
                    [
                        flat(y.inner().flatten(0, 3)),
                        flat(x.grad(&gradients).unwrap().flatten(0, 3)),
                        flat(parameters.weight.grad(&gradients).unwrap().flatten(0, 3)),
                        flat(parameters.bias.grad(&gradients).unwrap()),
                    ]
                };
            let (actual, expected) = (run(convolution), run(standard));
            for (actual, expected) in actual.iter().zip(&expected) {
                let expected: Vec<f64> = expected.iter::<f64>().collect();
                super::assert_close(actual.as_slice().unwrap(), &expected, 1e-5, "by Burn");
            }
        }
    }

    #[test]
    fn other_windows_are_left_to_burn() {
        let around = Around {
            padding: 0,
            pool: false,
            activation: Activation::None,
        };
        let kernel: &dyn ConvolutionKernel<Flex> = kernels(Level::Portable).convolution.unwrap();
        let taken = |height, window| {
            let shapes = [vec![1, 2, height, 5], vec![4, 2, window, window], vec![4]];
            let inputs = shapes.map(|shape| {
                let count = shape.iter().product();
                let data = burn::tensor::TensorData::new(vec![1.0_f32; count], shape);
                burn::backend::flex::FlexTensor::from_data(data)
            });
            kernel.forward(&inputs, around).is_some()
        };
        assert!(taken(5, 3) && taken(5, 5) && taken(3, 3));
        assert!(!taken(5, 1) && !taken(5, 2) && !taken(2, 3));
    }
}
