use crate::config::ImageShape;
use crate::kernels::cpu::kernels;
use crate::kernels::cpu::tests::{assert_close, bytes, levels, numbers};
use crate::kernels::guide::{Convolutions, standard};
use crate::kernels::operations::primitive;
use crate::kernels::{Dropout, DropoutKey, Images};
use burn::backend::flex::{FlexDevice, FlexTensor};
use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};

/// Windows of the pooling of one size, of several, overlapping ones, and ones of a pixel that repeat.
const SHAPES: [[usize; 3]; 6] = [
    [28, 28, 3],
    [20, 36, 1],
    [13, 19, 2],
    [5, 5, 1],
    [7, 40, 3],
    [12, 6, 5],
];
const IMAGES: usize = 6;

fn shape_of([height, width, channels]: [usize; 3]) -> ImageShape {
    ImageShape {
        height,
        width,
        channels,
    }
}

fn values<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<f64> {
    let numbers = tensor.into_data().into_vec::<f32>().unwrap();
    numbers.into_iter().map(f64::from).collect()
}

struct Case {
    shape: ImageShape,
    images: Images<Flex>,
    parameters: [Vec<f32>; 4],
}

impl Case {
    fn new(sizes: [usize; 3], raw: bool) -> Self {
        let shape = shape_of(sizes);
        let channels = shape.channels;
        let pixels = bytes(IMAGES * shape.len(), 3);
        let images: Images<Flex> = Images::Raw {
            pixels: pixels.into(),
            shape,
            indices: (0..IMAGES as u64).rev().collect(),
            device: FlexDevice,
        };
        let images = if raw {
            images
        } else {
            images.normalised().into()
        };
        Self {
            shape,
            images,
            parameters: [
                numbers(72 * channels, 1, 0.4),
                numbers(8, 2, 0.4),
                numbers(16 * 72, 3, 0.2),
                numbers(16, 4, 0.2),
            ],
        }
    }

    fn tensor<const D: usize>(&self, place: usize, sizes: [usize; D]) -> Tensor<Flex, D> {
        let data = TensorData::new(self.parameters[place].clone(), sizes);
        Tensor::from_data(data, &FlexDevice)
    }

    fn primitives(&self) -> [FlexTensor; 4] {
        [
            primitive(self.tensor(0, [8, self.shape.channels, 3, 3])),
            primitive(self.tensor(1, [8])),
            primitive(self.tensor(2, [16, 8, 3, 3])),
            primitive(self.tensor(3, [16])),
        ]
    }

    /// The features, and the gradients of parameters for `slopes`, by Burn's own operations.
    fn burn(&self, dropout: Option<&Dropout>, slopes: &[f32]) -> (Vec<f64>, [Vec<f64>; 4]) {
        type Training = Autodiff<Flex>;
        let parameters = Convolutions::<Training> {
            weight1: Tensor::from_inner(self.tensor(0, [8, self.shape.channels, 3, 3]))
                .require_grad(),
            bias1: Tensor::from_inner(self.tensor(1, [8])).require_grad(),
            weight2: Tensor::from_inner(self.tensor(2, [16, 8, 3, 3])).require_grad(),
            bias2: Tensor::from_inner(self.tensor(3, [16])).require_grad(),
        };
        let images = Images::Normalised(Tensor::from_inner(self.images.clone().normalised()));
        let features = standard(images, parameters.clone(), dropout);
        let slopes = TensorData::new(slopes.to_vec(), [IMAGES, 1024]);
        let slopes = Tensor::<Training, 2>::from_data(slopes, &FlexDevice);
        let gradients = (features.clone() * slopes).sum().backward();
        (
            values(features.inner()),
            [
                values(parameters.weight1.grad(&gradients).unwrap()),
                values(parameters.bias1.grad(&gradients).unwrap()),
                values(parameters.weight2.grad(&gradients).unwrap()),
                values(parameters.bias2.grad(&gradients).unwrap()),
            ],
        )
    }
}

fn numbers_of(tensor: &FlexTensor) -> Vec<f32> {
    tensor.to_contiguous().storage::<f32>().to_vec()
}

#[test]
fn features_and_gradients_are_those_of_burn_s_operations() {
    let key = DropoutKey {
        seed: 5,
        epoch: 2,
        indices: (10..10 + IMAGES as u64).collect(),
    };
    let dropout = Dropout::new(0.3, &key);
    for sizes in SHAPES {
        for (raw, dropout) in [
            (true, None),
            (false, Some(&dropout)),
            (true, Some(&dropout)),
        ] {
            let case = Case::new(sizes, raw);
            let slopes = numbers(IMAGES * 1024, 9, 1.0);
            let (features, gradients) = case.burn(dropout, &slopes);
            for level in levels() {
                let what = format!("{} {} {raw}", case.shape, level.name());
                let kernel = kernels(level).guide.unwrap();
                let (found, pullback) = kernel
                    .forward_training(&case.images, &case.primitives(), dropout)
                    .unwrap();
                assert_close(&numbers_of(&found), &features, 2e-6, &what);
                let slopes = TensorData::new(slopes.clone(), [IMAGES, 1024]);
                let slopes = primitive(Tensor::<Flex, 2>::from_data(slopes, &FlexDevice));
                let found = pullback.pull(slopes);
                for (found, expected) in found.iter().zip(&gradients) {
                    assert_close(&numbers_of(found), expected, 5e-6, &what);
                }
                if dropout.is_none() {
                    let found = kernel
                        .forward(&case.images, &case.primitives(), None)
                        .unwrap();
                    assert_close(&numbers_of(&found), &features, 2e-6, &what);
                }
            }
        }
    }
}

#[test]
fn what_is_not_a_number_passes_relu_there_and_back() {
    for sizes in [[28, 28, 1], [13, 19, 2]] {
        let mut case = Case::new(sizes, true);
        case.parameters[3][5] = f32::NAN;
        for level in levels() {
            let kernel = kernels(level).guide.unwrap();
            let (images, parameters) = (&case.images, &case.primitives());
            let (training, pullback) = kernel.forward_training(images, parameters, None).unwrap();
            let inference = kernel.forward(images, parameters, None).unwrap();
            for features in [&training, &inference] {
                for (place, feature) in numbers_of(features).into_iter().enumerate() {
                    assert_eq!(feature.is_nan(), place % 1024 / 64 == 5, "{}", level.name());
                }
            }
            let slopes = Tensor::<Flex, 2>::ones([IMAGES, 1024], &FlexDevice);
            let [_, _, _, bias2] = pullback.pull(primitive(slopes));
            // Every pixel of the channel passes on its share of 64 cells.
            let expected = (64 * IMAGES) as f32;
            assert!((numbers_of(&bias2)[5] - expected).abs() < 1e-3 * expected);
        }
    }
}

#[test]
fn an_image_has_the_same_features_in_any_batch() {
    let case = Case::new([13, 19, 2], true);
    let Images::Raw {
        pixels,
        shape,
        device,
        ..
    } = case.images.clone()
    else {
        unreachable!()
    };
    let kernel = kernels(levels().last().unwrap()).guide.unwrap();
    let features = |images: &Images<Flex>| {
        numbers_of(&kernel.forward(images, &case.primitives(), None).unwrap())
    };
    let together = features(&case.images);
    let alone = Images::Raw {
        pixels,
        shape,
        indices: [1].into(),
        device,
    };
    let alone = features(&alone);
    assert_eq!(alone, together[4 * 1024..5 * 1024]);
}
