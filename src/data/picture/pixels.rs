//! Pixels as they are seen: 8 bits, without transparency.

use super::Decoded;
use image::DynamicImage;

/// The same with 8 bits for each channel, the whole range of 16 made to that of 8.
pub fn eight_bits(picture: DynamicImage) -> Decoded<DynamicImage> {
    let (width, height) = (picture.width(), picture.height());
    let narrow = |values: Vec<u16>| -> Vec<u8> {
        values
            .into_iter()
            .map(|value| ((u32::from(value) + 128) / 257) as u8)
            .collect()
    };
    let made = match picture {
        DynamicImage::ImageLuma16(picture) => {
            image::GrayImage::from_raw(width, height, narrow(picture.into_raw()))
                .map(DynamicImage::ImageLuma8)
        }
        DynamicImage::ImageLumaA16(picture) => {
            image::GrayAlphaImage::from_raw(width, height, narrow(picture.into_raw()))
                .map(DynamicImage::ImageLumaA8)
        }
        DynamicImage::ImageRgb16(picture) => {
            image::RgbImage::from_raw(width, height, narrow(picture.into_raw()))
                .map(DynamicImage::ImageRgb8)
        }
        DynamicImage::ImageRgba16(picture) => {
            image::RgbaImage::from_raw(width, height, narrow(picture.into_raw()))
                .map(DynamicImage::ImageRgba8)
        }
        DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_) => {
            return Err("its pixels are floating-point numbers; save it with 8 or 16 bits".into());
        }
        picture => Some(picture),
    };
    made.ok_or_else(|| "there are fewer pixels than its size says".into())
}

/// A picture of `N` channels, opacity last, over the ground that lets it be seen.
///
/// That is white where what is visible is darker than mid grey on average, each pixel weighed with its opacity, and black
/// otherwise.
pub fn composed<const N: usize>(pixels: &[u8]) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<N>();
    let (mut light, mut opacity) = (0, 0);
    for pixel in pixels {
        let alpha = u64::from(pixel[N - 1]);
        let luminance = if N == 2 {
            10_000 * u64::from(pixel[0])
        } else {
            2126 * u64::from(pixel[0]) + 7152 * u64::from(pixel[1]) + 722 * u64::from(pixel[2])
        };
        light += alpha * luminance;
        opacity += alpha;
    }
    let ground: u32 = if 2 * light < 255 * 10_000 * opacity {
        255
    } else {
        0
    };
    let over = |pixel: &[u8; N]| {
        let alpha = u32::from(pixel[N - 1]);
        let colours: Vec<u8> = pixel[..N - 1]
            .iter()
            .map(|value| ((u32::from(*value) * alpha + ground * (255 - alpha) + 127) / 255) as u8)
            .collect();
        colours
    };
    pixels.iter().flat_map(over).collect()
}

pub fn is_grey(pixels: &[u8]) -> bool {
    pixels
        .as_chunks::<3>()
        .0
        .iter()
        .all(|[red, green, blue]| red == green && green == blue)
}
