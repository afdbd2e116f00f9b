use super::{Place, Rule, Tensors};
use crate::kernels::operations::{Operations, primitive};
use crate::kernels::rmsprop::{RmsPropRule, RmsPropStep};
use crate::kernels::step::Step;
use burn::optim::{
    CenteredState, LearningRate, RmsProp, RmsPropMomentumState, RmsPropState, SquareAvgState,
};
use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::ops::FloatTensor;

impl<B: Operations> Rule<B, RmsProp> for RmsPropRule {
    fn open<const D: usize>(
        &self,
        state: Option<RmsPropState<B, D>>,
        place: &Place<B>,
    ) -> (usize, Vec<FloatTensor<B>>) {
        let Some(state) = state else {
            return (1, place.zeros(self.count()));
        };
        let RmsPropState {
            square_avg,
            centered,
            momentum,
        } = state;
        let mut tensors = vec![primitive(square_avg.square_avg)];
        // What is not centred has its mean square there too, which would be a second holder.
        let CenteredState { grad_avg, avg } = centered;
        if self.centered {
            tensors.extend([place.or_zero(grad_avg), primitive(avg)]);
        } else {
            drop(avg);
        }
        if self.momentum > 0.0 {
            tensors.push(match momentum {
                None => place.zero(),
                Some(momentum) => place.of_item::<D>(momentum.into_item().buf),
            });
        }
        // Burn counts no steps: all are alike.
        (1, tensors)
    }

    fn step(&self, learning_rate: LearningRate, _time: usize) -> Step {
        Step::RmsProp(RmsPropStep::new(self, learning_rate))
    }

    fn close<const D: usize>(&self, _time: usize, mut tensors: Tensors<B>) -> RmsPropState<B, D> {
        let square: Tensor<B, D> = tensors.next();
        let centered = if self.centered {
            CenteredState::new(Some(tensors.next()), tensors.next())
        } else {
            CenteredState::new(None, square.clone())
        };
        let momentum = (self.momentum > 0.0).then(|| RmsPropMomentumState::new(tensors.next()));
        RmsPropState::new(SquareAvgState::new(square), centered, momentum)
    }
}
