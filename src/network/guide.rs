//! The guide network of the Burn book.

use super::layers::{convolution, linear};
use super::layout::{self, Layout};
use super::{Architecture, Graph, Layer, Network, Shapes, TrainingPass, shown};
use crate::config::{ImageShape, ModelConfig};
use crate::device::Backend;
use crate::kernels::guide::{self, Convolutions};
use crate::kernels::{self, Activation, Dropout, DropoutKey, Images, Predict};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig};
use burn::nn::{DropoutConfig, LinearConfig, Relu};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend as BurnBackend;

/// Channels that leave the two convolutions.
const CHANNELS: [usize; 2] = [8, 16];
/// Rows and columns of their kernels.
const KERNEL: usize = 3;
/// Rows and columns that leave the pooling.
const POOLED: usize = 8;
/// Features that enter the first linear layer.
const NUM_FEATURES: usize = CHANNELS[1] * POOLED * POOLED;

/// The guide network of the Burn book (burn.dev/books/burn, "Basic Workflow: Model"): two convolutions, a pooling and
/// two linear layers, with dropout between them.
///
/// The fields and their order are the book's: records in positional formats depend on them.
#[derive(Module, Debug)]
pub struct Model<B: BurnBackend> {
    conv1: Conv2d<B>,
    conv2: Conv2d<B>,
    pool: AdaptiveAvgPool2d,
    dropout: burn::nn::Dropout,
    linear1: burn::nn::Linear<B>,
    linear2: burn::nn::Linear<B>,
    activation: Relu,
}

impl ModelConfig {
    /// The network with random parameters from the back end's own generator, as in the Burn book.
    pub fn init<B: BurnBackend>(&self, device: &B::Device) -> Model<B> {
        let [channels, features] = CHANNELS;
        let kernel = [KERNEL, KERNEL];
        Model {
            conv1: Conv2dConfig::new([self.image.channels, channels], kernel).init(device),
            conv2: Conv2dConfig::new([channels, features], kernel).init(device),
            pool: AdaptiveAvgPool2dConfig::new([POOLED, POOLED]).init(),
            dropout: DropoutConfig::new(self.dropout).init(),
            linear1: LinearConfig::new(NUM_FEATURES, self.hidden_size).init(device),
            linear2: LinearConfig::new(self.hidden_size, self.num_classes).init(device),
            activation: Relu::new(),
        }
    }
}

impl Architecture for ModelConfig {
    const LAYOUTS: &'static [Layout] = &[Layout::Module(&[
        ("conv1", layout::CONV2D),
        ("conv2", layout::CONV2D),
        ("pool", Layout::Nothing),
        ("dropout", Layout::Nothing),
        ("linear1", layout::LINEAR),
        ("linear2", layout::LINEAR),
        ("activation", Layout::Nothing),
    ])];

    fn graph(&self) -> Graph {
        let convolution = |inputs, outputs| Layer::Convolution {
            inputs,
            outputs,
            kernel: KERNEL,
            padding: 0,
        };
        let linear = |inputs, outputs| Layer::Linear { inputs, outputs };
        let drop = Layer::Dropout {
            probability: self.dropout,
        };
        let [channels, features] = CHANNELS;
        Graph::new(
            "guide",
            "The guide network of the Burn book: a digit classifier.",
            self.image,
        )
        .then(
            Some("conv1"),
            "conv1",
            convolution(self.image.channels, channels),
        )
        .then(Some("dropout"), "dropout1", drop)
        .then(Some("conv2"), "conv2", convolution(channels, features))
        .then(Some("dropout"), "dropout2", drop)
        .then(Some("activation"), "activation1", Layer::Relu)
        .then(
            Some("pool"),
            "pool",
            Layer::AdaptiveAveragePool { size: POOLED },
        )
        .then(None, "features", Layer::Flatten)
        .then(
            Some("linear1"),
            "linear1",
            linear(NUM_FEATURES, self.hidden_size),
        )
        .then(Some("dropout"), "dropout3", drop)
        .then(Some("activation"), "activation2", Layer::Relu)
        .then(
            Some("linear2"),
            "logits",
            linear(self.hidden_size, self.num_classes),
        )
    }

    /// They say nothing of the height and the width of images: the pooling takes any, and here they are MNIST's.
    fn of_shapes(shapes: &Shapes<'_>) -> Result<Option<Self>, String> {
        let default = Self::default();
        let names = default.graph().parameters();
        if names.iter().any(|spec| shapes.get(&spec.name).is_none())
            || shapes.0.len() != names.len()
        {
            return Ok(None);
        }
        // The biases tell the sizes in either layout of the weights.
        let (hidden_size, num_classes) = (
            shapes.length("linear1.bias")?,
            shapes.length("linear2.bias")?,
        );
        let [_, channels, _, _] = *shapes.get("conv1.weight").unwrap_or_default() else {
            return Err(format!(
                "conv1.weight must have the shape [8, channels, 3, 3], found {}",
                shown(shapes.get("conv1.weight").unwrap_or_default())
            ));
        };
        Ok(Some(Self {
            num_classes,
            hidden_size,
            image: ImageShape {
                channels,
                ..default.image
            },
            ..default
        }))
    }
}

impl<B: Backend> Network<B> for Model<B> {
    type Config = ModelConfig;

    fn init(config: &ModelConfig, device: &B::Device) -> Self {
        config.init(device)
    }

    fn logits(&self, images: Images<B>, training: Option<&TrainingPass<'_, B>>) -> Tensor<B, 2> {
        match training {
            None => self.forward(images),
            Some(training) => self.forward_training(images, training.key),
        }
    }

    fn predictor(&self, image: ImageShape) -> Option<Box<dyn Predict>> {
        let (hidden, output) = (linear(&self.linear1), linear(&self.linear2));
        guide::predictor(image, &self.convolutions(), &hidden, &output)
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
}

impl<B: BurnBackend> Model<B> {
    fn convolutions(&self) -> Convolutions<B> {
        let (first, second) = (convolution(&self.conv1), convolution(&self.conv2));
        Convolutions {
            weight1: first.weight,
            bias1: first.bias,
            weight2: second.weight,
            bias2: second.bias,
        }
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::*;
    use crate::kernels::Pixels;
    use burn::backend::Flex;
    use burn::backend::flex::FlexDevice;

    #[test]
    fn a_prepared_network_has_the_bits_of_its_layers() {
        for (height, width, channels) in [(28, 28, 1), (12, 19, 3), (5, 9, 1), (10, 8, 4)] {
            let image = ImageShape::from((height, width, channels));
            let config = ModelConfig {
                image,
                hidden_size: 7,
                ..ModelConfig::default()
            };
            let network: Model<Flex> = config.init(&FlexDevice);
            let predictor = network.predictor(image).unwrap();
            for images in [1, 2, 5, 40] {
                let bytes: Vec<u8> = (0..images * image.len())
                    .map(|place| (place * 37 % 251) as u8)
                    .collect();
                let pixels = Pixels::raw(&bytes, image).unwrap();
                let tensor = pixels.tensor::<Flex>(&FlexDevice);
                let expected = network.logits(tensor.into(), None).into_data();
                let expected = expected.into_vec::<f32>().unwrap();
                assert_eq!(predictor.logits(pixels), expected, "{images} of {image}");
            }
        }
    }
}
