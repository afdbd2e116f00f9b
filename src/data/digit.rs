//! Pictures of digits made as MNIST was: light strokes on a dark ground, fitted into 20 x 20 pixels, placed by their mass.
//!
//! Le Cun's images were cropped to the strokes, scaled to 20 pixels with their proportions kept, and moved by whole pixels so that
//! the centre of mass lies in the middle of 28 x 28. What precedes that here is to find the strokes: which values are ground, where
//! the light is uneven, what is noise, a speck, or a frame.

use super::plane::{Area, Plane};
use crate::config::ImageShape;

/// The longer side of a picture in which strokes are looked for.
const SEARCH_SIDE: usize = 320;
/// Strokes are looked for once more, with more pixels, where they are in less than this share of a picture that was shrunk.
const SMALL_SHARE: f32 = 0.6;
/// Grey values that ink differs from its ground at least.
const LEAST_CONTRAST: f32 = 12.0;
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
            if let Some(found) = Self::find(&picture.crop(around), Some(dark)) {
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

/// Whether a position is among the outermost `share` of a picture, a pixel at least.
fn in_band(position: usize, plane: &Plane, share: f32) -> bool {
    let band = ((share * plane.width.min(plane.height) as f32) as usize).max(1);
    let (x, y) = (position % plane.width, position / plane.width);
    x.min(y).min(plane.width - 1 - x).min(plane.height - 1 - y) < band
}

/// The values of the outermost tenth of a picture, in order.
fn band_of(plane: &Plane) -> Vec<f32> {
    let values = plane.values.iter().enumerate();
    let mut band: Vec<f32> = values
        .filter(|(position, _)| in_band(*position, plane, 0.1))
        .map(|(_, value)| *value)
        .collect();
    band.sort_by(f32::total_cmp);
    band
}

/// The value that a share of sorted values is below of.
fn quantile(sorted: &[f32], share: f32) -> f32 {
    sorted[((sorted.len() - 1) as f32 * share).round() as usize]
}

/// Whether strokes are darker than their ground: ink is the lesser part of its surroundings, and seldom at the border.
fn ink_is_dark(picture: &Plane) -> bool {
    let skew = |differences: &Plane| {
        let (mut sum, mut size) = (0.0_f64, f64::MIN_POSITIVE);
        for value in &differences.values {
            let cube = f64::from(*value).powi(3);
            sum += cube;
            size += cube.abs();
        }
        sum / size
    };
    let around = picture.blurred(picture.longer() / 4);
    let by_surroundings = skew(&picture.zip(&around, |value, mean| value - mean));
    let ground = quantile(&band_of(picture), 0.5);
    let by_border = skew(&picture.map(|value| value - ground));
    by_surroundings + by_border < 0.0
}

/// How much lighter a picture is than its ground, with the noise of that (its standard deviation) and the value of ink; None where
/// there is none.
fn contrast_of(light: &Plane) -> Option<(Plane, f32, f32)> {
    let most = light.values.iter().copied().fold(0.0, f32::max);
    let flat = flat_ground(&band_of(light), most);
    let mut smooth = light.clone();
    for round in 0..4 {
        let contrast = if let Some(level) = flat {
            smooth.map(|value| value - level)
        } else {
            // Narrower than a third of the picture are the strokes.
            let radius = (light.longer() / 7).max(2);
            let ground = smooth.blurred(light.longer() / 160).opened(radius);
            smooth.zip(&ground.blurred(radius), |value, ground| value - ground)
        };
        let (threshold, ink) = two_parts(&contrast)?;
        // The lower half of it: the soft edges of the strokes are in the upper one.
        let mut ground: Vec<f32> = contrast.values.clone();
        ground.retain(|value| *value < threshold);
        ground.sort_by(f32::total_cmp);
        let level = quantile(&ground, 0.5);
        let noise = level - quantile(&ground, 0.16);
        let ink = ink - level;
        if ink < LEAST_CONTRAST && round == 0 {
            return None;
        }
        let enough = if light.longer() < 64 || round == 3 {
            0.2
        } else {
            0.12
        };
        if noise <= enough * ink {
            return Some((contrast.map(|value| value - level), noise, ink));
        }
        smooth = smooth.blurred(1);
    }
    None
}

/// The value of a ground that is the same everywhere, from the sorted outermost values of a picture; strokes may be among them.
fn flat_ground(band: &[f32], most: f32) -> Option<f32> {
    let middle = quantile(band, 0.5);
    if quantile(band, 0.9) - quantile(band, 0.1) <= 0.1 * (most - middle) {
        return Some(middle);
    }
    // Without any noise a smaller part tells.
    let level = quantile(band, 0.15);
    let spread = quantile(band, 0.3) - quantile(band, 0.02);
    (spread <= 0.01 * (most - level)).then_some(level)
}

/// What divides values best into two parts (Otsu, 1979), and a large one of the upper part.
fn two_parts(plane: &Plane) -> Option<(f32, f32)> {
    let least = plane.values.iter().copied().fold(f32::MAX, f32::min);
    let most = plane.values.iter().copied().fold(f32::MIN, f32::max);
    if most - least < f32::EPSILON {
        return None;
    }
    let mut histogram = [0_u32; 256];
    for value in &plane.values {
        histogram[((value - least) / (most - least) * 255.0) as usize] += 1;
    }
    let count = plane.values.len() as f64;
    let total: f64 = (0..256)
        .map(|bin| bin as f64 * f64::from(histogram[bin]))
        .sum();
    let (mut below, mut sum, mut best) = (0.0, 0.0, (0.0, 0));
    for bin in 0..255 {
        below += f64::from(histogram[bin]);
        sum += bin as f64 * f64::from(histogram[bin]);
        let above = count - below;
        if below > 0.0 && above > 0.0 {
            let apart = (total - sum) / above - sum / below;
            let spread = below * above * apart * apart;
            if spread > best.0 {
                best = (spread, bin + 1);
            }
        }
    }
    let threshold = least + best.1 as f32 / 255.0 * (most - least);
    let mut upper: Vec<f32> = plane.values.clone();
    upper.retain(|value| *value >= threshold);
    upper.sort_by(f32::total_cmp);
    (!upper.is_empty() && upper.len() < plane.values.len())
        .then(|| (threshold, quantile(&upper, 0.75)))
}

/// Ink that hangs together.
struct Part {
    pixels: Vec<usize>,
    area: Area,
    mass: f32,
    peak: f32,
}

/// Where strokes are, as 1 and 0, and the area of them; specks and frames are none.
fn strokes_in(contrast: &Plane, noise: f32, ink: f32) -> Option<(Plane, Area)> {
    let least = (0.06 * ink).max(3.5 * noise);
    let mut parts = parts_of(contrast, least);
    parts.retain(|part| part.peak >= 0.5 * ink);
    let heaviest = |parts: &[Part]| parts.iter().map(|part| part.mass).fold(0.0, f32::max);
    let frames: Vec<bool> = parts.iter().map(|part| is_frame(part, contrast)).collect();
    let mut framed = frames.iter();
    let others: f32 = parts
        .iter()
        .zip(&frames)
        .filter(|(_, frame)| !**frame)
        .map(|(part, _)| part.pixels.len() as f32)
        .fold(0.0, f32::max);
    if others >= 0.001 * contrast.values.len() as f32 {
        parts.retain(|_| !framed.next().copied().unwrap_or(false));
    }
    let speck = 0.06 * heaviest(&parts);
    parts.retain(|part| part.mass >= speck);
    let area = parts.iter().map(|part| part.area).reduce(Area::with)?;
    let mut mask = contrast.map(|_| 0.0);
    for position in parts.iter().flat_map(|part| &part.pixels) {
        mask.values[*position] = 1.0;
    }
    Some((mask, area))
}

/// Whether a part is a line across the picture, or lines around most of it.
fn is_frame(part: &Part, plane: &Plane) -> bool {
    let (width, height) = (plane.width as f32, plane.height as f32);
    let (wide, high) = (
        part.area.width() as f32 / width,
        part.area.height() as f32 / height,
    );
    if (wide > 0.9 && high < 0.06) || (high > 0.9 && wide < 0.06) {
        return true;
    }
    if wide < 0.6 || high < 0.6 {
        return false;
    }
    let edge = (0.06 * part.area.width().min(part.area.height()) as f32).max(1.0) as usize;
    let outer = part.pixels.iter().filter(|position| {
        let (x, y) = (**position % plane.width, **position / plane.width);
        let across = (x - part.area.left).min(part.area.right - 1 - x);
        let down = (y - part.area.top).min(part.area.bottom - 1 - y);
        across.min(down) < edge
    });
    outer.count() as f32 > 0.9 * part.pixels.len() as f32
}

/// The parts of a picture above `least` whose pixels touch, by a side or a corner.
fn parts_of(plane: &Plane, least: f32) -> Vec<Part> {
    let mut seen: Vec<bool> = plane.values.iter().map(|value| *value <= least).collect();
    let mut parts = Vec::new();
    for start in 0..seen.len() {
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        let mut pixels = vec![start];
        let mut next = 0;
        while let Some(position) = pixels.get(next).copied() {
            next += 1;
            let (x, y) = (position % plane.width, position / plane.width);
            for row in y.saturating_sub(1)..(y + 2).min(plane.height) {
                for column in x.saturating_sub(1)..(x + 2).min(plane.width) {
                    let near = row * plane.width + column;
                    if !std::mem::replace(&mut seen[near], true) {
                        pixels.push(near);
                    }
                }
            }
        }
        let area = |position: &usize| Area {
            left: position % plane.width,
            top: position / plane.width,
            right: position % plane.width + 1,
            bottom: position / plane.width + 1,
        };
        let values = pixels.iter().map(|position| plane.values[*position]);
        parts.push(Part {
            mass: values.clone().sum(),
            peak: values.fold(0.0, f32::max),
            area: pixels
                .iter()
                .map(area)
                .reduce(Area::with)
                .unwrap_or(area(&start)),
            pixels,
        });
    }
    parts
}
