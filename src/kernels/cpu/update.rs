//! Tensors whose numbers change: in place where nobody else holds them.

#![allow(
    unsafe_code,
    reason = "a copy of a shared tensor is made by the tasks that change it, while it is in their cache"
)]

use super::tensors::{Numbers, contiguous};
use burn::backend::flex::FlexTensor;
use burn::tensor::backend::TensorMetadata;
use burn::tensor::{Shape, TensorData};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Tensors of the same size of which `work` has changed each `chunk` of numbers in parallel, all of them at the same place.
///
/// A tensor that somebody else holds stays as it is: `work` is given a copy of its chunk.
pub fn update<const N: usize>(
    tensors: [FlexTensor; N],
    chunk: usize,
    work: impl Fn(usize, [&mut [f32]; N]) + Sync,
) -> [FlexTensor; N] {
    let length = tensors[0].shape().num_elements();
    let mut targets = tensors.map(|tensor| Target::of(tensor, length));
    let mut chunks = targets
        .each_mut()
        .map(|target| target.chunks(chunk).into_iter());
    let tasks: Vec<[Option<Chunk<'_>>; N]> = (0..length.div_ceil(chunk))
        .map(|_| chunks.each_mut().map(Iterator::next))
        .collect();
    tasks.into_par_iter().enumerate().for_each(|(place, task)| {
        work(
            place,
            task.map(|chunk| chunk.map_or_else(Default::default, Chunk::ready)),
        );
    });
    drop(chunks);
    // SAFETY: each has as many chunks as there were tasks, and each task has made its chunks ready.
    targets.map(|target| unsafe { target.into_tensor() })
}

/// A tensor that is changed, or a copy of it.
enum Target {
    Own(FlexTensor),
    Copy {
        shape: Shape,
        from: Numbers,
        to: Vec<f32>,
    },
}

impl Target {
    fn of(tensor: FlexTensor, length: usize) -> Self {
        let tensor = contiguous(tensor);
        let shape = tensor.shape();
        assert_eq!(shape.num_elements(), length, "all are of the same size");
        if tensor.is_unique() {
            return Self::Own(tensor);
        }
        Self::Copy {
            shape,
            from: Numbers::of(&tensor),
            to: Vec::with_capacity(length),
        }
    }

    fn chunks(&mut self, size: usize) -> Vec<Chunk<'_>> {
        match self {
            Self::Own(tensor) => {
                let numbers: &mut [f32] = tensor.storage_mut();
                numbers.chunks_mut(size).map(Chunk::Own).collect()
            }
            Self::Copy { from, to, .. } => {
                let to = &mut to.spare_capacity_mut()[..from.len()];
                let chunks = from.chunks(size).zip(to.chunks_mut(size));
                chunks.map(|(from, to)| Chunk::Copy { from, to }).collect()
            }
        }
    }

    /// # Safety
    ///
    /// All of its chunks have been ready.
    unsafe fn into_tensor(self) -> FlexTensor {
        match self {
            Self::Own(tensor) => tensor,
            Self::Copy {
                shape,
                from,
                mut to,
            } => {
                // SAFETY: the caller vouches for it: the chunks have been written.
                unsafe { to.set_len(from.len()) };
                FlexTensor::from_data(TensorData::new(to, shape))
            }
        }
    }
}

/// A part of a target.
enum Chunk<'a> {
    Own(&'a mut [f32]),
    Copy {
        from: &'a [f32],
        to: &'a mut [MaybeUninit<f32>],
    },
}

impl<'a> Chunk<'a> {
    /// Its numbers, which a copy gets now.
    fn ready(self) -> &'a mut [f32] {
        match self {
            Self::Own(numbers) => numbers,
            Self::Copy { from, to } => {
                assert_eq!(from.len(), to.len(), "both are chunks of the same place");
                let to: *mut [MaybeUninit<f32>] = to;
                let to = to as *mut [f32];
                // SAFETY: both have one layout and that many numbers, all of which are written before they can be read.
                unsafe {
                    from.as_ptr().copy_to_nonoverlapping(to.cast(), from.len());
                    &mut *to
                }
            }
        }
    }
}
