//! Moving averages in one pass, in place.

use super::Cpu;
use super::simd::{Kernel, Simd};
use super::slices::{padded, window, window_mut};
use super::tensors::Numbers;
use super::update::update;
use crate::kernels::kernel::LerpKernel;
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;

/// Numbers of a task, which fit the second-level cache twice.
const TASK: usize = 16_384;
/// Numbers of a vector.
const WIDTH: usize = 16;

impl LerpKernel<Flex> for Cpu {
    fn lerp(&self, start: FlexTensor, end: &FlexTensor, share: f32) -> FlexTensor {
        let end = Numbers::of(end);
        let [moved] = update([start], TASK, |place, [start]| {
            let end = &end[place * TASK..][..start.len()];
            self.level.run(Lerp { start, end, share });
        });
        moved
    }
}

struct Lerp<'a> {
    start: &'a mut [f32],
    end: &'a [f32],
    share: f32,
}

impl Kernel for Lerp<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { start, end, share } = self;
        let share = simd.splat(share);
        let moved = |start: &[f32; WIDTH], end: &[f32; WIDTH]| {
            let start = simd.load(start);
            let way = simd.sub(simd.load(end), start);
            simd.mul_add(way, share, start)
        };
        let whole = start.len() - start.len() % WIDTH;
        for first in (0..whole).step_by(WIDTH) {
            let start = window_mut(start, first);
            let moved = moved(start, window(end, first));
            simd.store(moved, start);
        }
        let rest = &mut start[whole..];
        let moved = moved(&padded(rest), &padded(&end[whole..]));
        let mut lanes = [0.0; WIDTH];
        simd.store(moved, &mut lanes);
        let count = rest.len();
        rest.copy_from_slice(&lanes[..count]);
    }
}
