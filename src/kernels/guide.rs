//! What the guide network of the Burn book has beside its linear layers: the trunk of two convolutions, and a way through the
//! whole network for inference.

use super::dropout::{Dropout, MaskStream};
use super::images::Images;
use super::kernel::{GuideKernel, Predict};
use super::linear::Linear;
use super::operations::{Operations, are_single, float, primitive};
use super::tape::{Taped, inner, is_tracked, record, untracked};
use crate::config::ImageShape;
use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::module::{adaptive_avg_pool2d, conv2d};
use burn::tensor::ops::{ConvOptions, FloatTensor};

/// The masks of the dropout after the first convolution.
pub const CONV1: MaskStream = MaskStream::new(1);
/// The masks of the dropout after the second convolution.
pub const CONV2: MaskStream = MaskStream::new(2);
/// The masks of the dropout after the first linear layer.
pub const LINEAR1: MaskStream = MaskStream::new(3);

/// The parameters of the two convolutions.
#[derive(Clone, Debug)]
pub struct Convolutions<B: BurnBackend> {
    /// `[8, channels, 3, 3]`
    pub weight1: Tensor<B, 4>,
    /// `[8]`
    pub bias1: Tensor<B, 1>,
    /// `[16, 8, 3, 3]`
    pub weight2: Tensor<B, 4>,
    /// `[16]`
    pub bias2: Tensor<B, 1>,
}

impl<B: BurnBackend> Convolutions<B> {
    fn primitives(&self) -> [FloatTensor<B>; 4] {
        [
            primitive(self.weight1.clone()),
            primitive(self.bias1.clone()),
            primitive(self.weight2.clone()),
            primitive(self.bias2.clone()),
        ]
    }
}

/// Convolution, dropout, convolution, dropout, ReLU, and the mean of each of 8 x 8 cells.
///
/// # Shapes
///
/// - images: `[batch_size, channels, height, width]`
/// - output: `[batch_size, 1024]`
pub fn trunk<B: Operations>(
    images: Images<B>,
    parameters: Convolutions<B>,
    dropout: Option<&Dropout>,
) -> Tensor<B, 2> {
    let primitives = parameters.primitives();
    let kernel = B::kernels().guide.filter(|_| are_single(&primitives));
    match kernel.and_then(|kernel| kernel.forward(&images, &primitives, dropout)) {
        Some(features) => float(features),
        None => standard(images, parameters, dropout),
    }
}

/// The trunk by Burn's own operations.
pub(super) fn standard<B: Operations>(
    images: Images<B>,
    parameters: Convolutions<B>,
    dropout: Option<&Dropout>,
) -> Tensor<B, 2> {
    let drop = |x: Tensor<B, 4>, stream| match dropout {
        Some(dropout) => dropout.layer(stream).apply(x),
        None => x,
    };
    let options = || ConvOptions::new([1, 1], [0, 0], [1, 1], 1);

    let x = images.normalised();
    let x = conv2d(x, parameters.weight1, Some(parameters.bias1), options());
    let x = drop(x, CONV1);
    let x = conv2d(x, parameters.weight2, Some(parameters.bias2), options());
    let x = drop(x, CONV2);
    adaptive_avg_pool2d(relu(x), [8, 8]).flatten(1, 3)
}

/// The network without dropout, prepared for many images of a shape; `None` where the back end has nothing to prepare.
pub fn predictor<B: Operations>(
    image: ImageShape,
    trunk: &Convolutions<B>,
    hidden: &Linear<B>,
    output: &Linear<B>,
) -> Option<Box<dyn Predict>> {
    let layer = |layer: &Linear<B>| {
        [
            primitive(layer.weight.clone()),
            primitive(layer.bias.clone()),
        ]
    };
    let (trunk, hidden, output) = (trunk.primitives(), layer(hidden), layer(output));
    let kernel = B::kernels().guide?;
    if !(are_single(&trunk) && are_single(&hidden) && are_single(&output)) {
        return None;
    }
    kernel.predictor(image, &trunk, &hidden, &output)
}

impl<B: Operations> GuideKernel<Autodiff<B>> for Taped {
    fn forward(
        &self,
        images: &Images<Autodiff<B>>,
        parameters: &[FloatTensor<Autodiff<B>>; 4],
        dropout: Option<&Dropout>,
    ) -> Option<FloatTensor<Autodiff<B>>> {
        let kernel = B::kernels().guide?;
        let images = match images {
            // The gradient of images is Burn's to compute.
            Images::Normalised(images) if images.is_require_grad() => return None,
            Images::Normalised(images) => Images::Normalised(images.clone().inner()),
            Images::Raw {
                pixels,
                shape,
                indices,
                device,
            } => Images::Raw {
                pixels: pixels.clone(),
                shape: *shape,
                indices: indices.clone(),
                device: device.clone(),
            },
        };
        if !is_tracked(parameters) {
            let features = kernel.forward(&images, &inner(parameters), dropout)?;
            return Some(untracked::<B>(features));
        }
        let (features, pullback) = kernel.forward_training(&images, &inner(parameters), dropout)?;
        Some(record(parameters, features, pullback))
    }
}
