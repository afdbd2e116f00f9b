//! The Burn book's training chapter from Rust: trains the guide model on MNIST and prints each epoch.
//!
//! ```text
//! cargo run --release --example guide -- [ARTIFACT_DIR] [NUM_EPOCHS] [IMAGES]
//! ```
//!
//! `IMAGES` takes only the first so many of each split. The last line is the SHA-256 of the model's file, which Python's
//! `mnistburn.train` gives too.

#![allow(clippy::print_stdout, reason = "it is a program")]

use mnistburn::config::TrainingConfig;
use mnistburn::data::mnist;
use mnistburn::device::Device;
use mnistburn::learner::{Data, Event, MODEL_FILE, Observer, TrainOptions, train};
use sha2::{Digest, Sha256};
use std::error::Error;
use std::path::Path;

struct Printer;

impl Observer for Printer {
    fn notify(&mut self, event: Event) {
        if let Event::EpochEnd(row) = event {
            println!(
                "epoch {}: train loss {:.4}, validation loss {:.4}, accuracy {:.2} %, {:.0} images/s",
                row.epoch,
                row.train_loss,
                row.valid_loss,
                100.0 * row.valid_accuracy,
                row.images_per_second
            );
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let artifact_dir = arguments.next().unwrap_or_else(|| "artifacts/guide".into());
    let mut number = || arguments.next().and_then(|text| text.parse().ok());
    let num_epochs = number().unwrap_or(2);
    let first: Vec<usize> = (0..number().unwrap_or(usize::MAX).min(60_000)).collect();

    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/mnistburn/data/mnist");
    let data = Data {
        train: mnist::train(&files)?.subset(&first),
        valid: mnist::test(&files)?.subset(&first),
    };
    let config = TrainingConfig {
        num_epochs,
        ..TrainingConfig::default()
    };
    let options = TrainOptions {
        observer: Box::new(Printer),
        ..TrainOptions::default()
    };
    let trained = train(
        Path::new(&artifact_dir),
        Some(&config),
        &["cpu".parse::<Device>()?],
        &data,
        options,
    )?;
    println!("best epoch: {:?}", trained.history.best_epoch);
    let model = std::fs::read(Path::new(&artifact_dir).join(MODEL_FILE))?;
    println!("SHA-256 {:x}", Sha256::digest(model));
    Ok(())
}
