//! What a data set holds, and what is odd about it.

use super::Dataset;
use super::statistics::{Look, Sums};
use crate::config::ImageStatistics;
use crate::error::Error;
use rayon::prelude::*;
use serde::Serialize;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};

/// Classes that a warning names.
const NAMED: usize = 10;
/// A mean of the outermost pixels from which on an image has dark strokes on a light ground: three quarters of white.
const LIGHT_GROUND: f64 = 192.0;
/// A largest pixel up to which values look scaled to another range than 0 to 255.
const SMALL_SCALE: u8 = 127;
/// How many times as many images a class has as another where that is told.
const IMBALANCE: usize = 20;

/// What a data set holds, counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Description {
    /// Number of images.
    pub images: usize,
    /// Rows, columns and channels of each.
    pub shape: [usize; 3],
    /// Images of each class.
    pub class_counts: Vec<usize>,
    /// Smallest raw pixel.
    pub pixel_min: u8,
    /// Largest raw pixel.
    pub pixel_max: u8,
    /// Mean of the raw pixels.
    pub pixel_mean: f64,
    /// Their standard deviation.
    pub pixel_std: f64,
    /// Mean of the outermost pixels of the images.
    pub border_mean: f64,
    /// Their standard deviation.
    pub border_std: f64,
    /// Mean share of an image's values that differ clearly from its border.
    pub foreground: f64,
    /// The names of the classes, where they have some.
    #[serde(skip)]
    pub class_names: Option<Vec<String>>,
    /// Images of a single value, and the position of the first.
    pub constant: Finding<1>,
    /// Images that an earlier one equals; the positions are those of the first one found and its equal.
    pub duplicates: Finding<2>,
    /// Those of the duplicates whose class is another than that of their equal.
    pub conflicts: Finding<2>,
    /// Images that are in the other set too; the positions are here and there.
    pub leaks: Finding<2>,
}

/// How often something was found, and where first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding<const N: usize> {
    /// How often.
    pub count: usize,
    /// Positions in the data set.
    pub first: Option<[usize; N]>,
}

impl<const N: usize> Finding<N> {
    fn new() -> Self {
        Self {
            count: 0,
            first: None,
        }
    }

    fn add(&mut self, positions: [usize; N]) {
        self.count += 1;
        // The first one of the data set, in whatever order they are found.
        if self.first.is_none_or(|first| positions < first) {
            self.first = Some(positions);
        }
    }
}

// Serde has arrays of fixed lengths only.
impl<const N: usize> Serialize for Finding<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let first = self.first.as_ref().map(|first| &first[..]);
        (self.count, first).serialize(serializer)
    }
}

/// Hashes of images with their positions, sorted; equal images are neighbours.
pub struct Hashes(Vec<(u64, usize)>);

fn hash_of(image: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    image.hash(&mut hasher);
    hasher.finish()
}

impl Description {
    /// What the images look like, without the counts.
    pub fn statistics(&self) -> ImageStatistics {
        ImageStatistics {
            pixel_min: self.pixel_min,
            pixel_max: self.pixel_max,
            pixel_mean: self.pixel_mean,
            pixel_std: self.pixel_std,
            border_mean: self.border_mean,
            border_std: self.border_std,
            foreground: self.foreground,
        }
    }

    /// Looks at every image; there are `num_classes` classes. The answer's leaks are counted by
    /// [`find_leaks`](Self::find_leaks). [`Error::Interrupted`] soon after `stop` is set.
    pub fn of(
        dataset: &Dataset,
        num_classes: usize,
        stop: &AtomicBool,
    ) -> crate::error::Result<(Self, Hashes)> {
        let shape = dataset.shape();
        let mut class_counts = vec![0; num_classes];
        for target in dataset.targets() {
            let class = *target as usize;
            if class >= class_counts.len() {
                class_counts.resize(class + 1, 0);
            }
            class_counts[class] += 1;
        }
        let mut found = Self {
            images: dataset.len(),
            shape: [shape.height, shape.width, shape.channels],
            class_counts,
            pixel_min: 0,
            pixel_max: 0,
            pixel_mean: 0.0,
            pixel_std: 0.0,
            border_mean: 0.0,
            border_std: 0.0,
            foreground: 0.0,
            class_names: dataset.class_names().map(<[String]>::to_vec),
            constant: Finding::new(),
            duplicates: Finding::new(),
            conflicts: Finding::new(),
            leaks: Finding::new(),
        };
        let mut hashes = Vec::with_capacity(dataset.len());
        let mut sums = Sums::new(shape);
        for part in dataset.parts() {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            let pixels = dataset.read(part)?;
            let images = pixels.par_chunks_exact(shape.len());
            let look = |image: &[u8]| (hash_of(image), Look::at(image, shape));
            let looks: Vec<(u64, Look)> = images.map(look).collect();
            for (hash, look) in looks {
                if look.min == look.max {
                    found.constant.add([hashes.len()]);
                }
                sums.add(&look);
                hashes.push((hash, hashes.len()));
            }
        }
        let ImageStatistics {
            pixel_min,
            pixel_max,
            pixel_mean,
            pixel_std,
            border_mean,
            border_std,
            foreground,
        } = sums.statistics();
        found = Self {
            pixel_min,
            pixel_max,
            pixel_mean,
            pixel_std,
            border_mean,
            border_std,
            foreground,
            ..found
        };
        hashes.par_sort_unstable();
        for equal in hashes.chunk_by(|one, other| one.0 == other.0) {
            let (_, original) = equal[0];
            for (_, copy) in &equal[1..] {
                found.duplicates.add([original, *copy]);
                if dataset.targets()[original] != dataset.targets()[*copy] {
                    found.conflicts.add([original, *copy]);
                }
            }
        }
        Ok((found, Hashes(hashes)))
    }

    /// Counts the images of this set, whose hashes are `own`, that are also in `other`.
    pub fn find_leaks(&mut self, own: &Hashes, other: &Hashes) {
        self.leaks = Finding::new();
        let mut other = other.0.iter().peekable();
        for (hash, position) in &own.0 {
            while other.next_if(|(found, _)| found < hash).is_some() {}
            if let Some((found, there)) = other.peek()
                && found == hash
            {
                self.leaks.add([*position, *there]);
            }
        }
    }

    /// What is odd, a sentence for each; `name` is what the images are called, as in "training images".
    pub fn warnings(&self, name: &str) -> Vec<String> {
        let Self {
            images,
            pixel_min,
            pixel_max,
            border_mean,
            ..
        } = self;
        let mut warnings = Vec::new();
        if *images == 0 {
            return warnings;
        }
        if let Some([here, there]) = self.leaks.first {
            warnings.push(format!(
                "{} of the {images} {name} {} also in the other set (first: {here}, there {there}), so what is measured on \
                 them is too good",
                self.leaks.count,
                plural(self.leaks.count, "is", "are"),
            ));
        }
        if let Some([one, other]) = self.duplicates.first {
            warnings.push(format!(
                "{} of the {images} {name} {} an earlier one (first: {other} equals {one})",
                self.duplicates.count,
                plural(self.duplicates.count, "equals", "equal"),
            ));
        }
        if let Some([one, other]) = self.conflicts.first {
            warnings.push(format!(
                "{} of the {images} {name} {} one of another class (first: {other} equals {one})",
                self.conflicts.count,
                plural(self.conflicts.count, "equals", "equal"),
            ));
        }
        if let Some([first]) = self.constant.first {
            warnings.push(format!(
                "{} of the {images} {name} {} a single value in all pixels (first: {first})",
                self.constant.count,
                plural(self.constant.count, "has", "have"),
            ));
        }
        if *pixel_max <= SMALL_SCALE && pixel_min < pixel_max {
            warnings.push(format!(
                "the pixels of the {name} go from {pixel_min} to {pixel_max}, of 0 to 255: they look scaled to another range, as \
                 0 to 1, or 0 to 16, to which pictures of 16 bits come that use 12; scale them to 255"
            ));
        }
        if *border_mean >= LIGHT_GROUND && self.shape[2] == 1 && self.may_be_characters() {
            warnings.push(format!(
                "the outermost pixels of the {name} have a mean of {border_mean:.0} of 255: dark strokes on a light ground, where \
                 MNIST and what is trained on it have light ones on a dark ground; invert them with 255 - images"
            ));
        }
        warnings.extend(self.missing_classes(name));
        warnings.extend(self.imbalance(name));
        warnings
    }

    /// Whether the classes may be digits or letters, as MNIST's and its relatives' are; other pictures have grounds of any kind.
    fn may_be_characters(&self) -> bool {
        let mut names = self.class_names.iter().flatten();
        names.all(|name| name.chars().count() == 1)
    }

    /// A class as warnings call it.
    fn class(&self, class: usize) -> String {
        let name = self.class_names.as_ref().and_then(|names| names.get(class));
        name.cloned().unwrap_or_else(|| class.to_string())
    }

    fn missing_classes(&self, name: &str) -> Option<String> {
        let counts = self.class_counts.iter().enumerate();
        let empty: Vec<usize> = counts
            .filter(|(_, count)| **count == 0)
            .map(|(class, _)| class)
            .collect();
        if empty.is_empty() {
            return None;
        }
        let named = empty.iter().take(NAMED).map(|class| self.class(*class));
        let named = named.collect::<Vec<_>>().join(", ");
        let more = if empty.len() > NAMED { ", ..." } else { "" };
        Some(format!(
            "{} of the {} classes {} none of the {name}: {named}{more}",
            empty.len(),
            self.class_counts.len(),
            plural(empty.len(), "has", "have"),
        ))
    }

    fn imbalance(&self, name: &str) -> Option<String> {
        let counts = || {
            let counts = self.class_counts.iter().copied().enumerate();
            counts.filter(|(_, count)| *count > 0)
        };
        // The first of several, as whoever reads a table from the top would say.
        let (rare, least) = counts().min_by_key(|(class, count)| (*count, *class))?;
        let (common, most) = counts().max_by_key(|(class, count)| (*count, usize::MAX - class))?;
        (most >= IMBALANCE * least).then(|| {
            let (rare, common) = (self.class(rare), self.class(common));
            format!(
                "class {common} has {most} of the {name} and class {rare} only {least}: a model can reach a high accuracy without \
                 ever predicting {rare}; collect more images of {rare}, or keep fewer of {common} with Dataset.subset"
            )
        })
    }
}

/// Which of two words agrees with a number.
fn plural<'a>(count: usize, one: &'a str, more: &'a str) -> &'a str {
    if count == 1 { one } else { more }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ImageShape;

    const SHAPE: ImageShape = ImageShape {
        height: 3,
        width: 3,
        channels: 1,
    };

    /// Images that differ in their middle and have the border given.
    fn images(middles: &[u8], border: u8) -> Vec<u8> {
        let image = |middle: &u8| {
            let mut image = [border; 9];
            image[4] = *middle;
            image
        };
        middles.iter().flat_map(image).collect()
    }

    fn described(middles: &[u8], border: u8, targets: &[i64]) -> (Description, Hashes) {
        let dataset = Dataset::new(images(middles, border), SHAPE, targets).unwrap();
        Description::of(&dataset, 2, &false.into()).unwrap()
    }

    #[test]
    fn numbers_are_those_of_the_pixels() {
        let (found, _) = described(&[255, 90], 0, &[0, 1]);
        assert_eq!((found.pixel_min, found.pixel_max), (0, 255));
        assert!((found.pixel_mean - 345.0 / 18.0).abs() < 1e-12);
        let squares = (255.0 * 255.0 + 90.0 * 90.0) / 18.0;
        let mean = 345.0 / 18.0;
        assert!((found.pixel_std - f64::sqrt(squares - mean * mean)).abs() < 1e-9);
        assert!(found.border_mean.abs() < 1e-12);
        assert_eq!(found.class_counts, [1, 1]);
        assert!(found.warnings("training images").is_empty());
        // A class beyond those of the model counts too.
        assert_eq!(described(&[1, 2], 0, &[0, 3]).0.class_counts, [1, 0, 0, 1]);
    }

    #[test]
    fn the_sums_of_a_large_image_are_exact() {
        let shape = ImageShape {
            height: 400,
            width: 200,
            channels: 3,
        };
        let pixels: Vec<u8> = [255, 0].repeat(shape.len() / 2);
        let dataset = Dataset::new(pixels, shape, &[0]).unwrap();
        let (found, _) = Description::of(&dataset, 1, &AtomicBool::new(false)).unwrap();
        assert!((found.pixel_mean - 127.5).abs() < 1e-9, "{found:?}");
        assert!((found.pixel_std - 127.5).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn each_oddity_is_told_with_its_numbers() {
        let told = |found: &Description, text: &str| {
            let warnings = found.warnings("training images");
            assert!(
                warnings.iter().any(|warning| warning.contains(text)),
                "{text}: {warnings:?}"
            );
        };
        let (found, _) = described(&[200, 7, 200, 200], 0, &[0, 1, 0, 1]);
        told(
            &found,
            "2 of the 4 training images equal an earlier one (first: 2 equals 0)",
        );
        told(
            &found,
            "1 of the 4 training images equals one of another class (first: 3 equals 0)",
        );
        let (found, _) = described(&[200, 0, 5], 0, &[0, 0, 0]);
        told(
            &found,
            "1 of the 3 training images has a single value in all pixels (first: 1)",
        );
        told(
            &found,
            "1 of the 2 classes has none of the training images: 1",
        );
        told(
            &described(&[1, 0], 0, &[0, 1]).0,
            "go from 0 to 1, of 0 to 255",
        );
        told(&described(&[0, 9], 255, &[0, 1]).0, "a mean of 255 of 255");
    }

    #[test]
    fn leaks_are_found_in_any_order() {
        let (_, train) = described(&[50, 10, 30, 20], 0, &[0, 1, 0, 1]);
        let (mut valid, hashes) = described(&[20, 60, 50, 20], 0, &[0, 1, 0, 1]);
        valid.find_leaks(&hashes, &train);
        assert_eq!(
            valid.leaks,
            Finding {
                count: 3,
                first: Some([0, 3])
            }
        );
        assert!(
            valid.warnings("validation images")[0]
                .starts_with("3 of the 4 validation images are also")
        );
    }
}
