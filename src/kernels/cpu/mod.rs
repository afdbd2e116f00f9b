//! The kernels of burn-flex.

#![allow(
    clippy::inline_always,
    clippy::needless_range_loop,
    reason = "what is not inlined into its level's function has no vector instructions; the adapters of iterators need not be"
)]

mod any_shape;
mod convolutions;
mod cross_entropy;
mod inference;
mod linear;
mod optimizer;
mod scratch;
mod simd;
#[cfg(test)]
mod tests;
mod winograd;

use super::dropout::Layer;
use super::optimizer::{AdamStep, Moments};
use super::{Dropout, IMAGE_PIXELS, ImageShape, Images, Kernels, PixelValues, Predict, normalise};
use crate::error::{Error, Result};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::backend::TensorMetadata;
use burn::tensor::{Shape, TensorData};
use convolutions::{Bits, FEATURES, Gradients, Parameters, Weights};
use inference::{Folded, Prepared};
use linear::{Activation, OutputGradients, Panels, Sizes};
use rayon::prelude::*;
use scratch::LINE;
pub use simd::{Level, VARIABLE};
use std::sync::{Arc, LazyLock};

/// Images of a task. The gradients of each task are added up in the order of the images, so that the number of threads
/// changes nothing.
const TASK: usize = 4;

/// The kernels at a level.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    level: Level,
}

impl Cpu {
    /// The kernels of a level, or of the best one below it that this processor has.
    pub fn new(level: Level) -> Self {
        Self { level }
    }

    /// The kernels of [`choice`].
    pub fn chosen() -> Option<Self> {
        CHOICE.as_ref().ok().copied().flatten().map(Self::new)
    }
}

static CHOICE: LazyLock<std::result::Result<Option<Level>, String>> = LazyLock::new(choose);

/// What the environment variable [`VARIABLE`] asked for when this was first called: a level, the best where it is not set, and
/// `None` for Burn's own operations. An error says why it can't be had.
pub fn choice() -> Result<Option<Level>> {
    CHOICE.clone().map_err(Error::Device)
}

fn choose() -> std::result::Result<Option<Level>, String> {
    let available = || Level::ALL.into_iter().filter(|level| level.is_available());
    let Some(value) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(available().next_back());
    };
    let value = value.to_string_lossy();
    if value == "burn" {
        return Ok(None);
    }
    available()
        .find(|level| level.name() == value)
        .map(Some)
        .ok_or_else(|| {
            let names: Vec<&str> = available().map(Level::name).collect();
            format!(
                "the environment variable {VARIABLE} must be burn or one of the instruction sets of this processor, {}, got \
                 {value:?}; without it the best is taken",
                names.join(", ")
            )
        })
}

/// The 256 values of a pixel as the network sees them.
static NORMALISED: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|pixel| normalise(pixel as f32 / 255.0)));

/// A whole image as the network sees it.
fn normalise_image(pixels: PixelValues<'_>, image: &mut [f32; IMAGE_PIXELS]) {
    match pixels {
        PixelValues::Raw(pixels) => {
            let (table, pixels): (_, &[u8; IMAGE_PIXELS]) = (&*NORMALISED, window(pixels, 0));
            for pixel in 0..IMAGE_PIXELS {
                image[pixel] = table[usize::from(pixels[pixel])];
            }
        }
        PixelValues::Unit(pixels) => {
            let pixels: &[f32; IMAGE_PIXELS] = window(pixels, 0);
            for pixel in 0..IMAGE_PIXELS {
                image[pixel] = normalise(pixels[pixel]);
            }
        }
    }
}

/// Gives `work` an image as the network sees it.
fn with_image(images: &Images<Flex>, place: usize, work: impl FnOnce(&[f32; IMAGE_PIXELS])) {
    match images {
        Images::Raw {
            pixels, indices, ..
        } => {
            let first = indices[place] as usize * IMAGE_PIXELS;
            let mut image = [0.0; IMAGE_PIXELS];
            normalise_image(PixelValues::Raw(&pixels[first..]), &mut image);
            work(&image);
        }
        Images::Normalised(images) => {
            let tensor = images.clone().into_primitive().tensor();
            let (all, _) = tensor.storage::<f32>().as_chunks();
            work(&all[place]);
        }
    }
}

/// Has an image brought nearer, if there is such an image: a batch is gathered from all over a data set.
fn prefetch_image(images: &Images<Flex>, place: usize) {
    if let Images::Raw {
        pixels, indices, ..
    } = images
        && let Some(index) = indices.get(place)
    {
        let first = *index as usize * IMAGE_PIXELS;
        for byte in (first..first + IMAGE_PIXELS).step_by(LINE) {
            simd::prefetch(pixels, byte);
        }
    }
}

/// The numbers of a tensor, row by row.
struct Numbers(FlexTensor);

impl Numbers {
    fn of(tensor: &FlexTensor) -> Self {
        Self(tensor.to_contiguous())
    }
}

impl std::ops::Deref for Numbers {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0.storage()
    }
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::from(shape)))
}

/// What the convolutions leave for their way back.
#[derive(Clone, Debug)]
pub struct Saved(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Mnist(SavedMnist),
    AnyShape(any_shape::Saved),
}

#[derive(Clone, Debug)]
struct SavedMnist {
    images: Images<Flex>,
    bits: Arc<Vec<Bits>>,
    weights: Arc<Weights>,
    scale: f32,
}

fn with_parameters<R>(parameters: &[FlexTensor; 4], work: impl FnOnce(Parameters<'_>) -> R) -> R {
    let [weight1, bias1, weight2, bias2] = parameters.each_ref().map(Numbers::of);
    work(Parameters {
        weight1: &weight1,
        bias1: &bias1,
        weight2: &weight2,
        bias2: &bias2,
    })
}

/// A tensor whose numbers lie one behind the other; the same one where they do.
fn contiguous(tensor: FlexTensor) -> FlexTensor {
    let contiguous = tensor.to_contiguous();
    // A second holder would have the numbers copied before they are written.
    drop(tensor);
    contiguous
}

/// Images whose pixels lie one behind the other.
fn contiguous_images(images: &Images<Flex>) -> Images<Flex> {
    match images {
        Images::Normalised(images) => {
            let tensor = images.clone().into_primitive().tensor().to_contiguous();
            Images::Normalised(super::operations::float(tensor))
        }
        Images::Raw { .. } => images.clone(),
    }
}

fn sizes(weight: &FlexTensor) -> Sizes {
    let shape = weight.shape();
    Sizes {
        inputs: shape[0],
        outputs: shape[1],
    }
}

impl Kernels<Flex> for Cpu {
    type Saved = Saved;

    fn take(&self, images: &Images<Flex>) -> bool {
        // The convolutions leave a pixel at least.
        let ImageShape { height, width, .. } = images.shape();
        height.min(width) > 4
    }

    fn convolutions(&self, images: &Images<Flex>, parameters: &[FlexTensor; 4]) -> FlexTensor {
        let images = contiguous_images(images);
        if images.shape() != ImageShape::MNIST {
            return any_shape::forward(self.level, images, parameters, None).0;
        }
        let folded = with_parameters(parameters, Folded::new);
        let mut features = vec![0.0; images.len() * FEATURES];
        let (rows, _) = features.as_chunks_mut();
        rows.par_iter_mut()
            .enumerate()
            .for_each(|(place, features)| {
                with_image(&images, place, |image| {
                    folded.features(self.level, image, features);
                });
            });
        tensor(features, [images.len(), FEATURES])
    }

    fn predictor(
        &self,
        convolutions: &[FlexTensor; 4],
        hidden: &[FlexTensor; 2],
        output: &[FlexTensor; 2],
    ) -> Box<dyn Predict> {
        let panels = |[weight, bias]: &[FlexTensor; 2]| {
            Panels::new(sizes(weight), &Numbers::of(weight), &Numbers::of(bias))
        };
        let (hidden, output) = (panels(hidden), panels(output));
        with_parameters(convolutions, |convolutions| {
            Box::new(Prepared::new(self.level, convolutions, hidden, output)) as Box<dyn Predict>
        })
    }

    fn convolutions_training(
        &self,
        images: &Images<Flex>,
        parameters: &[FlexTensor; 4],
        dropout: Option<&Dropout>,
    ) -> (FlexTensor, Saved) {
        let images = contiguous_images(images);
        if images.shape() != ImageShape::MNIST {
            let (features, saved) = any_shape::forward(self.level, images, parameters, dropout);
            return (features, Saved(Kind::AnyShape(saved)));
        }
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
                        dropout.draw(place, Layer::Conv1, &mut bits.conv1);
                        dropout.draw(place, Layer::Conv2, bits.conv2.as_flattened_mut());
                    }
                    with_image(&images, place, |image| {
                        convolutions::forward(self.level, &weights, image, bits, features);
                    });
                }
            });
        let features = tensor(features, [images.len(), FEATURES]);
        let saved = SavedMnist {
            images,
            bits: Arc::new(bits),
            weights: Arc::new(weights),
            scale,
        };
        (features, Saved(Kind::Mnist(saved)))
    }

    fn convolutions_backward(&self, saved: Saved, features: FlexTensor) -> [FlexTensor; 4] {
        let saved = match saved.0 {
            Kind::Mnist(saved) => saved,
            Kind::AnyShape(saved) => return any_shape::backward(self.level, &saved, &features),
        };
        let features = Numbers::of(&features);
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
                            self.level,
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

    fn hidden(&self, layer: &[FlexTensor; 3], dropout: Option<&Dropout>) -> FlexTensor {
        let Sizes { outputs, .. } = sizes(&layer[1]);
        let Some(dropout) = dropout.filter(|dropout| !dropout.is_none()) else {
            return self.forward(layer, Activation::Relu);
        };
        let bytes = outputs.div_ceil(8);
        let mut kept = vec![0; bytes * dropout.images()];
        for (place, bits) in kept.chunks_exact_mut(bytes).enumerate() {
            dropout.draw(place, Layer::Linear1, bits);
        }
        let activation = Activation::DropoutRelu {
            kept: &kept,
            scale: dropout.scale(),
        };
        self.forward(layer, activation)
    }

    fn hidden_backward(
        &self,
        layer: &[FlexTensor; 3],
        output: FlexTensor,
        scale: f32,
        gradient: FlexTensor,
    ) -> [FlexTensor; 3] {
        let sums = OutputGradients {
            gradients: &Numbers::of(&gradient),
            outputs: Some(&Numbers::of(&output)),
            scale,
        };
        self.backward(layer, sums)
    }

    fn linear(&self, layer: &[FlexTensor; 3]) -> FlexTensor {
        self.forward(layer, Activation::None)
    }

    fn linear_backward(&self, layer: &[FlexTensor; 3], gradient: FlexTensor) -> [FlexTensor; 3] {
        let sums = OutputGradients {
            gradients: &Numbers::of(&gradient),
            outputs: None,
            scale: 1.0,
        };
        self.backward(layer, sums)
    }

    fn adam(
        &self,
        step: &AdamStep,
        parameter: FlexTensor,
        gradient: &FlexTensor,
        moments: Moments<FlexTensor>,
    ) -> (FlexTensor, Moments<FlexTensor>) {
        let mut parameter = contiguous(parameter);
        let mut mean = contiguous(moments.mean);
        let mut square = contiguous(moments.square);
        let mut largest = moments.largest.map(contiguous);
        optimizer::adam(
            self.level,
            step,
            parameter.storage_mut(),
            &Numbers::of(gradient),
            Moments {
                mean: mean.storage_mut(),
                square: square.storage_mut(),
                largest: largest.as_mut().map(FlexTensor::storage_mut),
            },
        );
        let moments = Moments {
            mean,
            square,
            largest,
        };
        (parameter, moments)
    }

    fn cross_entropy(&self, logits: &FlexTensor, targets: &FlexTensor) -> (FlexTensor, FlexTensor) {
        let targets = targets.to_contiguous();
        let (loss, gradient) =
            cross_entropy::cross_entropy(&Numbers::of(logits), targets.storage());
        let shape = logits.shape();
        (
            tensor(vec![loss], [1]),
            tensor(gradient, [shape[0], shape[1]]),
        )
    }
}

impl Cpu {
    fn forward(self, layer: &[FlexTensor; 3], activation: Activation<'_>) -> FlexTensor {
        let sizes = sizes(&layer[1]);
        let rows = layer[0].shape()[0];
        let [x, weight, bias] = layer.each_ref().map(Numbers::of);
        let y = linear::forward(self.level, sizes, &x, &weight, &bias, activation);
        tensor(y, [rows, sizes.outputs])
    }

    fn backward(self, layer: &[FlexTensor; 3], sums: OutputGradients<'_>) -> [FlexTensor; 3] {
        let sizes = sizes(&layer[1]);
        let rows = layer[0].shape()[0];
        let [x, weight, _] = layer.each_ref().map(Numbers::of);
        let gradients = linear::backward(self.level, sizes, &x, &weight, sums);
        [
            tensor(gradients.x, [rows, sizes.inputs]),
            tensor(gradients.weight, [sizes.inputs, sizes.outputs]),
            tensor(gradients.bias, [sizes.outputs]),
        ]
    }
}

/// `N` elements from `first` on; the one check that they are there.
#[inline(always)]
fn window<T, const N: usize>(slice: &[T], first: usize) -> &[T; N] {
    match slice[first..].first_chunk() {
        Some(window) => window,
        None => unreachable!("a window of {N} ends after its slice"),
    }
}

#[inline(always)]
fn window_mut<T, const N: usize>(slice: &mut [T], first: usize) -> &mut [T; N] {
    match slice[first..].first_chunk_mut() {
        Some(window) => window,
        None => unreachable!("a window of {N} ends after its slice"),
    }
}

/// A vector of at most sixteen numbers, the others 0.
#[inline(always)]
fn padded(values: &[f32]) -> [f32; 16] {
    if let Some(values) = values.first_chunk() {
        return *values;
    }
    let mut padded = [0.0; 16];
    padded[..values.len()].copy_from_slice(values);
    padded
}
