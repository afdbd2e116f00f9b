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
    static PANELS: Cell<Vec<Aligned<[f32; 16]>>> = const { Cell::new(Vec::new()) };
}

/// Bytes in a line of cache: a vector that begins at one is never in two.
pub const LINE: usize = 64;

/// Gives `work` that many numbers, which hold anything, in memory that a thread takes once and keeps.
pub fn with_scratch<R>(length: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut memory = SCRATCH.take();
    let room = length + LINE / size_of::<f32>();
    if memory.len() < room {
        memory.resize(room, 0.0);
    }
    let first = memory.as_ptr().align_offset(LINE);
    let result = work(&mut memory[first..first + length]);
    SCRATCH.set(memory);
    result
}

/// The same for vectors of sixteen.
pub fn with_panels<R>(length: usize, work: impl FnOnce(&mut [Aligned<[f32; 16]>]) -> R) -> R {
    let mut memory = PANELS.take();
    if memory.len() < length {
        memory.resize(length, Aligned([0.0; 16]));
    }
    let result = work(&mut memory[..length]);
    PANELS.set(memory);
    result
}

/// Numbers as memory that is to be written.
///
/// # Safety
///
/// Nothing but numbers is written there.
pub unsafe fn to_be_written(numbers: &mut [f32]) -> &mut [MaybeUninit<f32>] {
    let numbers: *mut [f32] = numbers;
    // SAFETY: both have one layout, and the caller vouches for what is written.
    unsafe { &mut *(numbers as *mut [MaybeUninit<f32>]) }
}

/// `length` numbers, of which `work` writes each `chunk` in parallel, with the item at its place.
///
/// # Safety
///
/// `work` writes every number of the chunk that it is given.
pub unsafe fn collect_chunks<T: Send>(
    length: usize,
    chunk: usize,
    items: Vec<T>,
    work: impl Fn(usize, T, &mut [MaybeUninit<f32>]) + Sync,
) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(length);
    assert_eq!(
        items.len(),
        length.div_ceil(chunk),
        "there is an item for each chunk"
    );
    let spare = &mut numbers.spare_capacity_mut()[..length];
    let chunks = spare.par_chunks_mut(chunk).zip(items).enumerate();
    chunks.for_each(|(place, (chunk, item))| work(place, item, chunk));
    // SAFETY: `work` has been called for each chunk of the `length` numbers, and the caller vouches for it.
    unsafe { numbers.set_len(length) };
    numbers
}

/// A value that begins at a line of cache.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Aligned<T>(pub T);
