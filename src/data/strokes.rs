//! Strokes and their ground in a picture told apart.

use super::plane::{Area, Plane};

/// Grey values that ink differs from its ground at least.
const LEAST_CONTRAST: f32 = 12.0;

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
pub(super) fn ink_is_dark(picture: &Plane) -> bool {
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
pub(super) fn contrast_of(light: &Plane) -> Option<(Plane, f32, f32)> {
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
    if most <= least {
        return None;
    }
    let mut histogram = [0_u32; 256];
    for value in &plane.values {
        histogram[((value - least) / (most - least) * 255.0) as usize] += 1;
    }
    let count = plane.values.len() as f64;
    let bins = histogram.iter().enumerate();
    let total: f64 = bins
        .map(|(bin, found)| bin as f64 * f64::from(*found))
        .sum();
    let (mut below, mut sum, mut best) = (0.0, 0.0, (0.0, 0));
    for (bin, found) in histogram[..255].iter().enumerate() {
        below += f64::from(*found);
        sum += bin as f64 * f64::from(*found);
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
pub(super) fn strokes_in(contrast: &Plane, noise: f32, ink: f32) -> Option<(Plane, Area)> {
    let least = (0.06 * ink).max(3.5 * noise);
    let mut parts = parts_of(contrast, least);
    parts.retain(|part| part.peak >= 0.5 * ink);
    let heaviest = |parts: &[Part]| parts.iter().map(|part| part.mass).fold(0.0, f32::max);
    let (frames, rest): (Vec<Part>, Vec<Part>) =
        parts.into_iter().partition(|part| is_frame(part, contrast));
    // A line alone may be a digit.
    let largest = rest.iter().map(|part| part.pixels.len()).max();
    let enough = 0.001 * contrast.values.len() as f32;
    let mut parts = rest;
    if largest.is_none_or(|largest| (largest as f32) < enough) {
        parts.extend(frames);
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
