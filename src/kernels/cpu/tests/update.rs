use super::numbers;
use crate::kernels::cpu::tensors::{Numbers, tensor};
use crate::kernels::cpu::update::update;
use burn::backend::flex::FlexTensor;

const CHUNK: usize = 100;

/// Each number of the first is added to that of the second, and the place of its chunk to the first.
fn updated(tensors: [FlexTensor; 2]) -> [FlexTensor; 2] {
    update(tensors, CHUNK, |place, [first, second]| {
        for (first, second) in first.iter_mut().zip(second) {
            *second += *first;
            *first += place as f32;
        }
    })
}

fn parts(length: usize) -> [FlexTensor; 2] {
    [1, 2].map(|seed| tensor(numbers(length, seed, 1.0), [length]))
}

fn numbers_of(tensors: &[FlexTensor; 2]) -> [Vec<f32>; 2] {
    tensors
        .each_ref()
        .map(|tensor| Numbers::of(tensor).to_vec())
}

#[test]
fn every_number_is_changed_once() {
    for length in [0, 1, 99, 100, 101, 1_050] {
        let [first, second] = numbers_of(&parts(length));
        let [changed, sums] = numbers_of(&updated(parts(length)));
        assert_eq!([changed.len(), sums.len()], [length; 2]);
        let places = (0..length).map(|place| first[place] + (place / CHUNK) as f32);
        assert_eq!(changed, places.collect::<Vec<f32>>());
        let added = first
            .iter()
            .zip(&second)
            .map(|(first, second)| second + first);
        assert_eq!(sums, added.collect::<Vec<f32>>());
    }
}

#[test]
fn a_tensor_that_somebody_else_holds_stays_as_it_is() {
    for length in [0, 1, 100, 1_050] {
        let expected = numbers_of(&updated(parts(length)));
        for held in [[true, false], [false, true], [true, true]] {
            let tensors = parts(length);
            let before = numbers_of(&tensors);
            let holders = [0, 1].map(|each| held[each].then(|| tensors[each].clone()));
            assert_eq!(numbers_of(&updated(tensors)), expected, "{length} {held:?}");
            for (holder, before) in holders.iter().zip(before) {
                if let Some(holder) = holder {
                    assert_eq!(Numbers::of(holder).to_vec(), before);
                }
            }
        }
    }
}

#[test]
fn one_tensor_in_two_places_is_two() {
    let [first, _] = parts(250);
    let twice = numbers_of(&updated([first.clone(), first.clone()]));
    let expected = numbers_of(&updated(
        [1, 1].map(|seed| tensor(numbers(250, seed, 1.0), [250])),
    ));
    assert_eq!(twice, expected);
    assert_eq!(Numbers::of(&first).to_vec(), numbers(250, 1, 1.0));
}

#[test]
fn what_nobody_else_holds_is_changed_in_place() {
    let tensors = parts(1_050);
    let places = tensors.each_ref().map(|tensor| tensor.bytes().as_ptr());
    assert_eq!(
        updated(tensors)
            .each_ref()
            .map(|tensor| tensor.bytes().as_ptr()),
        places
    );
}

#[test]
fn a_view_is_changed_apart_from_what_it_is_of() {
    let whole = tensor(numbers(12, 1, 1.0), [3, 4]);
    let view = whole.transpose(0, 1);
    let zeros = tensor(vec![0.0; 12], [4, 3]);
    let [_, sums] = updated([view.clone(), zeros]);
    assert_eq!(Numbers::of(&sums).to_vec(), Numbers::of(&view).to_vec());
    assert_eq!(Numbers::of(&whole).to_vec(), numbers(12, 1, 1.0));
}
