//! Views of an image, over which predictions can be averaged.

use super::AugmentationConfig;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// The views of an image whose probabilities test-time augmentation averages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Views {
    /// Each view mirrored left to right as well.
    #[serde(default)]
    pub flip: bool,
    /// The image shifted by one pixel up, down, left and right, where it goes on mirrored.
    #[serde(default)]
    pub shift: bool,
}

impl Views {
    /// The names of the kinds.
    pub const NAMES: [&'static str; 2] = ["flip", "shift"];
    /// Stands for the views that a model was trained with.
    pub const TRAINED: &'static str = "trained";

    /// The views that training with this augmentation makes a model used to.
    pub fn of_training(augmentation: Option<&AugmentationConfig>) -> Self {
        augmentation.map_or_else(Self::default, |config| Self {
            flip: config.flip,
            shift: config.crop > 0 || config.shift > 0.0,
        })
    }

    /// Whether the image itself is the only view.
    pub fn is_image_alone(&self) -> bool {
        *self == Self::default()
    }

    /// The views with these names; `trained` are those of the model's training.
    pub fn named(names: &[String], trained: Self) -> Result<Self> {
        let mut views = Self::default();
        for name in names {
            match name.as_str() {
                "flip" => views.flip = true,
                "shift" => views.shift = true,
                Self::TRAINED if trained.is_image_alone() => {
                    return Err(Error::Config(
                        "augment takes the views that the model was trained with, and nothing says that it was trained with flip, shift \
                         or crop; name the views, as in augment=\"shift\" or --view shift, or leave augment out"
                            .into(),
                    ));
                }
                Self::TRAINED => {
                    views.flip |= trained.flip;
                    views.shift |= trained.shift;
                }
                other => {
                    return Err(Error::Config(format!(
                        "augment must be True, False, or one or more of {}, got {other:?}",
                        Self::NAMES.join(", ")
                    )));
                }
            }
        }
        if views.is_image_alone() {
            return Err(Error::Config(format!(
                "augment must name at least one of {}, got none; pass False for the image alone",
                Self::NAMES.join(", ")
            )));
        }
        Ok(views)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str], trained: Views) -> Result<Views> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        Views::named(&names, trained)
    }

    #[test]
    fn the_views_of_a_training_are_those_it_drew() {
        let of = |change: fn(&mut AugmentationConfig)| {
            let mut config = AugmentationConfig::default();
            change(&mut config);
            let Views { flip, shift } = Views::of_training(Some(&config));
            (flip, shift)
        };
        assert_eq!(of(|config| config.flip = true), (true, false));
        assert_eq!(of(|config| config.crop = 2), (false, true));
        assert_eq!(of(|config| config.shift = 0.1), (false, true));
        assert_eq!(of(|config| config.rotate = 10.0), (false, false));
        assert!(Views::of_training(None).is_image_alone());
    }

    #[test]
    fn views_are_named_or_those_of_the_training() {
        let both = Views {
            flip: true,
            shift: true,
        };
        let none = Views::default();
        assert_eq!(named(&["flip", "shift"], none).unwrap(), both);
        assert_eq!(named(&["trained"], both).unwrap(), both);
        for (names, reason) in [
            (&["trained"][..], "nothing says that it was trained with"),
            (&["rotate"], "one or more of flip, shift"),
            (&[], "at least one of"),
        ] {
            let error = named(names, none).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
