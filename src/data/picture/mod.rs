//! One picture: bytes of a file, or pixels of another program, to an image for a model.

mod file;
mod fit;
mod header;
mod jpeg;
mod pixels;
mod tiff;
mod whole;

use crate::config::{ImageShape, Prepare, Preprocessing};
use crate::data::digit::prepare;
use crate::error::{Error, Result};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use pixels::{composed, eight_bits, is_grey};
use std::fs;
use std::io::Cursor;
use std::path::Path;

pub(super) use header::Header;

/// Largest accepted width and height of a picture.
const MAX_SIDE: u32 = 1 << 14;
/// Largest accepted number of pixels of a picture.
const MAX_PIXELS: u64 = 1 << 26;
/// Memory that decoding a picture may take: a small file can claim any size.
const MAX_DECODED_BYTES: u64 = 512 << 20;
/// A picture's file is at most this large.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// What is read.
const FORMATS: [ImageFormat; 7] = [
    ImageFormat::Png,
    ImageFormat::Jpeg,
    ImageFormat::Bmp,
    ImageFormat::WebP,
    ImageFormat::Tiff,
    ImageFormat::Gif,
    ImageFormat::Pnm,
];

/// The error is the sentence that says why a picture can't be read.
type Decoded<T> = std::result::Result<T, String>;

/// A picture as it is seen: turned upright, without transparency, grey where all of it is grey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// 1 where it is grey in all pixels, else 3.
    pub channels: usize,
    /// From black, 0, to white, 255: row by row, the channels of a pixel side by side.
    pub pixels: Vec<u8>,
    /// Frames or pages of the file, of which this is the first.
    pub frames: usize,
}

/// What raw pixels mean that another program has decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Grey, 8 bits.
    Grey,
    /// Grey and opacity, 8 bits.
    GreyAlpha,
    /// Red, green, blue, 8 bits.
    Colour,
    /// Red, green, blue and opacity, 8 bits.
    ColourAlpha,
    /// Grey, 16 bits in the order of bytes of this machine.
    Grey16,
}

impl Picture {
    /// Reads a picture from a file.
    pub fn open(path: &Path) -> Result<Self> {
        match file_bytes(path).and_then(|bytes| Self::decode(&bytes)) {
            Ok(picture) => Ok(picture),
            // A file that can't be read at all is the system's to tell of.
            Err(reason) => match fs::metadata(path) {
                Err(error) => Err(Error::io("could not read", path)(error)),
                Ok(_) => Err(Error::Data(format!(
                    "{}: it is no picture that can be read: {reason}",
                    path.display()
                ))),
            },
        }
    }

    /// Reads a picture from the bytes of a file.
    ///
    /// What a file is, its first bytes tell. A picture that isn't whole is an error in every format.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let format = format_of(bytes)?;
        let file = whole::check(format, bytes)?;
        let (picture, orientation) = match format {
            ImageFormat::Jpeg => jpeg::decode(bytes)?,
            ImageFormat::Tiff if tiff::is_unusual(bytes) => tiff::decode(bytes)?,
            _ => {
                let mut decoder = decoder(format, bytes)?;
                let orientation = orientation(&mut decoder, file.exif);
                let picture = DynamicImage::from_decoder(decoder).map_err(sentence)?;
                (picture, orientation)
            }
        };
        Self::of(picture, orientation, file.frames)
    }

    /// Whether these are the first bytes of a picture that is read; there should be 32, or all of them.
    pub fn is_begun_by(first: &[u8]) -> bool {
        let Ok(format) = format_of(first) else {
            return false;
        };
        // Two letters, as any text may begin with.
        match format {
            ImageFormat::Pnm => first.get(2).is_some_and(u8::is_ascii_whitespace),
            ImageFormat::Bmp => first
                .get(14..18)
                .is_some_and(|size| matches!(size, [12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])),
            _ => true,
        }
    }

    /// Takes the pixels of a picture that another program has decoded, to be turned as an EXIF `orientation` of 1 to 8 says.
    pub fn from_pixels(
        pixels: Vec<u8>,
        width: usize,
        height: usize,
        layout: Layout,
        orientation: u8,
    ) -> Decoded<Self> {
        let (wide, high) = (width as u64, height as u64);
        if wide.max(high) > u64::from(MAX_SIDE) {
            return Err(format!(
                "it is {width} pixels wide and {height} high, more than the limit of {MAX_SIDE}"
            ));
        }
        let (wide, high) = (width as u32, height as u32);
        check_size(wide, high)?;
        let picture = match layout {
            Layout::Grey => {
                image::GrayImage::from_raw(wide, high, pixels).map(DynamicImage::ImageLuma8)
            }
            Layout::GreyAlpha => {
                image::GrayAlphaImage::from_raw(wide, high, pixels).map(DynamicImage::ImageLumaA8)
            }
            Layout::Colour => {
                image::RgbImage::from_raw(wide, high, pixels).map(DynamicImage::ImageRgb8)
            }
            Layout::ColourAlpha => {
                image::RgbaImage::from_raw(wide, high, pixels).map(DynamicImage::ImageRgba8)
            }
            Layout::Grey16 => {
                let (pairs, _) = pixels.as_chunks::<2>();
                let values = pairs.iter().map(|pair| u16::from_ne_bytes(*pair)).collect();
                image::ImageBuffer::from_raw(wide, high, values).map(DynamicImage::ImageLuma16)
            }
        };
        let picture = picture.ok_or("there are fewer pixels than its size says")?;
        let orientation = Orientation::from_exif(orientation).unwrap_or(Orientation::NoTransforms);
        Self::of(picture, orientation, 1)
    }

    /// The image for a model: grey for one channel and colours for three, made to `shape` as `preprocessing` says.
    ///
    /// Grey is 0.2126 red + 0.7152 green + 0.0722 blue (Rec. 709). Sizes change with a triangle filter: bilinear, and a mean
    /// over the pixels that fall together where an image gets smaller; pictures of eight times the size and more are first
    /// averaged to four times the size.
    pub fn image(&self, shape: ImageShape, preprocessing: Preprocessing) -> Result<Vec<u8>> {
        check_channels(shape)?;
        if preprocessing.prepare == Some(Prepare::Digit) {
            let grey = self.coloured(1);
            return Ok(prepare(grey.as_bytes(), self.width, self.height, shape).pixels);
        }
        Ok(fit::image(
            self.coloured(shape.channels),
            shape,
            preprocessing.fit,
        ))
    }

    /// The same pixels with 1 channel or 3.
    fn coloured(&self, channels: usize) -> DynamicImage {
        let (width, height) = (self.width as u32, self.height as u32);
        let pixels = self.pixels.clone();
        let picture = if self.channels == 1 {
            image::GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8)
        } else {
            image::RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
        };
        let picture = picture.unwrap_or_default();
        if channels == 1 {
            DynamicImage::ImageLuma8(picture.into_luma8())
        } else {
            DynamicImage::ImageRgb8(picture.into_rgb8())
        }
    }

    /// The picture as it is seen.
    fn of(picture: DynamicImage, orientation: Orientation, frames: usize) -> Decoded<Self> {
        let mut picture = eight_bits(picture)?;
        picture.apply_orientation(orientation);
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        if width == 0 || height == 0 {
            return Err("it has no pixels".into());
        }
        let (mut channels, mut pixels) = match picture {
            DynamicImage::ImageLuma8(picture) => (1, picture.into_raw()),
            DynamicImage::ImageLumaA8(picture) => (1, composed::<2>(&picture)),
            DynamicImage::ImageRgba8(picture) => (3, composed::<4>(&picture)),
            picture => (3, picture.into_rgb8().into_raw()),
        };
        if channels == 3 && is_grey(&pixels) {
            channels = 1;
            pixels = pixels.chunks_exact(3).map(|pixel| pixel[0]).collect();
        }
        Ok(Self {
            width,
            height,
            channels,
            pixels,
            frames,
        })
    }
}

/// Checks that pictures can be made to `shape`.
pub fn check_channels(shape: ImageShape) -> Result<()> {
    if matches!(shape.channels, 1 | 3) && !shape.is_empty() {
        return Ok(());
    }
    Err(Error::Data(format!(
        "pictures have 1 channel (grey) or 3 (colour) and at least one pixel, got {shape}"
    )))
}

/// The bytes of a picture's file.
pub(super) fn file_bytes(path: &Path) -> Decoded<Vec<u8>> {
    let metadata = fs::metadata(path).map_err(sentence)?;
    if metadata.is_dir() {
        return Err("it is a folder".into());
    }
    // Before it is opened: opening a pipe waits for somebody to write to it.
    if !metadata.is_file() {
        return Err("it is no regular file".into());
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(format!("it has more than {MAX_FILE_BYTES} bytes"));
    }
    fs::read(path).map_err(sentence)
}

fn sentence(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn format_of(bytes: &[u8]) -> Decoded<ImageFormat> {
    if bytes.is_empty() {
        return Err("it is empty".into());
    }
    let format = image::guess_format(bytes)
        .map_err(|_| "its first bytes are those of no format of pictures that is read")?;
    if FORMATS.contains(&format) {
        Ok(format)
    } else {
        Err(format!(
            "the format {format:?} is not read; convert it to PNG or JPEG"
        ))
    }
}

fn check_size(width: u32, height: u32) -> Decoded<()> {
    if width == 0 || height == 0 {
        return Err("it has no pixels".into());
    }
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(format!(
            "it has {width} x {height} pixels, more than the limit of {MAX_SIDE} to a side"
        ));
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(format!(
            "it has {width} x {height} pixels, more than the limit of {MAX_PIXELS}"
        ));
    }
    Ok(())
}

fn decoder(format: ImageFormat, bytes: &[u8]) -> Decoded<impl ImageDecoder + '_> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(sentence)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height)?;
    Ok(decoder)
}

/// How a picture is to be turned; `exif` is what was found outside of what the decoder reads.
fn orientation(decoder: &mut impl ImageDecoder, exif: Option<&[u8]>) -> Orientation {
    // What can't be understood doesn't turn the picture: the pixels are there.
    exif.map_or_else(|| decoder.orientation().ok(), Orientation::from_exif_chunk)
        .unwrap_or(Orientation::NoTransforms)
}
