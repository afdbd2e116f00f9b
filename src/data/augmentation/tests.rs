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

/// An image after a movement that is not drawn.
fn moved(movement: Movement, shape: ImageShape, image: &[u8]) -> Vec<u8> {
    let config = AugmentationConfig { shift: 1.0, ..OFF };
    let augmentation = Augmentation::new(&config, shape, 0).unwrap();
    let mut image = image.to_vec();
    let mut scratch = augmentation.scratch();
    resample(
        &movement.origin(shape),
        shape,
        false,
        &mut image,
        &mut scratch,
    );
    image
}

const STILL: Movement = Movement {
    shift: [0.0, 0.0],
    angle: 0.0,
    factor: 1.0,
    shear: 0.0,
};

#[test]
fn strengths_of_0_leave_an_image_as_it_is() {
    let image = bytes(3 * 28 * 28);
    assert!(OFF.is_off() && OFF == AugmentationConfig::default());
    assert_eq!(changed(&OFF, square(28, 3), [1, 2, 3], &image), image);
    let augmentation = Augmentation::new(&OFF, square(28, 1), 1).unwrap();
    let mut batch = image.clone();
    augmentation.apply_batch(1, &[5, 6, 7], &mut batch);
    assert_eq!(batch, image);
    // The way through the resampling as well.
    assert_eq!(moved(STILL, square(28, 3), &image), image);
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
fn a_shift_by_whole_pixels_is_exact() {
    let shape = ImageShape {
        height: 5,
        width: 7,
        channels: 3,
    };
    let image = bytes(shape.len());
    let at = |row: isize, column: isize, channel: usize| {
        let inside = (0..5).contains(&row) && (0..7).contains(&column);
        let place = (row * 7 + column) * 3 + channel as isize;
        if inside { image[place as usize] } else { 0 }
    };
    for (down, right) in [(0, 0), (1, 0), (0, -1), (2, -3), (-4, 6), (5, 0), (0, 90)] {
        let movement = Movement {
            shift: [down as f64, right as f64],
            ..STILL
        };
        let result = moved(movement, shape, &image);
        for (place, value) in result.iter().enumerate() {
            let (row, column) = (place / 21, place / 3 % 7);
            let expected = at(row as isize - down, column as isize - right, place % 3);
            assert_eq!(*value, expected, "{down}, {right}: {row}, {column}");
        }
    }
}

#[test]
fn a_shift_by_half_a_pixel_is_the_mean_of_two() {
    let shape = ImageShape {
        height: 1,
        width: 4,
        channels: 1,
    };
    let movement = Movement {
        shift: [0.0, 0.5],
        ..STILL
    };
    assert_eq!(moved(movement, shape, &[10, 21, 40, 100]), [5, 16, 31, 70]);
}

#[test]
fn a_quarter_turn_is_exact() {
    for side in [6, 7] {
        let image = bytes(side * side);
        let quarter = |angle: f64| {
            let movement = Movement { angle, ..STILL };
            moved(movement, square(side, 1), &image)
        };
        let left = quarter(std::f64::consts::FRAC_PI_2);
        let right = quarter(-std::f64::consts::FRAC_PI_2);
        for row in 0..side {
            for column in 0..side {
                let value = i32::from(left[row * side + column]);
                let expected = i32::from(image[column * side + side - 1 - row]);
                assert!((value - expected).abs() <= 1, "{value}, not {expected}");
                let value = i32::from(right[row * side + column]);
                let expected = i32::from(image[(side - 1 - column) * side + row]);
                assert!((value - expected).abs() <= 1, "{value}, not {expected}");
            }
        }
    }
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
fn series_are_the_functions() {
    for step in -180..=180 {
        let angle = f64::from(step).to_radians();
        let (sine, cosine) = sine_and_cosine(angle);
        assert!((sine - angle.sin()).abs() < 1e-14, "{step}");
        assert!((cosine - angle.cos()).abs() < 1e-14, "{step}");
    }
    for step in 0..=1000 {
        let exponent = -f64::from(step) * 0.02;
        let relative = exponential(exponent) / exponent.exp() - 1.0;
        assert!(relative.abs() < 1e-12, "{exponent}: {relative}");
    }
    assert_eq!(exponential(-1e9).to_bits(), 0);
}

#[test]
fn an_elastic_field_is_as_strong_at_the_border_as_in_the_middle() {
    let config = AugmentationConfig {
        elastic: 34.0,
        ..OFF
    };
    let augmentation = Augmentation::new(&config, ImageShape::MNIST, 1).unwrap();
    let smoothing = augmentation.smoothing.as_ref().unwrap();
    let mut scratch = augmentation.scratch();
    let draws = 2_000;
    let places = [0, 27, 14 * 28 + 14, 27 * 28, 28 * 28 - 1];
    let mut squares = [[0.0; 5]; 2];
    for number in 0..draws {
        let mut stream = Stream::new(Purpose::Augmentation, &[number]);
        smoothing.draw(ImageShape::MNIST, &mut stream, &mut scratch);
        for (squares, displacements) in squares.iter_mut().zip(&scratch.displacements) {
            for (square, place) in squares.iter_mut().zip(places) {
                *square += f64::from(displacements[place]).powi(2);
            }
        }
    }
    // A uniform number has the variance 1/3, and the squares of a Gaussian's weights in two dimensions add up to
    // 1 / (4 pi sigma^2).
    let expected = 34.0 * (1.0 / (3.0 * 4.0 * std::f64::consts::PI * 16.0)).sqrt();
    for square in squares.as_flattened() {
        let deviation = (square / draws as f64).sqrt();
        assert!(
            (deviation / expected - 1.0).abs() < 0.07,
            "{deviation}, not {expected}"
        );
    }
}

#[test]
fn noise_is_normal_and_stays_within_a_byte() {
    let config = AugmentationConfig { noise: 0.1, ..OFF };
    let noisy = changed(&config, square(400, 1), [1, 2, 3], &vec![128; 400 * 400]);
    let count = noisy.len() as f64;
    let mean = noisy.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    let squares = noisy.iter().map(|value| (f64::from(*value) - mean).powi(2));
    let deviation = (squares.sum::<f64>() / count).sqrt();
    assert!((mean - 128.0).abs() < 0.3, "{mean}");
    // Rounding adds a twelfth to the variance.
    let expected = (25.5_f64.powi(2) + 1.0 / 12.0).sqrt();
    assert!((deviation / expected - 1.0).abs() < 0.01, "{deviation}");
    let share = |bound: f64| {
        let within = |value: &&u8| (f64::from(**value) - 128.0).abs() < bound * 25.5;
        noisy.iter().filter(within).count() as f64 / count
    };
    for (bound, expected) in [(1.0, 0.683), (2.0, 0.954), (3.0, 0.997)] {
        assert!(
            (share(bound) - expected).abs() < 0.01,
            "{bound}: {}",
            share(bound)
        );
    }
    for (level, within) in [(0, 0.5), (255, 0.5)] {
        let noisy = changed(&config, square(400, 1), [1, 2, 3], &vec![level; 400 * 400]);
        let kept: usize = noisy.iter().map(|value| usize::from(*value == level)).sum();
        assert!(
            (kept as f64 / count - within).abs() < 0.02,
            "{kept} at {level}"
        );
    }
}

#[test]
fn a_square_of_the_given_side_is_cut_out_about_any_pixel() {
    let shape = ImageShape {
        height: 12,
        width: 20,
        channels: 3,
    };
    for (cutout, side) in [(0.25, 3), (0.5, 6), (1.0, 12), (0.001, 1)] {
        let config = AugmentationConfig { cutout, ..OFF };
        let mut sizes = std::collections::BTreeSet::new();
        let mut covered = vec![false; shape.len()];
        for index in 0..4_000 {
            let image = changed(&config, shape, [1, 1, index], &vec![255; shape.len()]);
            let black = |place: &usize| image[*place] == 0;
            let places: Vec<usize> = (0..shape.len()).filter(black).collect();
            for place in &places {
                covered[*place] = true;
            }
            let pixels: Vec<usize> = places.iter().map(|place| place / 3).collect();
            let extent = |of: &dyn Fn(&usize) -> usize| {
                let range = (pixels.iter().map(of).min(), pixels.iter().map(of).max());
                range.1.unwrap() - range.0.unwrap() + 1
            };
            let size = (extent(&|pixel| pixel / 20), extent(&|pixel| pixel % 20));
            assert_eq!(places.len(), size.0 * size.1 * 3, "a full rectangle");
            sizes.insert(size);
        }
        assert!(
            sizes.contains(&(side.min(12), side)) || side == 12,
            "{sizes:?}"
        );
        assert!(sizes.iter().all(|size| size.0 <= side && size.1 <= side));
        // At a corner a quarter of the square is left.
        assert!(
            sizes.contains(&(side.div_ceil(2), side.div_ceil(2))),
            "{sizes:?}"
        );
        assert!(covered.iter().all(|covered| *covered));
    }
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
