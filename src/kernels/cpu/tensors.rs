//! Tensors of burn-flex as numbers.

use burn::backend::flex::FlexTensor;
use burn::tensor::backend::TensorMetadata;
use burn::tensor::{Shape, TensorData};

/// The numbers of a tensor, row by row.
pub struct Numbers(FlexTensor);

impl Numbers {
    /// The numbers of a tensor, which are copied where they don't lie one behind the other.
    pub fn of(tensor: &FlexTensor) -> Self {
        Self(tensor.to_contiguous())
    }
}

impl std::ops::Deref for Numbers {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0.storage()
    }
}

/// The shape of a tensor of so many dimensions.
pub fn shape_of<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    let shape = tensor.shape();
    std::array::from_fn(|side| shape[side])
}

/// Numbers as a tensor.
pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::from(shape)))
}

/// A tensor whose numbers lie one behind the other; the same one where they do.
pub fn contiguous(tensor: FlexTensor) -> FlexTensor {
    let contiguous = tensor.to_contiguous();
    // A second holder would have the numbers copied before they are written.
    drop(tensor);
    contiguous
}
