//! What images look like: counts over their pixels.

use crate::config::{ImageShape, ImageStatistics};
use rayon::prelude::*;

/// Grey values that a pixel differs from its image's border where it is foreground.
const CLEARLY: f64 = 64.0;

/// One look at the pixels of an image.
pub(super) struct Look {
    pub min: u8,
    pub max: u8,
    sum: u64,
    squares: u64,
    border: u64,
    border_squares: u64,
    foreground: usize,
}

impl Look {
    /// Looks at an image, which has a pixel at least.
    pub fn at(image: &[u8], shape: ImageShape) -> Self {
        let row = shape.width * shape.channels;
        let (mut border, mut border_squares) = (0_u64, 0_u64);
        let mut add = |values: &[u8]| {
            for value in values {
                border += u64::from(*value);
                border_squares += u64::from(*value).pow(2);
            }
        };
        for (index, values) in image.chunks_exact(row).enumerate() {
            if index == 0 || index + 1 == shape.height || shape.width == 1 {
                add(values);
            } else {
                add(&values[..shape.channels]);
                add(&values[row - shape.channels..]);
            }
        }
        let (mut min, mut max, mut sum, mut squares) = (u8::MAX, u8::MIN, 0, 0);
        let ground = border as f64 / outermost(shape) as f64;
        let (least, most) = (ground - CLEARLY, ground + CLEARLY);
        // In whole numbers, as pixels are; what lies beyond 0 or 255 is never reached.
        let least = least.ceil().max(0.0) as u8;
        let most = most.floor().min(255.0) as u8;
        let mut foreground = 0;
        // In short integers, so that many are added at once; a part is short enough for their sums.
        for part in image.chunks(1 << 15) {
            min = part.iter().fold(min, |min, pixel| min.min(*pixel));
            max = part.iter().fold(max, |max, pixel| max.max(*pixel));
            let narrow = |pixel: &u8| u32::from(*pixel);
            sum += u64::from(part.iter().map(narrow).sum::<u32>());
            let square = |pixel: &u8| narrow(pixel) * narrow(pixel);
            squares += u64::from(part.iter().map(square).sum::<u32>());
            let outside = |pixel: &u8| u32::from(*pixel < least) + u32::from(*pixel > most);
            foreground += part.iter().map(outside).sum::<u32>() as usize;
        }
        Self {
            min,
            max,
            sum,
            squares,
            border,
            border_squares,
            foreground,
        }
    }
}

/// Values of an image's outermost pixels.
fn outermost(shape: ImageShape) -> usize {
    let inner = shape.height.saturating_sub(2) * shape.width.saturating_sub(2);
    (shape.height * shape.width - inner) * shape.channels
}

/// The looks at many images, added.
pub(super) struct Sums {
    shape: ImageShape,
    images: usize,
    min: u8,
    max: u8,
    sum: u64,
    squares: u64,
    border: u64,
    border_squares: u64,
    foreground: usize,
    /// Images of a single value.
    pub blank: usize,
}

impl Sums {
    pub fn new(shape: ImageShape) -> Self {
        Self {
            shape,
            images: 0,
            min: u8::MAX,
            max: 0,
            sum: 0,
            squares: 0,
            border: 0,
            border_squares: 0,
            foreground: 0,
            blank: 0,
        }
    }

    pub fn add(&mut self, look: &Look) {
        self.images += 1;
        self.min = self.min.min(look.min);
        self.max = self.max.max(look.max);
        self.sum += look.sum;
        self.squares += look.squares;
        self.border += look.border;
        self.border_squares += look.border_squares;
        self.foreground += look.foreground;
        self.blank += usize::from(look.min == look.max);
    }

    /// What the images look like; all 0 where there are none.
    pub fn statistics(&self) -> ImageStatistics {
        let moments = |sum: u64, squares: u64, count: usize| {
            let count = count.max(1) as f64;
            let mean = sum as f64 / count;
            (mean, (squares as f64 / count - mean * mean).max(0.0).sqrt())
        };
        let values = self.images * self.shape.len();
        let (pixel_mean, pixel_std) = moments(self.sum, self.squares, values);
        let outer = self.images * outermost(self.shape);
        let (border_mean, border_std) = moments(self.border, self.border_squares, outer);
        ImageStatistics {
            pixel_min: if self.images == 0 { 0 } else { self.min },
            pixel_max: self.max,
            pixel_mean,
            pixel_std,
            border_mean,
            border_std,
            foreground: self.foreground as f64 / values.max(1) as f64,
        }
    }
}

/// What images look like that lie one behind the other, and how many are of a single value.
pub fn statistics_of(pixels: &[u8], shape: ImageShape) -> (ImageStatistics, usize) {
    let mut sums = Sums::new(shape);
    let images = pixels.par_chunks_exact(shape.len());
    let looks: Vec<Look> = images.map(|image| Look::at(image, shape)).collect();
    for look in &looks {
        sums.add(look);
    }
    (sums.statistics(), sums.blank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_single_pixels() {
        for (height, width, channels) in [(3, 4, 1), (5, 3, 3), (1, 4, 1), (4, 1, 3), (2, 2, 1)] {
            let shape = ImageShape {
                height,
                width,
                channels,
            };
            let pixels: Vec<u8> = (0..2 * shape.len()).map(|i| (i * 89 % 256) as u8).collect();
            let (found, blank) = statistics_of(&pixels, shape);
            let (mut border, mut clear) = (Vec::new(), 0);
            for image in pixels.chunks(shape.len()) {
                let at_border = |index: &usize| {
                    let (y, x) = (index / channels / width, index / channels % width);
                    y == 0 || x == 0 || y + 1 == height || x + 1 == width
                };
                let own: Vec<f64> = (0..image.len())
                    .filter(at_border)
                    .map(|index| f64::from(image[index]))
                    .collect();
                let ground = own.iter().sum::<f64>() / own.len() as f64;
                let differs = |pixel: &&u8| (f64::from(**pixel) - ground).abs() > 64.0;
                clear += image.iter().filter(differs).count();
                border.extend(own);
            }
            let mean = border.iter().sum::<f64>() / border.len() as f64;
            let variance = border
                .iter()
                .map(|value| (value - mean).powi(2))
                .sum::<f64>();
            assert!((found.border_mean - mean).abs() < 1e-9, "{shape}");
            let spread = (variance / border.len() as f64).sqrt();
            assert!((found.border_std - spread).abs() < 1e-6, "{shape}");
            let expected = clear as f64 / pixels.len() as f64;
            assert!((found.foreground - expected).abs() < 1e-12, "{shape}");
            assert_eq!(blank, 0);
        }
        assert_eq!(statistics_of(&[7; 18], ImageShape::from((3, 3, 1))).1, 2);
    }
}
