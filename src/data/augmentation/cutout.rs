//! Squares that are cut out.

use crate::config::ImageShape;
use crate::random::Stream;

/// A pixel of the background.
const BACKGROUND: u8 = 0;

/// Puts the background over a square.
#[inline]
pub(super) fn cut_out(part: f64, shape: ImageShape, stream: &mut Stream, image: &mut [u8]) {
    let shorter = shape.height.min(shape.width) as f64;
    let side = (part * shorter).round().max(1.0) as usize;
    let mut range = |length: usize| {
        let centre = stream.below(length as u64) as usize;
        let first = centre.saturating_sub(side / 2);
        first..(centre + side - side / 2).min(length)
    };
    let (rows, columns) = (range(shape.height), range(shape.width));
    for row in rows {
        let start = row * shape.width;
        let bytes =
            (start + columns.start) * shape.channels..(start + columns.end) * shape.channels;
        image[bytes].fill(BACKGROUND);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn a_square_of_the_given_side_is_cut_out_about_any_pixel() {
        let shape = ImageShape {
            height: 12,
            width: 20,
            channels: 3,
        };
        for (cutout, side) in [(0.25, 3), (0.5, 6), (1.0, 12), (0.001, 1)] {
            let mut sizes = std::collections::BTreeSet::new();
            let mut covered = vec![false; shape.len()];
            for index in 0..4_000 {
                let mut image = vec![255; shape.len()];
                let mut stream = Stream::new(Purpose::Augmentation, &[index]);
                cut_out(cutout, shape, &mut stream, &mut image);
                let black = |place: &usize| image[*place] == 0;
                let places: Vec<usize> = (0..shape.len()).filter(black).collect();
                for place in &places {
                    covered[*place] = true;
                }
                let pixels: Vec<usize> = places.iter().map(|place| place / 3).collect();
                let extent = |of: &dyn Fn(&usize) -> usize| {
                    let range = (pixels.iter().map(of).min(), pixels.iter().map(of).max());
                    range.1.unwrap() - range.0.unwrap() + 1
                };
                let size = (extent(&|pixel| pixel / 20), extent(&|pixel| pixel % 20));
                assert_eq!(places.len(), size.0 * size.1 * 3, "a full rectangle");
                sizes.insert(size);
            }
            assert!(
                sizes.contains(&(side.min(12), side)) || side == 12,
                "{sizes:?}"
            );
            assert!(sizes.iter().all(|size| size.0 <= side && size.1 <= side));
            // At a corner a quarter of the square is left.
            assert!(
                sizes.contains(&(side.div_ceil(2), side.div_ceil(2))),
                "{sizes:?}"
            );
            assert!(covered.iter().all(|covered| *covered));
        }
    }
}
