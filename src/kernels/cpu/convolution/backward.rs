//! Backward, with a pooling behind the convolution or without one.

use super::dense;
use super::forward::{After, Routes};
use super::geometry::Geometry;
use super::gradients::Gradients;
use super::pooled;
use crate::kernels::cpu::simd::Level;

/// The gradients from those of what left.
pub fn backward(
    level: Level,
    geometry: Geometry,
    after: After,
    x: &[f32],
    weight: &[f32],
    routes: &Routes,
    gradients: &[f32],
    wants_input: bool,
) -> Gradients {
    if after.pool {
        pooled::backward(level, geometry, x, weight, routes, gradients, wants_input)
    } else {
        let relu = after.relu;
        dense::backward(
            level,
            geometry,
            relu,
            x,
            weight,
            routes,
            gradients,
            wants_input,
        )
    }
}
