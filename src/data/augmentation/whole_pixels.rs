//! Changes that take pixels as they are: mirroring and cropping.

use crate::config::ImageShape;
use crate::random::Stream;

/// Mirrors an image left to right.
pub(crate) fn flip<T>(shape: ImageShape, image: &mut [T]) {
    let ImageShape {
        width, channels, ..
    } = shape;
    for row in image.chunks_exact_mut(width * channels) {
        for column in 0..width / 2 {
            let (left, right) = (column * channels, (width - 1 - column) * channels);
            for channel in 0..channels {
                row.swap(left + channel, right + channel);
            }
        }
    }
}

/// Crops a window of the image's own size, at a place drawn from all, out of the image with a border of that many pixels on each
/// side, in which it goes on mirrored.
pub(super) fn crop(border: usize, shape: ImageShape, stream: &mut Stream, image: &mut [u8]) {
    let places = 2 * border as u64 + 1;
    let (top, left) = (stream.below(places) as usize, stream.below(places) as usize);
    window(border, (top, left), shape, image);
}

/// Shifts an image by up to one row down and one column to the right, or up and to the left where these are -1; it goes on
/// mirrored.
pub(crate) fn shift<T: Copy>((down, right): (isize, isize), shape: ImageShape, image: &mut [T]) {
    let place = |by: isize| 1_usize.saturating_add_signed(-by);
    window(1, (place(down), place(right)), shape, image);
}

/// Crops the window that begins at a place of the image with a border.
fn window<T: Copy>(border: usize, (top, left): (usize, usize), shape: ImageShape, image: &mut [T]) {
    let ImageShape {
        height,
        width,
        channels,
    } = shape;
    if (top, left) == (border, border) {
        return;
    }
    let whole = image.to_vec();
    let rows = image.chunks_exact_mut(width * channels);
    for (row, new) in rows.enumerate() {
        let old = mirrored(row + top, border, height) * width;
        for (column, new) in new.chunks_exact_mut(channels).enumerate() {
            let from = (old + mirrored(column + left, border, width)) * channels;
            new.copy_from_slice(&whole[from..from + channels]);
        }
    }
}

/// The place within `length` of a place in it with a border, where it goes on mirrored at its first and last pixels, as often as
/// the border is long.
fn mirrored(place: usize, border: usize, length: usize) -> usize {
    if length < 2 {
        return 0;
    }
    let period = 2 * (length - 1);
    // As if the border were a whole number of periods long.
    let place = (place + period * border.div_ceil(period) - border) % period;
    place.min(period - place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    const SHAPE: ImageShape = ImageShape {
        height: 2,
        width: 3,
        channels: 2,
    };

    #[test]
    fn a_mirrored_image_has_its_pixels_in_the_other_order() {
        let mut image: Vec<u8> = (0..12).collect();
        flip(SHAPE, &mut image);
        assert_eq!(image, [4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7]);
        flip(SHAPE, &mut image);
        assert!(image.iter().copied().eq(0..12));
    }

    #[test]
    fn a_border_goes_on_mirrored() {
        // As NumPy's `pad` with the mode "reflect".
        let line: Vec<usize> = (0..9).map(|place| mirrored(place, 3, 3)).collect();
        assert_eq!(line, [1, 2, 1, 0, 1, 2, 1, 0, 1]);
        assert!((0..7).all(|place| mirrored(place, 3, 1) == 0));
        for place in 0..40 {
            assert!(mirrored(place, 15, 10) < 10);
        }
    }

    #[test]
    fn a_crop_is_a_window_and_every_window_is_drawn() {
        let shape = ImageShape::from((4, 5, 1));
        let image: Vec<u8> = (0..20).collect();
        let mut found = std::collections::BTreeSet::new();
        for seed in 0..400 {
            let mut cropped = image.clone();
            let mut stream = Stream::new(Purpose::Augmentation, &[seed]);
            crop(1, shape, &mut stream, &mut cropped);
            let windows = (0..3).flat_map(|top| (0..3).map(move |left| (top, left)));
            let window = windows.into_iter().find(|(top, left)| {
                (0..20).all(|pixel| {
                    let row = mirrored(pixel / 5 + top, 1, 4);
                    let column = mirrored(pixel % 5 + left, 1, 5);
                    cropped[pixel] == image[5 * row + column]
                })
            });
            found.insert(window.expect("a window"));
        }
        assert_eq!(found.len(), 9);
    }
}
