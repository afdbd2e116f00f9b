use crate::config::ImageShape;
use crate::kernels::cpu::kernels;
use crate::kernels::cpu::simd::Level;
use crate::kernels::cpu::tensors::tensor;
use crate::kernels::cpu::tests::{assert_close, bytes, levels, numbers};
use crate::kernels::guide::{Convolutions, standard};
use crate::kernels::operations::primitive;
use crate::kernels::{Dropout, DropoutKey, Images, Pixels};
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

/// Linear layers behind the features, and the rows that leave them in double precision.
struct Head {
    hidden: [FlexTensor; 2],
    output: [FlexTensor; 2],
    parameters: [Vec<f32>; 4],
}

impl Head {
    const HIDDEN: usize = 20;
    const CLASSES: usize = 3;

    fn new() -> Self {
        let parameters = [
            numbers(1024 * Self::HIDDEN, 11, 0.1),
            numbers(Self::HIDDEN, 12, 0.1),
            numbers(Self::HIDDEN * Self::CLASSES, 13, 0.2),
            numbers(Self::CLASSES, 14, 0.2),
        ];
        let [hidden, bias1, output, bias2] = parameters.clone();
        Self {
            hidden: [
                tensor(hidden, [1024, Self::HIDDEN]),
                tensor(bias1, [Self::HIDDEN]),
            ],
            output: [
                tensor(output, [Self::HIDDEN, Self::CLASSES]),
                tensor(bias2, [Self::CLASSES]),
            ],
            parameters,
        }
    }

    fn logits(&self, features: &[f64]) -> Vec<f64> {
        let layer = |x: &[f64], weight: &[f32], bias: &[f32]| -> Vec<f64> {
            let outputs = bias.iter().enumerate();
            let sum = |(output, bias): (usize, &f32)| {
                let weights = weight[output..].iter().step_by(weight.len() / x.len());
                x.iter()
                    .zip(weights)
                    .fold(f64::from(*bias), |sum, (x, weight)| {
                        sum + x * f64::from(*weight)
                    })
            };
            outputs.map(sum).collect()
        };
        let [hidden, bias1, output, bias2] = &self.parameters;
        let rows = features.chunks_exact(1024).flat_map(|features| {
            let mut x = layer(features, hidden, bias1);
            for x in &mut x {
                *x = x.max(0.0);
            }
            layer(&x, output, bias2)
        });
        rows.collect()
    }
}

#[test]
fn a_prepared_network_is_its_layers_one_by_one_in_any_batch() {
    let head = Head::new();
    for sizes in [&SHAPES[..], &[[9, 6, 4]]].concat() {
        let case = Case::new(sizes, true);
        let expected = head.logits(&case.burn(None, &vec![0.0; IMAGES * 1024]).0);
        // The order of the images is the other way round in the case.
        let bytes = bytes(IMAGES * case.shape.len(), 3);
        let bytes: Vec<u8> = bytes
            .chunks_exact(case.shape.len())
            .rev()
            .flatten()
            .copied()
            .collect();
        let units: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect();
        for level in levels() {
            let what = format!("{} {}", case.shape, level.name());
            let kernel = kernels(level).guide.unwrap();
            let predictor = kernel
                .predictor(case.shape, &case.primitives(), &head.hidden, &head.output)
                .unwrap();
            let raw = Pixels::raw(&bytes, case.shape).unwrap();
            let logits = predictor.logits(raw);
            assert_close(&logits, &expected, 1e-5, &what);
            let unit = Pixels::unit(&units, case.shape).unwrap();
            assert_eq!(predictor.logits(unit), logits, "{what}");
            for range in [0..1, 1..3, 5..6, 0..5] {
                let some = &logits[Head::CLASSES * range.start..Head::CLASSES * range.end];
                assert_eq!(predictor.logits(raw.range(range)), some, "{what}");
            }
        }
    }
}

#[test]
fn too_small_an_image_has_no_prepared_network() {
    let (case, head) = (Case::new([5, 5, 1], true), Head::new());
    let kernel = kernels(Level::Portable).guide.unwrap();
    let shape = shape_of([4, 9, 1]);
    let found = kernel.predictor(shape, &case.primitives(), &head.hidden, &head.output);
    assert!(found.is_none());
}
