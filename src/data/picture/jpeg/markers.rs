//! The markers between the segments of a JPEG.

use super::super::Decoded;
use super::super::file::CUT;

/// The reason of one whose data are none.
pub const DAMAGED: &str = "it is damaged: the codes of its pixels are none of a JPEG";
/// The reason of one that has its end, and not all before it.
pub const MISSING: &str = "it is damaged: a part of its pixels is missing";

/// The next marker: 0xFF and a byte that is neither 0, a stuffed one, nor 0xFF, which fills up.
pub fn marker(rest: &mut &[u8]) -> Decoded<u8> {
    let start = rest.iter().position(|byte| *byte == 0xFF).ok_or(CUT)?;
    let after = &rest[start..];
    let filled = after.iter().position(|byte| *byte != 0xFF).ok_or(CUT)?;
    *rest = &after[filled + 1..];
    Ok(after[filled])
}
