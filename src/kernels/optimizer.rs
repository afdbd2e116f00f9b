//! Burn's optimizers, each step in one pass where a back end has kernels for it.
//!
//! The states are Burn's, and so are their records.

use super::adam::{AdamRule, AdamStep, Clipping, Moments};
use super::kernel::AdamKernel;
use super::operations::{Operations, are_single, float, primitive};
use burn::grad_clipping::GradientClipping;
use burn::optim::LearningRate;
use burn::optim::{
    Adam as BurnAdam, AdamState, AdamW as BurnAdamW, AdamWState, AdaptiveMomentumState,
    SimpleOptimizer,
};
use burn::tensor::backend::{Backend as BurnBackend, TensorMetadata};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{FloatDType, Tensor};

/// Adam with its clipping.
#[derive(Clone)]
pub struct Adam {
    burn: BurnAdam,
    clipping: Option<GradientClipping>,
    rule: AdamRule,
}

impl Adam {
    /// Burn's Adam, and the same as a rule, which clips as well.
    pub fn new(burn: BurnAdam, rule: AdamRule) -> Self {
        Self {
            burn,
            clipping: burn_clipping(rule.clipping),
            rule,
        }
    }
}

/// AdamW with its clipping.
#[derive(Clone)]
pub struct AdamW {
    burn: BurnAdamW,
    clipping: Option<GradientClipping>,
    rule: AdamRule,
}

impl AdamW {
    /// Burn's `AdamW`, and the same as a rule, which clips as well.
    pub fn new(burn: BurnAdamW, rule: AdamRule) -> Self {
        Self {
            burn,
            clipping: burn_clipping(rule.clipping),
            rule,
        }
    }
}

fn burn_clipping(clipping: Option<Clipping>) -> Option<GradientClipping> {
    clipping.map(|clipping| match clipping {
        Clipping::Value(bound) => GradientClipping::Value(bound),
        Clipping::Norm(bound) => GradientClipping::Norm(bound),
    })
}

fn clipped<B: BurnBackend, const D: usize>(
    clipping: Option<&GradientClipping>,
    gradient: Tensor<B, D>,
) -> Tensor<B, D> {
    match clipping {
        Some(clipping) => clipping.clip_gradient(gradient),
        None => gradient,
    }
}

/// One step by the kernel of a back end.
fn fused<B: Operations, const D: usize>(
    kernel: &dyn AdamKernel<B>,
    rule: &AdamRule,
    learning_rate: LearningRate,
    parameter: FloatTensor<B>,
    gradient: &FloatTensor<B>,
    momentum: Option<AdaptiveMomentumState<B, D>>,
) -> (Tensor<B, D>, AdaptiveMomentumState<B, D>) {
    let (time, moments) = if let Some(momentum) = momentum {
        let moments = Moments {
            mean: primitive(momentum.moment_1),
            square: primitive(momentum.moment_2),
            largest: momentum.max_moment_2.map(primitive),
        };
        (momentum.time + 1, moments)
    } else {
        let zeros = || {
            let device = B::float_device(&parameter);
            B::float_zeros(parameter.shape(), &device, FloatDType::F32)
        };
        let moments = Moments {
            mean: zeros(),
            square: zeros(),
            largest: rule.amsgrad.then(zeros),
        };
        (1, moments)
    };
    let step = AdamStep::new(rule, learning_rate, time);
    let (parameter, moments) = kernel.step(&step, parameter, gradient, moments);
    let mut momentum = AdaptiveMomentumState::new(time, float(moments.mean), float(moments.square));
    momentum.max_moment_2 = moments.largest.map(float);
    (float(parameter), momentum)
}

#[rustfmt::skip]
macro_rules! simple_optimizer {
    ($optimizer:ty, $burn:ty, $state:ident) => {
        impl<B: Operations> SimpleOptimizer<B> for $optimizer {
            type State<const D: usize> = $state<B, D>;

            fn step<const D: usize>(
                &self,
                learning_rate: LearningRate,
                parameter: Tensor<B, D>,
                gradient: Tensor<B, D>,
                state: Option<$state<B, D>>,
            ) -> (Tensor<B, D>, Option<$state<B, D>>) {
                let parameter = primitive(parameter);
                let gradient = primitive(gradient);
                let tensors = [parameter, gradient];
                let Some(kernel) = B::kernels().adam.filter(|_| are_single(&tensors)) else {
                    let [parameter, gradient] = tensors.map(float);
                    let gradient = clipped(self.clipping.as_ref(), gradient);
                    return self.burn.step(learning_rate, parameter, gradient, state);
                };
                let [parameter, gradient] = tensors;
                let (parameter, momentum) = fused(
                    kernel, &self.rule, learning_rate, parameter, &gradient,
                    state.map(|state| state.momentum),
                );
                (parameter, Some($state::new(momentum)))
            }

            fn to_device<const D: usize>(state: $state<B, D>, device: &B::Device) -> $state<B, D> {
                <$burn as SimpleOptimizer<B>>::to_device(state, device)
            }
        }
    };
}

simple_optimizer!(Adam, BurnAdam, AdamState);
simple_optimizer!(AdamW, BurnAdamW, AdamWState);
