//! JPEG, decoded strictly: a decoder that forgives fills what is missing with grey.

mod blocks;
mod huffman;
mod markers;
mod scans;

use super::{Decoded, check_size, sentence};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

pub use scans::check;

type Decoder<'a> = JpegDecoder<ZCursor<&'a [u8]>>;

pub fn header(bytes: &[u8]) -> Decoded<(u32, u32, bool, Orientation)> {
    let opened = open(bytes, false)?;
    Ok((opened.width, opened.height, opened.grey, opened.orientation))
}

pub fn decode(bytes: &[u8]) -> Decoded<(DynamicImage, Orientation)> {
    match decode_as(bytes, true) {
        // Harmless: the pixels are all there.
        Err(reason) if reason.contains("Extra bytes between headers") => decode_as(bytes, false),
        decoded => decoded,
    }
}

struct Opened<'a> {
    decoder: Decoder<'a>,
    width: u32,
    height: u32,
    grey: bool,
    orientation: Orientation,
}

fn decode_as(bytes: &[u8], strict: bool) -> Decoded<(DynamicImage, Orientation)> {
    let mut opened = open(bytes, strict)?;
    let pixels = opened.decoder.decode().map_err(sentence)?;
    let (width, height) = (opened.width, opened.height);
    let picture = if opened.grey {
        GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8)
    } else {
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
    };
    let picture = picture.ok_or("there are fewer pixels than its size says")?;
    Ok((picture, opened.orientation))
}

fn open(bytes: &[u8], strict: bool) -> Decoded<Opened<'_>> {
    let options = DecoderOptions::default()
        .set_strict_mode(strict)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(sentence)?;
    let (width, height) = decoder.dimensions().ok_or("it has no size")?;
    let (width, height) = (
        u32::try_from(width).map_err(sentence)?,
        u32::try_from(height).map_err(sentence)?,
    );
    check_size(width, height)?;
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let wanted = if grey {
        ColorSpace::Luma
    } else {
        ColorSpace::RGB
    };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(wanted));
    let orientation = decoder
        .exif()
        .and_then(|exif| Orientation::from_exif_chunk(exif))
        .unwrap_or(Orientation::NoTransforms);
    Ok(Opened {
        decoder,
        width,
        height,
        grey,
        orientation,
    })
}
