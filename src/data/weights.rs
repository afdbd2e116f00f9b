//! How much images count in the loss.

use crate::error::{Error, Result};

/// Checks that there is a weight for each of so many images, and that it is one.
pub fn check_weights(weights: &[f32], images: usize) -> Result<()> {
    if weights.len() != images {
        return Err(Error::Data(format!(
            "there must be one weight for each of the {images} images, got {}",
            weights.len()
        )));
    }
    let holds = |weight: &f32| *weight >= 0.0 && weight.is_finite();
    match weights.iter().position(|weight| !holds(weight)) {
        None => Ok(()),
        Some(index) => Err(Error::Data(format!(
            "weights must be finite numbers of at least 0, got {} for image {index}",
            weights[index]
        ))),
    }
}

/// The sum of weights, which a mean loss is divided by.
pub fn total_weight(weights: &[f32]) -> Result<f64> {
    let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
    if total == 0.0 {
        return Err(Error::Data(
            "weights must not all be 0: the mean loss of no images does not exist".into(),
        ));
    }
    Ok(total)
}
