"""Changes of training images: against a reference in NumPy, and by themselves."""

import json
import threading
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from reference import augmentation as reference
from reference.augmentation import Key, Movement

import mnistburn
from mnistburn import AugmentationConfig, Dataset, TrainingConfig
from mnistburn.errors import ConfigError, DataError

Bytes = NDArray[numpy.uint8]

EVERYTHING = AugmentationConfig(
    shift=0.1, rotate=15, scale=0.1, shear=5, elastic=34, noise=0.1, cutout=0.25
)
KEYS = [Key(42, 1, 0), Key(42, 1, 7), Key(42, 2, 7), Key(2**64 - 1, 3, 10**6)]
STILL = Movement(0.0, 0.0, 0.0, 1.0, 0.0)


def picture(height: int, width: int, channels: int = 1) -> Bytes:
    """Return an image without a pattern."""
    generator = numpy.random.default_rng(5)
    return generator.integers(0, 256, (height, width, channels), dtype=numpy.uint8)


def apply(config: AugmentationConfig, image: Bytes, key: Key) -> Bytes:
    """Return one image after the changes of its key."""
    changed = config.apply(image[None], seed=key.seed, epoch=key.epoch, indices=[key.place])
    return changed.reshape(image.shape)


def agree(actual: Bytes, expected: Bytes) -> None:
    """Check that levels are equal, but for values that f32 and f64 round to either side."""
    assert actual.shape == expected.shape
    difference = numpy.abs(actual.astype(int) - expected.astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.005


def movement_of(config: AugmentationConfig, key: Key, image: Bytes) -> Movement:
    strengths = (config.shift, config.rotate, config.scale, config.shear)
    return reference.drawn_movement(key, image.shape[:2], strengths)


@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize(
    "strengths",
    [
        {"shift": 0.3},
        {"rotate": 180},
        {"scale": 0.5},
        {"shear": 45},
        {"shift": 0.2, "rotate": 30, "scale": 0.3, "shear": 20},
    ],
    ids="-".join,
)
@pytest.mark.parametrize("size", [(28, 28, 1), (9, 14, 3)], ids=str)
def test_movement_equals_the_reference(
    strengths: dict[str, Any], key: Key, size: tuple[int, int, int]
) -> None:
    config, image = AugmentationConfig(**strengths), picture(*size)
    expected = reference.moved(image, movement_of(config, key, image))
    agree(apply(config, image, key), expected)
    assert (expected != image).any()


@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize(("alpha", "sigma"), [(34.0, 4.0), (8.0, 1.3), (100.0, 6.5)])
@pytest.mark.parametrize("size", [(28, 28, 1), (9, 14, 3)], ids=str)
def test_elastic_distortion_equals_the_reference(
    alpha: float, sigma: float, key: Key, size: tuple[int, int, int]
) -> None:
    image = picture(*size)
    displacements = reference.drawn_displacements(key, size[:2], alpha, sigma)
    expected = reference.moved(image, STILL, displacements)
    agree(apply(AugmentationConfig(elastic=alpha, elastic_sigma=sigma), image, key), expected)
    assert (expected != image).any()


@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize("size", [(28, 28, 1), (9, 14, 3)], ids=str)
def test_all_together_equal_the_reference(key: Key, size: tuple[int, int, int]) -> None:
    image, config = picture(*size), EVERYTHING
    displacements = reference.drawn_displacements(
        key, size[:2], config.elastic, config.elastic_sigma
    )
    expected = reference.moved(image, movement_of(config, key, image), displacements)
    expected = reference.noisy(expected, key, config.noise)
    expected = reference.cut_out(expected, key, config.cutout)
    agree(apply(config, image, key), expected)


@pytest.mark.parametrize("cutout", [0.01, 0.2, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("size", [(28, 28, 1), (9, 14, 3)], ids=str)
def test_cutout_equals_the_reference(cutout: float, size: tuple[int, int, int]) -> None:
    image = picture(*size).clip(1)  # nothing is black before
    for index in range(50):
        key = Key(3, 4, index)
        actual = apply(AugmentationConfig(cutout=cutout), image, key)
        numpy.testing.assert_array_equal(actual, reference.cut_out(image, key, cutout))


@pytest.mark.parametrize("noise", [0.01, 0.1, 1.0])
def test_noise_equals_the_reference(noise: float) -> None:
    image, key = picture(28, 28, 3), Key(1, 2, 3)
    agree(apply(AugmentationConfig(noise=noise), image, key), reference.noisy(image, key, noise))


def test_noise_has_its_deviation_and_is_new_in_each_value() -> None:
    grey = numpy.full((300, 28, 28), 128, numpy.uint8)
    noise = AugmentationConfig(noise=0.1).apply(grey).astype(float) - 128
    assert abs(noise.mean()) < 0.3
    assert noise.std() == pytest.approx(25.5, rel=0.01)
    neighbours = (noise[:, :, 1:] * noise[:, :, :-1]).mean() / noise.var()
    images = (noise[1:] * noise[:-1]).mean() / noise.var()
    assert abs(neighbours) < 0.02
    assert abs(images) < 0.02


@pytest.mark.parametrize(
    "images",
    [picture(28, 28)[..., 0], picture(9, 14, 3), numpy.stack([picture(5, 6)] * 4)[..., 0]],
    ids=["grey", "colours", "several"],
)
def test_strengths_of_0_leave_images_as_they_are(images: Bytes) -> None:
    changed = AugmentationConfig(elastic_sigma=2).apply(images)
    numpy.testing.assert_array_equal(changed, images)
    assert changed.flags.writeable
    assert not numpy.shares_memory(changed, images)


def test_an_image_is_a_function_of_seed_epoch_and_index(train_data: Dataset) -> None:
    images = train_data.images[:100]
    whole = EVERYTHING.apply(images, seed=5, epoch=3)
    numpy.testing.assert_array_equal(EVERYTHING.apply(images, seed=5, epoch=3), whole)
    # In another order, with other neighbours, alone.
    order = numpy.random.default_rng(1).permutation(100)
    shuffled = EVERYTHING.apply(images[order], seed=5, epoch=3, indices=order)
    numpy.testing.assert_array_equal(shuffled, whole[order])
    alone = EVERYTHING.apply(images[17], seed=5, epoch=3, indices=17)
    numpy.testing.assert_array_equal(alone, whole[17])
    others: list[dict[str, Any]] = [
        {"seed": 6, "epoch": 3},
        {"seed": 5, "epoch": 4},
        {"seed": 5, "epoch": 3, "indices": range(1, 101)},
    ]
    for other in others:
        changed = EVERYTHING.apply(images, **other)
        assert (changed != whole).any(axis=(1, 2)).all(), other


def test_many_threads_get_the_same_images(train_data: Dataset) -> None:
    images = train_data.images
    expected = EVERYTHING.apply(images)
    results: list[Bytes] = []
    threads = [
        threading.Thread(target=lambda: results.append(EVERYTHING.apply(images))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all((result == expected).all() for result in results)


def test_the_images_of_the_caller_stay_as_they_are(train_data: Dataset) -> None:
    images = train_data.images[:3].copy()
    EVERYTHING.apply(images)
    numpy.testing.assert_array_equal(images, train_data.images[:3])
    # Any memory layout.
    turned = numpy.asfortranarray(images)[::-1]
    expected = EVERYTHING.apply(turned.copy(order="C"))
    numpy.testing.assert_array_equal(EVERYTHING.apply(turned), expected)


def test_all_shapes_of_images_are_taken() -> None:
    grey, colours = picture(9, 14)[..., 0], picture(9, 14, 3)
    changed = EVERYTHING.apply(grey[None])
    numpy.testing.assert_array_equal(EVERYTHING.apply(grey), changed[0])
    numpy.testing.assert_array_equal(EVERYTHING.apply(grey[None, ..., None])[..., 0], changed)
    numpy.testing.assert_array_equal(EVERYTHING.apply(grey[..., None])[..., 0], changed[0])
    several = EVERYTHING.apply(colours[None])
    numpy.testing.assert_array_equal(EVERYTHING.apply(colours), several[0])
    assert EVERYTHING.apply(numpy.zeros((0, 28, 28), numpy.uint8)).shape == (0, 28, 28)


def test_an_augmentation_that_changes_nothing_is_none() -> None:
    config = TrainingConfig(augmentation=AugmentationConfig(elastic_sigma=7))
    assert config.augmentation is None
    assert config == TrainingConfig()
    assert "augmentation" not in json.loads(config.to_json())


def test_numbers_become_plain_ones() -> None:
    config = AugmentationConfig(rotate=numpy.int64(10), shift=numpy.float32(0.5))  # type: ignore[arg-type]
    assert type(config.rotate) is type(config.shift) is float
    assert config == AugmentationConfig(rotate=10.0, shift=0.5)


def test_an_augmentation_is_kept_in_the_training() -> None:
    config = TrainingConfig(augmentation=EVERYTHING)
    content = json.loads(config.to_json())["augmentation"]
    assert content == {item.name: getattr(EVERYTHING, item.name) for item in fields(EVERYTHING)}
    assert TrainingConfig.from_json(config.to_json()) == config
    assert hash(TrainingConfig.from_json(config.to_json())) == hash(config)
    assert replace(config, augmentation=None) == TrainingConfig()


untyped: Any = mnistburn
IMAGES = numpy.zeros((2, 5, 6), numpy.uint8)


@pytest.mark.parametrize(
    ("act", "expected", "parts"),
    [
        (lambda: AugmentationConfig(shift=1.5), ConfigError, ("shift", "from 0 to 1", "1.5")),
        (lambda: AugmentationConfig(rotate=-1), ConfigError, ("rotate", "0 to 180", "-1")),
        (lambda: AugmentationConfig(scale=1.0), ConfigError, ("scale", "below 1", "1.0")),
        (lambda: AugmentationConfig(shear=float("nan")), ConfigError, ("shear", "nan")),
        (lambda: AugmentationConfig(elastic_sigma=0), ConfigError, ("elastic_sigma", "above 0")),
        (lambda: untyped.AugmentationConfig(noise="a"), ConfigError, ("noise", '"a"')),
        (lambda: untyped.AugmentationConfig(rotation=1), TypeError, ("rotation",)),
        (
            lambda: AugmentationConfig.from_json('{"rotation": 1}'),
            ConfigError,
            ('did you mean "rotate"?',),
        ),
        (
            lambda: untyped.TrainingConfig(augmentation=True),
            ConfigError,
            ("augmentation", "AugmentationConfig", "True"),
        ),
        (
            lambda: TrainingConfig.from_json('{"augmentation": {"scale": 2}}'),
            ConfigError,
            ("augmentation.scale", "got 2"),
        ),
        (lambda: EVERYTHING.apply(IMAGES / 255), DataError, ("uint8", "float64", "* 255")),
        (lambda: EVERYTHING.apply(IMAGES[0, 0]), DataError, ("[height, width]", "[6]")),
        (lambda: EVERYTHING.apply(IMAGES[:, :0]), DataError, ("a pixel each", "[2, 0, 6]")),
        (lambda: untyped.AugmentationConfig().apply(None), DataError, ("images", "None")),
        (lambda: EVERYTHING.apply(IMAGES, seed=-1), DataError, ("seed", "-1")),
        (lambda: EVERYTHING.apply(IMAGES, epoch=-1), DataError, ("epoch", "-1")),
        (lambda: EVERYTHING.apply(IMAGES, epoch=0), DataError, ("epoch", "from 1", "0")),
        (
            lambda: EVERYTHING.apply(numpy.zeros((2, 3, 28, 28), numpy.uint8)),
            DataError,
            ("moveaxis", "[2, 3, 28, 28]"),
        ),
        (
            lambda: EVERYTHING.apply(numpy.zeros((2, 784), numpy.uint8)),
            DataError,
            ("reshape(-1, 28, 28)", "[2, 784]"),
        ),
        (lambda: EVERYTHING.apply(IMAGES, indices=[0]), DataError, ("each of the 2", "[1]")),
        (lambda: EVERYTHING.apply(IMAGES, indices=[0, -3]), DataError, ("-3", "position 1")),
        (lambda: EVERYTHING.apply(IMAGES, indices=[0.5, 1]), DataError, ("integers", "float64")),
        (
            lambda: EVERYTHING.apply(numpy.broadcast_to(numpy.uint8(0), (2**34, 28, 28))),
            DataError,
            ("GiB", "batches"),
        ),
        (
            lambda: EVERYTHING.apply(numpy.zeros((1, 2**17), numpy.uint8)),
            DataError,
            ("65536 rows and columns", "131072"),
        ),
    ],
)
def test_what_is_wrong_is_said(
    act: Callable[[], object], expected: type[Exception], parts: tuple[str, ...]
) -> None:
    with pytest.raises(expected) as caught:
        act()
    assert type(caught.value) is expected
    for part in parts:
        assert part in str(caught.value)


def training(folder: Path, data: tuple[Dataset, Dataset], **options: Any) -> Any:
    """Train with every change, without dropout."""
    resume = options.pop("resume", False)
    callbacks = options.pop("callbacks", ())
    config = TrainingConfig(
        model=mnistburn.ModelConfig(hidden_size=8, dropout=0.0),
        **{"num_epochs": 2, "batch_size": 40, "augmentation": EVERYTHING, **options},
    )
    return mnistburn.train(
        folder, config, "cpu", data=data, resume=resume, callbacks=callbacks, progress=False
    )


def test_a_step_sees_the_images_that_apply_shows(
    small_data: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    train, valid = small_data
    run = training(tmp_path / "run", (train, valid), batch_size=len(train), learning_rate=1e-9)
    model = mnistburn.Model(run.config.model, seed=run.config.seed)
    for epoch, found in enumerate(run.history.train_steps["loss"], start=1):
        logits = model.forward(EVERYTHING.apply(train.images, epoch=epoch)).astype(float)
        logits -= logits.max(axis=1, keepdims=True)
        losses = numpy.log(numpy.exp(logits).sum(axis=1))
        losses -= logits[numpy.arange(len(train)), train.targets]
        assert found == pytest.approx(losses.mean(), rel=1e-5)
    # Images that are validated on stay as they are.
    assert run.history["valid_loss"][0] == pytest.approx(model.evaluate(valid).loss, rel=1e-5)


@pytest.mark.parametrize("options", [{"num_workers": 0}, {"num_workers": 1}, {"threads": 1}])
def test_workers_and_threads_change_nothing(
    options: dict[str, int], small_data: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    runs = [
        training(tmp_path / name, small_data, **given)
        for name, given in (("one", {}), ("other", options))
    ]
    assert runs[0].history.train_steps["loss"] == runs[1].history.train_steps["loss"]
    assert runs[0].history.train_steps["loss"][0] != runs[0].history.train_steps["loss"][7]


def test_a_resumed_run_goes_on_with_the_same_images(
    small_data: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    class Stops(mnistburn.Callback):
        def on_step_end(self, event: Any) -> bool:
            return bool(event.epoch == 2 and event.step == 3)

    whole = training(tmp_path / "whole", small_data)
    stopped = training(tmp_path / "run", small_data, callbacks=[Stops()])
    assert stopped.ended == "stopped"
    resumed = training(tmp_path / "run", small_data, resume=True)
    assert resumed.history.train_steps["loss"] == whole.history.train_steps["loss"]
    for name, values in resumed.model.state_dict().items():
        assert values.tobytes() == whole.model.state_dict()[name].tobytes(), name
