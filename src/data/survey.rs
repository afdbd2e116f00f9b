//! What shape the pictures of a folder have in common.

use super::folder::Wanted;
use super::picture::{Header, Picture, file_bytes};
use crate::config::ImageShape;
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Pictures of one size keep it up to this side: larger images take long to train with.
const LARGEST_COMMON: usize = 256;
/// The longer side of the images of larger pictures, or of pictures of several sizes, is at most this.
const LARGEST_SETTLED: usize = 64;
/// The shortest side that a model takes.
const SHORTEST: usize = 5;

/// The sizes of pictures, and whether they are grey.
pub struct Survey {
    seen: Vec<Option<Seen>>,
}

#[derive(Clone, Copy)]
struct Seen {
    height: usize,
    width: usize,
    colour: bool,
}

impl Survey {
    /// Looks at the headers of pictures; colours, where they are asked for and no other picture has some, take the pixels.
    pub fn of(files: &[(PathBuf, usize)], wanted: Wanted, stop: &AtomicBool) -> Result<Self> {
        let coloured = AtomicBool::new(wanted.channels.is_some());
        let seen = files
            .par_iter()
            .map(|(path, _)| {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                Ok(look(path, &coloured))
            })
            .collect::<Result<_>>()?;
        Ok(Self { seen })
    }

    /// Takes no account of the pictures at these places any more.
    pub fn leave_out(&mut self, is_broken: impl Fn(usize) -> bool) {
        for (place, seen) in self.seen.iter_mut().enumerate() {
            if is_broken(place) {
                *seen = None;
            }
        }
    }

    /// What images are to be made to, and why.
    ///
    /// Three channels if any picture has colour. The size of all where they are of one size and no side is above 256; else the
    /// median height and width, both made smaller alike until none is above 64. No side is below 5.
    pub fn shape(&self, wanted: Wanted) -> (ImageShape, String) {
        let seen: Vec<Seen> = self.seen.iter().flatten().copied().collect();
        let heights = sorted(seen.iter().map(|seen| seen.height));
        let widths = sorted(seen.iter().map(|seen| seen.width));
        let (size, reason) = match wanted.size {
            Some(size) => (size, "as asked for".to_owned()),
            None => settled(&heights, &widths),
        };
        let (channels, colours) = match wanted.channels {
            Some(channels) => (channels, "channels as asked for"),
            None if seen.iter().any(|seen| seen.colour) => (3, "some have colour"),
            None => (1, "all are grey"),
        };
        let shape = ImageShape::from((size.0, size.1, channels));
        (
            shape,
            format!("pictures are made to images of {shape}: {reason}; {colours}"),
        )
    }
}

fn settled(heights: &[usize], widths: &[usize]) -> ((usize, usize), String) {
    let (&[lowest, ..], &[.., highest]) = (heights, heights) else {
        return ((28, 28), "no picture is whole".into());
    };
    let (narrowest, widest) = (widths[0], widths[widths.len() - 1]);
    let one_size = lowest == highest && narrowest == widest;
    if one_size && lowest.max(narrowest) <= LARGEST_COMMON && lowest.min(narrowest) >= SHORTEST {
        return ((lowest, narrowest), "the size of all".into());
    }
    let (height, width) = (heights[heights.len() / 2], widths[widths.len() / 2]);
    let largest = height.max(width);
    let limited = |side: usize| {
        if largest <= LARGEST_SETTLED {
            side.max(SHORTEST)
        } else {
            ((2 * side * LARGEST_SETTLED + largest) / (2 * largest)).max(SHORTEST)
        }
    };
    let sizes = if one_size {
        format!("all are {height} x {width}")
    } else {
        format!(
            "they are {lowest} to {highest} high and {narrowest} to {widest} wide, {height} x {width} in the median"
        )
    };
    let limit = if largest > LARGEST_SETTLED {
        format!(", and the longer side becomes {LARGEST_SETTLED}")
    } else {
        String::new()
    };
    (
        (limited(height), limited(width)),
        format!("{sizes}{limit}; image_size sets another size"),
    )
}

fn sorted(sides: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut sides: Vec<usize> = sides.collect();
    sides.sort_unstable();
    sides
}

/// What can be seen of a picture; `coloured` says that one with colours has been found.
fn look(path: &PathBuf, coloured: &AtomicBool) -> Option<Seen> {
    let bytes = file_bytes(path).ok()?;
    let header = Header::of(&bytes).ok()?;
    let mut colour = false;
    if !header.grey && !coloured.load(Ordering::Relaxed) {
        colour = Picture::decode(&bytes).ok()?.channels == 3;
        if colour {
            coloured.store(true, Ordering::Relaxed);
        }
    }
    Some(Seen {
        height: header.height,
        width: header.width,
        colour,
    })
}
