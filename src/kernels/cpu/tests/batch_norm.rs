use super::numbers;
use super::tensors::{Training, assert_near, input, values};
use crate::kernels::batch_norm::{BatchMoments, BatchNorm, moments_of, standard};
use crate::kernels::cpu::{Level, kernels};
use crate::kernels::{Activation, BatchNormKernel};
use burn::backend::Flex;
use burn::backend::flex::{FlexDevice, FlexTensor};
use burn::tensor::{Tensor, TensorData};

const EPSILON: f64 = 1e-5;

fn primitive<const D: usize>(tensor: &Tensor<Training, D>) -> FlexTensor {
    FlexTensor::from_data(tensor.clone().inner().into_data())
}

fn numbers_of(tensor: &FlexTensor) -> &[f32] {
    tensor.storage()
}

/// A kernel of each instruction set of this processor.
fn each_level() -> impl Iterator<Item = &'static dyn BatchNormKernel<Flex>> {
    let levels = Level::ALL.into_iter().filter(|level| level.is_available());
    levels.map(|level| kernels(level).batch_norm.unwrap())
}

#[test]
fn output_statistics_and_gradients_are_those_of_burns_operations() {
    let shapes = [[3, 8, 5, 7], [40, 3, 4, 4], [2, 5, 1, 1], [7, 33, 9, 11]];
    for kernel in each_level() {
        for shape in shapes {
            for activation in [Activation::None, Activation::Relu] {
                let channels = shape[1];
                // Far from zero, where squares less the square of the mean would lose their digits.
                let values_of_x = numbers(shape.iter().product(), 1, 3.0);
                let values_of_x = values_of_x.into_iter().map(|value| value + 10.0).collect();
                let x: Tensor<Training, 4> =
                    Tensor::from_data(TensorData::new::<f32, _>(values_of_x, shape), &FlexDevice);
                let x = x.require_grad();
                let (gamma, beta) = (input([channels], 2), input([channels], 3));
                let parameters = BatchNorm {
                    gamma: gamma.clone(),
                    beta: beta.clone(),
                    epsilon: EPSILON,
                };
                let moments = moments_of(x.clone());
                let expected = standard(x.clone(), parameters, moments.clone(), activation);
                let weights = input(shape, 4).detach();
                let gradients = (expected.clone() * weights.clone()).sum().backward();
                let inputs = [primitive(&x), primitive(&gamma), primitive(&beta)];
                let (output, [mean, variance], pullback) = kernel
                    .forward_training(&inputs, EPSILON, activation)
                    .unwrap();
                let BatchMoments {
                    mean: expected_mean,
                    variance: expected_variance,
                } = moments;
                assert_near(numbers_of(&mean), &values(expected_mean.inner()), "mean");
                let expected_variance = values(expected_variance.inner());
                assert_near(numbers_of(&variance), &expected_variance, "variance");
                assert_near(numbers_of(&output), &values(expected.inner()), "output");
                let back = pullback.pull(primitive(&weights));
                let expected = [
                    values(x.grad(&gradients).unwrap()),
                    values(gamma.grad(&gradients).unwrap()),
                    values(beta.grad(&gradients).unwrap()),
                ];
                let each = back.iter().zip(&expected).zip(["x", "gamma", "beta"]);
                for ((back, expected), what) in each {
                    assert_near(numbers_of(back), expected, what);
                }
            }
        }
    }
}

#[test]
fn inference_is_by_the_given_moments() {
    let shape = [4, 6, 5, 7];
    for kernel in each_level() {
        for activation in [Activation::None, Activation::Relu] {
            let x = input(shape, 1);
            let [gamma, beta, mean] = [2, 3, 4].map(|seed| input([6], seed));
            let variance = input([6], 5).powi_scalar(2);
            let inputs = [&gamma, &beta, &mean, &variance].map(primitive);
            let [first, second, third, fourth] = inputs;
            let inputs = [primitive(&x), first, second, third, fourth];
            let output = kernel.forward(&inputs, EPSILON, activation).unwrap();
            let parameters = BatchNorm {
                gamma,
                beta,
                epsilon: EPSILON,
            };
            let expected = standard(x, parameters, BatchMoments { mean, variance }, activation);
            assert_near(numbers_of(&output), &values(expected.inner()), "output");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (x, gamma, beta) = (input([70, 24, 9, 11], 1), input([24], 2), input([24], 3));
    let inputs = [primitive(&x), primitive(&gamma), primitive(&beta)];
    for kernel in each_level() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| {
                let (output, [mean, variance], pullback) = kernel
                    .forward_training(&inputs, EPSILON, Activation::Relu)
                    .unwrap();
                let [x, gamma, beta] = pullback.pull(primitive(&x));
                [output, mean, variance, x, gamma, beta].map(|tensor| numbers_of(&tensor).to_vec())
            })
        };
        assert_eq!(on(1), on(4));
    }
}

#[test]
fn no_image_gives_gradients_of_zero() {
    let zeros =
        |shape: &[usize]| FlexTensor::from_data(TensorData::zeros::<f32, _>(shape.to_vec()));
    let inputs = [zeros(&[0, 4, 3, 3]), zeros(&[4]), zeros(&[4])];
    for kernel in each_level() {
        let (output, _, pullback) = kernel
            .forward_training(&inputs, EPSILON, Activation::Relu)
            .unwrap();
        let [_, gamma, beta] = pullback.pull(output);
        for gradient in [gamma, beta] {
            assert_eq!(numbers_of(&gradient), [0.0; 4]);
        }
    }
}
