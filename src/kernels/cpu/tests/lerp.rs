use super::{assert_close, levels, numbers};
use crate::kernels::cpu::Cpu;
use crate::kernels::cpu::simd::Level;
use crate::kernels::cpu::tensors::{Numbers, tensor};
use crate::kernels::kernel::LerpKernel;

fn moved(level: Level, start: &[f32], end: &[f32], share: f32) -> Vec<f32> {
    let [start, end] = [start, end].map(|numbers| tensor(numbers.to_vec(), [numbers.len()]));
    Numbers::of(&Cpu { level }.lerp(start, &end, share)).to_vec()
}

#[test]
fn it_is_a_share_of_the_way() {
    for length in [0, 1, 15, 16, 17, 100, 40_000] {
        let (start, end) = (numbers(length, 1, 2.0), numbers(length, 2, 2.0));
        for share in [0.0, 0.001, 0.3, 1.0] {
            let expected: Vec<f64> = start
                .iter()
                .zip(&end)
                .map(|(start, end)| {
                    let (start, end) = (f64::from(*start), f64::from(*end));
                    start + f64::from(share) * (end - start)
                })
                .collect();
            for level in levels() {
                let moved = moved(level, &start, &end, share);
                assert_close(&moved, &expected, 2e-7, &format!("{level:?} {length}"));
            }
        }
    }
}

#[test]
fn equal_numbers_keep_their_bits() {
    let start = numbers(1_000, 3, 2.0);
    for level in levels() {
        assert_eq!(moved(level, &start, &start, 0.1), start);
    }
}
