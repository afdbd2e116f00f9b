//! How much the images of each class count in the loss.

use super::Fields;
use crate::error::{Error, Result};
use serde_json::{Value, json};

/// How much the images of each class count in the loss.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassWeights {
    /// All classes alike, whatever the number of their images: `images / (classes * images of the class)`, as scikit-learn's
    /// "balanced" has it. The weights of all images have the mean 1.
    Balanced,
    /// A weight for each class.
    Given(Vec<f64>),
}

impl ClassWeights {
    const BALANCED: &'static str = "balanced";

    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Option<Self>> {
        const KEY: &str = "class_weights";
        let Some(value) = fields.get_some(KEY) else {
            return Ok(None);
        };
        if value.as_str() == Some(Self::BALANCED) {
            return Ok(Some(Self::Balanced));
        }
        let weights: Option<Vec<f64>> = value.as_array().and_then(|weights| {
            let weight = |value: &Value| value.as_f64().filter(|weight| *weight >= 0.0);
            weights.iter().map(weight).collect()
        });
        // Numbers that single precision rounds to 0 or to infinity are none.
        let fits = |weight: &f64| *weight == 0.0 || (*weight as f32).is_normal();
        weights
            .filter(|weights| weights.iter().all(fits) && weights.iter().any(|weight| *weight > 0.0))
            .map(|weights| Some(Self::Given(weights)))
            .ok_or_else(|| {
                let rule = "\"balanced\", or a list with a number of at least 0 for each class, not all of them 0";
                fields.broken(KEY, rule, value)
            })
    }

    pub(super) fn write(&self) -> Value {
        match self {
            Self::Balanced => json!(Self::BALANCED),
            Self::Given(weights) => json!(weights),
        }
    }

    /// Refuses more weights than classes, or fewer.
    pub fn check(&self, num_classes: usize) -> Result<()> {
        match self {
            Self::Given(weights) if weights.len() != num_classes => Err(Error::Config(format!(
                "class_weights must have a number for each of the {num_classes} classes, got {}",
                weights.len()
            ))),
            _ => Ok(()),
        }
    }

    /// The weight of each image.
    pub fn of_images(&self, targets: &[u32], num_classes: usize) -> Result<Vec<f32>> {
        self.check(num_classes)?;
        let weights = match self {
            Self::Given(weights) => weights.clone(),
            Self::Balanced => balanced(targets, num_classes),
        };
        let weight = |target: &u32| {
            let weight = weights.get(*target as usize);
            weight.map_or(1.0, |weight| *weight as f32)
        };
        Ok(targets.iter().map(weight).collect())
    }
}

fn balanced(targets: &[u32], num_classes: usize) -> Vec<f64> {
    let mut counts = vec![0_usize; num_classes];
    for target in targets {
        if let Some(count) = counts.get_mut(*target as usize) {
            *count += 1;
        }
    }
    // A class without an image has no weight to share.
    let present = counts.iter().filter(|count| **count > 0).count();
    let weight = |count: usize| targets.len() as f64 / (present * count.max(1)) as f64;
    counts.into_iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_are_those_of_scikit_learn() {
        // sklearn.utils.class_weight.compute_class_weight("balanced", classes=[0, 1, 3], y=[0, 0, 0, 1, 3, 3])
        let targets = [0, 0, 0, 1, 3, 3];
        let weights = ClassWeights::Balanced.of_images(&targets, 4).unwrap();
        let classes = [2.0 / 3.0, 2.0, 0.0, 1.0_f32];
        for (weight, target) in weights.iter().zip(targets) {
            assert!((weight - classes[target as usize]).abs() < 1e-6);
        }
        assert!((weights.iter().sum::<f32>() - 6.0).abs() < 1e-5);
    }

    #[test]
    fn there_must_be_a_weight_for_each_class() {
        let weights = ClassWeights::Given(vec![1.0, 2.0]);
        assert_eq!(weights.of_images(&[1, 0], 2).unwrap(), [2.0, 1.0]);
        let error = weights.of_images(&[1, 0], 3).unwrap_err().to_string();
        assert!(error.contains("each of the 3 classes, got 2"), "{error}");
    }
}
