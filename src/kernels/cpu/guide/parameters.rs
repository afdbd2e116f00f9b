//! The parameters of the convolutions as numbers.

use crate::kernels::cpu::tensors::Numbers;
use burn::backend::flex::FlexTensor;

/// The parameters, or their gradients, in Burn's layout.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    /// `[8, 1, 3, 3]`
    pub weight1: &'a [f32],
    /// `[8]`
    pub bias1: &'a [f32],
    /// `[16, 8, 3, 3]`
    pub weight2: &'a [f32],
    /// `[16]`
    pub bias2: &'a [f32],
}

/// Gives `work` the parameters of tensors.
pub fn with_parameters<R>(
    parameters: &[FlexTensor; 4],
    work: impl FnOnce(Parameters<'_>) -> R,
) -> R {
    let [weight1, bias1, weight2, bias2] = parameters.each_ref().map(Numbers::of);
    work(Parameters {
        weight1: &weight1,
        bias1: &bias1,
        weight2: &weight2,
        bias2: &bias2,
    })
}
