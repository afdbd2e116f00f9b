//! Memory of kernels.

#![allow(
    unsafe_code,
    reason = "a result of megabytes is not filled with zeros by one thread before all of them write it"
)]

use rayon::prelude::*;
use std::cell::Cell;
use std::marker::PhantomData;
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

/// Numbers `[images, columns, chunk]`, of which `work` writes a column of all images in parallel, with the item at its place.
///
/// # Safety
///
/// `work` writes every number of the column that it is given.
pub unsafe fn collect_columns<T: Send>(
    [images, columns, chunk]: [usize; 3],
    items: Vec<T>,
    work: impl Fn(usize, T, Column<'_>) + Sync,
) -> Vec<f32> {
    let length = images * columns * chunk;
    let mut numbers = Vec::with_capacity(length);
    assert_eq!(items.len(), columns, "there is an item for each column");
    let spare = &mut numbers.spare_capacity_mut()[..length];
    let start = Start(spare.as_mut_ptr());
    let together = (TOGETHER / (images * chunk).max(1)).max(1);
    let columns_of = items.into_par_iter().enumerate().with_min_len(together);
    columns_of.for_each(|(place, item)| {
        // By reference: a closure would else take the pointer out of what may be sent.
        let Start(start) = &start;
        let column = Column {
            // SAFETY: `place` is below `columns`, and so within the numbers, or at their end where there are none.
            first: unsafe { start.add(place * chunk) },
            images,
            stride: columns * chunk,
            chunk,
            numbers: PhantomData,
        };
        work(place, item, column);
    });
    // SAFETY: `work` has been called for each column, and the caller vouches for it.
    unsafe { numbers.set_len(length) };
    numbers
}

/// Numbers that are worth a task of their own.
const TOGETHER: usize = 1 << 13;

struct Start(*mut MaybeUninit<f32>);

// SAFETY: each task writes the numbers of its own column.
unsafe impl Sync for Start {}

/// A column of numbers `[images, columns, chunk]`.
#[derive(Debug)]
pub struct Column<'a> {
    first: *mut MaybeUninit<f32>,
    images: usize,
    stride: usize,
    chunk: usize,
    numbers: PhantomData<&'a mut [MaybeUninit<f32>]>,
}

impl Column<'_> {
    /// What of it belongs to an image.
    #[inline(always)]
    pub fn of(&mut self, image: usize) -> &mut [MaybeUninit<f32>] {
        assert!(image < self.images, "there is no such image");
        // SAFETY: the image is one of `images`, each with `stride` numbers, and this column alone has these `chunk` of them.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(image * self.stride), self.chunk) }
    }
}

/// A value that begins at a line of cache.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Aligned<T>(pub T);
