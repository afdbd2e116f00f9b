use super::{Fields, Settings, impl_config};
use crate::error::Result;
use serde_json::{Map, Value, json};

/// How training images are changed at random, each epoch anew; a strength of 0, the default of all, changes nothing.
///
/// [`Augmentation`](crate::data::Augmentation) says what is done and in which order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AugmentationConfig {
    /// Whether an image is mirrored left to right in every other epoch; chance decides in which it begins.
    pub flip: bool,
    /// Largest shift by whole pixels, up or down and left or right, where the image goes on mirrored; from 0 to 64.
    pub crop: usize,
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
    /// Largest change of the brightness: 0.2 multiplies it with a factor from 0.8 to 1.2; from 0 to 1.
    pub brightness: f64,
    /// The same for the contrast.
    pub contrast: f64,
    /// The same for the saturation of colours.
    pub saturation: f64,
    /// Standard deviation of normal noise, where black is 0 and white 1; from 0 to 1.
    pub noise: f64,
    /// Side of a black square (cutout: DeVries and Taylor, 2017) as a fraction of the image's shorter side; from 0 to 1.
    pub cutout: f64,
}

impl Default for AugmentationConfig {
    fn default() -> Self {
        Self {
            flip: false,
            crop: 0,
            shift: 0.0,
            rotate: 0.0,
            scale: 0.0,
            shear: 0.0,
            elastic: 0.0,
            // That of the paper, whose alpha is 34.
            elastic_sigma: 4.0,
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            noise: 0.0,
            cutout: 0.0,
        }
    }
}

impl AugmentationConfig {
    /// Largest `crop`.
    pub const MAX_CROP: usize = 64;

    /// Whether every strength is 0, so that images stay as they are.
    pub fn is_off(&self) -> bool {
        let strengths = [self.elastic, self.noise, self.cutout];
        let none = strengths.iter().all(|strength| *strength == 0.0);
        none && !self.flip && self.crop == 0 && !self.moves() && !self.changes_colours()
    }

    /// Whether one of the strengths is above 0 that change brightness and colours.
    pub(crate) fn changes_colours(&self) -> bool {
        [self.brightness, self.contrast, self.saturation]
            .iter()
            .any(|strength| *strength > 0.0)
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
            flip: fields.flag("flip", default.flip)?,
            crop: fields.whole(
                "crop",
                Some(default.crop as u64),
                (0, Self::MAX_CROP as u64),
            )? as usize,
            brightness: fields.number("brightness", Some(default.brightness), share.0, share.1)?,
            contrast: fields.number("contrast", Some(default.contrast), share.0, share.1)?,
            saturation: fields.number("saturation", Some(default.saturation), share.0, share.1)?,
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
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("saturation", self.saturation),
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
            .chain([
                ("flip".to_owned(), json!(self.flip)),
                ("crop".to_owned(), json!(self.crop)),
            ])
            .collect()
    }
}

impl_config!(AugmentationConfig);
