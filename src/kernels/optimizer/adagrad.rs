use super::{Place, Rule, Tensors};
use crate::kernels::adagrad::{AdaGradRule, AdaGradStep};
use crate::kernels::operations::Operations;
use crate::kernels::step::Step;
use burn::optim::{AdaGrad, AdaGradState, LearningRate, LrDecayState};
use burn::record::Record;
use burn::tensor::ops::FloatTensor;

impl<B: Operations> Rule<B, AdaGrad> for AdaGradRule {
    fn open<const D: usize>(
        &self,
        state: Option<AdaGradState<B, D>>,
        place: &Place<B>,
    ) -> (usize, Vec<FloatTensor<B>>) {
        let Some(state) = state else {
            return (1, place.zeros(1));
        };
        let state = state.into_item().lr_decay;
        (state.time + 1, vec![place.of_item::<D>(state.sum)])
    }

    fn step(&self, learning_rate: LearningRate, time: usize) -> Step {
        Step::AdaGrad(AdaGradStep::new(self, learning_rate, time))
    }

    fn close<const D: usize>(&self, time: usize, mut tensors: Tensors<B>) -> AdaGradState<B, D> {
        AdaGradState::new(LrDecayState::new(time, tensors.next()))
    }
}
