"""Images that are unlike those that a model was trained with are told, and no others."""

import json
import logging
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from pictures import write_png

import mnistburn
from mnistburn import AugmentationConfig, _native
from mnistburn.cli import main
from mnistburn.dataset_description import DatasetDescription
from mnistburn.errors import DataError
from mnistburn.likeness import warn_of_unlike

Images = NDArray[Any]
SHAPE = (28, 28, 1)
FIELDS = (
    *("pixel_min", "pixel_max", "pixel_mean", "pixel_std"),
    *("border_mean", "border_std", "foreground"),
)


@pytest.fixture(scope="module")
def training() -> DatasetDescription:
    return mnistburn.datasets.load("mnist").describe()


@pytest.fixture(scope="module")
def images() -> NDArray[numpy.uint8]:
    return mnistburn.datasets.load("mnist", "test").images[:2000].reshape(-1, *SHAPE)


def letterboxed(images: Images) -> Images:
    result = numpy.full_like(images, 114)
    result[:, 7:21] = images[:, ::2]
    result[:, :, :1] = result[:, :, -1:] = 114
    return result


def with_blank(images: Images) -> Images:
    result = images.copy()
    result[1] = 9
    return result


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda images: 255 - images,
            "mean of 255 of 255.* one of 0: a light ground.*255 - images",
        ),
        (lambda images: images // 128, "largest pixel of the 50 images is 1, .* to 0 to 1 instead"),
        (lambda images: images // 16, "largest pixel of the 50 images is 15"),
        (lambda images: (images / 255 * 16).astype(numpy.uint8), "0 to 16 instead"),
        (lambda images: images // 2, "largest pixel of the 50 images is 127"),
        (letterboxed, "all about 114 of 255"),
        (with_blank, "1 of the 50 images has a single value"),
        (lambda images: images * 0, "50 of the 50 images have a single value"),
    ],
)
def test_each_difference_is_told(
    change: Callable[[Images], Images],
    text: str,
    training: DatasetDescription,
    images: NDArray[numpy.uint8],
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: dict[str, object] = {}
    with caplog.at_level(logging.WARNING, logger="mnistburn"):
        warnings = warn_of_unlike(training, change(images[:50]), SHAPE, told=told)
        again = warn_of_unlike(training, change(images[:50]), SHAPE, told=told)
    (warning,) = warnings
    assert [record.getMessage() for record in caplog.records] == [warning]
    assert not again
    assert re.search(text, warning), warning


@pytest.mark.parametrize("largest", [1, 15, 16, 127])
def test_what_the_warnings_propose_ends_them(
    largest: int, training: DatasetDescription, images: NDArray[numpy.uint8]
) -> None:
    odd = 255 - images[:50]
    assert len(warn_of_unlike(training, odd, SHAPE)) == 1
    assert warn_of_unlike(training, 255 - odd, SHAPE) == []
    small = numpy.rint(images[:50] / 255 * largest).astype(numpy.uint8)
    (warning,) = warn_of_unlike(training, small, SHAPE)
    way = warning[warning.index("(images * ") :]
    mended = eval(way, {"images": small, "numpy": numpy})  # noqa: S307  the package's own words
    assert warn_of_unlike(training, mended, SHAPE) == []
    assert numpy.abs(mended.astype(int) - images[:50]).max() <= 255 / largest


def test_what_is_proposed_for_pictures_can_be_done(
    tmp_path: Path, training: DatasetDescription, images: NDArray[numpy.uint8]
) -> None:
    path = tmp_path / "digit.pgm"
    path.write_bytes(b"P5 28 28 255\n" + (255 - images[0]).tobytes())
    picture = mnistburn.read_picture(path, size=(28, 28), channels=1)
    (warning,) = warn_of_unlike(training, picture[None], SHAPE, pictures=True)
    way = warning[warning.index("mnistburn.read_picture") :]
    again = eval(way, {"mnistburn": mnistburn, "path": path})  # noqa: S307  the package's own words
    assert "255 - images" in warning
    assert warn_of_unlike(training, 255 - again[None], SHAPE, pictures=True) == []


def test_one_image_is_told_in_the_singular(
    training: DatasetDescription, images: NDArray[numpy.uint8]
) -> None:
    one = images[:1]
    for odd, words in (
        (255 - one, ("pixels of the image have a mean of 255 ", "; invert it with 255 - images")),
        (one // 16, ("pixel of the image is 15,", ": it looks scaled to 0 to 15 ")),
        (one * 0, ("the image has a single value ", " predicted for it says ", " at its source")),
        (letterboxed(one), ("pixels of the image are all about 114 ", "; crop it, or")),
    ):
        (warning,) = warn_of_unlike(training, odd, SHAPE)
        for word in words:
            assert word in warning, warning
        assert "1 image" not in warning


def test_the_command_line_names_its_options(
    tmp_path: Path, images: NDArray[numpy.uint8], caplog: pytest.LogCaptureFixture
) -> None:
    data = tuple(mnistburn.Dataset(some, [0] * 40) for some in (images[:40], images[40:80]))
    config = mnistburn.TrainingConfig(model=mnistburn.ModelConfig(hidden_size=4), num_epochs=1)
    mnistburn.train(tmp_path / "run", config, "cpu", data=data, progress=False)  # type: ignore[arg-type]
    for name, image in (
        ("light", 255 - images[0]),
        ("usual", images[0]),
        ("faint", images[0] // 16),
    ):
        write_png(tmp_path / f"{name}.png", image[..., 0])

    def told(*words: str) -> str:
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="mnistburn"):
            done = CliRunner().invoke(main, ["predict", str(tmp_path / "run"), *words])
        assert done.exit_code == 0, done.output
        return "".join(record.getMessage() for record in caplog.records)

    light, usual, faint = (str(tmp_path / f"{name}.png") for name in ("light", "usual", "faint"))
    assert told(light).endswith("; --invert inverts them")
    assert told(light, "--invert") == ""
    assert told(usual, "--invert").endswith("; leave --invert out")
    assert told(faint).endswith("; save the pictures with pixels from 0 to 255")


def test_ordinary_images_are_not_told(
    training: DatasetDescription, images: NDArray[numpy.uint8]
) -> None:
    statistics = json.dumps({name: getattr(training, name) for name in FIELDS})
    changed = AugmentationConfig(rotate=20, shift=0.1, scale=0.1, noise=0.1, cutout=0.3)
    test = mnistburn.datasets.load("mnist", "test")
    assert warn_of_unlike(training, test.images, SHAPE) == []
    for some in (images, changed.apply(images)):
        told = [_native.unlike(statistics, image, SHAPE, False) for image in some]
        assert sum(map(bool, told)) <= 2


def test_floats_and_mappings_are_taken(
    training: DatasetDescription, images: NDArray[numpy.uint8]
) -> None:
    fields = {name: asdict(training)[name] for name in FIELDS}
    inverted = 1 - images[:5].astype(numpy.float32) / 255
    assert len(warn_of_unlike(fields, inverted, SHAPE)) == 1
    assert warn_of_unlike(None, inverted, SHAPE) == []
    assert warn_of_unlike(fields, inverted[:0], SHAPE) == []


def test_broken_arguments_are_errors(images: NDArray[numpy.uint8]) -> None:
    with pytest.raises(DataError, match="statistics of images"):
        _native.unlike("{}", images[:1], SHAPE, False)
    with pytest.raises(DataError, match="multiple of that many bytes, got 784"):
        _native.unlike(json.dumps(dict.fromkeys(FIELDS, 0)), images[:1], (28, 27, 1), False)


def test_a_run_keeps_what_its_training_images_looked_like(
    tmp_path: Path, images: NDArray[numpy.uint8]
) -> None:
    train, valid = (mnistburn.Dataset(some, [0] * 40) for some in (images[:40], images[40:80]))
    config = mnistburn.TrainingConfig(model=mnistburn.ModelConfig(hidden_size=4), num_epochs=1)
    run = mnistburn.train(tmp_path / "run", config, "cpu", data=(train, valid), progress=False)
    described = train.describe()
    expected = {name: getattr(described, name) for name in FIELDS}
    more = mnistburn.TrainingConfig(model=config.model, num_epochs=2)
    again = mnistburn.train(
        tmp_path / "run", more, "cpu", data=(train, valid), resume=True, progress=False
    )
    loaded = mnistburn.load_run(tmp_path / "run")
    for model in (run.model, again.model, loaded.model):
        assert model.statistics is not None
        assert {name: getattr(model.statistics, name) for name in FIELDS} == expected
        assert len(warn_of_unlike(model.statistics, 255 - images[:5], SHAPE)) == 1
