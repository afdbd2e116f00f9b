//! A network as plain data: its layers in their order, the shapes between them, and their parameters.
//!
//! The graph of a configuration is what `summary()`, ONNX, and every check of names and shapes go by; nothing has to be
//! computed for it.

use crate::config::ImageShape;
use crate::kernels::{PIXEL_MEAN, PIXEL_STD};
use std::fmt::{self, Display, Formatter};

/// What a layer does, without its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layer {
    /// A convolution with stride 1; weight `[outputs, inputs, kernel, kernel]`, bias `[outputs]`.
    Convolution {
        /// Channels that enter.
        inputs: usize,
        /// Channels that leave.
        outputs: usize,
        /// Rows and columns of the kernel.
        kernel: usize,
        /// Rows and columns of zeros on each side.
        padding: usize,
    },
    /// A linear layer; weight `[inputs, outputs]`, bias `[outputs]`.
    Linear {
        /// Features that enter.
        inputs: usize,
        /// Features that leave.
        outputs: usize,
    },
    /// The larger of each value and 0.
    Relu,
    /// Activations set to zero in training.
    Dropout {
        /// The share of them.
        probability: f64,
    },
    /// The means of each of `size` x `size` cells that share out an image's rows and columns.
    AdaptiveAveragePool {
        /// Rows and columns that leave.
        size: usize,
    },
    /// The largest of each 2 x 2 values.
    MaxPool,
    /// Values normalised within an image and a group of channels; gamma and beta `[channels]`.
    GroupNorm {
        /// Groups of channels.
        groups: usize,
        /// Channels.
        channels: usize,
        /// What is added to the variance.
        epsilon: f64,
    },
    /// Values normalised over a batch by channel; gamma, beta, running mean and running variance `[channels]`.
    BatchNorm {
        /// Channels.
        channels: usize,
        /// What is added to the variance.
        epsilon: f64,
    },
    /// The sum of what enters and a second input.
    Add,
    /// All values of an image in one row.
    Flatten,
}

/// A layer of a [`Graph`].
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it is in the Burn module, as in `conv1`; `None` for one that is no module there.
    pub path: Option<String>,
    /// The name of what leaves it, unique in the graph.
    pub output: String,
    /// The name of what enters it.
    pub input: String,
    /// The name of what enters beside it.
    pub second: Option<String>,
    /// What it does.
    pub layer: Layer,
    /// The shape of what leaves it for one image.
    pub shape: Vec<usize>,
}

/// The layers of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// The name of the network.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub description: &'static str,
    /// The images that enter.
    pub image: ImageShape,
    /// Mean of the pixels of each channel, in 0..1, which is taken off first.
    pub pixel_mean: Vec<f64>,
    /// Standard deviation of the pixels of each channel, which they are then divided by.
    pub pixel_std: Vec<f64>,
    /// In the order in which they are computed.
    pub nodes: Vec<Node>,
}

/// The name of what enters a graph.
pub const IMAGES: &str = "images";

/// A parameter or a buffer of a network, without its values.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterSpec {
    /// Its path in the Burn module, as in `conv1.weight`.
    pub name: String,
    /// `[out, in, kernel, kernel]` for a convolution, `[in, out]` for a linear layer, `[out]` for a bias.
    pub shape: Vec<usize>,
    /// What its initial values are drawn from.
    pub initial: Initial,
    /// What changes it.
    pub role: Role,
}

/// What changes a tensor of a network's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The optimizer, by its gradient.
    Parameter,
    /// The batches that go through the network, as the running mean of a batch normalisation.
    Buffer,
}

/// The distribution of the initial values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// Uniform within one over the square root of the inputs of its layer, as Burn's `Conv2dConfig` and `LinearConfig` draw
    /// weight and bias alike.
    Uniform {
        /// Inputs of one output of the layer.
        inputs: usize,
    },
    /// The same for all.
    Constant(f32),
}

/// What PyTorch calls a parameter: scale and shift of a normalisation are its weight and its bias.
pub fn torch_name(name: &str) -> String {
    for (ours, theirs) in [(".gamma", ".weight"), (".beta", ".bias")] {
        if let Some(layer) = name.strip_suffix(ours) {
            return format!("{layer}{theirs}");
        }
    }
    name.to_owned()
}

impl ParameterSpec {
    /// Values of the parameter.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Graph {
    /// A graph without layers, its pixels normalised as [`Images::normalised`](crate::kernels::Images::normalised) does: by the
    /// mean and the standard deviation of MNIST's, in each channel.
    pub fn new(name: &'static str, description: &'static str, image: ImageShape) -> Self {
        Self {
            name,
            description,
            image,
            pixel_mean: vec![PIXEL_MEAN.into(); image.channels],
            pixel_std: vec![PIXEL_STD.into(); image.channels],
            nodes: Vec::new(),
        }
    }

    /// The graph with the mean and the standard deviation of the pixels of each channel.
    #[must_use]
    pub fn with_normalisation(self, (pixel_mean, pixel_std): (Vec<f64>, Vec<f64>)) -> Self {
        Self {
            pixel_mean,
            pixel_std,
            ..self
        }
    }

    /// The name of what leaves the last layer.
    pub fn last(&self) -> &str {
        self.nodes
            .last()
            .map_or(IMAGES, |node| node.output.as_str())
    }

    /// The graph with a second input of its last layer.
    #[must_use]
    pub fn with_second(mut self, input: &str) -> Self {
        if let Some(last) = self.nodes.last_mut() {
            last.second = Some(input.to_owned());
        }
        self
    }

    /// The graph with a layer behind its last one.
    #[must_use]
    pub fn then(mut self, path: Option<&str>, output: &str, layer: Layer) -> Self {
        let image = self.image;
        let (input, shape) = match self.nodes.last() {
            Some(last) => (last.output.clone(), last.shape.clone()),
            None => (
                IMAGES.to_owned(),
                vec![image.channels, image.height, image.width],
            ),
        };
        self.nodes.push(Node {
            path: path.map(str::to_owned),
            output: output.to_owned(),
            input,
            second: None,
            layer,
            shape: layer.output(&shape),
        });
        self
    }

    /// The parameters and the buffers of all layers, in the order of the layers.
    pub fn state(&self) -> Vec<ParameterSpec> {
        self.nodes.iter().flat_map(Node::state).collect()
    }

    /// The parameters of all layers, in the order of the layers.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        self.nodes.iter().flat_map(Node::parameters).collect()
    }

    /// The place of the output layer in the Burn module, as in `linear2`: the last one with parameters.
    pub fn output_layer(&self) -> &str {
        let mut layers = self.nodes.iter().rev();
        layers
            .find(|node| !node.parameters().is_empty())
            .and_then(|node| node.path.as_deref())
            .unwrap_or_default()
    }

    /// The first layer that the other graph has not, images' sizes, dropout and the number of classes aside; `None` where they are
    /// alike.
    pub fn first_difference<'a>(&'a self, other: &'a Self) -> Option<&'a str> {
        let parts = |graph: &'a Self, node: &'a Node| {
            let layer = match node.layer {
                Layer::Dropout { .. } => Layer::Dropout { probability: 0.0 },
                Layer::Linear { inputs, .. }
                    if node.path.as_deref() == Some(graph.output_layer()) =>
                {
                    Layer::Linear { inputs, outputs: 0 }
                }
                layer => layer,
            };
            (&node.output, &node.input, &node.second, layer)
        };
        let longest = self.nodes.len().max(other.nodes.len());
        (0..longest).find_map(
            |index| match (self.nodes.get(index), other.nodes.get(index)) {
                (Some(node), Some(found)) if parts(self, node) == parts(other, found) => None,
                (node, found) => Some(node.or(found)?.output.as_str()),
            },
        )
    }

    /// The number of values of all parameters.
    pub fn num_parameters(&self) -> usize {
        self.parameters().iter().map(ParameterSpec::len).sum()
    }
}

impl Node {
    /// The parameters of the layer.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        let mut state = self.state();
        state.retain(|spec| spec.role == Role::Parameter);
        state
    }

    /// The parameters and the buffers of the layer.
    pub fn state(&self) -> Vec<ParameterSpec> {
        let path = self.path.as_deref().unwrap_or_default();
        let parameter = |name: &str, shape: Vec<usize>, initial: Initial| ParameterSpec {
            name: format!("{path}.{name}"),
            shape,
            initial,
            role: Role::Parameter,
        };
        let of_channels = |name: &str, channels: usize, value: f32| {
            parameter(name, vec![channels], Initial::Constant(value))
        };
        let buffer = |spec: ParameterSpec| ParameterSpec {
            role: Role::Buffer,
            ..spec
        };
        match self.layer {
            Layer::Convolution {
                inputs,
                outputs,
                kernel,
                ..
            } => {
                let initial = Initial::Uniform {
                    inputs: inputs * kernel * kernel,
                };
                vec![
                    parameter("weight", vec![outputs, inputs, kernel, kernel], initial),
                    parameter("bias", vec![outputs], initial),
                ]
            }
            Layer::Linear { inputs, outputs } => {
                let initial = Initial::Uniform { inputs };
                vec![
                    parameter("weight", vec![inputs, outputs], initial),
                    parameter("bias", vec![outputs], initial),
                ]
            }
            Layer::GroupNorm { channels, .. } => vec![
                of_channels("gamma", channels, 1.0),
                of_channels("beta", channels, 0.0),
            ],
            Layer::BatchNorm { channels, .. } => vec![
                of_channels("gamma", channels, 1.0),
                of_channels("beta", channels, 0.0),
                buffer(of_channels("running_mean", channels, 0.0)),
                buffer(of_channels("running_var", channels, 1.0)),
            ],
            Layer::Relu
            | Layer::Dropout { .. }
            | Layer::AdaptiveAveragePool { .. }
            | Layer::MaxPool
            | Layer::Add
            | Layer::Flatten => Vec::new(),
        }
    }
}

impl Layer {
    /// The shape of what leaves for one image where `input` enters.
    fn output(self, input: &[usize]) -> Vec<usize> {
        let mut shape = input.to_vec();
        match self {
            Self::Convolution {
                outputs,
                kernel,
                padding,
                ..
            } => {
                shape[0] = outputs;
                for side in &mut shape[1..] {
                    // A configuration that was not checked may be of images that are too small.
                    *side = (*side + 2 * padding + 1).saturating_sub(kernel);
                }
                shape
            }
            Self::MaxPool => {
                for side in &mut shape[1..] {
                    *side /= 2;
                }
                shape
            }
            Self::Linear { outputs, .. } => vec![outputs],
            Self::AdaptiveAveragePool { size } => vec![shape[0], size, size],
            Self::Flatten => vec![shape.iter().product()],
            Self::Relu
            | Self::Dropout { .. }
            | Self::GroupNorm { .. }
            | Self::BatchNorm { .. }
            | Self::Add => shape,
        }
    }
}

/// As in "Conv2d 1 -> 8, 3 x 3".
impl Display for Layer {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Convolution {
                inputs,
                outputs,
                kernel,
                ..
            } => write!(
                formatter,
                "Conv2d {inputs} -> {outputs}, {kernel} x {kernel}"
            ),
            Self::Linear { inputs, outputs } => write!(formatter, "Linear {inputs} -> {outputs}"),
            Self::Relu => formatter.write_str("Relu"),
            Self::Dropout { probability } => write!(formatter, "Dropout (p = {probability})"),
            Self::AdaptiveAveragePool { .. } => formatter.write_str("AdaptiveAvgPool2d"),
            Self::MaxPool => formatter.write_str("MaxPool2d 2 x 2"),
            Self::GroupNorm {
                groups, channels, ..
            } => {
                write!(formatter, "GroupNorm {groups} of {channels}")
            }
            Self::BatchNorm { channels, .. } => write!(formatter, "BatchNorm of {channels}"),
            Self::Add => formatter.write_str("Add"),
            Self::Flatten => formatter.write_str("Flatten"),
        }
    }
}
