//! Steps of optimizers as numbers, and what a kernel of them takes.

use super::adagrad::AdaGradStep;
use super::adam::AdamStep;
use super::rmsprop::RmsPropStep;
use super::sgd::SgdStep;

/// The bound on a gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clipping {
    /// Of each of its numbers.
    Value(f32),
    /// Of its norm.
    Norm(f32),
}

/// One step of an optimizer. Each says what tensors it keeps of a parameter, all of the parameter's shape.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Adam and `AdamW`: the running mean of the gradient, that of its square and, with AMSGrad, the largest of the latter.
    Adam(AdamStep),
    /// SGD: with momentum, the running sum of gradients.
    Sgd(SgdStep),
    /// `RMSprop`: the running mean of the squared gradient; if it is centred, that of the gradient, and the variance that
    /// follows from the two; with momentum, the running sum of steps.
    RmsProp(RmsPropStep),
    /// `AdaGrad`: the sum of the squared gradients.
    AdaGrad(AdaGradStep),
}
