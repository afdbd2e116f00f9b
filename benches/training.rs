//! What a user waits for: a training step, an epoch, and inference, on the CPU.
//!
//! ```text
//! cargo bench --bench training [-- NAME]
//! ```
//!
//! `step` is Burn's forward, backward and update of one batch; `epoch` is a whole run of one epoch on MNIST with loader,
//! validation, checkpoint and history; `loader` is the data path alone. `MNISTBURN_KERNELS=burn` has Burn's own operations
//! instead of the kernels, `portable` or `avx2` those of another instruction set.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that can't run has nothing to report"
)]

use burn::backend::flex::FlexDevice;
use burn::backend::{Autodiff, Flex};
use burn::data::dataloader::DataLoader as _;
use burn::train::TrainStep;
use divan::Bencher;
use divan::counter::ItemsCount;
use mnistburn::config::{NetworkConfig, TrainingConfig};
use mnistburn::data::{DataLoader, Dataset, ImageShape, MnistBatch, Order, mnist};
use mnistburn::device::Device;
use mnistburn::learner::{Data, TrainOptions, train};
use mnistburn::model::{Pixels, init};
use mnistburn::network::AnyNetwork;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

type Training = Autodiff<Flex>;

static FILES: LazyLock<PathBuf> =
    LazyLock::new(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("python/mnistburn/data/mnist"));
static TRAIN: LazyLock<Dataset> = LazyLock::new(|| mnist::train(&FILES).unwrap());
static TEST: LazyLock<Dataset> = LazyLock::new(|| mnist::test(&FILES).unwrap());

fn main() {
    divan::main();
}

/// One training step, by batch size.
#[divan::bench(args = [64, 256], sample_count = 20)]
fn step(bencher: Bencher, batch_size: usize) {
    let config = TrainingConfig::default();
    let loader = DataLoader::<Training>::new(
        TRAIN.clone(),
        batch_size,
        0,
        Order::Shuffled,
        config.seed,
        FlexDevice,
    );
    let batch: MnistBatch<Training> = loader.iter().next().unwrap();
    let mut optimizer = config.optimizer.init();
    let model = AnyNetwork::<Training>::init_seeded(&config.model, config.seed, &FlexDevice);
    let mut model = Some(model.unwrap());
    bencher
        .counter(ItemsCount::new(batch_size))
        .bench_local(|| {
            let current = model.take().unwrap();
            let output = TrainStep::step(&current, batch.clone());
            black_box(output.item.loss.into_data());
            model = Some(current.optimize(&mut optimizer, config.learning_rate, output.grads));
        });
}

/// A run of one epoch over the 60,000 training images, validated on the 10,000 test images.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn epoch(bencher: Bencher) {
    let directory = tempfile::tempdir().unwrap();
    let data = Data {
        train: TRAIN.clone(),
        valid: TEST.clone(),
    };
    let config = TrainingConfig {
        num_epochs: 1,
        ..TrainingConfig::default()
    };
    bencher
        .counter(ItemsCount::new(data.train.len()))
        .bench_local(|| {
            train(
                directory.path(),
                Some(&config),
                &[Device::Cpu],
                &data,
                TrainOptions::default(),
            )
            .unwrap();
        });
}

/// The batches of an epoch from the loader, by its number of workers: their order, indices and targets.
#[divan::bench(args = [0, 4], sample_count = 20)]
fn loader(bencher: Bencher, num_workers: usize) {
    let loader = DataLoader::<Training>::new(
        TRAIN.clone(),
        64,
        num_workers,
        Order::Shuffled,
        42,
        FlexDevice,
    );
    bencher
        .counter(ItemsCount::new(TRAIN.len()))
        .bench_local(|| loader.iter().map(black_box).count());
}

/// Logits of raw pixels, by number of images.
#[divan::bench(args = [1, 64, 10_000], sample_count = 20)]
fn inference(bencher: Bencher, images: usize) {
    let model = init(&NetworkConfig::default(), 1, Device::Cpu).unwrap();
    let pixels = &TEST.pixels().unwrap()[..images * 784];
    bencher.counter(ItemsCount::new(images)).bench_local(|| {
        model
            .forward(
                Pixels::raw(black_box(pixels), ImageShape::MNIST).unwrap(),
                &false.into(),
            )
            .unwrap()
    });
}
