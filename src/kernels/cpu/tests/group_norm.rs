use super::numbers;
use super::tensors::{assert_near, input, values};
use crate::kernels::cpu::{Level, kernels};
use crate::kernels::group_norm::{GroupNorm, standard};
use crate::kernels::{Activation, GroupNormKernel};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::TensorData;

/// A kernel of each instruction set of this processor.
fn each_level() -> impl Iterator<Item = &'static dyn GroupNormKernel<Flex>> {
    let levels = Level::ALL.into_iter().filter(|level| level.is_available());
    levels.map(|level| kernels(level).group_norm.unwrap())
}

#[test]
fn output_and_gradients_are_those_of_burns_operations() {
    let primitive = |tensor: TensorData| FlexTensor::from_data(tensor);
    let numbers = |tensor: FlexTensor| tensor.storage::<f32>().to_vec();
    let shapes = [
        ([3, 8, 5, 7], 1),
        ([2, 16, 4, 4], 2),
        ([1, 5, 1, 1], 1),
        ([2, 24, 9, 11], 3),
    ];
    for kernel in each_level() {
        for (shape, groups) in shapes {
            for activation in [Activation::None, Activation::Relu] {
                let channels = shape[1];
                let (x, gamma, beta) =
                    (input(shape, 1), input([channels], 2), input([channels], 3));
                let parameters = GroupNorm {
                    gamma: gamma.clone(),
                    beta: beta.clone(),
                    groups,
                    epsilon: 1e-5,
                };
                let expected = standard(x.clone(), parameters, activation);
                let weights = input(shape, 4).detach();
                let gradients = (expected.clone() * weights.clone()).sum().backward();
                let inputs = [
                    x.clone().inner().into_data(),
                    gamma.clone().inner().into_data(),
                    beta.clone().inner().into_data(),
                ]
                .map(primitive);
                let (output, pullback) = kernel
                    .forward_training(&inputs, groups, 1e-5, activation)
                    .unwrap();
                assert_near(&numbers(output), &values(expected.inner()), "output");
                let back = pullback
                    .pull(primitive(weights.inner().into_data()))
                    .map(numbers);
                let expected = [
                    values(x.grad(&gradients).unwrap()),
                    values(gamma.grad(&gradients).unwrap()),
                    values(beta.grad(&gradients).unwrap()),
                ];
                for ((back, expected), what) in
                    back.into_iter().zip(&expected).zip(["x", "gamma", "beta"])
                {
                    assert_near(&back, expected, what);
                }
            }
        }
    }
}

#[test]
fn what_is_not_a_number_passes_the_activation() {
    let primitive = |values: Vec<f32>, shape: &[usize]| {
        FlexTensor::from_data(TensorData::new(values, shape.to_vec()))
    };
    for kernel in each_level() {
        let mut values = numbers(2 * 8 * 9, 1, 1.0);
        values[70] = f32::NAN;
        let inputs = [
            primitive(values, &[2, 8, 3, 3]),
            primitive(vec![1.0; 8], &[8]),
            primitive(vec![0.0; 8], &[8]),
        ];
        let output = kernel.forward(&inputs, 1, 1e-5, Activation::Relu).unwrap();
        let output = output.storage::<f32>();
        assert!(output[..72].iter().all(|value| value.is_nan()), "its image");
        assert!(output[72..].iter().all(|value| *value >= 0.0), "the other");
    }
}

#[test]
fn no_image_gives_gradients_of_zero() {
    let zeros =
        |shape: &[usize]| FlexTensor::from_data(TensorData::zeros::<f32, _>(shape.to_vec()));
    let inputs = [zeros(&[0, 4, 3, 3]), zeros(&[4]), zeros(&[4])];
    for kernel in each_level() {
        let (output, pullback) = kernel
            .forward_training(&inputs, 2, 1e-5, Activation::Relu)
            .unwrap();
        let [_, gamma, beta] = pullback.pull(output);
        for gradient in [gamma, beta] {
            assert_eq!(gradient.storage::<f32>(), [0.0; 4]);
        }
    }
}
