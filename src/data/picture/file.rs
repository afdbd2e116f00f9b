//! The file of a picture, read from its beginning to its end.

use super::Decoded;

/// What the frame of a file says.
#[derive(Clone, Copy, Debug, Default)]
pub struct File<'a> {
    /// Frames or pages.
    pub frames: usize,
    /// EXIF data, where its decoder may not come across it.
    pub exif: Option<&'a [u8]>,
}

impl File<'_> {
    /// One of a single frame.
    pub fn single() -> Self {
        Self {
            frames: 1,
            exif: None,
        }
    }
}

/// The reason of a file that ends too early.
pub const CUT: &str = "it is cut short: the file ends before the picture does";

/// The next bytes.
pub fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Decoded<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count).ok_or(CUT)?;
    *bytes = rest;
    Ok(taken)
}

/// The next byte.
pub fn byte(bytes: &mut &[u8]) -> Decoded<u8> {
    Ok(take(bytes, 1)?[0])
}

/// A number, its most significant byte first.
pub fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | usize::from(*byte))
}
