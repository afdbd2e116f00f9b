//! A convolutional network of blocks.

use super::batch_norm::BatchNorm;
use super::layers::{convolution, group_norm, linear};
use super::layout::{self, Layout};
use super::{Architecture, Graph, Layer, Network, Shapes, TrainingPass};
use crate::config::{ConvBlock, ConvNetConfig, ImageShape, Norm};
use crate::device::Backend;
use crate::kernels::dropout::MaskStream;
use crate::kernels::{
    self, Activation, Around, Dropout, Images, Layer as Step, Predict, Rescaling,
};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{GroupNorm, GroupNormConfig, LinearConfig, PaddingConfig2d};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend as BurnBackend;

/// What a normalisation adds to the variance.
const EPSILON: f64 = 1e-5;
/// Channels that are normalised together, where a block's can be divided so.
const GROUP: usize = 8;

/// A convolutional network of blocks; see [`ConvNetConfig`].
#[derive(Module, Debug)]
pub struct ConvNet<B: BurnBackend> {
    blocks: Vec<Block<B>>,
    hidden: Vec<burn::nn::Linear<B>>,
    output: burn::nn::Linear<B>,
    config: ConvNetConfig,
}

/// A block of a [`ConvNet`].
#[derive(Module, Debug)]
pub struct Block<B: BurnBackend> {
    conv: Conv2d<B>,
    norm: Option<GroupNorm<B>>,
    batch_norm: Option<BatchNorm<B>>,
}

impl ConvNetConfig {
    /// The network with random parameters from the back end's own generator.
    pub fn init<B: BurnBackend>(&self, device: &B::Device) -> ConvNet<B> {
        let mut channels = self.image.channels;
        let blocks = self.blocks.iter().map(|block| {
            let kernel = [block.kernel_size, block.kernel_size];
            let padding = block.border();
            let conv = Conv2dConfig::new([channels, block.channels], kernel)
                .with_padding(PaddingConfig2d::Explicit(
                    padding, padding, padding, padding,
                ))
                .init(device);
            channels = block.channels;
            let norm = GroupNormConfig::new(groups(channels), channels).with_epsilon(EPSILON);
            Block {
                conv,
                norm: (block.norm == Some(Norm::Group)).then(|| norm.init(device)),
                batch_norm: (block.norm == Some(Norm::Batch))
                    .then(|| BatchNorm::new(channels, EPSILON, device)),
            }
        });
        let blocks = blocks.collect();
        let mut inputs = self.num_features();
        let hidden = self.hidden_sizes.iter().map(|&outputs| {
            let linear = LinearConfig::new(inputs, outputs).init(device);
            inputs = outputs;
            linear
        });
        ConvNet {
            blocks,
            hidden: hidden.collect(),
            output: LinearConfig::new(inputs, self.num_classes).init(device),
            config: self.clone(),
        }
    }
}

impl ConvBlock {
    /// Rows and columns of zeros on each side.
    const fn border(&self) -> usize {
        if self.padding {
            self.kernel_size / 2
        } else {
            0
        }
    }

    /// What the convolution comes with.
    const fn around(&self, plain: bool) -> Around {
        Around {
            padding: self.border(),
            pool: self.pool,
            activation: if plain {
                Activation::Relu
            } else {
                Activation::None
            },
        }
    }

    /// Whether nothing lies between the convolution, its pooling and the activation.
    const fn is_plain(&self) -> bool {
        self.norm.is_none() && self.residual == 0
    }

    /// What follows the normalisation: what is added to it comes before the activation.
    const fn behind_norm(&self) -> Activation {
        if self.residual > 0 {
            Activation::None
        } else {
            Activation::Relu
        }
    }
}

const fn groups(channels: usize) -> usize {
    if channels.is_multiple_of(GROUP) {
        channels / GROUP
    } else {
        1
    }
}

impl Architecture for ConvNetConfig {
    const LAYOUTS: &'static [Layout] = &[
        Layout::Module(&[
            (
                "blocks",
                Layout::List(&Layout::Module(&[
                    ("conv", layout::CONV2D),
                    ("norm", Layout::Optional(&layout::GROUP_NORM)),
                    ("batch_norm", Layout::Optional(&layout::BATCH_NORM)),
                ])),
            ),
            ("hidden", Layout::List(&layout::LINEAR)),
            ("output", layout::LINEAR),
            ("config", Layout::Nothing),
        ]),
        // Of versions without batch normalisation.
        Layout::Module(&[
            (
                "blocks",
                Layout::List(&Layout::Module(&[
                    ("conv", layout::CONV2D),
                    ("norm", Layout::Optional(&layout::GROUP_NORM)),
                ])),
            ),
            ("hidden", Layout::List(&layout::LINEAR)),
            ("output", layout::LINEAR),
            ("config", Layout::Nothing),
        ]),
    ];

    fn graph(&self) -> Graph {
        let mut graph = Graph::new("conv_net", "A convolutional network of blocks.", self.image)
            .with_normalisation(self.normalisation());
        let mut inputs = self.image.channels;
        // The names of what enters each block.
        let mut entering = Vec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            entering.push(graph.last().to_owned());
            let at = |what: &str| format!("blocks.{index}.{what}");
            let convolution = Layer::Convolution {
                inputs,
                outputs: block.channels,
                kernel: block.kernel_size,
                padding: block.border(),
            };
            inputs = block.channels;
            graph = graph.then(Some(&at("conv")), &at("conv"), convolution);
            if block.pool {
                graph = graph.then(Some(&at("pool")), &at("pool"), Layer::MaxPool);
            }
            let (channels, epsilon) = (block.channels, EPSILON);
            let norm = block.norm.map(|norm| match norm {
                Norm::Group => (
                    "norm",
                    Layer::GroupNorm {
                        groups: groups(channels),
                        channels,
                        epsilon,
                    },
                ),
                Norm::Batch => ("batch_norm", Layer::BatchNorm { channels, epsilon }),
            });
            if let Some((name, layer)) = norm {
                graph = graph.then(Some(&at(name)), &at(name), layer);
            }
            if let Some(first) = (index + 1).checked_sub(block.residual)
                && block.residual > 0
            {
                graph = graph.then(Some(&at("add")), &at("add"), Layer::Add);
                graph = graph.with_second(&entering[first]);
            }
            graph = graph.then(Some(&at("relu")), &at("relu"), Layer::Relu);
        }
        if self.average {
            graph = graph.then(
                Some("average"),
                "average",
                Layer::AdaptiveAveragePool { size: 1 },
            );
        }
        graph = graph.then(None, "features", Layer::Flatten);
        let mut inputs = self.num_features();
        let drop = Layer::Dropout {
            probability: self.dropout,
        };
        for (index, &outputs) in self.hidden_sizes.iter().enumerate() {
            let path = format!("hidden.{index}");
            let at = |what: &str| format!("{path}.{what}");
            graph = graph
                .then(
                    Some(&path),
                    &at("linear"),
                    Layer::Linear { inputs, outputs },
                )
                .then(Some(&at("dropout")), &at("dropout"), drop)
                .then(Some(&at("relu")), &at("relu"), Layer::Relu);
            inputs = outputs;
        }
        let outputs = self.num_classes;
        graph.then(Some("output"), "logits", Layer::Linear { inputs, outputs })
    }

    /// The shapes don't say where a pooling is, or what the images are.
    fn of_shapes(_: &Shapes<'_>) -> Result<Option<Self>, String> {
        Ok(None)
    }
}

impl<B: Backend> Network<B> for ConvNet<B> {
    type Config = ConvNetConfig;

    fn init(config: &ConvNetConfig, device: &B::Device) -> Self {
        config.init(device)
    }

    fn logits(&self, images: Images<B>, training: Option<&TrainingPass<'_, B>>) -> Tensor<B, 2> {
        let mut x = images.rescaled(&self.rescaling()); // [batch_size, channels, height, width]
        let mut entering = Vec::new();
        for (index, (block, config)) in self.blocks.iter().zip(&self.config.blocks).enumerate() {
            entering.push(x.clone());
            let place = training.map(|training| (training, index));
            x = block.forward(x, *config, &entering, place);
        }
        let mut x: Tensor<B, 2> = if self.config.average {
            kernels::average(x)
        } else {
            x.flatten(1, 3)
        }; // [batch_size, features]
        let dropout = training.map(|training| Dropout::new(self.config.dropout, training.key));
        for (index, layer) in self.hidden.iter().enumerate() {
            let stream = MaskStream::of_path(&format!("hidden.{index}"));
            let dropout = dropout.as_ref().map(|dropout| dropout.layer(stream));
            x = kernels::linear(x, linear(layer), dropout, Activation::Relu); // [batch_size, hidden_size]
        }
        kernels::linear(x, linear(&self.output), None, Activation::None) // [batch_size, num_classes]
    }

    fn predictor(&self, image: ImageShape) -> Option<Box<dyn Predict>> {
        let device = self.output.weight.device();
        let mut layers = Vec::new();
        // What enters each block.
        let mut entering = Vec::new();
        for (block, config) in self.blocks.iter().zip(&self.config.blocks) {
            entering.push(layers.len());
            layers.push(Step::Convolution(
                convolution(&block.conv),
                config.around(config.is_plain()),
            ));
            if config.is_plain() {
                continue;
            }
            if let Some(norm) = &block.norm {
                let norm = group_norm(norm, &device);
                layers.push(Step::GroupNorm(norm, config.behind_norm()));
            }
            if let Some(norm) = &block.batch_norm {
                let (parameters, running) = (norm.parameters(), norm.running());
                layers.push(Step::BatchNorm(parameters, running, config.behind_norm()));
            }
            if config.residual > 0
                && let Some(first) = entering.len().checked_sub(config.residual)
            {
                layers.push(Step::Add(entering[first]));
                layers.push(Step::Relu);
            }
        }
        if self.config.average {
            layers.push(Step::Average(1));
        }
        for layer in &self.hidden {
            layers.push(Step::Linear(linear(layer), Activation::Relu));
        }
        layers.push(Step::Linear(linear(&self.output), Activation::None));
        kernels::predictor(image, &self.rescaling(), layers)
    }
}

impl<B: Backend> ConvNet<B> {
    /// What normalises images by the statistics of those that this network was trained with.
    fn rescaling(&self) -> Rescaling {
        let (mean, std) = self.config.normalisation();
        Rescaling::new(&mean, &std)
    }
}

impl<B: Backend> Block<B> {
    /// What leaves the block; `entering` is what entered this one and those before it, `training` the pass and the number of
    /// this block.
    fn forward(
        &self,
        x: Tensor<B, 4>,
        config: ConvBlock,
        entering: &[Tensor<B, 4>],
        training: Option<(&TrainingPass<'_, B>, usize)>,
    ) -> Tensor<B, 4> {
        let plain = config.is_plain();
        let mut x = kernels::convolution(x, convolution(&self.conv), config.around(plain));
        if plain {
            return x;
        }
        if let Some(norm) = &self.norm {
            let norm = group_norm(norm, &x.device());
            x = kernels::group_norm(x, norm, config.behind_norm());
        }
        if let Some(norm) = &self.batch_norm {
            let activation = config.behind_norm();
            x = match training {
                None => norm.forward(x, activation),
                Some((training, index)) => {
                    let path = format!("blocks.{index}.batch_norm");
                    let (x, statistics) = norm.forward_training(x, activation, &path);
                    if let Some(statistics) = statistics {
                        training.leave(statistics);
                    }
                    x
                }
            };
        }
        if config.residual > 0
            && let Some(first) = entering.len().checked_sub(config.residual)
        {
            x = relu(x + entering[first].clone());
        }
        x
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::*;
    use crate::kernels::Pixels;
    use burn::backend::Flex;
    use burn::backend::flex::FlexDevice;

    const IMAGE: ImageShape = ImageShape {
        height: 12,
        width: 10,
        channels: 3,
    };

    fn block(channels: usize) -> ConvBlock {
        ConvBlock {
            channels,
            ..ConvBlock::default()
        }
    }

    fn config(blocks: Vec<ConvBlock>) -> ConvNetConfig {
        ConvNetConfig {
            blocks,
            image: IMAGE,
            pixel_mean: Some(vec![0.3, 0.5, 0.6]),
            pixel_std: Some(vec![0.2, 0.25, 0.3]),
            ..ConvNetConfig::default()
        }
    }

    #[test]
    fn a_prepared_network_has_the_bits_of_its_layers() {
        let pooled = |channels| ConvBlock {
            pool: true,
            ..block(channels)
        };
        let residual = |channels, residual| ConvBlock {
            norm: Some(Norm::Group),
            residual,
            ..block(channels)
        };
        let batch_norm = |block: ConvBlock| ConvBlock {
            norm: Some(Norm::Batch),
            ..block
        };
        let configs = [
            config(vec![pooled(16), block(24)]),
            config(vec![pooled(8), residual(8, 1), block(16), residual(16, 1)]),
            config(vec![block(16), residual(16, 1), residual(16, 2)]),
            config(vec![
                batch_norm(pooled(8)),
                batch_norm(residual(8, 1)),
                batch_norm(block(5)),
            ]),
            ConvNetConfig {
                average: false,
                hidden_sizes: vec![20, 12],
                ..config(vec![ConvBlock {
                    kernel_size: 5,
                    padding: false,
                    ..pooled(6)
                }])
            },
        ];
        for config in configs {
            let network: ConvNet<Flex> = config.init(&FlexDevice);
            let predictor = network.predictor(IMAGE).unwrap();
            for images in [1, 2, 5, 40] {
                let bytes: Vec<u8> = (0..images * IMAGE.len())
                    .map(|place| (place * 37 % 251) as u8)
                    .collect();
                let units: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect();
                for pixels in [
                    Pixels::raw(&bytes, IMAGE).unwrap(),
                    Pixels::unit(&units, IMAGE).unwrap(),
                ] {
                    let tensor = pixels.tensor::<Flex>(&FlexDevice);
                    let expected = network.logits(tensor.into(), None).into_data();
                    let expected = expected.into_vec::<f32>().unwrap();
                    assert_eq!(predictor.logits(pixels), expected, "{images} images");
                }
            }
        }
    }
}
