//! `AdaGrad` as numbers.

/// `AdaGrad` (Duchi, Hazan and Singer, 2011).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaGradRule {
    /// How the learning rate falls: step `t`, from 1, divides it by `1 + (t - 1) * lr_decay`.
    pub lr_decay: f64,
    /// Added to the denominator.
    pub epsilon: f32,
    /// A penalty on the squares of the weights, as a part of the gradient; 0 for none.
    pub penalty: f32,
}

/// The numbers of a step.
#[derive(Clone, Copy, Debug)]
pub struct AdaGradStep {
    /// What stays the same from step to step.
    pub rule: AdaGradRule,
    /// The learning rate of this step.
    pub learning_rate: f32,
}

impl AdaGradStep {
    /// Step `time`, from 1.
    pub fn new(rule: &AdaGradRule, learning_rate: f64, time: usize) -> Self {
        // As Burn computes it.
        let learning_rate = learning_rate / (1.0 + (time as f64 - 1.0) * rule.lr_decay);
        Self {
            rule: *rule,
            learning_rate: learning_rate as f32,
        }
    }
}
