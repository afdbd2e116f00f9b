//! `RMSprop` as numbers.

/// `RMSprop` (Tieleman and Hinton, 2012).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsPropRule {
    /// Decay of the running mean of the squared gradient.
    pub alpha: f32,
    /// What is kept of the sum of steps at each step; 0 keeps no sum.
    pub momentum: f32,
    /// Added to the denominator.
    pub epsilon: f32,
    /// Whether the denominator is the deviation of the gradient, and not the root of its mean square (Graves, 2013).
    pub centered: bool,
    /// A penalty on the squares of the weights, as a part of the gradient; 0 for none.
    pub penalty: f32,
}

impl RmsPropRule {
    /// Tensors that it keeps of a parameter.
    pub fn count(&self) -> usize {
        1 + if self.centered { 2 } else { 0 } + usize::from(self.momentum > 0.0)
    }
}

/// The numbers of a step.
#[derive(Clone, Copy, Debug)]
pub struct RmsPropStep {
    /// What stays the same from step to step.
    pub rule: RmsPropRule,
    /// The learning rate.
    pub learning_rate: f32,
}

impl RmsPropStep {
    /// Any step.
    pub fn new(rule: &RmsPropRule, learning_rate: f64) -> Self {
        Self {
            rule: *rule,
            learning_rate: learning_rate as f32,
        }
    }
}
