//! Parts of slices whose lengths are known when they are compiled.

/// `N` elements from `first` on; the one check that they are there.
#[inline(always)]
pub fn window<T, const N: usize>(slice: &[T], first: usize) -> &[T; N] {
    match slice[first..].first_chunk() {
        Some(window) => window,
        None => unreachable!("a window of {N} ends after its slice"),
    }
}

#[inline(always)]
pub fn window_mut<T, const N: usize>(slice: &mut [T], first: usize) -> &mut [T; N] {
    match slice[first..].first_chunk_mut() {
        Some(window) => window,
        None => unreachable!("a window of {N} ends after its slice"),
    }
}

/// A vector of at most sixteen numbers, the others 0.
#[inline(always)]
pub fn padded(values: &[f32]) -> [f32; 16] {
    if let Some(values) = values.first_chunk() {
        return *values;
    }
    let mut padded = [0.0; 16];
    padded[..values.len()].copy_from_slice(values);
    padded
}
