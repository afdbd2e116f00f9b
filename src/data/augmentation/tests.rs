use super::*;

const OFF: AugmentationConfig = AugmentationConfig {
    flip: false,
    crop: 0,
    brightness: 0.0,
    contrast: 0.0,
    saturation: 0.0,
    shift: 0.0,
    rotate: 0.0,
    scale: 0.0,
    shear: 0.0,
    elastic: 0.0,
    elastic_sigma: 4.0,
    noise: 0.0,
    cutout: 0.0,
};

fn everything() -> AugmentationConfig {
    AugmentationConfig {
        shift: 0.1,
        rotate: 15.0,
        scale: 0.1,
        shear: 5.0,
        elastic: 34.0,
        noise: 0.1,
        cutout: 0.25,
        ..OFF
    }
}

fn square(side: usize, channels: usize) -> ImageShape {
    ImageShape {
        height: side,
        width: side,
        channels,
    }
}

/// Bytes without a pattern.
fn bytes(count: usize) -> Vec<u8> {
    let mut stream = Stream::new(Purpose::Split, &[1]);
    (0..count).map(|_| stream.next_u64() as u8).collect()
}

fn changed(config: &AugmentationConfig, shape: ImageShape, key: [u64; 3], image: &[u8]) -> Vec<u8> {
    let [seed, epoch, index] = key;
    let augmentation = Augmentation::new(config, shape, seed).unwrap();
    let mut image = image.to_vec();
    augmentation.apply(epoch, index, &mut image, &mut augmentation.scratch());
    image
}

#[test]
fn strengths_of_0_leave_an_image_as_it_is() {
    let image = bytes(3 * 28 * 28);
    assert!(OFF.is_off() && OFF == AugmentationConfig::default());
    assert_eq!(changed(&OFF, square(28, 3), [1, 2, 3], &image), image);
    let augmentation = Augmentation::new(&OFF, square(28, 1), 1).unwrap();
    let mut batch = image.clone();
    augmentation.apply_batch(1, &[5, 6, 7], &mut batch);
    assert_eq!(batch, image);
}

#[test]
fn every_strength_changes_an_image() {
    let image = bytes(28 * 28);
    let each = [
        AugmentationConfig { shift: 0.1, ..OFF },
        AugmentationConfig { rotate: 9.0, ..OFF },
        AugmentationConfig { scale: 0.1, ..OFF },
        AugmentationConfig { shear: 9.0, ..OFF },
        AugmentationConfig {
            elastic: 9.0,
            ..OFF
        },
        AugmentationConfig { noise: 0.1, ..OFF },
        AugmentationConfig { cutout: 0.1, ..OFF },
    ];
    let results = each.map(|config| {
        assert!(!config.is_off());
        changed(&config, ImageShape::MNIST, [1, 2, 3], &image)
    });
    for (number, result) in results.iter().enumerate() {
        assert_ne!(*result, image, "{:?}", each[number]);
        assert!(!results[..number].contains(result), "{:?}", each[number]);
    }
}

#[test]
fn the_result_is_a_function_of_seed_epoch_and_index() {
    let image = bytes(28 * 28);
    let of = |key| changed(&everything(), ImageShape::MNIST, key, &image);
    let first = of([1, 2, 3]);
    assert_eq!(of([1, 2, 3]), first);
    for key in [[2, 2, 3], [1, 3, 3], [1, 2, 4], [2, 1, 3]] {
        assert_ne!(of(key), first, "{key:?}");
    }
}

#[test]
fn neither_the_batch_nor_the_threads_change_an_image() {
    let shape = ImageShape {
        height: 9,
        width: 13,
        channels: 3,
    };
    let augmentation = Augmentation::new(&everything(), shape, 7).unwrap();
    let indices: Vec<usize> = (0..50).map(|place| place * 31 % 97).collect();
    let images = bytes(indices.len() * shape.len());
    let mut expected = images.clone();
    for (index, image) in indices.iter().zip(expected.chunks_exact_mut(shape.len())) {
        // Memory that nobody has used.
        augmentation.apply(4, *index as u64, image, &mut augmentation.scratch());
    }
    let mut batch = images.clone();
    augmentation.apply_batch(4, &indices, &mut batch);
    assert_eq!(batch, expected);
    #[cfg(feature = "cpu")]
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let mut batch = images.clone();
        pool.unwrap()
            .install(|| augmentation.apply_batch(4, &indices, &mut batch));
        assert_eq!(batch, expected, "{threads} threads");
    }
}

#[test]
fn what_is_drawn_for_one_does_not_depend_on_the_others() {
    let image = bytes(28 * 28);
    let of = |config| changed(&config, ImageShape::MNIST, [1, 2, 3], &image);
    let cutout = AugmentationConfig {
        cutout: 0.25,
        ..OFF
    };
    let with_cutout = of(everything());
    let without = of(AugmentationConfig {
        cutout: 0.0,
        ..everything()
    });
    let hole = changed(&cutout, ImageShape::MNIST, [1, 2, 3], &[255; 28 * 28]);
    assert!(hole.contains(&0));
    for (place, covered) in hole.iter().enumerate() {
        let expected = if *covered == 0 { 0 } else { without[place] };
        assert_eq!(with_cutout[place], expected);
    }
    let shift = AugmentationConfig { shift: 0.1, ..OFF };
    let draw = |config: &AugmentationConfig| {
        let mut stream = Stream::new(Purpose::Augmentation, &[1, 2, 3, Part::Movement as u64]);
        Movement::draw(config, ImageShape::MNIST, &mut stream).shift
    };
    assert_eq!(
        draw(&shift).map(f64::to_bits),
        draw(&everything()).map(f64::to_bits)
    );
}

#[test]
fn channels_move_together() {
    let config = AugmentationConfig {
        noise: 0.0,
        ..everything()
    };
    let image = bytes(28 * 28);
    let grey = changed(&config, square(28, 1), [1, 2, 3], &image);
    let colours: Vec<u8> = image
        .iter()
        .flat_map(|pixel| [*pixel, 255 - *pixel, *pixel / 2])
        .collect();
    let channel = |number: usize, of: fn(u8) -> u8| {
        let result = changed(&config, square(28, 3), [1, 2, 3], &colours);
        let one: Vec<u8> = image.iter().map(|pixel| of(*pixel)).collect();
        let alone = changed(&config, square(28, 1), [1, 2, 3], &one);
        assert_eq!(
            result
                .into_iter()
                .skip(number)
                .step_by(3)
                .collect::<Vec<u8>>(),
            alone
        );
        alone
    };
    assert_eq!(channel(0, |pixel| pixel), grey);
    channel(1, |pixel| 255 - pixel);
    channel(2, |pixel| pixel / 2);
}

#[test]
fn images_of_any_shape_are_changed() {
    for (height, width, channels) in [(1, 1, 1), (1, 9, 4), (9, 1, 2), (2, 3, 1), (0, 3, 1)] {
        let shape = ImageShape {
            height,
            width,
            channels,
        };
        let config = AugmentationConfig {
            elastic_sigma: 0.01,
            ..everything()
        };
        let image = changed(&config, shape, [1, 2, 3], &bytes(shape.len()));
        assert_eq!(image.len(), shape.len());
    }
}

#[test]
fn a_strength_out_of_range_is_refused() {
    let config = AugmentationConfig { scale: 1.0, ..OFF };
    let error = Augmentation::new(&config, ImageShape::MNIST, 1).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("scale must be a number of at least 0 and below 1, got 1"),
        "{text}"
    );
}

#[test]
fn an_image_is_mirrored_in_every_other_epoch_and_half_of_them_in_the_first() {
    let shape = ImageShape::from((1, 2, 1));
    let config = AugmentationConfig {
        flip: true,
        ..AugmentationConfig::default()
    };
    let augmentation = Augmentation::new(&config, shape, 42).unwrap();
    let mirrored = |epoch, index| {
        let mut image = [1, 2];
        augmentation.apply(epoch, index, &mut image, &mut augmentation.scratch());
        image == [2, 1]
    };
    for index in 0..100 {
        for epoch in 1..5 {
            assert_ne!(mirrored(epoch, index), mirrored(epoch + 1, index));
        }
    }
    let first = (0..1000).filter(|index| mirrored(1, *index)).count();
    assert!((430..570).contains(&first), "{first}");
}
