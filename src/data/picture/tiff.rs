//! What `image` doesn't read of TIFF: palettes, and grey of 2 and 4 bits. A copy of such a file that says "grey" is decoded.

use super::file::{CUT, File};
use super::{Decoded, MAX_DECODED_BYTES, check_size, sentence};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use std::io::Cursor;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

/// Pages that are looked at.
const MAX_PAGES: usize = 1 << 10;
const PHOTOMETRIC: u16 = 262;
const BITS: u16 = 258;
const PALETTE: u16 = 3;

/// Where the values of a classic TIFF's first page are that decide how it is read.
struct Page {
    photometric: Option<(usize, u16)>,
    bits: u16,
    little: bool,
}

/// Whether this module reads it.
pub fn is_unusual(bytes: &[u8]) -> bool {
    first_page(bytes).is_some_and(|page| {
        page.photometric
            .is_some_and(|(_, value)| value == PALETTE || (value < 2 && matches!(page.bits, 2 | 4)))
    })
}

pub fn header(bytes: &[u8]) -> Decoded<(u32, u32, bool, Orientation)> {
    let mut decoder = open(Cursor::new(bytes))?;
    let (width, height) = decoder.dimensions().map_err(sentence)?;
    check_size(width, height)?;
    let palette = first_page(bytes)
        .is_some_and(|page| page.photometric.is_some_and(|(_, value)| value == PALETTE));
    Ok((width, height, !palette, orientation(&mut decoder)))
}

pub fn decode(bytes: &[u8]) -> Decoded<(DynamicImage, Orientation)> {
    let page = first_page(bytes).ok_or("it has no pages")?;
    let (place, photometric) = page
        .photometric
        .ok_or("it doesn't say what its pixels are")?;
    let mut copy = bytes.to_vec();
    if photometric == PALETTE {
        // "Black is zero": the pixels come as they are, which are places in the palette.
        let grey = if page.little {
            1_u16.to_le_bytes()
        } else {
            1_u16.to_be_bytes()
        };
        copy[place..place + 2].copy_from_slice(&grey);
    }
    let mut decoder = open(Cursor::new(copy.as_slice()))?;
    let (width, height) = decoder.dimensions().map_err(sentence)?;
    check_size(width, height)?;
    let orientation = orientation(&mut decoder);
    let colours = if photometric == PALETTE {
        decoder.get_tag_u16_vec(Tag::ColorMap).map_err(sentence)?
    } else {
        Vec::new()
    };
    let DecodingResult::U8(packed) = decoder.read_image().map_err(sentence)? else {
        return Err("its palette has more than 256 colours".into());
    };
    let bits = usize::from(page.bits);
    let (wide, high) = (width as usize, height as usize);
    let row = (wide * bits).div_ceil(8);
    if !matches!(bits, 1 | 2 | 4 | 8) || packed.len() < row * high {
        return Err(CUT.into());
    }
    let mask = ((1_u16 << bits) - 1) as u8;
    let places = packed.chunks_exact(row).take(high).flat_map(|row| {
        (0..wide).map(move |x| (row[x * bits / 8] >> (8 - bits - x * bits % 8)) & mask)
    });
    let picture = if photometric == PALETTE {
        let count = 1 << bits;
        if colours.len() < 3 * count {
            return Err("its palette is cut short".into());
        }
        let value = |channel: usize, place: u8| {
            // Writers multiply by 257 or by 256: the upper byte is right for both.
            (colours[channel * count + usize::from(place)] >> 8) as u8
        };
        let pixels = places
            .flat_map(|place| [0, 1, 2].map(|channel| value(channel, place)))
            .collect();
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
    } else {
        let white_is_zero = photometric == 0;
        let pixels = places
            .map(|place| {
                let value = place * (255 / mask);
                if white_is_zero { 255 - value } else { value }
            })
            .collect();
        GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8)
    };
    let picture = picture.ok_or("there are fewer pixels than its size says")?;
    Ok((picture, orientation))
}

/// Counts the pages, and checks that what the first one is made of lies in the file.
pub fn pages(bytes: &[u8]) -> Decoded<File<'_>> {
    let mut decoder = open(Cursor::new(bytes))?;
    for (offsets, lengths) in [
        (Tag::StripOffsets, Tag::StripByteCounts),
        (Tag::TileOffsets, Tag::TileByteCounts),
    ] {
        let offsets = decoder.find_tag_unsigned_vec::<u64>(offsets);
        let lengths = decoder.find_tag_unsigned_vec::<u64>(lengths);
        if let (Ok(Some(offsets)), Ok(Some(lengths))) = (offsets, lengths) {
            let mut ends = offsets.iter().zip(&lengths);
            if ends.any(|(offset, length)| offset.saturating_add(*length) > bytes.len() as u64) {
                return Err(CUT.into());
            }
        }
    }
    let mut frames = 1;
    while frames < MAX_PAGES && decoder.more_images() && decoder.next_image().is_ok() {
        frames += 1;
    }
    Ok(File { frames, exif: None })
}

fn open(bytes: Cursor<&[u8]>) -> Decoded<Decoder<Cursor<&[u8]>>> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_DECODED_BYTES as usize;
    limits.intermediate_buffer_size = MAX_DECODED_BYTES as usize;
    let decoder = Decoder::new(bytes).map_err(sentence)?;
    Ok(decoder.with_limits(limits))
}

fn orientation(decoder: &mut Decoder<Cursor<&[u8]>>) -> Orientation {
    let found = decoder.find_tag_unsigned::<u8>(Tag::Orientation);
    found
        .ok()
        .flatten()
        .and_then(Orientation::from_exif)
        .unwrap_or(Orientation::NoTransforms)
}

fn first_page(bytes: &[u8]) -> Option<Page> {
    let little = bytes.starts_with(b"II*\0");
    if !little && !bytes.starts_with(b"MM\0*") {
        return None;
    }
    let short = |place: usize| {
        let pair: [u8; 2] = bytes.get(place..place.checked_add(2)?)?.try_into().ok()?;
        Some(if little {
            u16::from_le_bytes(pair)
        } else {
            u16::from_be_bytes(pair)
        })
    };
    let long = |place: usize| {
        let word: [u8; 4] = bytes.get(place..place.checked_add(4)?)?.try_into().ok()?;
        Some(if little {
            u32::from_le_bytes(word)
        } else {
            u32::from_be_bytes(word)
        })
    };
    let directory = long(4)? as usize;
    let mut page = Page {
        photometric: None,
        bits: 1,
        little,
    };
    for entry in 0..usize::from(short(directory)?) {
        let place = directory + 2 + 12 * entry;
        match short(place)? {
            PHOTOMETRIC => page.photometric = Some((place + 8, short(place + 8)?)),
            // One value stands in the entry itself; several, of colours, elsewhere.
            BITS if long(place + 4)? == 1 => page.bits = short(place + 8)?,
            BITS => page.bits = 0,
            _ => {}
        }
    }
    Some(page)
}
