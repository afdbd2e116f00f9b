use super::{Place, Rule, Tensors};
use crate::kernels::adam::{AdamRule, AdamStep};
use crate::kernels::operations::{Operations, primitive};
use crate::kernels::step::Step;
use burn::optim::{Adam, AdamState, AdamW, AdamWState, AdaptiveMomentumState, LearningRate};
use burn::tensor::ops::FloatTensor;

impl AdamRule {
    fn opened<B: Operations, const D: usize>(
        &self,
        momentum: Option<AdaptiveMomentumState<B, D>>,
        place: &Place<B>,
    ) -> (usize, Vec<FloatTensor<B>>) {
        let Some(momentum) = momentum else {
            return (1, place.zeros(if self.amsgrad { 3 } else { 2 }));
        };
        let mut tensors = vec![primitive(momentum.moment_1), primitive(momentum.moment_2)];
        if self.amsgrad {
            tensors.push(place.or_zero(momentum.max_moment_2));
        }
        (momentum.time + 1, tensors)
    }

    fn closed<B: Operations, const D: usize>(
        &self,
        time: usize,
        mut tensors: Tensors<B>,
    ) -> AdaptiveMomentumState<B, D> {
        let mut momentum = AdaptiveMomentumState::new(time, tensors.next(), tensors.next());
        momentum.max_moment_2 = self.amsgrad.then(|| tensors.next());
        momentum
    }
}

macro_rules! adam_rule {
    ($optimizer:ident, $state:ident) => {
        impl<B: Operations> Rule<B, $optimizer> for AdamRule {
            fn open<const D: usize>(
                &self,
                state: Option<$state<B, D>>,
                place: &Place<B>,
            ) -> (usize, Vec<FloatTensor<B>>) {
                self.opened(state.map(|state| state.momentum), place)
            }

            fn step(&self, learning_rate: LearningRate, time: usize) -> Step {
                Step::Adam(AdamStep::new(self, learning_rate, time))
            }

            fn close<const D: usize>(&self, time: usize, tensors: Tensors<B>) -> $state<B, D> {
                $state::new(self.closed(time, tensors))
            }
        }
    };
}

adam_rule!(Adam, AdamState);
adam_rule!(AdamW, AdamWState);
