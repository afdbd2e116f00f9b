//! The trunk without dropout as layers of the general kernels, for images of any shape.

use super::folding::{fold, saves};
use super::geometry::SIDE;
use super::parameters::with_parameters;
use crate::kernels::cpu::Cpu;
use crate::kernels::cpu::average::cell_means;
use crate::kernels::cpu::tensors::{Numbers, tensor};
use crate::kernels::operations::primitive;
use crate::kernels::{
    Activation, Around, ConvolutionKernel, ImageShape, Images, PIXEL_MEAN, PIXEL_STD, Predict,
    Rescaling, SequenceKernel, SequenceLayer,
};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::backend::TensorMetadata;

/// The convolutions, weight and bias of each, and what comes with them: the one that they fold into, or the two where that
/// would be more work.
fn convolutions(parameters: &[FlexTensor; 4]) -> Vec<([FlexTensor; 2], Around)> {
    let around = |activation| Around {
        padding: 0,
        pool: false,
        activation,
    };
    let channels = parameters[0].shape()[1];
    if !saves(channels) {
        let [weight1, bias1, weight2, bias2] = parameters.clone();
        return vec![
            ([weight1, bias1], around(Activation::None)),
            ([weight2, bias2], around(Activation::Relu)),
        ];
    }
    let (weight, bias) = with_parameters(parameters, |parameters| fold(parameters, channels));
    let single =
        |values: &[f64]| -> Vec<f32> { values.iter().map(|value| *value as f32).collect() };
    let folded = [
        tensor(single(&weight), [16, channels, 5, 5]),
        tensor(single(&bias), [16]),
    ];
    vec![(folded, around(Activation::Relu))]
}

/// The features; `None` where the convolutions leave no pixel.
pub fn features(
    cpu: Cpu,
    images: &Images<Flex>,
    parameters: &[FlexTensor; 4],
) -> Option<FlexTensor> {
    let mut x = primitive(images.clone().normalised());
    for ([weight, bias], around) in convolutions(parameters) {
        x = ConvolutionKernel::forward(&cpu, &[x, weight, bias], around)?;
    }
    let shape = x.shape();
    let mut features = vec![0.0; shape[0] * shape[1] * SIDE * SIDE];
    cell_means(&Numbers::of(&x), [shape[2], shape[3]], SIDE, &mut features);
    Some(tensor(features, [shape[0], shape[1] * SIDE * SIDE]))
}

/// The network with its parameters prepared.
pub fn predictor(
    cpu: Cpu,
    image: ImageShape,
    trunk: &[FlexTensor; 4],
    hidden: &[FlexTensor; 2],
    output: &[FlexTensor; 2],
) -> Option<Box<dyn Predict>> {
    let convolutions = convolutions(trunk).into_iter();
    let mut layers: Vec<_> = convolutions
        .map(|(parameters, around)| SequenceLayer::Convolution(parameters, around))
        .collect();
    layers.extend([
        SequenceLayer::Average(SIDE),
        SequenceLayer::Linear(hidden.clone(), Activation::Relu),
        SequenceLayer::Linear(output.clone(), Activation::None),
    ]);
    let each = |value: f32| vec![f64::from(value); image.channels];
    let rescaling = Rescaling::new(&each(PIXEL_MEAN), &each(PIXEL_STD));
    cpu.predictor(image, &rescaling, layers)
}
