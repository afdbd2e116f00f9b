"""The network and the preparation of pictures in the page's scripts are the package's."""

from pathlib import Path

import javascript
import numpy
import pytest
from numpy.typing import NDArray
from reference import digit_pictures
from reference.digit_pictures import DigitPicture

import mnistburn
from mnistburn import (
    ConvBlock,
    ConvNetConfig,
    Dataset,
    Model,
    ModelConfig,
    TrainingResult,
    _native,
)
from mnistburn.demo.content import Content
from mnistburn.networks import NetworkConfig
from mnistburn.preprocessing import Fit

NETWORKS: dict[str, NetworkConfig] = {
    "guide": ModelConfig(hidden_size=24),
    "guide in colour": ModelConfig(
        hidden_size=9, num_classes=3, image_height=11, image_width=17, image_channels=3
    ),
    "widths": ConvNetConfig(widths=(8, 16)),
    "hidden layers": ConvNetConfig(
        blocks=[
            ConvBlock(channels=6, kernel_size=5, pool=True),
            ConvBlock(channels=7, kernel_size=5, padding=False, pool=True),
        ],
        average=False,
        hidden_sizes=(20, 12),
    ),
    "group norm and residuals": ConvNetConfig(
        blocks=[
            ConvBlock(channels=16, norm="group", pool=True),
            ConvBlock(channels=16, norm="group", residual=1),
            ConvBlock(channels=16, residual=2),
            ConvBlock(channels=6, norm="group"),
        ],
        image_height=19,
        image_width=13,
        image_channels=3,
        pixel_mean=[0.3, 0.5, 0.6],
        pixel_std=[0.2, 0.25, 0.3],
    ),
    "batch norm and residuals": ConvNetConfig(
        blocks=[
            ConvBlock(channels=3, norm="batch", residual=1),
            ConvBlock(channels=8, norm="batch", pool=True),
            ConvBlock(channels=8, norm="batch", residual=1),
        ],
        hidden_sizes=(5,),
        image_channels=3,
    ),
}


def with_own_state(config: NetworkConfig) -> Model:
    """Return a model none of whose parameters and running statistics is 0 or 1."""
    model = Model(config, seed=3)
    random = numpy.random.default_rng(4)
    state = {}
    for name, values in model.state_dict().items():
        if name.endswith(("gamma", "running_var")):
            state[name] = random.uniform(0.5, 1.5, values.shape).astype(numpy.float32)
        elif name.endswith(("beta", "running_mean", "bias")):
            state[name] = random.normal(0, 0.3, values.shape).astype(numpy.float32)
        else:
            state[name] = values
    model.load_state_dict(state)
    return model


def of_halves(model: Model) -> Model:
    """Return a model with the parameters in half precision."""
    rounded = Model(model.config, seed=1)
    rounded.load_state_dict(
        {name: values.astype("<f2").astype("<f4") for name, values in model.state_dict().items()}
    )
    return rounded


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_of_every_network_are_ours(name: str, tmp_path: Path) -> None:
    model = with_own_state(NETWORKS[name])
    shape = model.config.image_shape
    images = numpy.random.default_rng(5).integers(0, 256, (6, *shape), dtype=numpy.uint8)
    content = Content(model, name, drawn=False)
    full = javascript.logits(content, images, "full", tmp_path)
    ours = model.forward(images.reshape(6, *shape.sizes))
    assert numpy.abs(full - ours).max() <= 1e-4
    assert numpy.abs(ours).max() > 0.1
    half = javascript.logits(content, images, "half", tmp_path)
    expected = of_halves(model).forward(images.reshape(6, *shape.sizes))
    assert numpy.abs(half - expected).max() <= 1e-3


def test_answers_on_mnist_are_ours(fast_run: TrainingResult, tmp_path: Path) -> None:
    test = mnistburn.datasets.load("mnist", "test")[:1000]
    content = Content(fast_run.model, "fast", drawn=True)
    found = javascript.logits(content, test.images, "half", tmp_path)
    expected = of_halves(fast_run.model).forward(test.images)
    assert numpy.abs(found - expected).max() <= 1e-3
    assert numpy.array_equal(found.argmax(1), fast_run.model.predict(test.images))


def opaque(grey: NDArray[numpy.uint8]) -> NDArray[numpy.uint8]:
    """Return a grey picture as a canvas has it."""
    full = numpy.full_like(grey, 255)
    return numpy.stack([grey, grey, grey, full], axis=2)


@pytest.fixture(scope="module")
def pictures() -> list[DigitPicture]:
    return list(digit_pictures.pictures())


def strokes() -> list[NDArray[numpy.uint8]]:
    """Return large pictures of strokes that take any share of them."""
    greys = []
    for length in range(40, 400, 12):
        grey = numpy.full((400, 400), 230, dtype=numpy.uint8)
        first = (400 - length) // 2
        grey[first : first + length, 190:212] = 20
        # With a foot, so that its middle is no tie.
        grey[first + length - 15 : first + length, 190:241] = 20
        greys.append(grey)
    return greys


def test_pictures_of_digits_are_prepared_as_ours(
    pictures: list[DigitPicture], tmp_path: Path
) -> None:
    greys = [*(picture.grey for picture in pictures), *strokes()]
    made = javascript.images_of(
        [opaque(grey) for grey in greys],
        (28, 28, 1),
        {"fit": "stretch", "prepare": "digit"},
        tmp_path,
    )
    apart = []
    for grey, image in zip(greys, made, strict=True):
        pixels, _ = _native.prepare_digit(numpy.ascontiguousarray(grey), grey.shape, (28, 28, 1))
        ours = numpy.frombuffer(pixels, dtype=numpy.uint8).reshape(28, 28, 1)
        apart.append(int(numpy.abs(ours.astype(int) - image).max()))
    assert max(apart) <= 2, [(place, by) for place, by in enumerate(apart) if by > 2]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
def test_pictures_are_fitted_as_ours(fit: Fit, channels: int, tmp_path: Path) -> None:
    random = numpy.random.default_rng(6)
    sizes = [(20, 30), (12, 10), (41, 7), (1, 1), (97, 200), (300, 170), (64, 64)]
    some = [random.integers(0, 256, (*size, 4), dtype=numpy.uint8) for size in sizes]
    for picture in some[::2]:
        picture[..., 3] = 255
    # Dark ink on nothing, which lies over white.
    some.append(numpy.zeros((24, 18, 4), dtype=numpy.uint8))
    some[-1][6:12, :, 3] = 255
    shape = (14, 20, channels)
    made = javascript.images_of(some, shape, {"fit": fit, "prepare": None}, tmp_path)
    for picture, image in zip(some, made, strict=True):
        height, width = picture.shape[:2]
        native = _native.Picture.from_pixels(picture.tobytes(), (width, height), "RGBA", 1)
        ours = numpy.frombuffer(native.image(shape, (fit, None)), dtype=numpy.uint8)
        apart = numpy.abs(ours.reshape(shape).astype(int) - image)
        assert apart.max() <= 2, picture.shape


def test_an_image_that_is_none_of_ours_is_told(small_data: tuple[Dataset, Dataset]) -> None:
    model = Model(ConvNetConfig(image_height=9, image_width=9))
    with pytest.raises(mnistburn.errors.DataError, match=r"\(9, 9, 1\), got \(28, 28, 1\)"):
        Content(model, "model", drawn=False, samples=small_data[0])
