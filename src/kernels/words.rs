//! Small numbers on their way to a GPU, several to a word: a shading language may have no integers but those of 32 bits.

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

/// Words of 32 bits in rows of equal length, `[rows, words.len() / rows]`.
pub(crate) fn words<B: Backend>(
    words: Vec<i32>,
    rows: usize,
    device: &B::Device,
) -> Tensor<B, 2, Int> {
    let columns = words.len() / rows.max(1);
    Tensor::from_data(TensorData::new(words, [rows, columns]), device)
}

/// Bytes as words, four to each, the first in the lowest bits; `bytes` is a multiple of four long.
pub(crate) fn pack_bytes(bytes: &[u8]) -> impl Iterator<Item = i32> + '_ {
    let (words, _) = bytes.as_chunks();
    words.iter().map(|word| i32::from_le_bytes(*word))
}

/// The numbers of `bits` bits that are packed in words, lowest bits first.
///
/// # Shapes
///
/// - words: `[rows, words]`
/// - output: `[rows, words * 32 / bits]`
pub(crate) fn unpack<B: Backend>(words: Tensor<B, 2, Int>, bits: u32) -> Tensor<B, 2, Int> {
    let [rows, columns] = words.dims();
    let per_word = 32 / bits as usize;
    let shifts = Tensor::<B, 1, Int>::arange(0..per_word as i64, &words.device()) * bits;
    words
        .reshape([rows, columns, 1])
        .bitwise_right_shift(shifts.reshape([1, 1, per_word]))
        .bitwise_and_scalar(burn::tensor::ElementConversion::elem((1_i64 << bits) - 1))
        .reshape([rows, columns * per_word])
}

#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::backend::flex::FlexDevice;

    fn unpacked(numbers: Vec<i32>, rows: usize, bits: u32) -> Vec<i64> {
        let tensor = words::<Flex>(numbers, rows, &FlexDevice);
        let data = unpack(tensor, bits).into_data();
        data.convert::<i64>().into_vec().unwrap()
    }

    #[test]
    fn bytes_come_back_in_order() {
        let bytes: Vec<u8> = (0..=255).collect();
        let packed: Vec<i32> = pack_bytes(&bytes).collect();
        let expected: Vec<i64> = (0..=255).collect();
        assert_eq!(unpacked(packed, 4, 8), expected);
    }

    #[test]
    fn bits_come_back_lowest_first_also_the_sign() {
        let bits = unpacked(vec![5, i32::MIN, -1], 3, 1);
        assert_eq!(bits[..4], [1, 0, 1, 0]);
        assert_eq!(bits[32..63], [0; 31]);
        assert_eq!(bits[63..], [1; 33]);
    }
}
