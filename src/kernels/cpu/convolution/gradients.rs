//! What comes back through a convolution.

/// The gradients of a convolution.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// Of what entered, if wanted.
    pub x: Option<Vec<f32>>,
    /// `[outputs, inputs, kernel, kernel]`
    pub weight: Vec<f32>,
    /// `[outputs]`
    pub bias: Vec<f32>,
}
