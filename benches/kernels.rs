//! The kernels of the CPU at each instruction set, beside Burn's own operations and beside plain loops.
//!
//! ```text
//! cargo bench --bench kernels [-- NAME]
//! ```
//!
//! Each is a batch of 64 images of the default network; `burn` are the same operations of burn-flex, `loops` those of a plain
//! program, which the compiler may vectorise.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that can't run has nothing to report"
)]

use burn::backend::flex::{FlexDevice, FlexTensor};
use burn::backend::{Autodiff, Flex};
use burn::optim::momentum::MomentumConfig as BurnMomentumConfig;
use burn::optim::{
    AdaGradConfig as BurnAdaGradConfig, AdamConfig as BurnAdamConfig,
    RmsPropConfig as BurnRmsPropConfig, SgdConfig as BurnSgdConfig, SimpleOptimizer,
};
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use burn::tensor::module::{adaptive_avg_pool2d, conv2d};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Distribution, Tensor, TensorPrimitive};
use divan::Bencher;
use divan::counter::ItemsCount;
use mnistburn::kernels::adagrad::{AdaGradRule, AdaGradStep};
use mnistburn::kernels::adam::{AdamRule, AdamStep, Decay};
use mnistburn::kernels::cpu::{Level, kernels};
use mnistburn::kernels::guide::LINEAR1;
use mnistburn::kernels::rmsprop::{RmsPropRule, RmsPropStep};
use mnistburn::kernels::sgd::{SgdMomentum, SgdRule, SgdStep};
use mnistburn::kernels::step::Step;
use mnistburn::kernels::{
    Activation, Around, Dropout, DropoutKey, IMAGE_PIXELS, ImageShape, Images,
};
use std::hint::black_box;

const BATCH: usize = 64;

fn main() {
    divan::main();
}

/// What computes.
#[derive(Clone, Copy, Debug)]
enum By {
    Level(Level),
    Burn,
    Loops,
}

impl std::fmt::Display for By {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Level(level) => level.name(),
            Self::Burn => "burn",
            Self::Loops => "loops",
        })
    }
}

fn levels() -> impl Iterator<Item = By> {
    let levels = Level::ALL.into_iter().filter(|level| level.is_available());
    levels.map(By::Level)
}

fn with_burn_and_loops() -> impl Iterator<Item = By> {
    levels().chain([By::Burn, By::Loops])
}

fn with_burn() -> impl Iterator<Item = By> {
    levels().chain([By::Burn])
}

fn random<const D: usize>(shape: [usize; D], bound: f64) -> Tensor<Flex, D> {
    Tensor::random(shape, Distribution::Uniform(-bound, bound), &FlexDevice)
}

fn primitive<const D: usize>(tensor: Tensor<Flex, D>) -> FlexTensor {
    tensor.into_primitive().tensor()
}

fn dropout() -> Dropout {
    let key = DropoutKey {
        seed: 1,
        epoch: 1,
        indices: (0..BATCH as u64).collect(),
    };
    Dropout::new(0.5, &key)
}

fn images() -> Images<Flex> {
    let pixels: Vec<u8> = (0..BATCH * IMAGE_PIXELS)
        .map(|place| (place * 31 % 251) as u8)
        .collect();
    Images::Raw {
        pixels: pixels.into(),
        shape: ImageShape::MNIST,
        indices: (0..BATCH as u64).collect(),
        device: FlexDevice,
    }
}

struct Convolutions {
    weight1: Tensor<Flex, 4>,
    bias1: Tensor<Flex, 1>,
    weight2: Tensor<Flex, 4>,
    bias2: Tensor<Flex, 1>,
}

impl Convolutions {
    fn random() -> Self {
        Self {
            weight1: random([8, 1, 3, 3], 0.33),
            bias1: random([8], 0.33),
            weight2: random([16, 8, 3, 3], 0.12),
            bias2: random([16], 0.12),
        }
    }

    fn primitives(&self) -> [FlexTensor; 4] {
        [
            primitive(self.weight1.clone()),
            primitive(self.bias1.clone()),
            primitive(self.weight2.clone()),
            primitive(self.bias2.clone()),
        ]
    }

    /// Without dropout, which Burn draws from a generator of its own.
    fn burn(&self, images: Tensor<Flex, 4>) -> Tensor<Flex, 4> {
        let options = || ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
        let x = conv2d(
            images,
            self.weight1.clone(),
            Some(self.bias1.clone()),
            options(),
        );
        let x = conv2d(x, self.weight2.clone(), Some(self.bias2.clone()), options());
        adaptive_avg_pool2d(relu(x), [8, 8])
    }

    /// Without dropout.
    fn loops(&self, images: &[f32]) -> Vec<f32> {
        let numbers =
            |tensor: TensorPrimitive<Flex>| tensor.tensor().into_data().into_vec::<f32>().unwrap();
        let weight1 = numbers(self.weight1.clone().into_primitive());
        let bias1 = numbers(self.bias1.clone().into_primitive());
        let weight2 = numbers(self.weight2.clone().into_primitive());
        let bias2 = numbers(self.bias2.clone().into_primitive());
        let mut features = vec![0.0; BATCH * 1024];
        for (image, features) in images
            .chunks_exact(IMAGE_PIXELS)
            .zip(features.chunks_exact_mut(1024))
        {
            let first = convolution::<28, 26>(image, 1, &weight1, &bias1);
            let second = convolution::<26, 24>(&first, 8, &weight2, &bias2);
            for (channel, pixels) in second.chunks_exact(576).enumerate() {
                for (pixel, value) in pixels.iter().enumerate() {
                    features[64 * channel + 8 * (pixel / 72) + pixel % 24 / 3] +=
                        value.max(0.0) / 9.0;
                }
            }
        }
        features
    }
}

/// A plain 3 x 3 convolution of square images, `IN` pixels wide.
fn convolution<const IN: usize, const OUT: usize>(
    input: &[f32],
    channels: usize,
    weight: &[f32],
    bias: &[f32],
) -> Vec<f32> {
    let mut output = Vec::with_capacity(bias.len() * OUT * OUT);
    for (bias, weight) in bias.iter().zip(weight.chunks_exact(9 * channels)) {
        for row in 0..OUT {
            for column in 0..OUT {
                let mut sum = *bias;
                for (channel, weight) in weight.chunks_exact(9).enumerate() {
                    for (tap, weight) in weight.iter().enumerate() {
                        let place = IN * (row + tap / 3) + column + tap % 3;
                        sum += weight * input[IN * IN * channel + place];
                    }
                }
                output.push(sum);
            }
        }
    }
    output
}

/// Both convolutions, with dropout (but for `burn` and `loops`), ReLU and pooling.
#[divan::bench(args = with_burn_and_loops(), sample_count = 20)]
fn convolutions(bencher: Bencher, by: By) {
    let parameters = Convolutions::random();
    match by {
        By::Level(level) => {
            let (kernel, images, dropout) = (kernels(level).guide.unwrap(), images(), dropout());
            let parameters = parameters.primitives();
            bencher.bench_local(|| kernel.forward_training(&images, &parameters, Some(&dropout)));
        }
        By::Burn => {
            let images = images().normalised();
            bencher.bench_local(|| parameters.burn(images.clone()));
        }
        By::Loops => {
            let images = images().normalised().into_data().into_vec::<f32>().unwrap();
            bencher.bench_local(|| parameters.loops(black_box(&images)));
        }
    }
}

/// The way back through them.
#[divan::bench(args = levels(), sample_count = 20)]
fn convolutions_backward(bencher: Bencher, by: By) {
    let By::Level(level) = by else { return };
    let kernel = kernels(level).guide.unwrap();
    let parameters = Convolutions::random().primitives();
    let forward = kernel.forward_training(&images(), &parameters, Some(&dropout()));
    let (_, pullback) = forward.unwrap();
    let gradient = primitive(random([BATCH, 1024], 0.1));
    bencher.bench_local(|| pullback.pull(gradient.clone()));
}

/// Channels and sides of the blocks of a `ConvNet`.
const BLOCKS: [(usize, usize); 4] = [(16, 28), (32, 14), (64, 7), (32, 32)];

/// What computes a block of a `ConvNet`, of 3 x 3 windows with padding and ReLU.
fn blocks() -> impl Iterator<Item = Block> {
    let by = with_burn().filter(|by| !matches!(by, By::Level(Level::Portable)));
    by.flat_map(|by| BLOCKS.map(|(channels, side)| Block { by, channels, side }))
}

#[derive(Clone, Copy, Debug)]
struct Block {
    by: By,
    channels: usize,
    side: usize,
}

impl std::fmt::Display for Block {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { by, channels, side } = self;
        write!(formatter, "{by} {channels}-{channels} at {side}x{side}")
    }
}

impl Block {
    /// What enters it, its weight and its bias.
    fn inputs(self) -> (Tensor<Flex, 4>, Tensor<Flex, 4>, Tensor<Flex, 1>) {
        let Self { channels, side, .. } = self;
        (
            random([BATCH, channels, side, side], 1.0),
            random([channels, channels, 3, 3], 0.1),
            random([channels], 0.1),
        )
    }

    /// Products and sums of some passes of plain loops.
    fn operations(self, passes: usize) -> ItemsCount {
        ItemsCount::new(passes * 2 * 9 * BATCH * (self.channels * self.side).pow(2))
    }
}

/// What the blocks come with.
const AROUND: Around = Around {
    padding: 1,
    pool: false,
    activation: Activation::Relu,
};

fn burn_block<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Tensor<B, 1>,
) -> Tensor<B, 4> {
    let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    relu(conv2d(x, weight, Some(bias), options))
}

/// A block of a `ConvNet`; items are floating-point operations of the plain sums.
#[divan::bench(args = blocks(), sample_count = 20)]
fn block(bencher: Bencher, block: Block) {
    let (x, weight, bias) = block.inputs();
    let bencher = bencher.counter(block.operations(1));
    match block.by {
        By::Level(level) => {
            let kernel = kernels(level).convolution.unwrap();
            let inputs = [primitive(x), primitive(weight), primitive(bias)];
            bencher.bench_local(|| kernel.forward(&inputs, AROUND));
        }
        By::Burn | By::Loops => {
            bencher.bench_local(|| burn_block(x.clone(), weight.clone(), bias.clone()));
        }
    }
}

/// A block there and back: three passes.
#[divan::bench(args = blocks(), sample_count = 20)]
fn block_and_back(bencher: Bencher, block: Block) {
    let (x, weight, bias) = block.inputs();
    let gradient = random([BATCH, block.channels, block.side, block.side], 0.1);
    let bencher = bencher.counter(block.operations(3));
    match block.by {
        By::Level(level) => {
            let kernel = kernels(level).convolution.unwrap();
            let inputs = [primitive(x), primitive(weight), primitive(bias)];
            let gradient = primitive(gradient);
            bencher.bench_local(|| {
                let (y, pullback) = kernel.forward_training(&inputs, AROUND, true).unwrap();
                (y, pullback.pull(gradient.clone()))
            });
        }
        By::Burn | By::Loops => {
            let tracked = |tensor: Tensor<Flex, 4>| Tensor::from_inner(tensor).require_grad();
            let gradient = Tensor::<Autodiff<Flex>, 4>::from_inner(gradient);
            bencher.bench_local(|| {
                let bias = Tensor::from_inner(bias.clone()).require_grad();
                let y = burn_block(tracked(x.clone()), tracked(weight.clone()), bias);
                (y * gradient.clone()).sum().backward()
            });
        }
    }
}

fn layer() -> [Tensor<Flex, 2>; 2] {
    [random([BATCH, 1024], 1.0), random([1024, 512], 0.03)]
}

/// The hidden layer, with dropout (but for `burn` and `loops`) and ReLU.
#[divan::bench(args = with_burn_and_loops(), sample_count = 20)]
fn hidden(bencher: Bencher, by: By) {
    let [x, weight] = layer();
    let bias = random([512], 0.03);
    match by {
        By::Level(level) => {
            let (kernel, dropout) = (kernels(level).linear.unwrap(), dropout());
            let layer = [primitive(x), primitive(weight), primitive(bias)];
            let dropout = dropout.layer(LINEAR1);
            bencher.bench_local(|| kernel.forward(&layer, Some(dropout), Activation::Relu));
        }
        By::Burn => bencher.bench_local(|| {
            relu(burn::tensor::module::linear(
                x.clone(),
                weight.clone(),
                Some(bias.clone()),
            ))
        }),
        By::Loops => {
            let numbers = |tensor: Tensor<Flex, 2>| tensor.into_data().into_vec::<f32>().unwrap();
            let (x, weight) = (numbers(x), numbers(weight));
            let bias = bias.into_data().into_vec::<f32>().unwrap();
            bencher.bench_local(|| {
                let mut y = Vec::with_capacity(BATCH * 512);
                for x in x.chunks_exact(1024) {
                    let mut row = bias.clone();
                    for (x, weight) in x.iter().zip(weight.chunks_exact(512)) {
                        for (sum, weight) in row.iter_mut().zip(weight) {
                            *sum += x * weight;
                        }
                    }
                    y.extend(row.iter().map(|sum| sum.max(0.0)));
                }
                y
            });
        }
    }
}

/// The way back through the hidden layer; for `burn` two dense products.
#[divan::bench(args = with_burn(), sample_count = 20)]
fn hidden_backward(bencher: Bencher, by: By) {
    let [x, weight] = layer();
    let gradient = random([BATCH, 512], 0.1);
    match by {
        By::Level(level) => {
            let layer = [
                primitive(x),
                primitive(weight),
                primitive(random([512], 0.03)),
            ];
            let (kernel, dropout) = (kernels(level).linear.unwrap(), dropout());
            let dropout = dropout.layer(LINEAR1);
            let forward = kernel.forward_training(&layer, Some(dropout), Activation::Relu);
            let (_, pullback) = forward.unwrap();
            let gradient = primitive(gradient);
            bencher.bench_local(|| pullback.pull(gradient.clone()));
        }
        By::Burn => bencher.bench_local(|| {
            let of_x = gradient.clone().matmul(weight.clone().transpose());
            (of_x, x.clone().transpose().matmul(gradient.clone()))
        }),
        By::Loops => {}
    }
}

/// A step of Adam on the weights of the hidden layer.
#[divan::bench(args = with_burn(), sample_count = 20)]
fn adam(bencher: Bencher, by: By) {
    let rule = AdamRule {
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-5,
        amsgrad: false,
        decay: Decay::None,
    };
    let step = Step::Adam(AdamStep::new(&rule, 1e-4, 7));
    step_of(bencher, by, &step, 2, &BurnAdamConfig::new().build());
}

/// The same with SGD and momentum.
#[divan::bench(args = with_burn(), sample_count = 20)]
fn sgd(bencher: Bencher, by: By) {
    let momentum = SgdMomentum {
        kept: 0.9,
        dampening: 0.1,
        nesterov: false,
    };
    let rule = SgdRule {
        penalty: 0.0,
        momentum: Some(momentum),
    };
    let burn = BurnSgdConfig::new().with_momentum(Some(BurnMomentumConfig::new()));
    let step = Step::Sgd(SgdStep::new(&rule, 1e-4, false));
    step_of(bencher, by, &step, 1, &burn.build::<Flex>());
}

/// The same with `RMSprop`.
#[divan::bench(args = with_burn(), sample_count = 20)]
fn rmsprop(bencher: Bencher, by: By) {
    let rule = RmsPropRule {
        alpha: 0.99,
        momentum: 0.9,
        epsilon: 1e-5,
        centered: false,
        penalty: 0.0,
    };
    let step = Step::RmsProp(RmsPropStep::new(&rule, 1e-4));
    step_of(
        bencher,
        by,
        &step,
        rule.count(),
        &BurnRmsPropConfig::new().build(),
    );
}

/// The same with `AdaGrad`.
#[divan::bench(args = with_burn(), sample_count = 20)]
fn adagrad(bencher: Bencher, by: By) {
    let rule = AdaGradRule {
        lr_decay: 0.0,
        epsilon: 1e-5,
        penalty: 0.0,
    };
    let step = Step::AdaGrad(AdaGradStep::new(&rule, 1e-4, 7));
    step_of(bencher, by, &step, 1, &BurnAdaGradConfig::new().build());
}

fn step_of<O: SimpleOptimizer<Flex>>(
    bencher: Bencher,
    by: By,
    step: &Step,
    states: usize,
    burn: &O,
) {
    let [_, mut parameter] = layer();
    let gradient = random([1024, 512], 0.1);
    match by {
        By::Level(level) => {
            let kernel = kernels(level).step.unwrap();
            let zeros = || primitive(Tensor::<Flex, 2>::zeros([1024, 512], &FlexDevice));
            let gradient = primitive(gradient);
            let states = (0..states).map(|_| zeros()).collect();
            let mut state = Some((primitive(parameter), states));
            bencher.bench_local(|| {
                let (parameter, states) = state.take().unwrap();
                state = Some(kernel.step(step, None, parameter, &gradient, states));
            });
        }
        By::Burn | By::Loops => {
            let mut state = None;
            bencher.bench_local(|| {
                let updated = burn.step(1e-4, parameter.clone(), gradient.clone(), state.take());
                (parameter, state) = updated;
            });
        }
    }
}

/// The loss of 64 images and its gradient.
#[divan::bench(args = levels(), sample_count = 20)]
fn cross_entropy(bencher: Bencher, by: By) {
    let By::Level(level) = by else { return };
    let logits = primitive(random([BATCH, 10], 3.0));
    let targets =
        Tensor::<Flex, 1, burn::tensor::Int>::zeros([BATCH], &FlexDevice).into_primitive();
    let kernel = kernels(level).cross_entropy.unwrap();
    bencher.bench_local(|| kernel.forward(&logits, &targets, None, 0.0));
}
