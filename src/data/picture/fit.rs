//! Pictures of any size made to the size of images.

use crate::config::{Fit, ImageShape};
use image::imageops::{self, FilterType};
use image::{DynamicImage, GenericImage, GenericImageView};

/// Pictures that are this many times as high and as wide as the image or more are first averaged to half of that.
const SHRINK: u32 = 8;

/// The pixels of a picture of the shape's channels, made to the shape's size.
pub fn image(picture: DynamicImage, shape: ImageShape, fit: Fit) -> Vec<u8> {
    let (width, height) = (shape.width as u32, shape.height as u32);
    match fit {
        Fit::Stretch => resized(picture, width, height),
        Fit::Pad => padded(picture, width, height),
        Fit::Crop => resized(cropped(&picture, width, height), width, height),
    }
    .into_bytes()
}

fn resized(picture: DynamicImage, width: u32, height: u32) -> DynamicImage {
    // The triangle filter takes longer than decoding where many pixels fall together.
    let picture = if picture.width() >= SHRINK * width && picture.height() >= SHRINK * height {
        picture.thumbnail_exact(SHRINK / 2 * width, SHRINK / 2 * height)
    } else {
        picture
    };
    if (picture.width(), picture.height()) == (width, height) {
        picture
    } else {
        picture.resize_exact(width, height, FilterType::Triangle)
    }
}

/// The whole picture in the middle, and the mean colour of its border around it.
fn padded(picture: DynamicImage, width: u32, height: u32) -> DynamicImage {
    let (wide, high) = (picture.width(), picture.height());
    let border = border_mean(&picture);
    // The side that fits exactly, and the other in proportion.
    let (inner_width, inner_height) =
        if u64::from(wide) * u64::from(height) >= u64::from(high) * u64::from(width) {
            (width, scaled(high, width, wide).min(height))
        } else {
            (scaled(wide, height, high).min(width), height)
        };
    let inner = resized(picture, inner_width, inner_height);
    if (inner_width, inner_height) == (width, height) {
        return inner;
    }
    let mut image = DynamicImage::new(width, height, inner.color());
    for y in 0..height {
        for x in 0..width {
            image.put_pixel(x, y, border);
        }
    }
    let (left, top) = ((width - inner_width) / 2, (height - inner_height) / 2);
    imageops::replace(&mut image, &inner, i64::from(left), i64::from(top));
    image
}

/// The largest part in the middle that has the proportions of the image.
fn cropped(picture: &DynamicImage, width: u32, height: u32) -> DynamicImage {
    let (wide, high) = (picture.width(), picture.height());
    let (inner_width, inner_height) =
        if u64::from(wide) * u64::from(height) >= u64::from(high) * u64::from(width) {
            (scaled(high, width, height).min(wide), high)
        } else {
            (wide, scaled(wide, height, width).min(high))
        };
    let (left, top) = ((wide - inner_width) / 2, (high - inner_height) / 2);
    picture.crop_imm(left, top, inner_width, inner_height)
}

/// `side * numerator / denominator`, rounded, at least one.
fn scaled(side: u32, numerator: u32, denominator: u32) -> u32 {
    let product = 2 * u64::from(side) * u64::from(numerator) + u64::from(denominator);
    ((product / (2 * u64::from(denominator))) as u32).max(1)
}

/// The mean colour of the outermost pixels.
fn border_mean(picture: &DynamicImage) -> image::Rgba<u8> {
    let (width, height) = (picture.width(), picture.height());
    let (mut sums, mut count) = ([0_u64; 4], 0_u64);
    for y in 0..height {
        let step = if y == 0 || y + 1 == height || width == 1 {
            1
        } else {
            width - 1
        };
        for x in (0..width).step_by(step as usize) {
            for (sum, value) in sums.iter_mut().zip(picture.get_pixel(x, y).0) {
                *sum += u64::from(value);
            }
            count += 1;
        }
    }
    image::Rgba(sums.map(|sum| ((2 * sum + count) / (2 * count).max(1)) as u8))
}
