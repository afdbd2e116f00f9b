//! Burn's optimizers, each step in one pass where a back end has a kernel for it.
//!
//! The states are Burn's, and so are their records.

mod adagrad;
mod adam;
mod rmsprop;
mod sgd;

use super::adagrad::AdaGradRule;
use super::adam::AdamRule;
use super::operations::{Operations, are_single, float, primitive};
use super::rmsprop::RmsPropRule;
use super::sgd::SgdRule;
use super::step::{Clipping, Step};
use burn::grad_clipping::GradientClipping;
use burn::optim::{
    AdaGrad as BurnAdaGrad, Adam as BurnAdam, AdamW as BurnAdamW, LearningRate,
    RmsProp as BurnRmsProp, Sgd as BurnSgd, SimpleOptimizer,
};
use burn::record::{FullPrecisionSettings, Record};
use burn::tensor::backend::{Backend as BurnBackend, TensorMetadata};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{FloatDType, Shape, Tensor};

/// Adam with its clipping.
pub type Adam = Steps<BurnAdam, AdamRule>;
/// AdamW with its clipping.
pub type AdamW = Steps<BurnAdamW, AdamRule>;
/// Stochastic gradient descent with its clipping.
pub type Sgd<B> = Steps<BurnSgd<B>, SgdRule>;
/// `RMSprop` with its clipping.
pub type RmsProp = Steps<BurnRmsProp, RmsPropRule>;
/// `AdaGrad` with its clipping.
pub type AdaGrad = Steps<BurnAdaGrad, AdaGradRule>;

/// The steps of Burn's optimizer `O`, which is also known as the rule `R`, and their clipping.
#[derive(Clone, Debug)]
pub struct Steps<O, R> {
    burn: O,
    rule: R,
    clipping: Option<Clipping>,
}

impl<O, R> Steps<O, R> {
    /// Burn's optimizer, which must not clip, the same as a rule, and the clipping.
    pub fn new(burn: O, rule: R, clipping: Option<Clipping>) -> Self {
        Self {
            burn,
            rule,
            clipping,
        }
    }
}

/// What a kernel needs to know of Burn's optimizer `O`.
pub trait Rule<B: Operations, O: SimpleOptimizer<B>>: Clone + Send + Sync {
    /// The number of the step that comes after a state, from 1, and the tensors of the state, in the order of [`Step`].
    fn open<const D: usize>(
        &self,
        state: Option<O::State<D>>,
        place: &Place<B>,
    ) -> (usize, Vec<FloatTensor<B>>);

    /// The step of that number.
    fn step(&self, learning_rate: LearningRate, time: usize) -> Step;

    /// The state that has these tensors after the step of that number.
    fn close<const D: usize>(&self, time: usize, tensors: Tensors<B>) -> O::State<D>;
}

/// What the tensors of a state have in common with their parameter.
#[derive(Debug)]
pub struct Place<B: BurnBackend> {
    shape: Shape,
    device: B::Device,
}

impl<B: BurnBackend> Place<B> {
    fn zero(&self) -> FloatTensor<B> {
        B::float_zeros(self.shape.clone(), &self.device, FloatDType::F32)
    }

    fn zeros(&self, count: usize) -> Vec<FloatTensor<B>> {
        (0..count).map(|_| self.zero()).collect()
    }

    fn or_zero<const D: usize>(&self, tensor: Option<Tensor<B, D>>) -> FloatTensor<B> {
        tensor.map_or_else(|| self.zero(), primitive)
    }

    /// A tensor that was made an item of a record, which is the one way to some parts of Burn's states. On the CPU nothing is
    /// copied unless somebody else holds the tensor.
    fn of_item<const D: usize>(&self, item: Item<Tensor<B, D>, B>) -> FloatTensor<B> {
        primitive(Tensor::<B, D>::from_item(item, &self.device))
    }
}

/// The tensors of a state after a step, one after the other.
pub struct Tensors<B: BurnBackend>(std::vec::IntoIter<FloatTensor<B>>);

impl<B: BurnBackend> Tensors<B> {
    fn next<const D: usize>(&mut self) -> Tensor<B, D> {
        match self.0.next() {
            Some(tensor) => float(tensor),
            None => unreachable!("a kernel gives back as many tensors as it takes"),
        }
    }
}

/// What is written of a value in full precision.
type Item<T, B> = <T as Record<B>>::Item<FullPrecisionSettings>;

impl<B, O, R> SimpleOptimizer<B> for Steps<O, R>
where
    B: Operations,
    O: SimpleOptimizer<B>,
    R: Rule<B, O>,
{
    type State<const D: usize> = O::State<D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        parameter: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<O::State<D>>,
    ) -> (Tensor<B, D>, Option<O::State<D>>) {
        let tensors = [primitive(parameter), primitive(gradient)];
        let kernel = B::kernels().step.filter(|_| are_single(&tensors));
        let [parameter, gradient] = tensors;
        let Some(kernel) = kernel else {
            let gradient = clipped(self.clipping, float(gradient));
            return self
                .burn
                .step(learning_rate, float(parameter), gradient, state);
        };
        let place = Place {
            shape: parameter.shape(),
            device: B::float_device(&parameter),
        };
        let (time, states) = self.rule.open(state, &place);
        let step = self.rule.step(learning_rate, time);
        let (parameter, states) = kernel.step(&step, self.clipping, parameter, &gradient, states);
        let states = Tensors(states.into_iter());
        (float(parameter), Some(self.rule.close(time, states)))
    }

    fn to_device<const D: usize>(state: O::State<D>, device: &B::Device) -> O::State<D> {
        O::to_device(state, device)
    }
}

fn clipped<B: BurnBackend, const D: usize>(
    clipping: Option<Clipping>,
    gradient: Tensor<B, D>,
) -> Tensor<B, D> {
    let clipping = match clipping {
        None => return gradient,
        Some(Clipping::Value(bound)) => GradientClipping::Value(bound),
        Some(Clipping::Norm(bound)) => GradientClipping::Norm(bound),
    };
    clipping.clip_gradient(gradient)
}
