use super::optimizer::{AdamStep, Moments};
use super::{Dropout, Images, Pixels, standard};
use burn::tensor::backend::{Backend as BurnBackend, TensorMetadata};
use burn::tensor::ops::{FloatTensor, IntTensor};
use burn::tensor::{DType, Int, Tensor, TensorPrimitive};
use std::fmt::Debug;

/// The parameters of the two convolutions.
#[derive(Clone, Debug)]
pub struct Convolutions<B: BurnBackend> {
    /// `[8, channels, 3, 3]`
    pub weight1: Tensor<B, 4>,
    /// `[8]`
    pub bias1: Tensor<B, 1>,
    /// `[16, 8, 3, 3]`
    pub weight2: Tensor<B, 4>,
    /// `[16]`
    pub bias2: Tensor<B, 1>,
}

/// The parameters of a linear layer.
#[derive(Clone, Debug)]
pub struct Linear<B: BurnBackend> {
    /// `[inputs, outputs]`
    pub weight: Tensor<B, 2>,
    /// `[outputs]`
    pub bias: Tensor<B, 1>,
}

/// What a back end computes of the network: with its [`Kernels`] where it has them, and else with Burn's own operations.
pub trait Operations: BurnBackend {
    /// Whether tensors are computed where the data are: then a value costs nothing to read, and a byte nothing to send.
    const ON_HOST: bool;

    /// Its kernels.
    type Kernels: Kernels<Self>;

    /// The kernels to use; `None` for Burn's own operations.
    fn kernels() -> Option<Self::Kernels>;

    /// Convolution, dropout, convolution, dropout, ReLU, and the mean of each of 8 x 8 cells.
    ///
    /// # Shapes
    ///
    /// - images: `[batch_size, channels, height, width]`
    /// - output: `[batch_size, 1024]`
    fn convolutions(
        images: Images<Self>,
        parameters: Convolutions<Self>,
        dropout: Option<&Dropout>,
    ) -> Tensor<Self, 2> {
        let primitives = parameters.primitives();
        match kernels_for::<Self>(&primitives).filter(|kernels| kernels.take(&images)) {
            Some(kernels) if dropout.is_none() => float(kernels.convolutions(&images, &primitives)),
            Some(kernels) => float(
                kernels
                    .convolutions_training(&images, &primitives, dropout)
                    .0,
            ),
            None => standard::convolutions(images, parameters, dropout),
        }
    }

    /// Linear layer, dropout, ReLU.
    ///
    /// # Shapes
    ///
    /// - x: `[batch_size, inputs]`
    /// - output: `[batch_size, outputs]`
    fn hidden_layer(
        x: Tensor<Self, 2>,
        parameters: Linear<Self>,
        dropout: Option<&Dropout>,
    ) -> Tensor<Self, 2> {
        let primitives = parameters.primitives(x.clone());
        match kernels_for::<Self>(&primitives) {
            Some(kernels) => float(kernels.hidden(&primitives, dropout)),
            None => standard::hidden_layer(x, parameters, dropout),
        }
    }

    /// Linear layer.
    ///
    /// # Shapes
    ///
    /// - x: `[batch_size, inputs]`
    /// - output: `[batch_size, outputs]`
    fn output_layer(x: Tensor<Self, 2>, parameters: Linear<Self>) -> Tensor<Self, 2> {
        let primitives = parameters.primitives(x.clone());
        match kernels_for::<Self>(&primitives) {
            Some(kernels) => float(kernels.linear(&primitives)),
            None => standard::output_layer(x, parameters),
        }
    }

    /// A model without dropout, prepared for many images; `None` where there are no kernels for it.
    fn predictor(
        convolutions: &Convolutions<Self>,
        hidden: &Linear<Self>,
        output: &Linear<Self>,
    ) -> Option<Box<dyn Predict>> {
        let layer = |layer: &Linear<Self>| {
            [
                primitive(layer.weight.clone()),
                primitive(layer.bias.clone()),
            ]
        };
        let (convolutions, hidden, output) =
            (convolutions.primitives(), layer(hidden), layer(output));
        let kernels = kernels_for::<Self>(&convolutions)?;
        kernels_for::<Self>(&hidden).and(kernels_for::<Self>(&output))?;
        Some(kernels.predictor(&convolutions, &hidden, &output))
    }

    /// The mean over the batch of the cross-entropy of softmax, `[1]`.
    ///
    /// # Shapes
    ///
    /// - logits: `[batch_size, num_classes]`
    /// - targets: `[batch_size]`
    fn cross_entropy(logits: Tensor<Self, 2>, targets: Tensor<Self, 1, Int>) -> Tensor<Self, 1> {
        let primitive = primitive(logits.clone());
        match kernels_for::<Self>(std::slice::from_ref(&primitive)) {
            Some(kernels) => float(
                kernels
                    .cross_entropy(&primitive, &targets.into_primitive())
                    .0,
            ),
            None => standard::cross_entropy(logits, targets),
        }
    }
}

/// Operations that are written by hand for a back end, each with its backward pass.
///
/// Parameters are weight and bias of each layer in turn; those of a linear layer come after what enters it.
pub trait Kernels<B: BurnBackend>: Clone + Debug + Send + Sized + 'static {
    /// What [`convolutions_backward`](Self::convolutions_backward) needs.
    type Saved: Clone + Debug + Send + 'static;

    /// Whether they can take these images.
    fn take(&self, images: &Images<B>) -> bool;

    /// The features, without dropout.
    fn convolutions(&self, images: &Images<B>, parameters: &[FloatTensor<B>; 4]) -> FloatTensor<B>;

    /// A model without dropout, its parameters prepared: those of the convolutions, the hidden layer and the output layer.
    fn predictor(
        &self,
        convolutions: &[FloatTensor<B>; 4],
        hidden: &[FloatTensor<B>; 2],
        output: &[FloatTensor<B>; 2],
    ) -> Box<dyn Predict>;

    /// The features, for a backward pass.
    fn convolutions_training(
        &self,
        images: &Images<B>,
        parameters: &[FloatTensor<B>; 4],
        dropout: Option<&Dropout>,
    ) -> (FloatTensor<B>, Self::Saved);

    /// The gradients of the parameters from those of the features.
    fn convolutions_backward(
        &self,
        saved: Self::Saved,
        features: FloatTensor<B>,
    ) -> [FloatTensor<B>; 4];

    /// What leaves the hidden layer.
    fn hidden(&self, layer: &[FloatTensor<B>; 3], dropout: Option<&Dropout>) -> FloatTensor<B>;

    /// The gradients of `layer` from `gradient`, that of its `output`.
    fn hidden_backward(
        &self,
        layer: &[FloatTensor<B>; 3],
        output: FloatTensor<B>,
        scale: f32,
        gradient: FloatTensor<B>,
    ) -> [FloatTensor<B>; 3];

    /// What leaves a linear layer.
    fn linear(&self, layer: &[FloatTensor<B>; 3]) -> FloatTensor<B>;

    /// The gradients of `layer` from that of its output.
    fn linear_backward(
        &self,
        layer: &[FloatTensor<B>; 3],
        gradient: FloatTensor<B>,
    ) -> [FloatTensor<B>; 3];

    /// One step of Adam, in place where nobody else holds the tensors.
    fn adam(
        &self,
        step: &AdamStep,
        parameter: FloatTensor<B>,
        gradient: &FloatTensor<B>,
        moments: Moments<FloatTensor<B>>,
    ) -> (FloatTensor<B>, Moments<FloatTensor<B>>);

    /// The mean loss, `[1]`, and its gradient for the logits.
    fn cross_entropy(
        &self,
        logits: &FloatTensor<B>,
        targets: &IntTensor<B>,
    ) -> (FloatTensor<B>, FloatTensor<B>);
}

/// A model that was prepared for inference.
pub trait Predict: Send + Sync {
    /// The logits of images, row by row. An image has the same bits among any others.
    fn logits(&self, pixels: Pixels<'_>) -> Vec<f32>;
}

/// The kernels of a back end that has none.
#[derive(Clone, Copy, Debug)]
pub enum NoKernels {}

#[rustfmt::skip]
impl<B: BurnBackend> Kernels<B> for NoKernels {
    type Saved = ();

    fn take(&self, _: &Images<B>) -> bool { match *self {} }
    fn convolutions(&self, _: &Images<B>, _: &[FloatTensor<B>; 4]) -> FloatTensor<B> { match *self {} }
    fn predictor(
        &self, _: &[FloatTensor<B>; 4], _: &[FloatTensor<B>; 2], _: &[FloatTensor<B>; 2],
    ) -> Box<dyn Predict> { match *self {} }
    fn convolutions_training(
        &self, _: &Images<B>, _: &[FloatTensor<B>; 4], _: Option<&Dropout>,
    ) -> (FloatTensor<B>, ()) { match *self {} }
    fn convolutions_backward(&self, (): (), _: FloatTensor<B>) -> [FloatTensor<B>; 4] { match *self {} }
    fn hidden(&self, _: &[FloatTensor<B>; 3], _: Option<&Dropout>) -> FloatTensor<B> { match *self {} }
    fn hidden_backward(
        &self, _: &[FloatTensor<B>; 3], _: FloatTensor<B>, _: f32, _: FloatTensor<B>,
    ) -> [FloatTensor<B>; 3] { match *self {} }
    fn linear(&self, _: &[FloatTensor<B>; 3]) -> FloatTensor<B> { match *self {} }
    fn linear_backward(&self, _: &[FloatTensor<B>; 3], _: FloatTensor<B>) -> [FloatTensor<B>; 3] { match *self {} }
    fn adam(
        &self, _: &AdamStep, _: FloatTensor<B>, _: &FloatTensor<B>, _: Moments<FloatTensor<B>>,
    ) -> (FloatTensor<B>, Moments<FloatTensor<B>>) { match *self {} }
    fn cross_entropy(&self, _: &FloatTensor<B>, _: &IntTensor<B>) -> (FloatTensor<B>, FloatTensor<B>) { match *self {} }
}

/// The kernels of a back end, where they can take tensors of these types.
pub(super) fn kernels_for<B: Operations>(tensors: &[FloatTensor<B>]) -> Option<B::Kernels> {
    let single = |tensor: &FloatTensor<B>| tensor.dtype() == DType::F32;
    B::kernels().filter(|_| tensors.iter().all(single))
}

impl<B: BurnBackend> Convolutions<B> {
    pub(super) fn primitives(&self) -> [FloatTensor<B>; 4] {
        [
            primitive(self.weight1.clone()),
            primitive(self.bias1.clone()),
            primitive(self.weight2.clone()),
            primitive(self.bias2.clone()),
        ]
    }
}

impl<B: BurnBackend> Linear<B> {
    pub(super) fn primitives(&self, x: Tensor<B, 2>) -> [FloatTensor<B>; 3] {
        [
            primitive(x),
            primitive(self.weight.clone()),
            primitive(self.bias.clone()),
        ]
    }
}

pub(super) fn primitive<B: BurnBackend, const D: usize>(tensor: Tensor<B, D>) -> FloatTensor<B> {
    tensor.into_primitive().tensor()
}

pub(super) fn float<B: BurnBackend, const D: usize>(primitive: FloatTensor<B>) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

#[cfg(feature = "cpu")]
impl Operations for burn::backend::Flex {
    const ON_HOST: bool = true;

    type Kernels = super::cpu::Cpu;

    fn kernels() -> Option<super::cpu::Cpu> {
        super::cpu::Cpu::chosen()
    }
}

#[cfg(feature = "wgpu")]
impl Operations for burn::backend::Wgpu {
    const ON_HOST: bool = false;

    type Kernels = NoKernels;

    fn kernels() -> Option<NoKernels> {
        None
    }
}

#[cfg(feature = "cuda")]
impl Operations for burn::backend::Cuda {
    const ON_HOST: bool = false;

    type Kernels = NoKernels;

    fn kernels() -> Option<NoKernels> {
        None
    }
}
