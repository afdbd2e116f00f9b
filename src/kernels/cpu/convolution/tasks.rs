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

/// Pixels that leave the convolution in a task, so that adding up what the tasks give is a small part of the work.
const PIXELS: usize = 512;
/// Tasks of a large batch at least, so that there is work for the threads.
const TASKS: usize = 8;

/// Images of a task. They follow from the sizes alone, and the gradients of the tasks are added up in the order of the images: the
/// number of threads changes nothing.
fn images_of_a_task(geometry: Geometry, images: usize) -> usize {
    let most = images.div_ceil(TASKS).max(TASK);
    let pixels = geometry.rows() * geometry.columns();
    (PIXELS / pixels.max(1)).clamp(TASK, most)
}

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
    let task = images_of_a_task(geometry, images);
    let range = |place: usize| place * task..images.min(place * task + task);
    let mut tasks: Vec<Vec<T>> = (0..images.div_ceil(task)).map(|_| Vec::new()).collect();
    if !wants_input {
        let places = tasks.par_iter_mut().enumerate();
        places.for_each(|(place, task)| *task = work(range(place), None));
        return (tasks, None);
    }
    let (length, chunk) = (images * geometry.image(), task * geometry.image());
    let places = tasks.iter_mut().collect();
    let write = |place, task: &mut Vec<T>, output: &mut [_]| {
        *task = work(range(place), Some(output));
    };
    // SAFETY: `work` writes every chunk that it is given, as the caller vouches.
    let of_x = unsafe { collect_chunks(length, chunk, places, write) };
    (tasks, Some(of_x))
}
