"""Pictures of digits become images as MNIST was made, and a model of MNIST reads them."""

from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from reference import digit_pictures
from reference.digit_pictures import DigitPicture, prepared

import mnistburn
from mnistburn import AdamConfig, Model, ModelConfig, TrainingConfig, _native
from mnistburn.errors import DataError

Grey = NDArray[numpy.uint8]


@pytest.fixture(scope="module")
def test() -> mnistburn.Dataset:
    return mnistburn.datasets.load("mnist", "test")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, test: mnistburn.Dataset) -> Model:
    """A model of a few seconds, which reads 97 of 100 test images right."""
    train = mnistburn.datasets.load("mnist")[:12_000]
    config = TrainingConfig(
        model=ModelConfig(hidden_size=128, dropout=0.1),
        optimizer=AdamConfig(),
        num_epochs=2,
        learning_rate=2e-3,
    )
    path = tmp_path_factory.mktemp("digits") / "run"
    return mnistburn.train(path, config, "cpu", data=(train, test[:100]), progress=False).model


@pytest.fixture(scope="module")
def pictures() -> list[DigitPicture]:
    return list(digit_pictures.pictures())


def what_was_done(grey: Grey, shape: tuple[int, int, int] = (28, 28, 1)) -> Any:
    pixels, done = _native.prepare_digit(numpy.ascontiguousarray(grey), grey.shape, shape)
    return numpy.frombuffer(pixels, dtype=numpy.uint8).reshape(shape), done


def test_nine_of_ten_pictures_are_read_right(model: Model, pictures: list[DigitPicture]) -> None:
    digits = numpy.array([picture.digit for picture in pictures])
    read = model.predict(numpy.stack([prepared(picture.grey) for picture in pictures]))
    by_kind: dict[str, list[bool]] = {}
    for picture, right in zip(pictures, read == digits, strict=True):
        by_kind.setdefault(picture.kind, []).append(bool(right))
    assert len(pictures) == 260
    assert (read == digits).mean() >= 0.9, by_kind
    assert min(map(sum, by_kind.values())) >= 6, by_kind
    # Without that, hardly any.
    plain = numpy.stack([digit_pictures.stretched(picture.grey) for picture in pictures])
    assert (model.predict(plain) == digits).mean() < 0.6


def test_images_of_mnist_stay_what_they_are(model: Model, test: mnistburn.Dataset) -> None:
    images = test.images[:2000].reshape(-1, 28, 28)
    again = numpy.stack([prepared(image) for image in images])
    assert numpy.abs(again.astype(int) - images).mean() < 1
    plain, after = (
        float((model.predict(some) == test.targets[:2000]).mean()) for some in (images, again)
    )
    assert abs(plain - after) <= 0.003
    inverted = numpy.stack([prepared(255 - image) for image in images])
    assert numpy.array_equal(inverted, again)


@pytest.mark.parametrize("place", ["cropped", "wide", "corner"])
def test_where_a_digit_is_makes_no_difference(place: str, test: mnistburn.Dataset) -> None:
    for image in test.images[:50].reshape(-1, 28, 28):
        rows, columns = (numpy.flatnonzero(image.max(axis)) for axis in (1, 0))
        if place == "cropped":
            # A black line is left, by which strokes are told from ground.
            moved = image[rows[0] - 1 : rows[-1] + 2, columns[0] - 1 : columns[-1] + 2]
        else:
            moved = numpy.zeros((28, 84) if place == "wide" else (280, 280), dtype=numpy.uint8)
            moved[:28, -28:] = image
        pixels, (inverted, was_moved, blank) = what_was_done(moved)
        difference = numpy.abs(pixels[:, :, 0].astype(int) - prepared(image))
        assert difference.mean() < 3
        assert (inverted, was_moved, blank) == (False, True, False)


def test_what_was_done_is_told(test: mnistburn.Dataset) -> None:
    image = test.images[0].reshape(28, 28)
    assert what_was_done(image)[1] == (False, False, False)
    assert what_was_done(255 - image)[1] == (True, False, False)
    assert what_was_done(numpy.roll(image, 3, axis=1))[1] == (False, True, False)
    for value in (0, 128, 255):
        pixels, done = what_was_done(numpy.full((50, 40), value, dtype=numpy.uint8))
        assert done == (False, False, True)
        assert not pixels.any()
    random = numpy.random.default_rng(1)
    noise = random.normal(120, 20, (100, 100)).clip(0, 255).astype(numpy.uint8)
    assert what_was_done(noise)[1][2]


def test_mnist_is_the_measure(pictures: list[DigitPicture]) -> None:
    """Its longer side is 20 pixels, the centre of mass in the middle, the ground 0, the ink 255."""
    steps = numpy.arange(28)
    for picture in pictures:
        pixels, (_, _, blank) = what_was_done(picture.grey)
        image = pixels[:, :, 0].astype(float)
        assert not blank, picture.kind
        assert image.max() == 255
        assert image[0].max() == 0
        rows, columns = (numpy.flatnonzero(image.max(axis) > 0) for axis in (1, 0))
        longer = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
        assert 18 <= longer <= 20, picture.kind
        for axis in (0, 1):
            middle = (image.sum(axis) * steps).sum() / image.sum()
            assert abs(middle - 14) <= 0.51, picture.kind


def test_other_shapes_have_the_same_proportions(pictures: list[DigitPicture]) -> None:
    picture = next(picture.grey for picture in pictures if picture.kind == "photo")
    large, _ = what_was_done(picture, (56, 84, 3))
    assert numpy.array_equal(large[:, :, 0], large[:, :, 2])
    rows = numpy.flatnonzero(large[:, :, 0].max(1) > 0)
    assert 36 <= rows[-1] - rows[0] + 1 <= 40


def test_no_picture_is_too_odd() -> None:
    random = numpy.random.default_rng(3)
    sizes = [(1, 1), (1, 2), (2, 1), (1, 5000), (5000, 1), (3, 400), (400, 3)]
    sizes += [tuple(size) for size in random.integers(1, 60, (300, 2)).tolist()]
    for height, width in sizes:
        content = random.choice([0, 255, 7, 200], (height, width), p=random.dirichlet([0.5] * 4))
        content = content + random.integers(0, random.integers(1, 40), (height, width))
        shape = tuple(random.integers(1, 40, 2).tolist())
        pixels, _ = what_was_done(content.astype(numpy.uint8), (*shape, 1))
        assert pixels.shape == (*shape, 1)


def test_pixels_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(DataError, match="5 x 4 must have as many pixels, got 19"):
        _native.prepare_digit(numpy.zeros(19, dtype=numpy.uint8), (5, 4), (28, 28, 1))


def test_the_sets_made_so_say_it(tmp_path: Path) -> None:
    names = [
        name
        for name in mnistburn.datasets.names()
        if mnistburn.datasets.info(name).prepare == "digit"
    ]
    assert names == ["mnist", "qmnist"]
    train, valid = mnistburn.datasets.load("mnist", validation=0.1)
    assert train.preprocessing.prepare == valid.preprocessing.prepare == "digit"
