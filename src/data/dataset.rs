use super::{IMAGE_PIXELS, IMAGE_SIZE, IdxArray};
use crate::error::{Error, Result};
use crate::random::{Purpose, Stream};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Grey-scale images of 28 x 28 raw pixels with their targets. A clone shares the pixels.
#[derive(Clone)]
pub struct Dataset {
    pixels: Arc<[u8]>,
    targets: Arc<[u32]>,
}

/// One image of a [`Dataset`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Position in the data set; dropout masks follow from it.
    pub index: usize,
    /// Raw pixels, row by row.
    pub pixels: [u8; IMAGE_PIXELS],
    /// The class.
    pub target: u32,
}

impl Dataset {
    /// A data set of raw pixels, image by image and row by row, and one target for each image.
    pub fn new(pixels: &[u8], targets: &[i64]) -> Result<Self> {
        if pixels.len() != targets.len() * IMAGE_PIXELS {
            return Err(Error::Data(format!(
                "there must be {IMAGE_PIXELS} pixels for each of the {} targets, got {} pixels",
                targets.len(),
                pixels.len()
            )));
        }
        let targets = targets
            .iter()
            .enumerate()
            .map(|(index, target)| {
                u32::try_from(*target)
                    .ok()
                    .filter(|target| i32::try_from(*target).is_ok())
                    .ok_or_else(|| {
                        Error::Data(format!(
                            "targets must be classes from 0 on, got {target} at index {index}"
                        ))
                    })
            })
            .collect::<Result<Vec<u32>>>()?;
        Ok(Self {
            pixels: pixels.into(),
            targets: targets.into(),
        })
    }

    /// A data set from the contents of two IDX files.
    pub fn from_idx(images: IdxArray, targets: IdxArray) -> Result<Self> {
        let length = targets.bytes.len();
        if images.shape != [length, IMAGE_SIZE, IMAGE_SIZE] || targets.shape != [length] {
            return Err(Error::Data(format!(
                "IDX images must have the shape [n, {IMAGE_SIZE}, {IMAGE_SIZE}] and their targets [n], got {:?} and {:?}",
                images.shape, targets.shape
            )));
        }
        Ok(Self {
            pixels: images.bytes.into(),
            targets: targets.bytes.into_iter().map(u32::from).collect(),
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The raw pixels of all images.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The same, shared.
    pub(super) fn shared_pixels(&self) -> Arc<[u8]> {
        Arc::clone(&self.pixels)
    }

    /// The class of each image.
    pub fn targets(&self) -> &[u32] {
        &self.targets
    }

    /// The images at `indices`, in that order; indices out of range are left out.
    #[must_use]
    pub fn subset(&self, indices: &[usize]) -> Self {
        let indices: Vec<usize> = indices
            .iter()
            .copied()
            .filter(|index| *index < self.len())
            .collect();
        Self {
            pixels: indices
                .iter()
                .flat_map(|index| &self.pixels[index * IMAGE_PIXELS..(index + 1) * IMAGE_PIXELS])
                .copied()
                .collect(),
            targets: indices.iter().map(|index| self.targets[*index]).collect(),
        }
    }

    /// Checks that every target is a class of a model with `num_classes` classes.
    pub fn check_classes(&self, num_classes: usize) -> Result<()> {
        match self
            .targets
            .iter()
            .enumerate()
            .find(|(_, target)| **target as usize >= num_classes)
        {
            None => Ok(()),
            Some((index, target)) => Err(Error::Data(format!(
                "targets must be below the model's num_classes of {num_classes}, got {target} at index {index}; \
                 give the model more classes or change the target"
            ))),
        }
    }

    /// SHA-256 of images and targets.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.pixels);
        for target in self.targets.iter() {
            hash.update(target.to_le_bytes());
        }
        super::idx::hexadecimal(&hash.finalize())
    }
}

impl burn::data::dataset::Dataset<Sample> for Dataset {
    fn get(&self, index: usize) -> Option<Sample> {
        let pixels = self
            .pixels
            .get(index * IMAGE_PIXELS..(index + 1) * IMAGE_PIXELS)?;
        Some(Sample {
            index,
            pixels: pixels.try_into().ok()?,
            target: *self.targets.get(index)?,
        })
    }

    fn len(&self) -> usize {
        self.len()
    }
}

/// Splits the indices of `targets` in two, the second with `fraction` of each class, chosen by `seed`.
///
/// Both halves are in ascending order. The shares of the classes are rounded so that they add up to the rounded share of
/// all images; a class of one image is in one half only.
pub fn split_indices(
    targets: &[i64],
    fraction: f64,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>)> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(Error::Data(format!(
            "the share to split off must be above 0 and below 1, got {fraction}"
        )));
    }
    let mut by_class: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (index, target) in targets.iter().enumerate() {
        by_class.entry(*target).or_default().push(index);
    }
    let counts: Vec<usize> = by_class.values().map(Vec::len).collect();
    let mut kept = Vec::new();
    let mut split = Vec::new();
    for ((class, mut indices), share) in by_class.into_iter().zip(shares(&counts, fraction)) {
        Stream::new(Purpose::Split, &[seed, class as u64]).shuffle(&mut indices);
        split.extend_from_slice(&indices[..share]);
        kept.extend_from_slice(&indices[share..]);
    }
    if kept.is_empty() || split.is_empty() {
        return Err(Error::Data(format!(
            "a share of {fraction} leaves nothing on one side of {} images; use more images or another share",
            targets.len()
        )));
    }
    kept.sort_unstable();
    split.sort_unstable();
    Ok((kept, split))
}

/// Whole shares of `counts` that add up to the rounded share of their sum: the largest remainders are rounded up
/// (Hamilton's method).
fn shares(counts: &[usize], fraction: f64) -> Vec<usize> {
    let total = (counts.iter().sum::<usize>() as f64 * fraction).round() as usize;
    let exact: Vec<f64> = counts
        .iter()
        .map(|count| *count as f64 * fraction)
        .collect();
    let mut shares: Vec<usize> = exact.iter().map(|share| share.floor() as usize).collect();
    let mut by_remainder: Vec<usize> = (0..counts.len()).collect();
    by_remainder.sort_by(|left, right| exact[*right].fract().total_cmp(&exact[*left].fract()));
    let missing = total.saturating_sub(shares.iter().sum());
    for class in by_remainder.into_iter().take(missing) {
        shares[class] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_stratified_disjoint_and_complete() {
        let targets: Vec<i64> = (0..1000).map(|index| i64::from(index % 10 == 0)).collect();
        let (kept, split) = split_indices(&targets, 0.2, 1).unwrap();
        assert_eq!(
            split.iter().filter(|index| targets[**index] == 1).count(),
            20
        );
        assert_eq!(split.len(), 200);
        let mut all = [kept, split.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<usize>>());
        assert_ne!(split, split_indices(&targets, 0.2, 2).unwrap().1);
    }

    #[test]
    fn the_shares_of_the_classes_add_up() {
        assert_eq!(shares(&[10, 10, 10], 0.25), [3, 3, 2]);
        assert_eq!(shares(&[3, 5, 7, 11], 0.5).iter().sum::<usize>(), 13);
    }

    #[test]
    fn a_target_that_is_no_class_is_named_with_its_index() {
        let error = Dataset::new(&[0; 2 * IMAGE_PIXELS], &[3, -1])
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("got -1 at index 1"), "{error}");
        let dataset = Dataset::new(&[0; 2 * IMAGE_PIXELS], &[3, 10]).unwrap();
        let error = dataset.check_classes(10).unwrap_err().to_string();
        assert!(
            error.contains("num_classes of 10, got 10 at index 1"),
            "{error}"
        );
    }
}
