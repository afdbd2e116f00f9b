//! Whether the file of a picture is whole: decoders stop when they have what they need, or fill up what is missing.

use super::Decoded;
use super::file::{CUT, File, byte, number, take};
use image::ImageFormat;

/// Checks that a file goes on to its end, as far as its frame tells.
pub fn check(format: ImageFormat, bytes: &[u8]) -> Decoded<File<'_>> {
    match format {
        ImageFormat::Png => png(bytes),
        ImageFormat::Gif => gif(bytes),
        ImageFormat::WebP => webp(bytes),
        ImageFormat::Tiff => super::tiff::pages(bytes),
        ImageFormat::Jpeg => {
            super::jpeg::check(bytes)?;
            Ok(File::single())
        }
        // Their decoders read all there should be.
        _ => Ok(File::single()),
    }
}

/// Chunks up to IEND.
fn png(bytes: &[u8]) -> Decoded<File<'_>> {
    let mut file = File::single();
    let mut rest = bytes;
    take(&mut rest, 8)?;
    loop {
        let length = number(take(&mut rest, 4)?);
        let kind = take(&mut rest, 4)?;
        let data = take(&mut rest, length)?;
        take(&mut rest, 4)?;
        match kind {
            b"eXIf" => file.exif = Some(data),
            b"acTL" if length == 8 => file.frames = number(&data[..4]).max(1),
            b"IEND" => return Ok(file),
            _ => {}
        }
    }
}

/// Blocks up to the trailer.
fn gif(bytes: &[u8]) -> Decoded<File<'_>> {
    let table = |flags: u8| {
        if flags & 0x80 == 0 {
            0
        } else {
            3 << (1 + (flags & 7))
        }
    };
    let mut rest = bytes;
    let mut frames = 0;
    let flags = take(&mut rest, 13)?[10];
    take(&mut rest, table(flags))?;
    loop {
        match byte(&mut rest)? {
            0x21 => {
                byte(&mut rest)?;
            }
            0x2C => {
                frames += 1;
                let flags = take(&mut rest, 9)?[8];
                take(&mut rest, table(flags))?;
                byte(&mut rest)?;
            }
            0x3B => {
                return Ok(File { frames, exif: None });
            }
            // Some programs fill up with zeros.
            0 => continue,
            _ => return Err("a block of it is none of a GIF".into()),
        }
        loop {
            let length = byte(&mut rest)?;
            if length == 0 {
                break;
            }
            take(&mut rest, usize::from(length))?;
        }
    }
}

/// A RIFF file of the length that it says.
fn webp(bytes: &[u8]) -> Decoded<File<'_>> {
    let little = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    let mut rest = bytes;
    let length = little(&take(&mut rest, 12)?[4..8]);
    let mut body = rest.get(..length.saturating_sub(4)).ok_or(CUT)?;
    let mut frames = 0;
    while !body.is_empty() {
        let kind = take(&mut body, 4)?;
        let length = little(take(&mut body, 4)?);
        take(&mut body, length)?;
        if length % 2 == 1 && !body.is_empty() {
            byte(&mut body)?;
        }
        if kind == b"ANMF" {
            frames += 1;
        }
    }
    Ok(File {
        frames: frames.max(1),
        exif: None,
    })
}
