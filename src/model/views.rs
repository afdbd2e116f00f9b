//! Test-time augmentation: the mean of the probabilities over views of an image.
//!
//! Probabilities are averaged, not logits: their mean is again a distribution over the classes, as of an ensemble
//! (B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and scalable predictive uncertainty estimation using deep ensembles",
//! 2017), and no view counts for more than its share because its logits are large.

use super::interface::{Classifier, Evaluation};
use crate::config::Views;
use crate::data::{Dataset, flip, shift};
use crate::error::{Error, Result};
use crate::kernels::{PixelValues, Pixels};
use std::sync::atomic::AtomicBool;

/// Images of which views are made at a time.
const BATCH: usize = 1024;
/// Rows down and columns to the right that an image is shifted by.
const SHIFTS: [(isize, isize); 5] = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)];

/// The logarithms of the mean probabilities over the views, `[n, num_classes]` row by row.
pub fn log_probabilities(
    model: &dyn Classifier,
    pixels: Pixels<'_>,
    views: Views,
    stop: &AtomicBool,
) -> Result<Vec<f64>> {
    let num_classes = model.config().num_classes();
    let mut all = Vec::with_capacity(pixels.len() * num_classes);
    for first in (0..pixels.len()).step_by(BATCH) {
        let pixels = pixels.range(first..(first + BATCH).min(pixels.len()));
        all.append(&mut of_batch(model, pixels, views, stop)?);
    }
    Ok(all)
}

fn of_batch(
    model: &dyn Classifier,
    pixels: Pixels<'_>,
    views: Views,
    stop: &AtomicBool,
) -> Result<Vec<f64>> {
    let num_classes = model.config().num_classes();
    let shifts = if views.shift {
        &SHIFTS[..]
    } else {
        &SHIFTS[..1]
    };
    let flips = if views.flip {
        &[false, true][..]
    } else {
        &[false][..]
    };
    let mut sums = vec![f64::NEG_INFINITY; pixels.len() * num_classes];
    for &(down, right) in shifts {
        for &flipped in flips {
            let logits = forward(model, pixels, (down, right), flipped, stop)?;
            let rows = sums.chunks_exact_mut(num_classes);
            for (sums, logits) in rows.zip(logits.chunks_exact(num_classes)) {
                let logits: Vec<f64> = logits.iter().copied().map(f64::from).collect();
                let whole = log_sum(&logits);
                for (sum, logit) in sums.iter_mut().zip(logits) {
                    *sum = log_sum(&[*sum, logit - whole]);
                }
            }
        }
    }
    let views = (shifts.len() * flips.len()) as f64;
    Ok(sums.into_iter().map(|sum| sum - views.ln()).collect())
}

/// The logits of one view.
fn forward(
    model: &dyn Classifier,
    pixels: Pixels<'_>,
    by: (isize, isize),
    flipped: bool,
    stop: &AtomicBool,
) -> Result<Vec<f32>> {
    fn view<T: Copy>(
        values: &[T],
        pixels: Pixels<'_>,
        by: (isize, isize),
        flipped: bool,
    ) -> Vec<T> {
        let shape = pixels.shape();
        let mut values = values.to_vec();
        for image in values.chunks_exact_mut(shape.len()) {
            shift(by, shape, image);
            if flipped {
                flip(shape, image);
            }
        }
        values
    }

    match pixels.values() {
        PixelValues::Raw(values) => {
            let values = view(values, pixels, by, flipped);
            model.forward(Pixels::raw(&values, pixels.shape())?, stop)
        }
        PixelValues::Unit(values) => {
            let values = view(values, pixels, by, flipped);
            model.forward(Pixels::unit(&values, pixels.shape())?, stop)
        }
    }
}

/// The logarithm of the sum of what these are the logarithms of.
fn log_sum(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    let sum: f64 = values.iter().map(|value| (value - largest).exp()).sum();
    largest + sum.ln()
}

/// Loss and accuracy of the mean probabilities over the views, read in batches of `batch_size`; their logarithms are appended to
/// `kept`, where that is given.
pub fn evaluate_views(
    model: &dyn Classifier,
    dataset: &Dataset,
    batch_size: usize,
    views: Views,
    mut kept: Option<&mut Vec<f64>>,
    stop: &AtomicBool,
) -> Result<Evaluation> {
    let num_classes = model.config().num_classes();
    dataset.check_model(model.config().image(), num_classes)?;
    if dataset.is_empty() {
        return Err(Error::Data(
            "a data set to evaluate must have at least one image, got 0".into(),
        ));
    }
    let (mut loss, mut hits) = (0.0, 0_usize);
    let batch_size = batch_size.max(1);
    for first in (0..dataset.len()).step_by(batch_size) {
        let last = first.saturating_add(batch_size).min(dataset.len());
        let pixels = dataset.read(first..last)?;
        let pixels = Pixels::raw(&pixels, dataset.shape())?;
        let rows = log_probabilities(model, pixels, views, stop)?;
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(&rows);
        }
        let targets = &dataset.targets()[first..last];
        for (row, target) in rows.chunks_exact(num_classes).zip(targets) {
            let probability = row[*target as usize];
            loss -= probability;
            // The first of the largest, as `argmax` has it.
            let before = &row[..*target as usize];
            let is_largest = row.iter().all(|other| *other <= probability)
                && before.iter().all(|other| *other < probability);
            hits += usize::from(is_largest);
        }
    }
    let images = dataset.len() as f64;
    Ok(Evaluation {
        loss: loss / images,
        accuracy: hits as f64 / images,
    })
}
