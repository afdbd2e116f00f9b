//! The trunk of the guide network for a batch of MNIST's images, shared out among threads.

use super::convolutions::{self, Gradients, Weights};
use super::geometry::{Bits, FEATURES, TASK};
use super::images::{prefetch_image, with_image};
use super::inference::Folded;
use super::parameters::with_parameters;
use crate::kernels::cpu::simd::Level;
use crate::kernels::cpu::tensors::{Numbers, tensor};
use crate::kernels::guide::{CONV1, CONV2};
use crate::kernels::{Dropout, Images};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use rayon::prelude::*;
use std::sync::Arc;

/// What the forward pass leaves for the way back.
#[derive(Clone, Debug)]
pub struct Saved {
    images: Images<Flex>,
    bits: Arc<Vec<Bits>>,
    weights: Arc<Weights>,
    scale: f32,
}

/// The features without dropout, of images whose pixels lie one behind the other.
pub fn inference(level: Level, images: &Images<Flex>, parameters: &[FlexTensor; 4]) -> FlexTensor {
    let folded = with_parameters(parameters, Folded::new);
    let mut features = vec![0.0; images.len() * FEATURES];
    let (rows, _) = features.as_chunks_mut();
    rows.par_iter_mut()
        .enumerate()
        .for_each(|(place, features)| {
            with_image(images, place, |image| {
                folded.features(level, image, features);
            });
        });
    tensor(features, [images.len(), FEATURES])
}

/// The features of images whose pixels lie one behind the other.
pub fn forward(
    level: Level,
    images: Images<Flex>,
    parameters: &[FlexTensor; 4],
    dropout: Option<&Dropout>,
) -> (FlexTensor, Saved) {
    let scale = dropout.map_or(1.0, Dropout::scale);
    let dropout = dropout.filter(|dropout| !dropout.is_none());
    let weights = with_parameters(parameters, |parameters| Weights::new(parameters, scale));
    let mut features = vec![0.0; images.len() * FEATURES];
    let mut bits = vec![Bits::ALL; images.len()];
    let (rows, _) = features.as_chunks_mut();
    rows.par_chunks_mut(TASK)
        .zip(bits.par_chunks_mut(TASK))
        .enumerate()
        .for_each(|(task, (rows, bits))| {
            for (place, (features, bits)) in rows.iter_mut().zip(bits).enumerate() {
                let place = TASK * task + place;
                prefetch_image(&images, place + 1);
                if let Some(dropout) = dropout {
                    dropout.layer(CONV1).draw(place, &mut bits.conv1);
                    dropout
                        .layer(CONV2)
                        .draw(place, bits.conv2.as_flattened_mut());
                }
                with_image(&images, place, |image| {
                    convolutions::forward(level, &weights, image, bits, features);
                });
            }
        });
    let features = tensor(features, [images.len(), FEATURES]);
    let saved = Saved {
        images,
        bits: Arc::new(bits),
        weights: Arc::new(weights),
        scale,
    };
    (features, saved)
}

/// The gradients of the parameters from those of the features.
pub fn backward(level: Level, saved: &Saved, features: &FlexTensor) -> [FlexTensor; 4] {
    let features = Numbers::of(features);
    let (rows, _) = features.as_chunks();
    let tasks: Vec<Gradients> = rows
        .par_chunks(TASK)
        .enumerate()
        .map(|(task, rows)| {
            let mut gradients = Gradients::ZERO;
            for (place, features) in rows.iter().enumerate() {
                let place = TASK * task + place;
                with_image(&saved.images, place, |image| {
                    convolutions::backward(
                        level,
                        &saved.weights,
                        image,
                        &saved.bits[place],
                        features,
                        &mut gradients,
                    );
                });
            }
            gradients
        })
        .collect();
    let mut sum = Gradients::ZERO;
    for gradients in &tasks {
        sum.add(gradients);
    }
    let [weight1, bias1, weight2, bias2] = sum.finish(saved.scale);
    [
        tensor(weight1, [8, 1, 3, 3]),
        tensor(bias1, [8]),
        tensor(weight2, [16, 8, 3, 3]),
        tensor(bias2, [16]),
    ]
}
