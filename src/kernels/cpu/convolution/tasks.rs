//! The images of a backward pass, shared out among the threads.

#![allow(
    unsafe_code,
    reason = "megabytes of results are not filled with zeros before they are written"
)]

use super::geometry::{Geometry, TASK};
use crate::kernels::cpu::scratch::collect_chunks;
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// What `work` gives for each task, in the order of the images, and the gradients of what entered, if wanted.
///
/// # Safety
///
/// `work` writes all of the memory that it is given.
pub unsafe fn in_tasks<T: Send>(
    geometry: Geometry,
    images: usize,
    wants_input: bool,
    work: impl Fn(Range<usize>, Option<&mut [MaybeUninit<f32>]>) -> Vec<T> + Sync,
) -> (Vec<Vec<T>>, Option<Vec<f32>>) {
    let range = |place: usize| place * TASK..images.min(place * TASK + TASK);
    let mut tasks: Vec<Vec<T>> = (0..images.div_ceil(TASK)).map(|_| Vec::new()).collect();
    if !wants_input {
        let places = tasks.par_iter_mut().enumerate();
        places.for_each(|(place, task)| *task = work(range(place), None));
        return (tasks, None);
    }
    let (length, chunk) = (images * geometry.image(), TASK * geometry.image());
    let places = tasks.iter_mut().collect();
    let write = |place, task: &mut Vec<T>, output: &mut [_]| {
        *task = work(range(place), Some(output));
    };
    // SAFETY: `work` writes every chunk that it is given, as the caller vouches.
    let of_x = unsafe { collect_chunks(length, chunk, places, write) };
    (tasks, Some(of_x))
}
