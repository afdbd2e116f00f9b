//! The program of the Burn book's training chapter, with Burn's own types alone: model, data, training and inference.
//!
//! ```text
//! cargo run --release --example burn_book -- train ARTIFACT_DIR IMAGES NUM_EPOCHS
//! cargo run --release --example burn_book -- steps ARTIFACT_DIR IMAGES NUM_STEPS START
//! cargo run --release --example burn_book -- infer ARTIFACT_DIR IMAGES
//! ```
//!
//! `IMAGES` takes only the first so many of each split. `steps` trains without dropout, with all images in each batch, from
//! the model in the file `START`: nothing in that is random. `docs/burn-book.md` has the Python beside it.
//!
//! The program follows the Burn book (<https://burn.dev/books/burn>, MIT or Apache-2.0) for Burn 0.21. Of this crate it
//! takes the reader of MNIST's files alone.

#![allow(clippy::print_stdout, reason = "it is a program")]
#![allow(missing_docs, reason = "the book explains it")]

mod data;
mod inference;
mod model;
mod training;

use burn::backend::{Autodiff, Flex};
use burn::optim::AdamConfig;
use mnistburn::data::{Dataset, mnist};
use std::error::Error;
use std::path::Path;

use crate::model::ModelConfig;
use crate::training::TrainingConfig;

fn main() -> Result<(), Box<dyn Error>> {
    type MyBackend = Flex;
    type MyAutodiffBackend = Autodiff<MyBackend>;

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, artifact_dir, images, rest @ ..] = arguments.as_slice() else {
        return Err("see the head of main.rs".into());
    };
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/mnistburn/data/mnist");
    let (train, test) = (mnist::train(&files)?, mnist::test(&files)?);
    let images = images.parse()?;
    let first = |data: &Dataset| data.subset(&(0..data.len().min(images)).collect::<Vec<_>>());
    let (train, test) = (first(&train), first(&test));

    let device = burn::backend::flex::FlexDevice;
    match (command.as_str(), rest) {
        ("train", [num_epochs]) => {
            let config = TrainingConfig::new(ModelConfig::new(10, 512), AdamConfig::new())
                .with_num_epochs(num_epochs.parse()?);
            training::train::<MyAutodiffBackend>(artifact_dir, &config, train, test, &device, None);
        }
        ("steps", [num_steps, start]) => {
            let config = TrainingConfig::new(
                ModelConfig::new(10, 512).with_dropout(0.0),
                AdamConfig::new(),
            )
            .with_num_epochs(num_steps.parse()?)
            .with_batch_size(train.len());
            training::train::<MyAutodiffBackend>(
                artifact_dir,
                &config,
                train,
                test,
                &device,
                Some(start),
            );
        }
        ("infer", []) => inference::infer::<MyBackend>(artifact_dir, &device, &test)?,
        _ => return Err("see the head of main.rs".into()),
    }
    Ok(())
}
