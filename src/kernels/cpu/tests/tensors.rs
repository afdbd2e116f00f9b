//! Tensors of tests, and what is in them.

use super::numbers;
use burn::backend::flex::FlexDevice;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};

pub type Training = Autodiff<Flex>;

/// Random numbers within 3 of zero, whose gradients are asked for.
pub fn input<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<Training, D> {
    let values = numbers(shape.iter().product(), seed, 3.0);
    Tensor::from_data(TensorData::new(values, shape), &FlexDevice).require_grad()
}

pub fn values<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<f32> {
    tensor.into_data().into_vec().unwrap()
}

pub fn assert_near(actual: &[f32], expected: &[f32], what: &str) {
    assert_eq!(actual.len(), expected.len());
    for (actual, expected) in actual.iter().zip(expected) {
        assert!(
            (actual - expected).abs() <= 1e-4 * expected.abs().max(1.0),
            "{what}: {actual} for {expected}"
        );
    }
}
