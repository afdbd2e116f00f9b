//! Convolutions of stride 1 with a square kernel, and what follows them: max pooling and ReLU.
//!
//! The threads share out the images. An image has the channels of each pixel beside each other while it is computed, and sixteen
//! channels leave together in one vector.

#![allow(
    clippy::similar_names,
    clippy::too_many_arguments,
    reason = "a pass has many parts, which nothing else has together"
)]

pub mod backward;
mod dense;
pub mod forward;
pub mod geometry;
pub mod gradients;
mod lanes;
mod plan;
mod pooled;
mod regions;
mod tasks;
mod transforms;
mod weights;
mod winograd;

use super::Cpu;
use super::tensors::{Numbers, tensor};
use crate::kernels::kernel::{Around, ConvolutionKernel};
use crate::kernels::{Activation, Pullback};
use backward::backward;
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::backend::TensorMetadata;
use forward::{After, Routes, forward};
use geometry::Geometry;
use std::sync::Arc;

impl ConvolutionKernel<Flex> for Cpu {
    fn forward(&self, inputs: &[FlexTensor; 3], around: Around) -> Option<FlexTensor> {
        let geometry = geometry(inputs, around)?;
        Some(self.convolution(geometry, inputs, around, false).0)
    }

    fn forward_training(
        &self,
        inputs: &[FlexTensor; 3],
        around: Around,
        wants_input: bool,
    ) -> Option<(FlexTensor, Pullback<Flex, 3>)> {
        let geometry = geometry(inputs, around)?;
        let (output, routes) = self.convolution(geometry, inputs, around, true);
        let (level, routes) = (self.level, Arc::new(routes));
        let [x, weight, _] = inputs.clone();
        let pullback = Pullback::new(move |gradient| {
            let gradients = backward(
                level,
                geometry,
                around.into(),
                &Numbers::of(&x),
                &Numbers::of(&weight),
                &routes,
                &Numbers::of(&gradient),
                wants_input,
            );
            let Geometry {
                inputs,
                outputs,
                kernel,
                height,
                width,
                ..
            } = geometry;
            let of_x = gradients.x.map_or_else(
                || x.clone(),
                |of_x| tensor(of_x, [x.shape()[0], inputs, height, width]),
            );
            [
                of_x,
                tensor(gradients.weight, [outputs, inputs, kernel, kernel]),
                tensor(gradients.bias, [outputs]),
            ]
        });
        Some((output, pullback))
    }
}

impl Cpu {
    fn convolution(
        self,
        geometry: Geometry,
        inputs: &[FlexTensor; 3],
        around: Around,
        training: bool,
    ) -> (FlexTensor, Routes) {
        let images = inputs[0].shape()[0];
        let [x, weight, bias] = inputs.each_ref().map(Numbers::of);
        let after = After::from(around);
        let (output, routes) = forward(self.level, geometry, after, &x, &weight, &bias, training);
        let side = if after.pool { 2 } else { 1 };
        let shape = [
            images,
            geometry.outputs,
            geometry.rows() / side,
            geometry.columns() / side,
        ];
        (tensor(output, shape), routes)
    }
}

impl From<Around> for After {
    fn from(around: Around) -> Self {
        Self {
            pool: around.pool,
            relu: around.activation == Activation::Relu,
        }
    }
}

/// The sizes of a convolution that the kernel computes: one of windows of 3 x 3 or 5 x 5 that leaves a pixel.
fn geometry([x, weight, _]: &[FlexTensor; 3], around: Around) -> Option<Geometry> {
    let (x, weight) = (x.shape(), weight.shape());
    geometry_of(
        [x[1], x[2], x[3]],
        [0, 1, 2, 3].map(|side| weight[side]),
        around,
    )
}

/// The same for images of `[inputs, height, width]`.
pub fn geometry_of(
    [inputs, height, width]: [usize; 3],
    window: [usize; 4],
    around: Around,
) -> Option<Geometry> {
    let geometry = Geometry {
        inputs,
        outputs: window[0],
        kernel: window[2],
        height,
        width,
        padding: around.padding,
    };
    let least = if around.pool { 2 } else { 1 };
    let fits = matches!((window[2], window[3]), (3, 3) | (5, 5))
        && window[1] == geometry.inputs
        && geometry.inputs.min(geometry.outputs) > 0
        && around.padding < geometry.kernel
        && geometry.height.min(geometry.width) > 0
        && geometry.height.min(geometry.width) + 2 * around.padding + 1 >= geometry.kernel + least
        && u32::try_from(geometry.plane().max(geometry.transposed().plane())).is_ok();
    fits.then_some(geometry)
}
