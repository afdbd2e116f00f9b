//! Burn's `BatchNorm` as a network here has it.

use super::statistics::LayerStatistics;
use crate::device::Backend;
use crate::kernels::{self, Activation, BatchMoments};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend as BurnBackend;

/// Batch normalisation (Ioffe and Szegedy, 2015), with the fields and the records of Burn's `BatchNorm`.
///
/// Burn's own changes its running statistics while it computes, behind a lock that all clones of a model share. A model here
/// stays as it is: a forward pass of training leaves the [statistics](LayerStatistics) of its batch, and the step that they
/// belong to makes another model with them.
#[derive(Module, Debug)]
pub struct BatchNorm<B: BurnBackend> {
    /// The scale of each channel, `[channels]`.
    pub gamma: Param<Tensor<B, 1>>,
    /// The shift of each channel, `[channels]`.
    pub beta: Param<Tensor<B, 1>>,
    /// The mean of each channel over the last batches, `[channels]`; no gradient changes it.
    pub running_mean: Param<Tensor<B, 1>>,
    /// The variance of each channel over the last batches, `[channels]`; no gradient changes it.
    pub running_var: Param<Tensor<B, 1>>,
    /// The share of the last batch in the running statistics.
    pub momentum: f64,
    /// What is added to the variance.
    pub epsilon: f64,
}

impl<B: BurnBackend> BatchNorm<B> {
    /// The share of the last batch in the running statistics, that of Burn and PyTorch.
    pub const MOMENTUM: f64 = 0.1;

    /// The normalisation of so many channels, which leaves them as they are in inference.
    pub fn new(channels: usize, epsilon: f64, device: &B::Device) -> Self {
        let [zeros, ones] = [
            Tensor::zeros([channels], device),
            Tensor::ones([channels], device),
        ];
        let buffer = |tensor: &Tensor<B, 1>| {
            let id = burn::module::ParamId::new();
            Param::initialized(id, tensor.clone().set_require_grad(false))
        };
        Self {
            gamma: Param::from_tensor(ones.clone()),
            beta: Param::from_tensor(zeros.clone()),
            running_mean: buffer(&zeros),
            running_var: buffer(&ones),
            momentum: Self::MOMENTUM,
            epsilon,
        }
    }
}

impl<B: Backend> BatchNorm<B> {
    /// What leaves by the running statistics.
    ///
    /// # Shapes
    ///
    /// - x: `[batch_size, channels, height, width]`
    /// - output: the same
    pub fn forward(&self, x: Tensor<B, 4>, activation: Activation) -> Tensor<B, 4> {
        kernels::batch_norm(x, self.parameters(), self.running(), activation)
    }

    /// What leaves by the statistics of the batch, and these; by the running statistics and without them where the layer is
    /// frozen.
    ///
    /// # Shapes
    ///
    /// - x: `[batch_size, channels, height, width]`
    /// - output: the same
    pub fn forward_training(
        &self,
        x: Tensor<B, 4>,
        activation: Activation,
        path: &str,
    ) -> (Tensor<B, 4>, Option<LayerStatistics<B>>) {
        if self.is_frozen() {
            return (self.forward(x, activation), None);
        }
        let [images, _, height, width] = x.dims();
        let (output, moments) = kernels::batch_norm_training(x, self.parameters(), activation);
        let statistics = LayerStatistics {
            path: path.to_owned(),
            moments,
            count: images * height * width,
        };
        (output, Some(statistics))
    }

    /// Whether training leaves scale and shift as they are. The statistics that they fit then stay too.
    fn is_frozen(&self) -> bool {
        !(self.gamma.val().is_require_grad() || self.beta.val().is_require_grad())
    }

    pub(super) fn parameters(&self) -> kernels::BatchNorm<B> {
        kernels::BatchNorm {
            gamma: self.gamma.val(),
            beta: self.beta.val(),
            epsilon: self.epsilon,
        }
    }

    pub(super) fn running(&self) -> BatchMoments<B> {
        BatchMoments {
            mean: self.running_mean.val(),
            variance: self.running_var.val(),
        }
    }
}
