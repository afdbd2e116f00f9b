use super::numbers;
use crate::kernels::cpu::{Level, kernels};
use crate::kernels::group_norm::{GroupNorm, standard};
use burn::backend::flex::FlexDevice;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};

type Training = Autodiff<Flex>;

fn input<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<Training, D> {
    let values = numbers(shape.iter().product(), seed, 3.0);
    Tensor::from_data(TensorData::new(values, shape), &FlexDevice).require_grad()
}

fn assert_near(actual: &[f32], expected: &[f32], what: &str) {
    assert_eq!(actual.len(), expected.len());
    for (actual, expected) in actual.iter().zip(expected) {
        assert!(
            (actual - expected).abs() <= 1e-4 * expected.abs().max(1.0),
            "{what}: {actual} for {expected}"
        );
    }
}

fn values<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<f32> {
    tensor.into_data().into_vec().unwrap()
}

#[test]
fn output_and_gradients_are_those_of_burns_operations() {
    let kernel = kernels(Level::Portable).group_norm.unwrap();
    for (shape, groups) in [([3, 8, 5, 7], 1), ([2, 16, 4, 4], 2), ([1, 5, 1, 1], 1)] {
        let channels = shape[1];
        let (x, gamma, beta) = (input(shape, 1), input([channels], 2), input([channels], 3));
        let parameters = GroupNorm {
            gamma: gamma.clone(),
            beta: beta.clone(),
            groups,
            epsilon: 1e-5,
        };
        let expected = standard(x.clone(), parameters);
        let weights = input(shape, 4).detach();
        let gradients = (expected.clone() * weights.clone()).sum().backward();
        let primitive = |tensor: TensorData| burn::backend::flex::FlexTensor::from_data(tensor);
        let inputs = [
            x.clone().inner().into_data(),
            gamma.clone().inner().into_data(),
            beta.clone().inner().into_data(),
        ]
        .map(primitive);
        let (output, pullback) = kernel.forward_training(&inputs, groups, 1e-5).unwrap();
        let numbers = |tensor: burn::backend::flex::FlexTensor| tensor.storage::<f32>().to_vec();
        assert_near(&numbers(output), &values(expected.inner()), "output");
        let back = pullback
            .pull(primitive(weights.inner().into_data()))
            .map(numbers);
        let expected = [
            values(x.grad(&gradients).unwrap()),
            values(gamma.grad(&gradients).unwrap()),
            values(beta.grad(&gradients).unwrap()),
        ];
        for ((back, expected), what) in back.into_iter().zip(&expected).zip(["x", "gamma", "beta"])
        {
            assert_near(&back, expected, what);
        }
    }
}

#[test]
fn no_image_gives_gradients_of_zero() {
    let kernel = kernels(Level::Portable).group_norm.unwrap();
    let zeros = |shape: &[usize]| {
        burn::backend::flex::FlexTensor::from_data(TensorData::zeros::<f32, _>(shape.to_vec()))
    };
    let inputs = [zeros(&[0, 4, 3, 3]), zeros(&[4]), zeros(&[4])];
    let (output, pullback) = kernel.forward_training(&inputs, 2, 1e-5).unwrap();
    let [_, gamma, beta] = pullback.pull(output);
    for gradient in [gamma, beta] {
        assert_eq!(gradient.storage::<f32>(), [0.0; 4]);
    }
}
