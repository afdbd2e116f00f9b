//! Burn's optimizers, each step in one pass where a back end has kernels for it.
//!
//! The states are Burn's, and so are their records.

use super::operations::{Kernels, Operations, float, kernels_for, primitive};
use crate::config::{AdamConfig, AdamWConfig, GradientClippingConfig};
use burn::grad_clipping::GradientClipping;
use burn::optim::LearningRate;
use burn::optim::{
    Adam as BurnAdam, AdamState, AdamW as BurnAdamW, AdamWState, AdaptiveMomentumState,
    SimpleOptimizer,
};
use burn::tensor::backend::{Backend as BurnBackend, TensorMetadata};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{FloatDType, Tensor};

/// How weights are pulled towards zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decay {
    /// Not at all.
    None,
    /// A penalty on their squares, as a part of the gradient.
    Penalty(f32),
    /// A share of them at each step, times the learning rate.
    Decoupled {
        /// The share.
        rate: f32,
        /// Only where that is the direction of the step (Chen et al., "Cautious Weight Decay", 2025).
        cautious: bool,
    },
}

/// One step of Adam (Kingma and Ba, 2014) or AdamW (Loshchilov and Hutter, 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamRule {
    /// Decay of the running mean of the gradient.
    pub beta_1: f32,
    /// Decay of the running mean of its square.
    pub beta_2: f32,
    /// Added to the denominator.
    pub epsilon: f32,
    /// Whether the denominator may only grow (AMSGrad: Reddi et al., 2018).
    pub amsgrad: bool,
    /// How weights are pulled towards zero.
    pub decay: Decay,
    /// The bound on the gradient.
    pub clipping: Option<GradientClippingConfig>,
}

/// The moments that Adam keeps of a parameter's gradient.
#[derive(Clone, Debug)]
pub struct Moments<T> {
    /// The running mean.
    pub mean: T,
    /// The running mean of the square.
    pub square: T,
    /// The largest `square` so far, for AMSGrad.
    pub largest: Option<T>,
}

/// Adam with its clipping.
#[derive(Clone)]
pub struct Adam {
    burn: BurnAdam,
    clipping: Option<GradientClipping>,
    rule: AdamRule,
}

impl Adam {
    /// The optimizer of a configuration.
    pub fn new(config: &AdamConfig) -> Self {
        Self {
            burn: config.to_burn().build(),
            clipping: burn_clipping(config.grad_clipping),
            rule: AdamRule {
                beta_1: config.beta_1,
                beta_2: config.beta_2,
                epsilon: config.epsilon,
                amsgrad: config.amsgrad,
                decay: config.weight_decay.map_or(Decay::None, Decay::Penalty),
                clipping: config.grad_clipping,
            },
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
    /// The optimizer of a configuration.
    pub fn new(config: &AdamWConfig) -> Self {
        Self {
            burn: config.to_burn().build(),
            clipping: burn_clipping(config.grad_clipping),
            rule: AdamRule {
                beta_1: config.beta_1,
                beta_2: config.beta_2,
                epsilon: config.epsilon,
                amsgrad: config.amsgrad,
                decay: Decay::Decoupled {
                    rate: config.weight_decay,
                    cautious: config.cautious_weight_decay,
                },
                clipping: config.grad_clipping,
            },
        }
    }
}

fn burn_clipping(clipping: Option<GradientClippingConfig>) -> Option<GradientClipping> {
    clipping.map(|clipping| clipping.to_burn().init())
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

/// One step by the kernels of a back end.
fn fused<B: Operations, const D: usize>(
    kernels: &B::Kernels,
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
    let (parameter, moments) = kernels.adam(&step, parameter, gradient, moments);
    let mut momentum = AdaptiveMomentumState::new(time, float(moments.mean), float(moments.square));
    momentum.max_moment_2 = moments.largest.map(float);
    (float(parameter), momentum)
}

/// The numbers of a step.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// What stays the same from step to step.
    pub rule: AdamRule,
    /// The learning rate.
    pub learning_rate: f32,
    /// The share of a parameter that decoupled decay takes.
    pub decay: f32,
    /// What makes up for moments that started at zero: of the mean, and of `epsilon`.
    pub corrections: [f32; 2],
}

impl AdamStep {
    /// Step `time`, from 1.
    pub fn new(rule: &AdamRule, learning_rate: LearningRate, time: usize) -> Self {
        // As Burn computes them.
        let time = i32::try_from(time).unwrap_or(i32::MAX);
        let root = (1.0 - rule.beta_2.powi(time)).sqrt();
        let decay = match rule.decay {
            Decay::Decoupled { rate, .. } => (learning_rate * f64::from(rate)) as f32,
            Decay::None | Decay::Penalty(_) => 0.0,
        };
        Self {
            rule: *rule,
            learning_rate: learning_rate as f32,
            decay,
            corrections: [root / (1.0 - rule.beta_1.powi(time)), rule.epsilon * root],
        }
    }
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
                let Some(kernels) = kernels_for::<B>(&tensors) else {
                    let [parameter, gradient] = tensors.map(float);
                    let gradient = clipped(self.clipping.as_ref(), gradient);
                    return self.burn.step(learning_rate, parameter, gradient, state);
                };
                let [parameter, gradient] = tensors;
                let (parameter, momentum) = fused(
                    &kernels, &self.rule, learning_rate, parameter, &gradient,
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
