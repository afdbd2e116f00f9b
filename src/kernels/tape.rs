//! Kernels as steps of Burn's autodiff.

use super::kernel::Pullback;
use super::operations::{Kernels, Operations};
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::{AutodiffBackend, Backend as BurnBackend};
use burn::tensor::ops::FloatTensor;
use std::marker::PhantomData;

/// The kernels of the inner back end, put on the tape. Each operation says how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taped;

impl<B: Operations> Operations for Autodiff<B> {
    const ON_HOST: bool = B::ON_HOST;

    fn kernels() -> Kernels<Self> {
        Kernels {
            linear: Some(&Taped),
            convolution: Some(&Taped),
            group_norm: Some(&Taped),
            batch_norm: Some(&Taped),
            average: Some(&Taped),
            // There is no way back through it.
            sequence: None,
            cross_entropy: Some(&Taped),
            step: None,
            lerp: None,
            guide: Some(&Taped),
        }
    }
}

/// Puts an operation on the tape: its output, and the way back where one of its inputs is tracked.
///
/// The way back is dropped when it is done: parameters that a tape still held would be copied by the optimizer's step.
pub(super) fn record<B: BurnBackend, const N: usize>(
    inputs: &[FloatTensor<Autodiff<B>>; N],
    output: FloatTensor<B>,
    pullback: Pullback<B, N>,
) -> FloatTensor<Autodiff<B>> {
    let nodes = inputs.each_ref().map(|input| input.node.clone());
    let step = Step::<B>(PhantomData);
    match step
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(step) => step.finish(pullback, output),
        OpsKind::UnTracked(step) => step.finish(output),
    }
}

/// Whether the gradient of any of the tensors is asked for: there is no way back from layers whose parameters are all frozen.
pub(super) fn is_tracked<B: BurnBackend, const N: usize>(
    tensors: &[FloatTensor<Autodiff<B>>; N],
) -> bool {
    tensors
        .iter()
        .any(|tensor| !tensor.node.requirement.is_none())
}

/// An operation's output that no gradient is asked for.
pub(super) fn untracked<B: BurnBackend>(output: FloatTensor<B>) -> FloatTensor<Autodiff<B>> {
    <Autodiff<B> as AutodiffBackend>::from_inner(output)
}

/// The tensors behind those of a tape.
pub(super) fn inner<B: BurnBackend, const N: usize>(
    tensors: &[FloatTensor<Autodiff<B>>; N],
) -> [FloatTensor<B>; N] {
    tensors.each_ref().map(|tensor| tensor.primitive.clone())
}

/// A step whose gradients a [`Pullback`] computes from that of its output.
#[derive(Debug)]
struct Step<B>(PhantomData<B>);

impl<B: BurnBackend, const N: usize> Backward<B, N> for Step<B> {
    type State = Pullback<B, N>;

    fn backward(self, step: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&step.node);
        for (parent, gradient) in step.parents.iter().zip(step.state.pull(gradient)) {
            if let Some(parent) = parent {
                gradients.register::<B>(parent.id, gradient);
            }
        }
    }
}
