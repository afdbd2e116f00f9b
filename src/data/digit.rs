//! Pictures of digits made as MNIST was: light strokes on a dark ground, fitted into 20 x 20 pixels, placed by their mass.
//!
//! Le Cun's images were cropped to the strokes, scaled to 20 pixels with their proportions kept, and moved by whole pixels so that
//! the centre of mass lies in the middle of 28 x 28. What precedes that here is to find the strokes: which values are ground, where
//! the light is uneven, what is noise, a speck, or a frame.

use super::plane::{Area, Plane};
use super::strokes::{contrast_of, ink_is_dark, strokes_in};
use crate::config::ImageShape;

/// The longer side of a picture in which strokes are looked for.
const SEARCH_SIDE: usize = 320;
/// Strokes are looked for once more, with more pixels, where they are in less than this share of a picture that was shrunk.
const SMALL_SHARE: f32 = 0.6;
/// That part of a picture has fewer pixels by a tenth at least: otherwise it would show no more, and the search would not end.
const LARGEST_PART: f32 = 0.9;
/// The side of a drawing before its strokes are made thicker or thinner.
const MORPH_SIDE: usize = 96;
/// Widths of strokes as shares of the longer side that are left as they are: of MNIST's, one in a hundred is narrower, and one in
/// a hundred wider.
const STROKES: (f32, f32) = (0.073, 0.22);
/// What narrower and wider ones become.
const EVEN_STROKES: (f32, f32) = (0.1, 0.2);

/// A picture as an image of a digit, and what was done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// The raw pixels of the image.
    pub pixels: Vec<u8>,
    /// Whether dark strokes on a light ground were made light ones on a dark ground.
    pub inverted: bool,
    /// Whether the strokes were cropped, scaled or moved.
    pub moved: bool,
    /// Whether there were no strokes; then the image is dark.
    pub blank: bool,
}

/// Makes a picture of a digit as MNIST was made.
///
/// `grey` holds `width` times `height` pixels, row by row. In images of another shape than 28 x 28 the strokes take the same
/// share of the shorter side.
///
/// # Panics
///
/// `grey` has another length.
pub fn prepare(grey: &[u8], width: usize, height: usize, shape: ImageShape) -> Prepared {
    assert_eq!(grey.len(), width * height, "pixels of {width} x {height}");
    let blank = Prepared {
        pixels: vec![0; shape.len()],
        inverted: false,
        moved: false,
        blank: true,
    };
    if grey.is_empty() || shape.is_empty() {
        return blank;
    }
    let picture = Plane::new(width, height, grey.iter().copied().map(f32::from).collect());
    let Some(found) = Drawing::find(&picture, None) else {
        return blank;
    };
    let (whole, inverted) = (found.of_picture, found.inverted);
    let strokes = found.even_strokes();
    // At least a pixel, also in images of few pixels.
    let side = (shape.height.min(shape.width) * 20 / 28).max(1);
    let scale = side as f32 / strokes.longer() as f32;
    let scaled = |length: usize| ((length as f32 * scale).round() as usize).clamp(1, side);
    let fitted = strokes.resized(scaled(strokes.width), scaled(strokes.height));
    let (left, top) = (
        place(&fitted, shape.width, |column, _| column),
        place(&fitted, shape.height, |_, row| row),
    );
    let mut pixels = vec![0; shape.len()];
    let most = fitted.values.iter().copied().fold(0.0, f32::max);
    for (row, values) in fitted.values.chunks_exact(fitted.width).enumerate() {
        for (column, value) in values.iter().enumerate() {
            let first = ((top + row) * shape.width + left + column) * shape.channels;
            let value = (255.0 * value / most).round() as u8;
            pixels[first..first + shape.channels].fill(value);
        }
    }
    let stays = Area {
        left,
        top,
        right: left + fitted.width,
        bottom: top + fitted.height,
    };
    Prepared {
        pixels,
        inverted,
        moved: (width, height) != (shape.width, shape.height) || whole != stays,
        blank: false,
    }
}

/// Where the first column or row of a drawing belongs in `length`, so that its mass is in the middle.
fn place(drawing: &Plane, length: usize, of: fn(usize, usize) -> usize) -> usize {
    let (mut mass, mut moment) = (0.0_f64, 0.0_f64);
    for (row, values) in drawing.values.chunks_exact(drawing.width).enumerate() {
        for (column, value) in values.iter().enumerate() {
            mass += f64::from(*value);
            moment += f64::from(*value) * of(column, row) as f64;
        }
    }
    let size = of(drawing.width, drawing.height);
    let first = (length as f64 / 2.0 - moment / mass).round().max(0.0) as usize;
    first.min(length - size)
}

/// Strokes that were found in a picture.
struct Drawing {
    /// The strokes, cropped; from 0 for ground to 1 for ink.
    ink: Plane,
    /// Where they are in the picture.
    of_picture: Area,
    /// Whether they were darker than the ground.
    inverted: bool,
}

impl Drawing {
    /// Looks for strokes, dark ones or light ones where it is known that they are `dark`.
    fn find(picture: &Plane, dark: Option<bool>) -> Option<Self> {
        let shrink = (picture.longer() as f32 / SEARCH_SIDE as f32).max(1.0);
        let side = |length: usize| ((length as f32 / shrink).round() as usize).max(1);
        let small = picture.resized(side(picture.width), side(picture.height));
        let dark = dark.unwrap_or_else(|| ink_is_dark(&small));
        let light = if dark {
            small.map(|value| 255.0 - value)
        } else {
            small.clone()
        };
        let (contrast, noise, ink) = contrast_of(&light)?;
        let (mask, area) = strokes_in(&contrast, noise, ink)?;
        let of_picture = enlarged(area, &small, picture);
        if shrink > 1.0 && (area.longer() as f32) < SMALL_SHARE * small.longer() as f32 {
            let around = grown(of_picture, of_picture.longer() / 3 + 2, picture);
            let is_part = around.longer() as f32 <= LARGEST_PART * picture.longer() as f32;
            if is_part && let Some(found) = Self::find(&picture.crop(around), Some(dark)) {
                return Some(Self {
                    of_picture: Area {
                        left: around.left + found.of_picture.left,
                        top: around.top + found.of_picture.top,
                        right: around.left + found.of_picture.right,
                        bottom: around.top + found.of_picture.bottom,
                    },
                    ..found
                });
            }
        }
        let floor = 2.0 * noise;
        let strokes = contrast.zip(&mask, |value, kept| {
            kept * ((value - floor) / (ink - floor)).clamp(0.0, 1.0)
        });
        Some(Self {
            ink: strokes.crop(area),
            of_picture,
            inverted: dark,
        })
    }

    /// The strokes, cropped, with those made thicker or thinner that MNIST's are not like.
    fn even_strokes(self) -> Plane {
        let side = self.ink.longer() as f32;
        let (least, most) = STROKES;
        let width = width_of_strokes(&self.ink) / side;
        if (least..=most).contains(&width) {
            return self.ink;
        }
        let scale = MORPH_SIDE as f32 / side;
        let scaled = |length: usize| ((length as f32 * scale).round() as usize).max(1);
        let (columns, rows) = (scaled(self.ink.width), scaled(self.ink.height));
        let large = self.ink.resized(columns, rows);
        // A margin for what grows.
        let margin = MORPH_SIDE / 8;
        let mut wide = Plane::new(
            columns + 2 * margin,
            rows + 2 * margin,
            vec![0.0; (columns + 2 * margin) * (rows + 2 * margin)],
        );
        for (row, values) in large.values.chunks_exact(columns).enumerate() {
            let first = (row + margin) * wide.width + margin;
            wide.values[first..first + columns].copy_from_slice(values);
        }
        let width = width_of_strokes(&wide) / MORPH_SIDE as f32;
        let change =
            (width.clamp(EVEN_STROKES.0, EVEN_STROKES.1) - width) * MORPH_SIDE as f32 / 2.0;
        let changed = wide.grown(change);
        match bounds(&changed, 0.1) {
            Some(area) => changed.crop(area),
            None => self.ink,
        }
    }
}

/// The mean width of strokes: their area by half their edge.
fn width_of_strokes(ink: &Plane) -> f32 {
    let (mut mass, mut edge) = (0.0, 0.0);
    for y in 0..=ink.height as isize {
        for x in 0..=ink.width as isize {
            let value = ink.at(x, y);
            mass += value;
            edge += (value - ink.at(x - 1, y)).abs() + (value - ink.at(x, y - 1)).abs();
        }
    }
    // Steps along rows and columns are longer than a slanted edge by 4 / pi in the mean.
    2.0 * mass / (edge * std::f32::consts::FRAC_PI_4)
}

/// The area of the values above `least`.
fn bounds(plane: &Plane, least: f32) -> Option<Area> {
    let mut found: Option<Area> = None;
    for (top, row) in plane.values.chunks_exact(plane.width).enumerate() {
        let left = row.iter().position(|value| *value > least);
        let right = row.iter().rposition(|value| *value > least);
        if let (Some(left), Some(right)) = (left, right) {
            let area = Area {
                left,
                top,
                right: right + 1,
                bottom: top + 1,
            };
            found = Some(found.map_or(area, |found| found.with(area)));
        }
    }
    found
}

/// An area of a shrunk picture in the picture itself.
fn enlarged(area: Area, small: &Plane, picture: &Plane) -> Area {
    Area {
        left: area.left * picture.width / small.width,
        top: area.top * picture.height / small.height,
        right: (area.right * picture.width).div_ceil(small.width),
        bottom: (area.bottom * picture.height).div_ceil(small.height),
    }
}

/// An area with a margin, inside of a picture.
fn grown(area: Area, margin: usize, picture: &Plane) -> Area {
    Area {
        left: area.left.saturating_sub(margin),
        top: area.top.saturating_sub(margin),
        right: (area.right + margin).min(picture.width),
        bottom: (area.bottom + margin).min(picture.height),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strokes_of_any_share_of_a_large_picture_are_found() {
        let side = 400;
        for length in (20..=side).step_by(5) {
            let mut picture = vec![230; side * side];
            let first = (side - length) / 2;
            for row in picture.chunks_exact_mut(side).skip(first).take(length) {
                row[190..212].fill(20);
            }
            let shape = ImageShape::from((28, 28, 1));
            let found = prepare(&picture, side, side, shape);
            assert!(found.inverted && !found.blank, "{length} of {side}");
        }
    }

    /// A picture of `ground` with a bar of `ink`.
    fn bar(width: usize, height: usize, ground: u8, ink: u8) -> Vec<u8> {
        let mut picture = vec![ground; width * height];
        for row in picture
            .chunks_exact_mut(width)
            .skip(height / 4)
            .take(height / 2)
        {
            row[width / 3..width / 3 + width / 16].fill(ink);
        }
        picture
    }

    #[test]
    fn a_bar_becomes_twenty_pixels_high_in_the_middle_whatever_its_colour() {
        let light = prepare(&bar(160, 120, 20, 230), 160, 120, ImageShape::MNIST);
        let dark = prepare(&bar(160, 120, 230, 20), 160, 120, ImageShape::MNIST);
        assert_eq!(light.pixels, dark.pixels);
        assert_eq!((light.inverted, dark.inverted), (false, true));
        let inked = |row: &[u8]| row.iter().any(|pixel| *pixel > 127);
        let rows: Vec<bool> = light.pixels.chunks(28).map(inked).collect();
        assert_eq!(rows.iter().filter(|row| **row).count(), 20);
        assert!(matches!(rows.iter().position(|row| *row), Some(4 | 5)));
    }

    #[test]
    fn one_value_is_blank() {
        for value in [0, 90, 255] {
            let found = prepare(&[value; 60], 6, 10, ImageShape::MNIST);
            assert!(found.blank && !found.moved && !found.inverted);
            assert_eq!(found.pixels, [0; 784]);
        }
    }

    #[test]
    fn an_image_of_a_pixel_is_made_too() {
        let shape = ImageShape::from((1, 1, 3));
        let found = prepare(&bar(64, 64, 0, 255), 64, 64, shape);
        assert_eq!(found.pixels, [255; 3]);
    }
}
