//! A network as plain data: its layers in their order, the shapes between them, and their parameters.
//!
//! The graph of a configuration is what `summary()`, ONNX, and every check of names and shapes go by; nothing has to be
//! computed for it.

use crate::config::ImageShape;
use std::fmt::{self, Display, Formatter};

/// What a layer does, without its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layer {
    /// A convolution with stride 1 and no padding; weight `[outputs, inputs, kernel, kernel]`, bias `[outputs]`.
    Convolution {
        /// Channels that enter.
        inputs: usize,
        /// Channels that leave.
        outputs: usize,
        /// Rows and columns of the kernel.
        kernel: usize,
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
    /// In the order in which they are computed.
    pub nodes: Vec<Node>,
}

/// The name of what enters a graph.
pub const IMAGES: &str = "images";

/// A parameter of a network, without its values.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterSpec {
    /// Its path in the Burn module, as in `conv1.weight`.
    pub name: String,
    /// `[out, in, kernel, kernel]` for a convolution, `[in, out]` for a linear layer, `[out]` for a bias.
    pub shape: Vec<usize>,
    /// What its initial values are drawn from.
    pub initial: Initial,
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
    /// A graph without layers.
    pub fn new(name: &'static str, description: &'static str, image: ImageShape) -> Self {
        Self {
            name,
            description,
            image,
            nodes: Vec::new(),
        }
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
            layer,
            shape: layer.output(&shape),
        });
        self
    }

    /// The parameters of all layers, in the order of the layers.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        self.nodes.iter().flat_map(Node::parameters).collect()
    }

    /// The number of values of all parameters.
    pub fn num_parameters(&self) -> usize {
        self.parameters().iter().map(ParameterSpec::len).sum()
    }
}

impl Node {
    /// The parameters of the layer.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        let path = self.path.as_deref().unwrap_or_default();
        let parameter = |name: &str, shape: Vec<usize>, initial: Initial| ParameterSpec {
            name: format!("{path}.{name}"),
            shape,
            initial,
        };
        match self.layer {
            Layer::Convolution {
                inputs,
                outputs,
                kernel,
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
            Layer::Relu
            | Layer::Dropout { .. }
            | Layer::AdaptiveAveragePool { .. }
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
                outputs, kernel, ..
            } => {
                shape[0] = outputs;
                for side in &mut shape[1..] {
                    // A configuration that was not checked may be of images that are too small.
                    *side = (*side + 1).saturating_sub(kernel);
                }
                shape
            }
            Self::Linear { outputs, .. } => vec![outputs],
            Self::AdaptiveAveragePool { size } => vec![shape[0], size, size],
            Self::Flatten => vec![shape.iter().product()],
            Self::Relu | Self::Dropout { .. } => shape,
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
            } => write!(
                formatter,
                "Conv2d {inputs} -> {outputs}, {kernel} x {kernel}"
            ),
            Self::Linear { inputs, outputs } => write!(formatter, "Linear {inputs} -> {outputs}"),
            Self::Relu => formatter.write_str("Relu"),
            Self::Dropout { probability } => write!(formatter, "Dropout (p = {probability})"),
            Self::AdaptiveAveragePool { .. } => formatter.write_str("AdaptiveAvgPool2d"),
            Self::Flatten => formatter.write_str("Flatten"),
        }
    }
}
