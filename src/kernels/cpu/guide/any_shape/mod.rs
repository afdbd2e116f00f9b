//! The trunk of the guide network for a batch of images of any height, width and number of channels, shared out among
//! threads.
//!
//! It does what [`mnist`](super::mnist) does, with loops whose lengths are known when they run. A pixel's channels lie beside
//! each other, those of the second convolution in one vector of sixteen. A whole image is computed after the other, so that
//! what is between the convolutions stays in cache as long as it is small enough.

pub mod backward;
pub mod forward;
pub mod plan;
pub mod weights;

use super::geometry::{FEATURES, TASK};
use super::images::NORMALISED;
use super::parameters::with_parameters;
use crate::config::ImageShape;
use crate::kernels::cpu::scratch::with_scratch;
use crate::kernels::cpu::simd::Level;
use crate::kernels::cpu::tensors::{Numbers, tensor};
use crate::kernels::guide::{CONV1, CONV2};
use crate::kernels::{Dropout, Images};
use backward::Backward;
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use forward::Forward;
use plan::{Bits, Memory, Plan};
use rayon::prelude::*;
use std::sync::Arc;
use weights::{Gradients, Weights};

/// What the forward pass leaves for the way back.
#[derive(Clone, Debug)]
pub struct Saved {
    images: Images<Flex>,
    bits: Arc<Vec<Bits>>,
    weights: Arc<Weights>,
    plan: Arc<Plan>,
    scale: f32,
}

/// The features of images whose pixels lie one behind the other.
pub fn forward(
    level: Level,
    images: Images<Flex>,
    parameters: &[FlexTensor; 4],
    dropout: Option<&Dropout>,
) -> (FlexTensor, Saved) {
    let plan = Plan::new(images.shape());
    let scale = dropout.map_or(1.0, Dropout::scale);
    let dropout = dropout.filter(|dropout| !dropout.is_none());
    let weights = with_parameters(parameters, |parameters| {
        Weights::new(parameters, plan.shape.channels, scale)
    });
    let mut features = vec![0.0; images.len() * FEATURES];
    let mut bits: Vec<Option<Bits>> = vec![None; images.len()];
    let (rows, _) = features.as_chunks_mut();
    rows.par_chunks_mut(TASK)
        .zip(bits.par_chunks_mut(TASK))
        .enumerate()
        .for_each(|(task, (rows, all))| {
            for (place, (features, kept)) in rows.iter_mut().zip(all).enumerate() {
                let place = TASK * task + place;
                let bits = kept.insert(Bits::all(&plan));
                if let Some(dropout) = dropout {
                    dropout.layer(CONV1).draw(place, &mut bits.conv1);
                    dropout.layer(CONV2).draw(place, &mut bits.conv2);
                }
                with_memory(&plan, &images, place, |memory| {
                    level.run(Forward {
                        plan: &plan,
                        weights: &weights,
                        memory,
                        bits,
                        features,
                    });
                });
            }
        });
    let features = tensor(features, [images.len(), FEATURES]);
    let saved = Saved {
        images,
        bits: Arc::new(bits.into_iter().flatten().collect()),
        weights: Arc::new(weights),
        plan: Arc::new(plan),
        scale,
    };
    (features, saved)
}

/// The gradients of the parameters from those of the features.
pub fn backward(level: Level, saved: &Saved, features: &FlexTensor) -> [FlexTensor; 4] {
    let Saved {
        images,
        bits,
        weights,
        plan,
        scale,
    } = saved;
    let features = Numbers::of(features);
    let (rows, _) = features.as_chunks();
    let channels = plan.shape.channels;
    let tasks: Vec<Gradients> = rows
        .par_chunks(TASK)
        .enumerate()
        .map(|(task, rows)| {
            let mut gradients = Gradients::zero(channels);
            for (place, features) in rows.iter().enumerate() {
                let place = TASK * task + place;
                with_memory(plan, images, place, |memory| {
                    level.run(Backward {
                        plan,
                        weights,
                        scale: *scale,
                        memory,
                        bits: &bits[place],
                        features,
                        gradients: &mut gradients,
                    });
                });
            }
            gradients
        })
        .collect();
    let mut sum = Gradients::zero(channels);
    for gradients in &tasks {
        sum.add(gradients);
    }
    let [weight1, bias1, weight2, bias2] = sum.finish(*scale);
    [
        tensor(weight1, [8, channels, 3, 3]),
        tensor(bias1, [8]),
        tensor(weight2, [16, 8, 3, 3]),
        tensor(bias2, [16]),
    ]
}

/// Gives `work` memory with an image, as the network sees it.
fn with_memory(plan: &Plan, images: &Images<Flex>, place: usize, work: impl FnOnce(Memory<'_>)) {
    with_scratch(plan.numbers(), |numbers| {
        let memory = Memory::new(plan, numbers);
        load(images, plan.shape, place, memory.image);
        work(memory);
    });
}

/// Takes an image, the channels of a pixel beside each other.
fn load(images: &Images<Flex>, shape: ImageShape, place: usize, to: &mut [f32]) {
    match images {
        Images::Raw {
            pixels, indices, ..
        } => {
            let (table, first) = (&*NORMALISED, indices[place] as usize * shape.len());
            for (value, pixel) in to.iter_mut().zip(&pixels[first..first + shape.len()]) {
                *value = table[usize::from(*pixel)];
            }
        }
        Images::Normalised(images) => {
            let tensor = images.clone().into_primitive().tensor();
            let all = tensor.storage::<f32>();
            let image = &all[place * shape.len()..][..shape.len()];
            for (channel, plane) in image.chunks_exact(shape.height * shape.width).enumerate() {
                for (pixel, value) in plane.iter().enumerate() {
                    to[pixel * shape.channels + channel] = *value;
                }
            }
        }
    }
}
