//! Adam and `AdamW` as numbers.

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
    pub fn new(rule: &AdamRule, learning_rate: f64, time: usize) -> Self {
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
