use super::parameters::{NUM_FEATURES, initial};
use crate::config::ModelConfig;
use crate::data::DropoutKey;
use crate::device::Backend;
use crate::error::Result;
use crate::kernels::dropout::{Layer, dropout};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig, Relu};
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
    dropout: Dropout,
    pub(super) linear1: Linear<B>,
    pub(super) linear2: Linear<B>,
    activation: Relu,
}

impl ModelConfig {
    /// The network with random parameters from the back end's own generator, as in the Burn book.
    pub fn init<B: BurnBackend>(&self, device: &B::Device) -> Model<B> {
        Model {
            conv1: Conv2dConfig::new([1, 8], [3, 3]).init(device),
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
    /// The configuration that makes a network of this shape.
    pub fn config(&self) -> ModelConfig {
        let [hidden_size, num_classes] = self.linear2.weight.dims();
        ModelConfig {
            num_classes,
            hidden_size,
            dropout: self.dropout.prob,
        }
    }
}

impl<B: Backend> Model<B> {
    /// The logits, without dropout.
    ///
    /// # Shapes
    ///
    /// - images: `[batch_size, height, width]`
    /// - output: `[batch_size, num_classes]`
    pub fn forward(&self, images: Tensor<B, 3>) -> Tensor<B, 2> {
        self.network(images, None)
    }

    /// The logits of a training step, with dropout by the masks of `key`.
    ///
    /// # Shapes
    ///
    /// As in [`forward`](Self::forward); `batch_size` is the number of the key's indices.
    pub fn forward_training(&self, images: Tensor<B, 3>, key: &DropoutKey) -> Tensor<B, 2> {
        self.network(images, Some(key))
    }

    fn network(&self, images: Tensor<B, 3>, key: Option<&DropoutKey>) -> Tensor<B, 2> {
        let [batch_size, height, width] = images.dims();

        let x = images.reshape([batch_size, 1, height, width]);
        let x = self.conv1.forward(x); // [batch_size, 8, height - 2, width - 2]
        let x = self.drop(x, key, Layer::Conv1);
        let x = self.conv2.forward(x); // [batch_size, 16, height - 4, width - 4]
        let x = self.drop(x, key, Layer::Conv2);
        let x = self.activation.forward(x);

        let x = self.pool.forward(x); // [batch_size, 16, 8, 8]
        let x = x.reshape([batch_size, NUM_FEATURES]);
        let x = self.linear1.forward(x); // [batch_size, hidden_size]
        let x = self.drop(x, key, Layer::Linear1);
        let x = self.activation.forward(x);

        self.linear2.forward(x) // [batch_size, num_classes]
    }

    fn drop<const D: usize>(
        &self,
        x: Tensor<B, D>,
        key: Option<&DropoutKey>,
        layer: Layer,
    ) -> Tensor<B, D> {
        match key {
            Some(key) => dropout(x, self.dropout.prob, key, layer),
            None => x,
        }
    }
}

/// The mean cross-entropy of `logits` with the logits and targets it came from.
///
/// # Shapes
///
/// - logits: `[batch_size, num_classes]`
/// - targets: `[batch_size]`
pub(super) fn classification<B: BurnBackend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
) -> ClassificationOutput<B> {
    let loss = CrossEntropyLossConfig::new()
        .init(&logits.device())
        .forward(logits.clone(), targets.clone());
    ClassificationOutput::new(loss, logits, targets)
}
