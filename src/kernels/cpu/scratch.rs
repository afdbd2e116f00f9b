//! Memory of kernels.

#![allow(
    unsafe_code,
    reason = "a result of megabytes is not filled with zeros by one thread before all of them write it"
)]

use rayon::prelude::*;
use std::cell::Cell;
use std::mem::MaybeUninit;

thread_local! {
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Gives `work` that many numbers, which hold anything, in memory that a thread takes once and keeps.
pub fn with_scratch<R>(length: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut memory = SCRATCH.take();
    if memory.len() < length {
        memory.resize(length, 0.0);
    }
    let result = work(&mut memory[..length]);
    SCRATCH.set(memory);
    result
}

/// `length` numbers, of which `work` writes each `chunk` in parallel, with the item at its place. They are 0 before.
pub fn collect_chunks<T: Send>(
    length: usize,
    chunk: usize,
    items: Vec<T>,
    work: impl Fn(usize, T, &mut [f32]) + Sync,
) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(length);
    let spare: &mut [MaybeUninit<f32>] = &mut numbers.spare_capacity_mut()[..length];
    assert_eq!(items.len(), length.div_ceil(chunk), "there is an item for each chunk");
    spare
        .par_chunks_mut(chunk)
        .zip(items)
        .enumerate()
        .for_each(|(place, (chunk, item))| {
            chunk.fill(MaybeUninit::new(0.0));
            // SAFETY: all of the chunk has just been written.
            let chunk = unsafe { &mut *(std::ptr::from_mut(chunk) as *mut [f32]) };
            work(place, item, chunk);
        });
    // SAFETY: every chunk of the `length` numbers has been written above.
    unsafe { numbers.set_len(length) };
    numbers
}
