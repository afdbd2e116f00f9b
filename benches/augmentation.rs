//! The augmentation of training images, beside the plain copy that it is instead of.
//!
//! ```text
//! cargo bench --bench augmentation [-- NAME]
//! ```
//!
//! One image of MNIST's shape on one thread, by what is done to it.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that can't run has nothing to report"
)]

use divan::Bencher;
use divan::counter::ItemsCount;
use mnistburn::config::AugmentationConfig;
use mnistburn::data::{Augmentation, ImageShape};
use std::hint::black_box;

fn main() {
    divan::main();
}

/// The strengths by a name.
fn config(name: &str) -> AugmentationConfig {
    let off = AugmentationConfig::default();
    let affine = AugmentationConfig {
        shift: 0.1,
        rotate: 10.0,
        scale: 0.1,
        shear: 5.0,
        ..off
    };
    match name {
        "affine" => affine,
        "elastic" => AugmentationConfig {
            elastic: 34.0,
            ..off
        },
        "noise" => AugmentationConfig { noise: 0.1, ..off },
        "cutout" => AugmentationConfig {
            cutout: 0.25,
            ..off
        },
        "all" => AugmentationConfig {
            elastic: 34.0,
            noise: 0.1,
            cutout: 0.25,
            ..affine
        },
        _ => off,
    }
}

fn run(bencher: Bencher, name: &str, shape: ImageShape) {
    let augmentation = Augmentation::new(&config(name), shape, 42).unwrap();
    let mut scratch = augmentation.scratch();
    let image: Vec<u8> = (0..shape.len())
        .map(|place| (place * 31 % 251) as u8)
        .collect();
    let mut changed = image.clone();
    let mut index = 0;
    bencher.counter(ItemsCount::new(1_usize)).bench_local(|| {
        index += 1;
        changed.copy_from_slice(black_box(&image));
        augmentation.apply(1, index, black_box(&mut changed), &mut scratch);
    });
}

/// MNIST's images.
#[divan::bench(args = ["copy", "affine", "elastic", "noise", "cutout", "all"], sample_size = 200)]
fn grey(bencher: Bencher, name: &str) {
    run(bencher, name, ImageShape::MNIST);
}

/// Small pictures in colours.
#[divan::bench(args = ["affine", "elastic", "all"], sample_size = 200)]
fn colours(bencher: Bencher, name: &str) {
    let shape = ImageShape {
        height: 32,
        width: 32,
        channels: 3,
    };
    run(bencher, name, shape);
}
