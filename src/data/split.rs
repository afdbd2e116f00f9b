//! Data sets in two.

use crate::error::{Error, Result};
use crate::random::{Purpose, Stream};
use std::collections::BTreeMap;

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
}
