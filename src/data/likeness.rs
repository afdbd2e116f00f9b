//! Whether images look like those that a model was trained with.

use crate::config::{ImageShape, ImageStatistics};

/// Largest pixels from which on training images use the range of 0 to 255.
const FULL_SCALE: u8 = 200;
/// Fewer images than this may be dark, or have an even border, by chance.
const MANY: usize = 16;

/// Where images come from, which decides the way out that a warning names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Arrays, which the caller can change.
    Arrays,
    /// Files of pictures, made to images of this shape.
    Pictures(ImageShape),
}

/// A way in which images are unlike those that a model was trained with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlike {
    /// "inverted", "scale", "blank" or "border".
    pub kind: &'static str,
    /// The numbers and the way out.
    pub message: String,
}

/// Compares `count` images, of which `blank` are of a single value, with the training images.
pub fn unlike(
    training: &ImageStatistics,
    found: &ImageStatistics,
    blank: usize,
    count: usize,
    origin: Origin,
) -> Vec<Unlike> {
    let mut told = Vec::new();
    let mut tell = |kind, message| told.push(Unlike { kind, message });
    if count == 0 {
        return told;
    }
    let alone = count == 1;
    let (images, them, they) = if alone {
        ("image".into(), "it", "it looks")
    } else {
        (format!("{count} images"), "them", "they look")
    };
    if blank > 0 {
        let (have, for_whom, their) = if blank == 1 {
            ("has", "it", "its")
        } else {
            ("have", "them", "their")
        };
        let which = if alone {
            "the image".into()
        } else {
            format!("{blank} of the {images}")
        };
        tell(
            "blank",
            format!(
                "{which} {have} a single value in all pixels: what is predicted for {for_whom} says nothing; look at {their} source"
            ),
        );
    }
    if blank == count {
        return told;
    }
    let apart = (found.border_mean - training.border_mean).abs();
    let inverted = apart > 128.0_f64.max(3.0 * training.border_std)
        && (255.0 - found.border_mean - training.border_mean).abs() < apart
        && (255.0 - found.pixel_mean - training.pixel_mean).abs()
            < (found.pixel_mean - training.pixel_mean).abs();
    // A few images may be dark without being of another range.
    let largest = if count < MANY { 16 } else { 127 };
    if training.pixel_max >= FULL_SCALE && found.pixel_max <= largest {
        let range = match found.pixel_max {
            most @ (0 | 1 | 15) => most.max(1),
            2..=16 => 16,
            most => most,
        };
        let way = match origin {
            Origin::Arrays => format!("give (images * (255 / {range})).astype(numpy.uint8)"),
            Origin::Pictures(shape) => format!(
                "give Model.predict (images * (255 / {range})).astype(numpy.uint8), where images = {}",
                reading(shape)
            ),
        };
        tell(
            "scale",
            format!(
                "the largest pixel of the {images} is {}, and the training images go up to {}: {they} scaled to 0 to {range} instead \
                 of 0 to 255; {way}",
                found.pixel_max, training.pixel_max,
            ),
        );
    } else if inverted {
        let (ground, other) = if found.border_mean > training.border_mean {
            ("light", "dark")
        } else {
            ("dark", "light")
        };
        let way = match origin {
            Origin::Arrays => format!("invert {them} with 255 - images"),
            Origin::Pictures(shape) => format!(
                "invert {them}: give Model.predict 255 - images, where images = {}",
                reading(shape)
            ),
        };
        tell(
            "inverted",
            format!(
                "the outermost pixels of the {images} have a mean of {:.0} of 255, those of the training images one of {:.0}: a {ground} \
                 ground where the model learned a {other} one, so predictions are likely wrong; {way}",
                found.border_mean, training.border_mean,
            ),
        );
    } else if found.border_std <= 4.0
        && apart > 32.0_f64.max(training.border_std * if count < MANY { 2.0 } else { 0.5 })
    {
        tell(
            "border",
            format!(
                "the outermost pixels of the {images} are all about {:.0} of 255, those of the training images have a mean of {:.0} and \
                 a standard deviation of {:.0}: a frame or bars around the content, or another ground; crop {them}, or make the \
                 ground that of the training images",
                found.border_mean, training.border_mean, training.border_std,
            ),
        );
    }
    told
}

/// The call that makes an array of a picture.
fn reading(shape: ImageShape) -> String {
    let ImageShape {
        height,
        width,
        channels,
    } = shape;
    format!("mnistburn.read_picture(path, size=({height}, {width}), channels={channels})")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MNIST: ImageStatistics = ImageStatistics {
        pixel_min: 0,
        pixel_max: 255,
        pixel_mean: 33.3,
        pixel_std: 78.6,
        border_mean: 0.0,
        border_std: 1.0,
        foreground: 0.15,
    };

    fn kinds(found: ImageStatistics, blank: usize, count: usize) -> Vec<&'static str> {
        let told = unlike(&MNIST, &found, blank, count, Origin::Arrays);
        told.into_iter().map(|unlike| unlike.kind).collect()
    }

    #[test]
    fn each_difference_is_told_and_no_other() {
        assert!(kinds(MNIST, 0, 5).is_empty());
        let inverted = ImageStatistics {
            pixel_mean: 221.7,
            border_mean: 255.0,
            ..MNIST
        };
        assert_eq!(kinds(inverted, 0, 1), ["inverted"]);
        let scaled = |pixel_max| ImageStatistics {
            pixel_max,
            pixel_mean: 2.0,
            ..MNIST
        };
        assert_eq!(kinds(scaled(1), 0, 1), ["scale"]);
        assert_eq!(kinds(scaled(16), 0, 1), ["scale"]);
        assert!(kinds(scaled(100), 0, 1).is_empty());
        assert_eq!(kinds(scaled(100), 0, 16), ["scale"]);
        assert_eq!(kinds(scaled(0), 3, 3), ["blank"]);
        let bars = ImageStatistics {
            border_mean: 114.0,
            border_std: 0.0,
            ..MNIST
        };
        assert_eq!(kinds(bars, 1, 2), ["blank", "border"]);
        assert!(kinds(bars, 0, 0).is_empty());
    }
}
