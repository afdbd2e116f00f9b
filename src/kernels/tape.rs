//! The kernels as steps of Burn's autodiff.

use super::operations::{NoKernels, float, kernels_for, primitive};
use super::{Convolutions, Dropout, Images, Kernels, Linear, Operations, standard};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Int, Tensor};
use std::marker::PhantomData;

/// A step whose gradients `F` computes from that of its output.
struct Step<B, F>(PhantomData<(B, F)>);

impl<B, F> std::fmt::Debug for Step<B, F> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Step")
    }
}

/// The way back through an operation of `N` tracked inputs. It holds what the forward pass left, and is dropped when it is
/// done: parameters that a tape still held would be copied by the optimizer's step.
trait Back<B: BurnBackend, const N: usize>: Clone + std::fmt::Debug + Send + 'static {
    fn back(self, gradient: FloatTensor<B>) -> [FloatTensor<B>; N];
}

impl<B: BurnBackend, F: Back<B, N>, const N: usize> Backward<B, N> for Step<B, F>
where
    Self: Send,
{
    type State = F;

    fn backward(self, step: Ops<F, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&step.node);
        for (parent, gradient) in step.parents.iter().zip(step.state.back(gradient)) {
            if let Some(parent) = parent {
                gradients.register::<B>(parent.id, gradient);
            }
        }
    }
}

/// Puts an operation on the tape: its output, and the way back where one of its inputs is tracked.
fn record<B: BurnBackend, F: Back<B, N>, const N: usize>(
    inputs: &[FloatTensor<Autodiff<B>>; N],
    output: FloatTensor<B>,
    back: F,
) -> FloatTensor<Autodiff<B>>
where
    Step<B, F>: Send,
{
    let nodes = inputs.each_ref().map(|input| input.node.clone());
    let step = Step::<B, F>(PhantomData);
    match step
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(step) => step.finish(back, output),
        OpsKind::UnTracked(step) => step.finish(output),
    }
}

fn inner<B: BurnBackend, const N: usize>(
    tensors: &[FloatTensor<Autodiff<B>>; N],
) -> [FloatTensor<B>; N] {
    tensors.each_ref().map(|tensor| tensor.primitive.clone())
}

impl<B: Operations> Operations for Autodiff<B> {
    const ON_HOST: bool = B::ON_HOST;

    type Kernels = NoKernels;

    /// The kernels are those of the inner back end.
    fn kernels() -> Option<NoKernels> {
        None
    }

    fn convolutions(
        images: Images<Self>,
        parameters: Convolutions<Self>,
        dropout: Option<&Dropout>,
    ) -> Tensor<Self, 2> {
        let inputs = parameters.primitives();
        let tensors = inner(&inputs);
        let Some(kernels) = kernels_for::<B>(&tensors) else {
            return standard::convolutions(images, parameters, dropout);
        };
        let images = match images {
            // The gradient of images is Burn's to compute.
            Images::Normalised(images) if images.is_require_grad() => {
                return standard::convolutions(images.into(), parameters, dropout);
            }
            Images::Normalised(images) => Images::Normalised(images.inner()),
            Images::Raw {
                pixels,
                shape,
                indices,
                device,
            } => Images::Raw {
                pixels,
                shape,
                indices,
                device,
            },
        };
        if !kernels.take(&images) {
            let images = Images::Normalised(Tensor::from_inner(images.normalised()));
            return standard::convolutions(images, parameters, dropout);
        }
        let (features, saved) = kernels.convolutions_training(&images, &tensors, dropout);
        float(record(
            &inputs,
            features,
            ConvolutionsBack::<B> { kernels, saved },
        ))
    }

    fn hidden_layer(
        x: Tensor<Self, 2>,
        parameters: Linear<Self>,
        dropout: Option<&Dropout>,
    ) -> Tensor<Self, 2> {
        let inputs = parameters.primitives(x.clone());
        let layer = inner(&inputs);
        let Some(kernels) = kernels_for::<B>(&layer) else {
            return standard::hidden_layer(x, parameters, dropout);
        };
        let output = kernels.hidden(&layer, dropout);
        let back = HiddenBack::<B> {
            kernels,
            layer,
            output: output.clone(),
            scale: dropout.map_or(1.0, Dropout::scale),
        };
        float(record(&inputs, output, back))
    }

    fn output_layer(x: Tensor<Self, 2>, parameters: Linear<Self>) -> Tensor<Self, 2> {
        let inputs = parameters.primitives(x.clone());
        let layer = inner(&inputs);
        let Some(kernels) = kernels_for::<B>(&layer) else {
            return standard::output_layer(x, parameters);
        };
        let output = kernels.linear(&layer);
        float(record(&inputs, output, LinearBack::<B> { kernels, layer }))
    }

    fn cross_entropy(logits: Tensor<Self, 2>, targets: Tensor<Self, 1, Int>) -> Tensor<Self, 1> {
        let inputs = [primitive(logits.clone())];
        let Some(kernels) = kernels_for::<B>(&inner(&inputs)) else {
            return standard::cross_entropy(logits, targets);
        };
        let targets = targets.into_primitive();
        let (loss, gradient) = kernels.cross_entropy(&inputs[0].primitive, &targets);
        float(record(&inputs, loss, CrossEntropyBack::<B>(gradient)))
    }
}

#[derive(Clone, Debug)]
struct ConvolutionsBack<B: Operations> {
    kernels: B::Kernels,
    saved: <B::Kernels as Kernels<B>>::Saved,
}

impl<B: Operations> Back<B, 4> for ConvolutionsBack<B> {
    fn back(self, gradient: FloatTensor<B>) -> [FloatTensor<B>; 4] {
        self.kernels.convolutions_backward(self.saved, gradient)
    }
}

#[derive(Clone, Debug)]
struct HiddenBack<B: Operations> {
    kernels: B::Kernels,
    layer: [FloatTensor<B>; 3],
    output: FloatTensor<B>,
    scale: f32,
}

impl<B: Operations> Back<B, 3> for HiddenBack<B> {
    fn back(self, gradient: FloatTensor<B>) -> [FloatTensor<B>; 3] {
        self.kernels
            .hidden_backward(&self.layer, self.output, self.scale, gradient)
    }
}

#[derive(Clone, Debug)]
struct LinearBack<B: Operations> {
    kernels: B::Kernels,
    layer: [FloatTensor<B>; 3],
}

impl<B: Operations> Back<B, 3> for LinearBack<B> {
    fn back(self, gradient: FloatTensor<B>) -> [FloatTensor<B>; 3] {
        self.kernels.linear_backward(&self.layer, gradient)
    }
}

#[derive(Clone, Debug)]
struct CrossEntropyBack<B: Operations>(FloatTensor<B>);

impl<B: Operations> Back<B, 1> for CrossEntropyBack<B> {
    fn back(self, gradient: FloatTensor<B>) -> [FloatTensor<B>; 1] {
        [B::float_mul(
            self.0,
            B::float_reshape(gradient, [1, 1].into()),
        )]
    }
}
