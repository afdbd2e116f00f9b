//! Moving averages of parameters.

use super::operations::{Operations, are_single, float, primitive};
use burn::tensor::Tensor;

/// What is a share of the way from `start` to `end`; equal numbers keep their bits.
pub fn lerp<B: Operations, const D: usize>(
    start: Tensor<B, D>,
    end: Tensor<B, D>,
    share: f64,
) -> Tensor<B, D> {
    let inputs = [primitive(start), primitive(end)];
    let kernel = B::kernels().lerp.filter(|_| are_single(&inputs));
    let [start, end] = inputs;
    match kernel {
        Some(kernel) => float(kernel.lerp(start, &end, share as f32)),
        None => standard(float(start), float(end), share),
    }
}

/// By Burn's own operations.
fn standard<B: Operations, const D: usize>(
    start: Tensor<B, D>,
    end: Tensor<B, D>,
    share: f64,
) -> Tensor<B, D> {
    let way = end.sub(start.clone());
    start.add(way.mul_scalar(share))
}
