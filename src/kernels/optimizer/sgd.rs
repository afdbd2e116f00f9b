use super::{Place, Rule, Tensors};
use crate::kernels::operations::Operations;
use crate::kernels::sgd::{SgdRule, SgdStep};
use crate::kernels::step::Step;
use burn::optim::momentum::MomentumState;
use burn::optim::{LearningRate, Sgd, SgdState};
use burn::record::Record;
use burn::tensor::ops::FloatTensor;

impl<B: Operations> Rule<B, Sgd<B>> for SgdRule {
    /// Burn counts no steps: all but the first are alike.
    fn open<const D: usize>(
        &self,
        state: Option<SgdState<B, D>>,
        place: &Place<B>,
    ) -> (usize, Vec<FloatTensor<B>>) {
        if self.momentum.is_none() {
            return (1, Vec::new());
        }
        match state.and_then(|state| state.momentum) {
            None => (1, place.zeros(1)),
            Some(momentum) => (2, vec![place.of_item::<D>(momentum.into_item().velocity)]),
        }
    }

    fn step(&self, learning_rate: LearningRate, time: usize) -> Step {
        Step::Sgd(SgdStep::new(self, learning_rate, time == 1))
    }

    fn close<const D: usize>(&self, _time: usize, mut tensors: Tensors<B>) -> SgdState<B, D> {
        SgdState::new(self.momentum.map(|_| MomentumState::new(tensors.next())))
    }
}
