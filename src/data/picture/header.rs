//! The header of a picture.

use super::{Decoded, decoder, format_of, jpeg, orientation, tiff, whole};
use image::metadata::Orientation;
use image::{ImageDecoder, ImageFormat};

/// What the header says of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Width, upright.
    pub width: usize,
    /// Height, upright.
    pub height: usize,
    /// Whether it can be nothing but grey.
    pub grey: bool,
}

impl Header {
    /// Reads the header of a picture; the rest of it may be broken.
    pub fn of(bytes: &[u8]) -> Decoded<Self> {
        let format = format_of(bytes)?;
        let (width, height, grey, orientation) = match format {
            ImageFormat::Jpeg => jpeg::header(bytes)?,
            ImageFormat::Tiff if tiff::is_unusual(bytes) => tiff::header(bytes)?,
            _ => {
                let mut decoder = decoder(format, bytes)?;
                let (width, height) = decoder.dimensions();
                let exif = whole::check(format, bytes)?.exif;
                let orientation = orientation(&mut decoder, exif);
                (
                    width,
                    height,
                    !decoder.color_type().has_color(),
                    orientation,
                )
            }
        };
        let turned = matches!(
            orientation,
            Orientation::Rotate90
                | Orientation::Rotate270
                | Orientation::Rotate90FlipH
                | Orientation::Rotate270FlipH
        );
        let (width, height) = (width as usize, height as usize);
        Ok(Self {
            width: if turned { height } else { width },
            height: if turned { width } else { height },
            grey,
        })
    }
}
