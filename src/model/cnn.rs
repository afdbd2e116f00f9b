use super::parameters::{NUM_FEATURES, initial};
use crate::config::{ImageShape, ModelConfig};
use crate::device::Backend;
use crate::error::Result;
use crate::kernels::guide::{self, Convolutions};
use crate::kernels::{self, Activation, Dropout, DropoutKey, Images, Linear, Predict};
use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig};
use burn::nn::{DropoutConfig, LinearConfig, Relu};
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Int, Tensor};
use burn::train::ClassificationOutput;

/// The guide network of the Burn book (burn.dev/books/burn, "Basic Workflow: Model"): two convolutions, a pooling and
/// two linear layers, with dropout between them.
///
/// The fields and their order are the book's: records in positional formats depend on them.
#[derive(Module, Debug)]
pub struct Model<B: BurnBackend> {
    pub(super) conv1: Conv2d<B>,
    pub(super) conv2: Conv2d<B>,
    pool: AdaptiveAvgPool2d,
    dropout: burn::nn::Dropout,
    pub(super) linear1: burn::nn::Linear<B>,
    pub(super) linear2: burn::nn::Linear<B>,
    activation: Relu,
}

impl ModelConfig {
    /// The network with random parameters from the back end's own generator, as in the Burn book.
    pub fn init<B: BurnBackend>(&self, device: &B::Device) -> Model<B> {
        Model {
            conv1: Conv2dConfig::new([self.image.channels, 8], [3, 3]).init(device),
            conv2: Conv2dConfig::new([8, 16], [3, 3]).init(device),
            pool: AdaptiveAvgPool2dConfig::new([8, 8]).init(),
            dropout: DropoutConfig::new(self.dropout).init(),
            linear1: LinearConfig::new(NUM_FEATURES, self.hidden_size).init(device),
            linear2: LinearConfig::new(self.hidden_size, self.num_classes).init(device),
            activation: Relu::new(),
        }
    }

    /// The network with random parameters that follow from `seed` alone, the same on every back end.
    pub fn init_seeded<B: BurnBackend>(&self, seed: u64, device: &B::Device) -> Result<Model<B>> {
        Model::from_parameters(self, initial(self, seed), device)
    }
}

impl<B: BurnBackend> Model<B> {
    /// The configuration that makes a network with these parameters.
    ///
    /// They say nothing of the height and the width of images: the pooling takes any, and here they are MNIST's.
    pub fn config(&self) -> ModelConfig {
        let [hidden_size, num_classes] = self.linear2.weight.dims();
        let [_, channels, _, _] = self.conv1.weight.dims();
        ModelConfig {
            num_classes,
            hidden_size,
            dropout: self.dropout.prob,
            image: ImageShape {
                channels,
                ..ImageShape::MNIST
            },
        }
    }
}

impl<B: Backend> Model<B> {
    /// The logits, without dropout.
    ///
    /// # Shapes
    ///
    /// - images: `[batch_size, channels, height, width]`, or `[batch_size, height, width]` for one channel
    /// - output: `[batch_size, num_classes]`
    pub fn forward(&self, images: impl Into<Images<B>>) -> Tensor<B, 2> {
        self.network(images.into(), None)
    }

    /// The logits of a training step, with dropout by the masks of `key`.
    ///
    /// # Shapes
    ///
    /// As in [`forward`](Self::forward); `batch_size` is the number of the key's indices.
    pub fn forward_training(&self, images: impl Into<Images<B>>, key: &DropoutKey) -> Tensor<B, 2> {
        self.network(images.into(), Some(&Dropout::new(self.dropout.prob, key)))
    }

    fn network(&self, images: Images<B>, dropout: Option<&Dropout>) -> Tensor<B, 2> {
        // Convolution, dropout, convolution, dropout, ReLU, pooling.
        let x = guide::trunk(images, self.convolutions(), dropout); // [batch_size, 1024]
        // Linear layer, dropout, ReLU.
        let dropout = dropout.map(|dropout| dropout.layer(guide::LINEAR1));
        let x = kernels::linear(x, linear(&self.linear1), dropout, Activation::Relu); // [batch_size, hidden_size]
        kernels::linear(x, linear(&self.linear2), None, Activation::None) // [batch_size, num_classes]
    }

    /// The network without dropout, prepared for many images of a shape; `None` where the back end has nothing to prepare.
    pub(super) fn predictor(&self, image: ImageShape) -> Option<Box<dyn Predict>> {
        if image != ImageShape::MNIST {
            return None;
        }
        let (hidden, output) = (linear(&self.linear1), linear(&self.linear2));
        guide::predictor(&self.convolutions(), &hidden, &output)
    }
}

impl<B: BurnBackend> Model<B> {
    pub(super) fn convolutions(&self) -> Convolutions<B> {
        Convolutions {
            weight1: self.conv1.weight.val(),
            bias1: bias(self.conv1.bias.as_ref(), 8, &self.conv1.weight.device()),
            weight2: self.conv2.weight.val(),
            bias2: bias(self.conv2.bias.as_ref(), 16, &self.conv2.weight.device()),
        }
    }
}

fn linear<B: BurnBackend>(layer: &burn::nn::Linear<B>) -> Linear<B> {
    let [_, outputs] = layer.weight.dims();
    Linear {
        weight: layer.weight.val(),
        bias: bias(layer.bias.as_ref(), outputs, &layer.weight.device()),
    }
}

fn bias<B: BurnBackend>(
    bias: Option<&Param<Tensor<B, 1>>>,
    outputs: usize,
    device: &B::Device,
) -> Tensor<B, 1> {
    bias.map_or_else(|| Tensor::zeros([outputs], device), Param::val)
}

/// The mean cross-entropy of `logits` with the logits and targets it came from.
///
/// # Shapes
///
/// - logits: `[batch_size, num_classes]`
/// - targets: `[batch_size]`
pub(super) fn classification<B: Backend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
) -> ClassificationOutput<B> {
    let loss = kernels::cross_entropy(logits.clone(), targets.clone());
    ClassificationOutput::new(loss, logits, targets)
}
