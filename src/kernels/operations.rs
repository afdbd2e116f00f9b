use super::kernel::{
    AverageKernel, BatchNormKernel, ConvolutionKernel, CrossEntropyKernel, GroupNormKernel,
    GuideKernel, LerpKernel, LinearKernel, SequenceKernel, StepKernel,
};
use burn::tensor::backend::{Backend as BurnBackend, TensorMetadata};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{DType, Tensor, TensorPrimitive};
use std::fmt::{Debug, Formatter};

/// A back end that the operations here are computed on: by its kernels where it has them, and else by Burn's own operations.
pub trait Operations: BurnBackend {
    /// Whether tensors are computed where the data are: then a value costs nothing to read, and a byte nothing to send.
    const ON_HOST: bool;

    /// The kernels to use.
    fn kernels() -> Kernels<Self> {
        Kernels::none()
    }
}

/// The kernels that a back end has: operations written by hand, which get tensors of single precision alone. What a kernel
/// gives no result for is left to Burn.
pub struct Kernels<B: BurnBackend> {
    /// Linear layers.
    pub linear: Option<&'static dyn LinearKernel<B>>,
    /// Convolutions.
    pub convolution: Option<&'static dyn ConvolutionKernel<B>>,
    /// Normalisations of groups of channels.
    pub group_norm: Option<&'static dyn GroupNormKernel<B>>,
    /// Normalisations of channels over a batch.
    pub batch_norm: Option<&'static dyn BatchNormKernel<B>>,
    /// Global average pooling.
    pub average: Option<&'static dyn AverageKernel<B>>,
    /// Layers one behind the other, for inference.
    pub sequence: Option<&'static dyn SequenceKernel<B>>,
    /// The loss.
    pub cross_entropy: Option<&'static dyn CrossEntropyKernel<B>>,
    /// Steps of optimizers.
    pub step: Option<&'static dyn StepKernel<B>>,
    /// Moving averages of parameters.
    pub lerp: Option<&'static dyn LerpKernel<B>>,
    /// What the guide network has beside its linear layers.
    pub guide: Option<&'static dyn GuideKernel<B>>,
}

impl<B: BurnBackend> Kernels<B> {
    /// Burn's own operations for everything.
    pub const fn none() -> Self {
        Self {
            linear: None,
            convolution: None,
            group_norm: None,
            batch_norm: None,
            average: None,
            sequence: None,
            cross_entropy: None,
            step: None,
            lerp: None,
            guide: None,
        }
    }
}

#[allow(
    clippy::expl_impl_clone_on_copy,
    reason = "derived, it would ask the back end to be `Copy`"
)]
impl<B: BurnBackend> Clone for Kernels<B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: BurnBackend> Copy for Kernels<B> {}

impl<B: BurnBackend> Debug for Kernels<B> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Kernels")
            .field("linear", &self.linear.is_some())
            .field("convolution", &self.convolution.is_some())
            .field("group_norm", &self.group_norm.is_some())
            .field("batch_norm", &self.batch_norm.is_some())
            .field("average", &self.average.is_some())
            .field("sequence", &self.sequence.is_some())
            .field("cross_entropy", &self.cross_entropy.is_some())
            .field("step", &self.step.is_some())
            .field("lerp", &self.lerp.is_some())
            .field("guide", &self.guide.is_some())
            .finish()
    }
}

/// Whether kernels can take all of these tensors.
pub(super) fn are_single<T: TensorMetadata>(tensors: &[T]) -> bool {
    tensors.iter().all(|tensor| tensor.dtype() == DType::F32)
}

pub(super) fn primitive<B: BurnBackend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

pub(super) fn float<B: BurnBackend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}
