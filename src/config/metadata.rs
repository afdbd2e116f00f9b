//! What a model knows beside its parameters: its classes, and how images are made for it.

use super::Views;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// How a picture of other proportions becomes an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Each side is scaled by itself.
    #[default]
    Stretch,
    /// The whole picture is kept, and the rest is filled with the colour of its border.
    Pad,
    /// The image is filled, and what overhangs is cut off.
    Crop,
}

/// How pictures are prepared beyond that, so that they look as the training images do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prepare {
    /// As MNIST was made: light strokes on a dark ground, fitted into 20 x 20 pixels, centred by their mass.
    Digit,
}

/// How pictures become images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// What happens to pictures of other proportions.
    #[serde(default)]
    pub fit: Fit,
    /// What else is done to pictures; never to arrays.
    #[serde(default)]
    pub prepare: Option<Prepare>,
}

/// What the images of a data set look like, in raw pixels from 0 to 255.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageStatistics {
    /// Smallest pixel.
    pub pixel_min: u8,
    /// Largest pixel.
    pub pixel_max: u8,
    /// Mean of the pixels.
    pub pixel_mean: f64,
    /// Their standard deviation.
    pub pixel_std: f64,
    /// Mean of the outermost pixels.
    pub border_mean: f64,
    /// Their standard deviation.
    pub border_std: f64,
    /// Mean share of an image's pixels that differ clearly from its border, in 0..1.
    pub foreground: f64,
}

/// What a model file says beside the parameters and the configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// The names of the classes, by their numbers.
    #[serde(default)]
    pub class_names: Option<Vec<String>>,
    /// How pictures become images.
    #[serde(default)]
    pub preprocessing: Preprocessing,
    /// What the training images looked like.
    #[serde(default)]
    pub statistics: Option<ImageStatistics>,
    /// The views of an image that it was trained with.
    #[serde(default, skip_serializing_if = "Views::is_image_alone")]
    pub views: Views,
}

impl Fit {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Stretch, Self::Pad, Self::Crop];

    /// The name in arguments and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stretch => "stretch",
            Self::Pad => "pad",
            Self::Crop => "crop",
        }
    }
}

impl FromStr for Fit {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|fit| fit.name() == name);
        found.ok_or_else(|| {
            Error::Config(format!(
                "fit must be one of {}, got {name:?}",
                Self::ALL.map(Self::name).join(", ")
            ))
        })
    }
}

impl Prepare {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Digit];

    /// The name in arguments and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Digit => "digit",
        }
    }
}

impl FromStr for Prepare {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|prepare| prepare.name() == name);
        found.ok_or_else(|| {
            Error::Config(format!(
                "prepare must be one of {}, got {name:?}",
                Self::ALL.map(Self::name).join(", ")
            ))
        })
    }
}
