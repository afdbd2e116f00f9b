//! The kernel of linear layers: tensors in, tensors out.

use super::{Activation, OutputGradients, Sizes, backward, forward};
use crate::kernels::cpu::Cpu;
use crate::kernels::cpu::tensors::{Numbers, tensor};
use crate::kernels::dropout::LayerDropout;
use crate::kernels::{self, LinearKernel, Pullback};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::backend::TensorMetadata;

impl LinearKernel<Flex> for Cpu {
    fn forward(
        &self,
        inputs: &[FlexTensor; 3],
        dropout: Option<LayerDropout<'_>>,
        activation: kernels::Activation,
    ) -> Option<FlexTensor> {
        let dropout = dropout.filter(|dropout| !dropout.is_none());
        match (dropout, activation) {
            (None, kernels::Activation::None) => Some(self.output(inputs, Activation::None)),
            (None, kernels::Activation::Relu) => Some(self.output(inputs, Activation::Relu)),
            (Some(dropout), kernels::Activation::Relu) => {
                let outputs = Sizes::of(&inputs[1]).outputs;
                let bytes = outputs.div_ceil(8);
                let mut kept = vec![0; bytes * dropout.images()];
                for (place, bits) in kept.chunks_exact_mut(bytes).enumerate() {
                    dropout.draw(place, bits);
                }
                let activation = Activation::DropoutRelu {
                    kept: &kept,
                    scale: dropout.scale(),
                };
                Some(self.output(inputs, activation))
            }
            // The way back reads from the output what was dropped, which only ReLU lets it.
            (Some(_), kernels::Activation::None) => None,
        }
    }

    fn forward_training(
        &self,
        inputs: &[FlexTensor; 3],
        dropout: Option<LayerDropout<'_>>,
        activation: kernels::Activation,
    ) -> Option<(FlexTensor, Pullback<Flex, 3>)> {
        let output = LinearKernel::forward(self, inputs, dropout, activation)?;
        let (kernel, inputs) = (*self, inputs.clone());
        let passed = match activation {
            kernels::Activation::None => None,
            kernels::Activation::Relu => Some(output.clone()),
        };
        let scale = dropout.map_or(1.0, LayerDropout::scale);
        let pullback = Pullback::new(move |gradient| {
            kernel.gradients(&inputs, passed.as_ref(), scale, &gradient)
        });
        Some((output, pullback))
    }
}

impl Cpu {
    fn output(self, [x, weight, bias]: &[FlexTensor; 3], activation: Activation<'_>) -> FlexTensor {
        let (rows, sizes) = (x.shape()[0], Sizes::of(weight));
        let [x, weight, bias] = [x, weight, bias].map(Numbers::of);
        let y = forward(self.level, sizes, &x, &weight, &bias, activation);
        tensor(y, [rows, sizes.outputs])
    }

    /// The gradients of what enters, of the weight and of the bias.
    fn gradients(
        self,
        [x, weight, _]: &[FlexTensor; 3],
        passed: Option<&FlexTensor>,
        scale: f32,
        gradient: &FlexTensor,
    ) -> [FlexTensor; 3] {
        let (rows, sizes) = (x.shape()[0], Sizes::of(weight));
        let (gradient, passed) = (Numbers::of(gradient), passed.map(Numbers::of));
        let sums = OutputGradients {
            gradients: &gradient,
            outputs: passed.as_deref(),
            scale,
        };
        let gradients = backward(
            self.level,
            sizes,
            &Numbers::of(x),
            &Numbers::of(weight),
            sums,
        );
        [
            tensor(gradients.x, [rows, sizes.inputs]),
            tensor(gradients.weight, [sizes.inputs, sizes.outputs]),
            tensor(gradients.bias, [sizes.outputs]),
        ]
    }
}

impl Sizes {
    /// Those of a layer with this weight, `[inputs, outputs]`.
    pub fn of(weight: &FlexTensor) -> Self {
        let shape = weight.shape();
        Self {
            inputs: shape[0],
            outputs: shape[1],
        }
    }
}
