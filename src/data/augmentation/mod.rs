//! Training images that are moved, bent and disturbed at random.

mod colour;
mod whole_pixels;

pub(crate) use whole_pixels::{flip, shift};

use crate::config::{AugmentationConfig, ImageShape, Settings};
use crate::error::{Error, Result};
use crate::random::{Purpose, Stream};
#[cfg(any(feature = "cpu", feature = "python"))]
use rayon::prelude::*;

/// Images that a thread takes at a time.
#[cfg(any(feature = "cpu", feature = "python"))]
const TASK: usize = 8;

/// Coordinates are f32 numbers, which must have digits behind the point left.
const LARGEST_SIDE: usize = 1 << 16;

/// A pixel of the background.
const BACKGROUND: u8 = 0;

/// Changes images as an [`AugmentationConfig`] says: bytes in, bytes out.
///
/// An image is shifted, turned, sized, slanted and bent in one go, then noise is added, then a square is cut out. What becomes of
/// it follows from (seed, epoch, index of the image in its data set) alone, and is the same on every machine: no number comes
/// from the system's mathematical library, and no sum depends on threads or on vector instructions.
///
/// - Flip: an image is mirrored left to right in every other epoch, so that it is seen either way equally often (K. Jordan, "94%
///   on CIFAR-10 in 3.29 seconds on a single GPU", 2024).
/// - Crop: a window of the image's own size out of the image with a border in which it goes on mirrored.
/// - Movement: the value at a place of the new image is taken, bilinearly, from the place in the old one that goes there when
///   the image is slanted, turned (anticlockwise) and sized about its centre and then shifted, plus the displacement of the
///   elastic field. Outside of the image is the background, 0.
/// - Elastic field: uniform random numbers in -1..1 for rows and for columns, drawn beyond the borders as well so that the field is
///   equally strong everywhere, smoothed by a Gaussian of `elastic_sigma` that is cut off at three of its deviations, times
///   `elastic` (P. Simard, D. Steinkraus and J. Platt, "Best practices for convolutional neural networks applied to visual
///   document analysis", 2003).
/// - Colours: brightness, contrast and saturation are multiplied with factors, as torchvision's `ColorJitter` does.
/// - Noise: normal, for each value on its own. A sum of twelve uniform numbers stands for a normal one, which takes integers
///   alone: mean, deviation and skewness are the same, the kurtosis is 2.9 instead of 3.
/// - Cutout: a square about a pixel drawn from all, so that a part of it may lie outside (T. DeVries and G. Taylor, "Improved
///   regularization of convolutional neural networks with cutout", 2017).
///
/// What is drawn for one of these does not depend on the strengths of the others.
#[derive(Clone, Debug)]
pub struct Augmentation {
    config: AugmentationConfig,
    shape: ImageShape,
    seed: u64,
    smoothing: Option<Smoothing>,
}

/// What random numbers are for; the last word of their key.
#[derive(Clone, Copy, Debug)]
enum Part {
    Movement = 1,
    Elastic = 2,
    Noise = 3,
    Cutout = 4,
    Flip = 5,
    Crop = 6,
    Colour = 7,
}

/// Memory of the work on one image, used again for the next.
#[derive(Clone, Debug)]
pub struct Scratch {
    /// The image with a border of background: one pixel before and two behind.
    padded: Vec<f32>,
    /// Random numbers, wider than the image by the radius of the smoothing on each side.
    field: Vec<f32>,
    /// The same smoothed in one direction, a single row.
    smoothed: Vec<f32>,
    /// Displacements of rows and of columns.
    displacements: [Vec<f32>; 2],
    /// Where the pixels of a row come from: rows and columns, then how far these are from the corner.
    sources: [Vec<f32>; 2],
    /// The first of the four pixels that each is made from.
    corners: Vec<u32>,
}

impl Augmentation {
    /// Prepares the changes of images of a shape.
    pub fn new(config: &AugmentationConfig, shape: ImageShape, seed: u64) -> Result<Self> {
        config.validate()?;
        let padded = |side: usize| side.saturating_add(3);
        let values = padded(shape.height)
            .saturating_mul(padded(shape.width))
            .saturating_mul(shape.channels);
        if shape.height.max(shape.width) > LARGEST_SIDE || u32::try_from(values).is_err() {
            return Err(Error::Data(format!(
                "images to be augmented must have at most {LARGEST_SIDE} rows and columns and 2^32 values, got {} x {} x {}",
                shape.height, shape.width, shape.channels
            )));
        }
        let smoothing =
            (config.elastic > 0.0).then(|| Smoothing::new(config.elastic, config.elastic_sigma));
        Ok(Self {
            config: *config,
            shape,
            seed,
            smoothing,
        })
    }

    /// Memory for [`apply`](Self::apply).
    pub fn scratch(&self) -> Scratch {
        let ImageShape {
            height,
            width,
            channels,
        } = self.shape;
        let moves = self.config.moves() || self.smoothing.is_some();
        let border = self
            .smoothing
            .as_ref()
            .map(|smoothing| 2 * smoothing.radius);
        let (rows, columns) = border.map_or((0, 0), |border| (height + border, width + border));
        let pixels = border.map_or(0, |_| height * width);
        let zeros = |count: usize| vec![0.0; count];
        Scratch {
            padded: zeros(if moves {
                (height + 3) * (width + 3) * channels
            } else {
                0
            }),
            field: zeros(rows * columns),
            smoothed: zeros(columns),
            displacements: [zeros(pixels), zeros(pixels)],
            sources: [zeros(width), zeros(width)],
            corners: vec![0; width],
        }
    }

    /// Changes an image in its place.
    ///
    /// `index` is that of the image in its data set, `image` has the bytes of one image, and `scratch` is this augmentation's own.
    pub fn apply(&self, epoch: u64, index: u64, image: &mut [u8], scratch: &mut Scratch) {
        debug_assert_eq!(image.len(), self.shape.len());
        if self.shape.is_empty() {
            return;
        }
        let stream = |part: Part| {
            Stream::new(
                Purpose::Augmentation,
                &[self.seed, epoch, index, part as u64],
            )
        };
        if self.config.flip && self.flips(epoch, index) {
            whole_pixels::flip(self.shape, image);
        }
        if self.config.crop > 0 {
            whole_pixels::crop(self.config.crop, self.shape, &mut stream(Part::Crop), image);
        }
        if let Some(smoothing) = &self.smoothing {
            smoothing.draw(self.shape, &mut stream(Part::Elastic), scratch);
        }
        if self.config.moves() || self.smoothing.is_some() {
            let movement = Movement::draw(&self.config, self.shape, &mut stream(Part::Movement));
            let origin = movement.origin(self.shape);
            resample(
                &origin,
                self.shape,
                self.smoothing.is_some(),
                image,
                scratch,
            );
        }
        if self.config.changes_colours() {
            let stream = &mut stream(Part::Colour);
            colour::jitter(&self.config, self.shape, stream, image);
        }
        if self.config.noise > 0.0 {
            add_noise(self.config.noise, &mut stream(Part::Noise), image);
        }
        if self.config.cutout > 0.0 {
            cut_out(
                self.config.cutout,
                self.shape,
                &mut stream(Part::Cutout),
                image,
            );
        }
    }

    /// Whether an image is mirrored in an epoch: in the first one or in the second, as chance has it, and in every other one after.
    fn flips(&self, epoch: u64, index: u64) -> bool {
        let words = [self.seed, 0, index, Part::Flip as u64];
        let first = Stream::new(Purpose::Augmentation, &words).next_u64() >> 63;
        (first + epoch).is_multiple_of(2)
    }

    /// Changes a batch in its place: `images` has the bytes of the images at `indices` of the data set, in that order.
    ///
    /// On a thread of a Rayon pool its threads share the work, which changes nothing but the time. Elsewhere it is done by the
    /// caller alone: Rayon would start a pool for the whole process, which does not survive a fork.
    pub fn apply_batch(&self, epoch: u64, indices: &[usize], images: &mut [u8]) {
        let length = self.shape.len();
        if self.config.is_off() || length == 0 {
            return;
        }
        debug_assert_eq!(images.len(), indices.len() * length);
        let some = |indices: &[usize], images: &mut [u8], scratch: &mut Scratch| {
            for (index, image) in indices.iter().zip(images.chunks_exact_mut(length)) {
                self.apply(epoch, *index as u64, image, scratch);
            }
        };
        #[cfg(any(feature = "cpu", feature = "python"))]
        if rayon::current_num_threads() > 1 && rayon::current_thread_index().is_some() {
            images
                .par_chunks_mut(TASK * length)
                .zip(indices.par_chunks(TASK))
                .for_each_init(
                    || self.scratch(),
                    |scratch, (images, indices)| some(indices, images, scratch),
                );
            return;
        }
        some(indices, images, &mut self.scratch());
    }
}

/// A number in -1..1 with 24 random bits.
fn symmetric(stream: &mut Stream) -> f64 {
    f64::from(stream.unit()) * 2.0 - 1.0
}

/// How an image moves as a whole.
#[derive(Clone, Copy, Debug)]
struct Movement {
    /// Downwards and to the right, in pixels.
    shift: [f64; 2],
    /// Anticlockwise, in radians.
    angle: f64,
    /// Times its size.
    factor: f64,
    /// The slant of its columns, in radians; the lower half goes to the right.
    shear: f64,
}

impl Movement {
    /// Five numbers whatever the strengths are, so that what is drawn for one does not depend on the others.
    fn draw(config: &AugmentationConfig, shape: ImageShape, stream: &mut Stream) -> Self {
        let down = symmetric(stream) * config.shift * shape.height as f64;
        let right = symmetric(stream) * config.shift * shape.width as f64;
        Self {
            shift: [down, right],
            angle: symmetric(stream) * config.rotate.to_radians(),
            factor: 1.0 + symmetric(stream) * config.scale,
            shear: symmetric(stream) * config.shear.to_radians(),
        }
    }

    /// Where each pixel comes from: the inverse of the movement.
    fn origin(&self, shape: ImageShape) -> Origin {
        let (sine, cosine) = sine_and_cosine(self.angle);
        let (shear_sine, shear_cosine) = sine_and_cosine(self.shear);
        let slant = shear_sine / shear_cosine;
        let row = [cosine / self.factor, sine / self.factor];
        let column = [
            (-sine - slant * cosine) / self.factor,
            (cosine - slant * sine) / self.factor,
        ];
        let centre = [
            (shape.height as f64 - 1.0) / 2.0,
            (shape.width as f64 - 1.0) / 2.0,
        ];
        let from = |matrix: [f64; 2], centre_of_old: f64| {
            let [down, right] = self.shift;
            let start =
                centre_of_old - matrix[0] * (down + centre[0]) - matrix[1] * (right + centre[1])
                    + 1.0;
            [matrix[0] as f32, matrix[1] as f32, start as f32]
        };
        Origin {
            row: from(row, centre[0]),
            column: from(column, centre[1]),
        }
    }
}

/// Where the pixel at a row and a column comes from, in the image with its border: each coordinate is the sum of the row times
/// the first number, the column times the second and the third.
#[derive(Clone, Copy, Debug)]
struct Origin {
    row: [f32; 3],
    column: [f32; 3],
}

/// The sine and the cosine of an angle of at most half a turn, by their series: sums, products and quotients are the same on
/// every machine, the system's functions are not.
fn sine_and_cosine(angle: f64) -> (f64, f64) {
    let square = angle * angle;
    let (mut sine, mut cosine) = (1.0, 1.0);
    for term in (1..=16).rev() {
        let even = f64::from(2 * term);
        cosine = 1.0 - square / (even * (even - 1.0)) * cosine;
        sine = 1.0 - square / (even * (even + 1.0)) * sine;
    }
    (angle * sine, cosine)
}

/// The exponential of a number of at most 0, for the same reason.
fn exponential(exponent: f64) -> f64 {
    if exponent < -40.0 {
        return 0.0;
    }
    let small = exponent / 1024.0;
    let mut power = 1.0;
    for term in (1..=12).rev() {
        power = 1.0 + small / f64::from(term) * power;
    }
    for _ in 0..10 {
        power *= power;
    }
    power
}

/// The smoothing of an elastic field.
#[derive(Clone, Debug)]
struct Smoothing {
    radius: usize,
    /// The Gaussian, from edge to edge, times the strength.
    vertical: Vec<f32>,
    /// The Gaussian.
    horizontal: Vec<f32>,
}

impl Smoothing {
    fn new(strength: f64, sigma: f64) -> Self {
        let radius = (3.0 * sigma).ceil();
        let weights: Vec<f64> = (0..=2 * radius as usize)
            .map(|place| {
                let distance = (place as f64 - radius) / sigma;
                exponential(-0.5 * distance * distance)
            })
            .collect();
        let sum: f64 = weights.iter().sum();
        let times = |factor: f64| {
            let scaled = weights.iter().map(|weight| (weight / sum * factor) as f32);
            scaled.collect()
        };
        Self {
            radius: radius as usize,
            vertical: times(strength),
            horizontal: times(1.0),
        }
    }

    /// The displacements of an image.
    fn draw(&self, shape: ImageShape, stream: &mut Stream, scratch: &mut Scratch) {
        let width = shape.width + 2 * self.radius;
        for displacements in &mut scratch.displacements {
            fill(&mut scratch.field, stream);
            let rows = displacements.chunks_exact_mut(shape.width);
            for (row, displacements) in rows.enumerate() {
                let field = &scratch.field[row * width..];
                weighted_sums(field, width, &self.vertical, &mut scratch.smoothed);
                weighted_sums(&scratch.smoothed, 1, &self.horizontal, displacements);
            }
        }
    }
}

/// Random numbers in -1..1 with 16 bits each, four of a draw.
fn fill(numbers: &mut [f32], stream: &mut Stream) {
    let number = |word: u64, place: usize| {
        let bits = (word >> (16 * place)) as u16;
        (f32::from(bits) - 32_767.5) / 32_768.0
    };
    let (fours, rest) = numbers.as_chunks_mut::<4>();
    for four in fours {
        let word = stream.next_u64();
        for (place, value) in four.iter_mut().enumerate() {
            *value = number(word, place);
        }
    }
    if !rest.is_empty() {
        let word = stream.next_u64();
        for (place, value) in rest.iter_mut().enumerate() {
            *value = number(word, place);
        }
    }
}

/// Sums of every `step`th of the numbers from each place on, each times its weight.
#[allow(clippy::needless_range_loop, reason = "a zip is not vectorised here")]
fn weighted_sums(numbers: &[f32], step: usize, weights: &[f32], sums: &mut [f32]) {
    /// As many as fit the registers, and the number that is left.
    fn blocks<'a, const LANES: usize>(
        numbers: &[f32],
        step: usize,
        weights: &[f32],
        sums: &'a mut [f32],
    ) -> (usize, &'a mut [f32]) {
        let (blocks, rest) = sums.as_chunks_mut::<LANES>();
        let done = blocks.len() * LANES;
        for (number, block) in blocks.iter_mut().enumerate() {
            let mut total = [0.0; LANES];
            for (place, weight) in weights.iter().enumerate() {
                let numbers = &numbers[number * LANES + place * step..];
                let Some((numbers, _)) = numbers.split_first_chunk::<LANES>() else {
                    break;
                };
                // By their places: in this form the compiler keeps the sums in vector registers.
                for lane in 0..LANES {
                    total[lane] += weight * numbers[lane];
                }
            }
            *block = total;
        }
        (done, rest)
    }

    let (many, rest) = blocks::<16>(numbers, step, weights, sums);
    let numbers = &numbers[many..];
    let (few, rest) = blocks::<4>(numbers, step, weights, rest);
    blocks::<1>(&numbers[few..], step, weights, rest);
}

/// Takes the pixels of an image from where they come from.
fn resample(
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

/// Adds noise of a standard deviation.
fn add_noise(deviation: f64, stream: &mut Stream, image: &mut [u8]) {
    /// Every second number of 16 bits.
    const LOW: u64 = 0x0000_ffff_0000_ffff;
    /// Twelve times the mean of a number of 16 bits. The deviation of their sum is 2^16.
    const MEAN: i32 = 12 * 0xffff / 2;

    let factor = (deviation * 255.0 / 65_536.0) as f32;
    for value in image {
        let mut pairs = 0;
        for _ in 0..3 {
            let word = stream.next_u64();
            pairs += (word & LOW) + (word >> 16 & LOW);
        }
        let sum = (pairs as u32 + (pairs >> 32) as u32) as i32;
        // The cast rounds to the nearest, and what is below 0 or above 255 to these.
        *value = (f32::from(*value) + factor * (sum - MEAN) as f32 + 0.5) as u8;
    }
}

/// Puts the background over a square.
fn cut_out(part: f64, shape: ImageShape, stream: &mut Stream, image: &mut [u8]) {
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
mod tests;
