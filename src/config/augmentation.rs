use super::{Fields, Settings, impl_config};
use crate::error::Result;
use serde_json::{Map, Value, json};

/// How training images are changed at random, each epoch anew; a strength of 0, the default of all, changes nothing.
///
/// [`Augmentation`](crate::data::Augmentation) says what is done and in which order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AugmentationConfig {
    /// Largest shift, up or down and left or right, as a fraction of the image's height and width; from 0 to 1.
    pub shift: f64,
    /// Largest rotation to either side, in degrees; from 0 to 180.
    pub rotate: f64,
    /// Largest change of size: 0.1 gives from 0.9 to 1.1 times the size; at least 0 and below 1.
    pub scale: f64,
    /// Largest slant of the columns to either side, in degrees; from 0 to 80.
    pub shear: f64,
    /// Alpha of elastic distortions (Simard, Steinkraus and Platt, 2003): what a smoothed field of random numbers in -1..1 is
    /// multiplied with to be a displacement in pixels; from 0 to 1000.
    pub elastic: f64,
    /// Standard deviation of the Gaussian that smooths the field, in pixels; above 0 and at most 64.
    pub elastic_sigma: f64,
    /// Standard deviation of normal noise, where black is 0 and white 1; from 0 to 1.
    pub noise: f64,
    /// Side of a black square (cutout: DeVries and Taylor, 2017) as a fraction of the image's shorter side; from 0 to 1.
    pub cutout: f64,
}

impl Default for AugmentationConfig {
    fn default() -> Self {
        Self {
            shift: 0.0,
            rotate: 0.0,
            scale: 0.0,
            shear: 0.0,
            elastic: 0.0,
            // That of the paper, whose alpha is 34.
            elastic_sigma: 4.0,
            noise: 0.0,
            cutout: 0.0,
        }
    }
}

impl AugmentationConfig {
    /// Whether every strength is 0, so that images stay as they are.
    pub fn is_off(&self) -> bool {
        !self.moves() && self.elastic == 0.0 && self.noise == 0.0 && self.cutout == 0.0
    }

    /// Whether one of the strengths is above 0 that move an image as a whole.
    pub(crate) fn moves(&self) -> bool {
        [self.shift, self.rotate, self.scale, self.shear]
            .iter()
            .any(|strength| *strength > 0.0)
    }
}

impl Settings for AugmentationConfig {
    const KIND: &'static str = "augmentation";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let default = Self::default();
        let share = ("a number from 0 to 1", |share: f64| {
            (0.0..=1.0).contains(&share)
        });
        Ok(Self {
            shift: fields.number("shift", Some(default.shift), share.0, share.1)?,
            rotate: fields.number(
                "rotate",
                Some(default.rotate),
                "a number of degrees from 0 to 180",
                |degrees| (0.0..=180.0).contains(&degrees),
            )?,
            scale: fields.number(
                "scale",
                Some(default.scale),
                "a number of at least 0 and below 1",
                |scale| (0.0..1.0).contains(&scale),
            )?,
            shear: fields.number(
                "shear",
                Some(default.shear),
                "a number of degrees from 0 to 80",
                |degrees| (0.0..=80.0).contains(&degrees),
            )?,
            elastic: fields.number(
                "elastic",
                Some(default.elastic),
                "a number of pixels from 0 to 1000",
                |pixels| (0.0..=1000.0).contains(&pixels),
            )?,
            elastic_sigma: fields.number(
                "elastic_sigma",
                Some(default.elastic_sigma),
                "a number of pixels above 0 and at most 64",
                |pixels| pixels > 0.0 && pixels <= 64.0,
            )?,
            noise: fields.number("noise", Some(default.noise), share.0, share.1)?,
            cutout: fields.number("cutout", Some(default.cutout), share.0, share.1)?,
        })
    }

    fn write(&self, _complete: bool) -> Map<String, Value> {
        let values = [
            ("shift", self.shift),
            ("rotate", self.rotate),
            ("scale", self.scale),
            ("shear", self.shear),
            ("elastic", self.elastic),
            ("elastic_sigma", self.elastic_sigma),
            ("noise", self.noise),
            ("cutout", self.cutout),
        ];
        values
            .into_iter()
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .collect()
    }
}

impl_config!(AugmentationConfig);
