//! The kernels of burn-flex.

#![allow(
    clippy::inline_always,
    clippy::needless_range_loop,
    reason = "what is not inlined into its level's function has no vector instructions; the adapters of iterators need not be"
)]

mod adam;
mod choice;
mod cross_entropy;
mod guide;
mod linear;
mod scratch;
mod simd;
mod slices;
mod tensors;
#[cfg(test)]
mod tests;

use super::dropout::Layer;
use super::optimizer::{AdamStep, Moments};
use super::{Dropout, ImageShape, Images, Kernels, Predict};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::backend::TensorMetadata;
pub use choice::choice;
use guide::images::contiguous_images;
use guide::inference::Prepared;
use guide::parameters::with_parameters;
use guide::{any_shape, mnist};
use linear::{Activation, OutputGradients, Panels, Sizes};
pub use simd::{Level, VARIABLE};
use tensors::{Numbers, contiguous, tensor};

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
        choice().ok().flatten().map(Self::new)
    }
}

/// What the convolutions leave for their way back.
#[derive(Clone, Debug)]
pub struct Saved(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Mnist(mnist::Saved),
    AnyShape(any_shape::Saved),
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
        mnist::inference(self.level, &images, parameters)
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
        let (features, saved) = mnist::forward(self.level, images, parameters, dropout);
        (features, Saved(Kind::Mnist(saved)))
    }

    fn convolutions_backward(&self, saved: Saved, features: FlexTensor) -> [FlexTensor; 4] {
        match saved.0 {
            Kind::Mnist(saved) => mnist::backward(self.level, &saved, &features),
            Kind::AnyShape(saved) => any_shape::backward(self.level, &saved, &features),
        }
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
        adam::adam(
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
