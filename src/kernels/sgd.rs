//! Stochastic gradient descent as numbers.

/// Stochastic gradient descent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdRule {
    /// A penalty on the squares of the weights, as a part of the gradient; 0 for none.
    pub penalty: f32,
    /// How earlier gradients go on to count.
    pub momentum: Option<SgdMomentum>,
}

/// A running sum of gradients that stands for the gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdMomentum {
    /// What is kept of the sum at each step.
    pub kept: f32,
    /// Share of a gradient that is left out of the sum; the first one counts in full.
    pub dampening: f64,
    /// Whether the gradient is added once more to the sum ahead (Nesterov, 1983; Sutskever et al., 2013).
    pub nesterov: bool,
}

/// The numbers of a step.
#[derive(Clone, Copy, Debug)]
pub struct SgdStep {
    /// What stays the same from step to step.
    pub rule: SgdRule,
    /// The learning rate.
    pub learning_rate: f32,
    /// Share of the gradient that enters the sum.
    pub share: f32,
}

impl SgdStep {
    /// The first step of a parameter, or a later one.
    pub fn new(rule: &SgdRule, learning_rate: f64, first: bool) -> Self {
        // As Burn computes them.
        let share = match rule.momentum {
            Some(momentum) if !first => 1.0 - momentum.dampening,
            _ => 1.0,
        };
        Self {
            rule: *rule,
            learning_rate: learning_rate as f32,
            share: share as f32,
        }
    }
}
