//! New images out of the pixels of old ones.

use super::movement::Origin;
use super::scratch::Scratch;
use crate::config::ImageShape;

/// Takes the pixels of an image from where they come from.
pub(super) fn resample(
    origin: &Origin,
    shape: ImageShape,
    elastic: bool,
    image: &mut [u8],
    scratch: &mut Scratch,
) {
    let ImageShape {
        height,
        width,
        channels,
    } = shape;
    let stride = (width + 3) * channels;
    let row_length = width * channels;
    for (padded, image) in scratch.padded[stride..]
        .chunks_exact_mut(stride)
        .zip(image.chunks_exact(row_length))
    {
        for (padded, pixel) in padded[channels..].iter_mut().zip(image) {
            *padded = f32::from(*pixel);
        }
    }
    let [rows, columns] = &mut scratch.sources;
    for (row, image) in image.chunks_exact_mut(row_length).enumerate() {
        for (sources, [by_row, by_column, start]) in
            [(&mut *rows, origin.row), (&mut *columns, origin.column)]
        {
            let start = by_row * row as f32 + start;
            for (column, source) in sources.iter_mut().enumerate() {
                *source = by_column * column as f32 + start;
            }
        }
        if elastic {
            for (sources, displacements) in [&mut *rows, &mut *columns]
                .into_iter()
                .zip(&scratch.displacements)
            {
                let displacements = &displacements[row * width..];
                for (source, displacement) in sources.iter_mut().zip(displacements) {
                    *source += displacement;
                }
            }
        }
        // All that lies farther out than the border is background, as the border is.
        let (last_row, last_column) = ((height + 1) as f32, (width + 1) as f32);
        let places = rows.iter_mut().zip(columns.iter_mut());
        for ((row, column), corner) in places.zip(&mut scratch.corners) {
            *corner =
                split(row, last_row) * stride as u32 + split(column, last_column) * channels as u32;
        }
        let sources = (&*scratch.corners, &**rows, &**columns);
        match channels {
            1 => blend::<1>(&scratch.padded, stride, sources, image),
            3 => blend::<3>(&scratch.padded, stride, sources, image),
            _ => blend_any(&scratch.padded, stride, channels, sources, image),
        }
    }
}

/// Brings a coordinate into 0..=`last`, and splits it into its whole part, which is returned, and the rest, which it becomes.
#[inline]
fn split(coordinate: &mut f32, last: f32) -> u32 {
    /// From here to its double f32 numbers are whole, and the low bits of one are its distance from here. To add this is to round,
    /// in vectors as well, which a cast to an integer is not.
    const WHOLE: f32 = 8_388_608.0;

    let inside = coordinate.max(0.0).min(last);
    let nearest = inside + WHOLE;
    let below = if nearest - WHOLE > inside {
        nearest - 1.0
    } else {
        nearest
    };
    *coordinate = inside - (below - WHOLE);
    below.to_bits() & 0x007f_ffff
}

/// Makes each pixel of a row from the four about its source: the first of these, and how far down and to the right of it.
fn blend<const CHANNELS: usize>(
    padded: &[f32],
    stride: usize,
    (corners, down, right): (&[u32], &[f32], &[f32]),
    image: &mut [u8],
) {
    blend_any(padded, stride, CHANNELS, (corners, down, right), image);
}

/// The same where the number of channels is known at run time only.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "a number of channels that is known leaves no inner loop"
)]
fn blend_any(
    padded: &[f32],
    stride: usize,
    channels: usize,
    (corners, down, right): (&[u32], &[f32], &[f32]),
    image: &mut [u8],
) {
    for (place, pixel) in image.chunks_exact_mut(channels).enumerate() {
        let (down, right) = (down[place], right[place]);
        let near = &padded[corners[place] as usize..][..stride + 2 * channels];
        for (channel, value) in pixel.iter_mut().enumerate() {
            let mix = |first: usize| {
                let left = near[first + channel];
                left + (near[first + channels + channel] - left) * right
            };
            let (upper, lower) = (mix(0), mix(stride));
            // A number between 0 and 255: the cast rounds to the nearest.
            *value = (upper + (lower - upper) * down + 0.5) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::movement::Movement;
    use super::*;
    use crate::random::{Purpose, Stream};

    /// Bytes without a pattern.
    fn bytes(count: usize) -> Vec<u8> {
        let mut stream = Stream::new(Purpose::Split, &[1]);
        (0..count).map(|_| stream.next_u64() as u8).collect()
    }

    /// An image after a movement that is not drawn.
    fn moved(movement: Movement, shape: ImageShape, image: &[u8]) -> Vec<u8> {
        let mut image = image.to_vec();
        let mut scratch = Scratch::new(shape, true, None);
        resample(
            &movement.origin(shape),
            shape,
            false,
            &mut image,
            &mut scratch,
        );
        image
    }

    const STILL: Movement = Movement {
        shift: [0.0, 0.0],
        angle: 0.0,
        factor: 1.0,
        shear: 0.0,
    };

    #[test]
    fn an_image_that_stands_still_is_as_it_was() {
        let shape = ImageShape {
            height: 28,
            width: 28,
            channels: 3,
        };
        let image = bytes(shape.len());
        assert_eq!(moved(STILL, shape, &image), image);
    }

    #[test]
    fn a_shift_by_whole_pixels_is_exact() {
        let shape = ImageShape {
            height: 5,
            width: 7,
            channels: 3,
        };
        let image = bytes(shape.len());
        let at = |row: isize, column: isize, channel: usize| {
            let inside = (0..5).contains(&row) && (0..7).contains(&column);
            let place = (row * 7 + column) * 3 + channel as isize;
            if inside { image[place as usize] } else { 0 }
        };
        for (down, right) in [(0, 0), (1, 0), (0, -1), (2, -3), (-4, 6), (5, 0), (0, 90)] {
            let movement = Movement {
                shift: [down as f64, right as f64],
                ..STILL
            };
            let result = moved(movement, shape, &image);
            for (place, value) in result.iter().enumerate() {
                let (row, column) = (place / 21, place / 3 % 7);
                let expected = at(row as isize - down, column as isize - right, place % 3);
                assert_eq!(*value, expected, "{down}, {right}: {row}, {column}");
            }
        }
    }

    #[test]
    fn a_shift_by_half_a_pixel_is_the_mean_of_two() {
        let shape = ImageShape {
            height: 1,
            width: 4,
            channels: 1,
        };
        let movement = Movement {
            shift: [0.0, 0.5],
            ..STILL
        };
        assert_eq!(moved(movement, shape, &[10, 21, 40, 100]), [5, 16, 31, 70]);
    }

    #[test]
    fn a_quarter_turn_is_exact() {
        for side in [6, 7] {
            let image = bytes(side * side);
            let quarter = |angle: f64| {
                let movement = Movement { angle, ..STILL };
                let shape = ImageShape {
                    height: side,
                    width: side,
                    channels: 1,
                };
                moved(movement, shape, &image)
            };
            let left = quarter(std::f64::consts::FRAC_PI_2);
            let right = quarter(-std::f64::consts::FRAC_PI_2);
            for row in 0..side {
                for column in 0..side {
                    let value = i32::from(left[row * side + column]);
                    let expected = i32::from(image[column * side + side - 1 - row]);
                    assert!((value - expected).abs() <= 1, "{value}, not {expected}");
                    let value = i32::from(right[row * side + column]);
                    let expected = i32::from(image[(side - 1 - column) * side + row]);
                    assert!((value - expected).abs() <= 1, "{value}, not {expected}");
                }
            }
        }
    }
}
