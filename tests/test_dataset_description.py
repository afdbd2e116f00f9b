"""What is said of data sets: counts, oddities, and the word of `train` about them."""

import json
import logging
import pickle
import re
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

import mnistburn
from mnistburn import Dataset, ModelConfig, TrainingConfig
from mnistburn.cli import main
from mnistburn.dataset_description import Finding
from mnistburn.errors import DataError

CONFIG = TrainingConfig(model=ModelConfig(hidden_size=4), num_epochs=1)


def noise(count: int, seed: int = 1) -> NDArray[numpy.uint8]:
    return numpy.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=numpy.uint8)


def test_the_counts_are_those_of_numpy() -> None:
    data = mnistburn.datasets.load("mnist", "train")
    found = data.describe()
    border = numpy.ones((28, 28), dtype=bool)
    border[1:-1, 1:-1] = False
    assert found.images == 60_000
    assert found.image_shape == (28, 28, 1)
    assert found.class_counts == tuple(numpy.bincount(data.targets))
    assert (found.pixel_min, found.pixel_max) == (0, 255)
    assert found.pixel_mean == pytest.approx(data.images.mean())
    assert found.pixel_std == pytest.approx(data.images.std())
    assert found.border_mean == pytest.approx(data.images[:, border].mean())
    assert found.border_std == pytest.approx(data.images[:, border].std())
    ground = data.images[:, border].mean(1)[:, None, None]
    assert found.foreground == pytest.approx((numpy.abs(data.images - ground) > 64).mean())
    # The numbers that MNIST is normalised with.
    assert found.pixel_mean / 255 == pytest.approx(0.1307, abs=5e-5)
    assert found.pixel_std / 255 == pytest.approx(0.3081, abs=5e-5)


def test_nothing_is_odd_about_the_known_sets() -> None:
    train, test = (mnistburn.datasets.load("mnist", split) for split in ("train", "test"))
    assert train.describe().warnings == ()
    assert test.describe(train).warnings == ()


def test_copies_are_counted_as_numpy_counts_them() -> None:
    random = numpy.random.default_rng(5)
    images = noise(300)[random.integers(0, 300, 1000)]
    targets = random.integers(0, 10, 1000)
    data = Dataset(images, targets)
    _, first, inverse = numpy.unique(
        images.reshape(1000, -1), axis=0, return_index=True, return_inverse=True
    )
    originals = first[inverse.reshape(-1)]
    copies = numpy.flatnonzero(originals != numpy.arange(1000))
    found = data.describe()
    assert found.duplicates.count == len(copies)
    assert found.conflicts.count == int((targets[originals] != targets)[copies].sum())
    assert found.duplicates.first is not None
    one, other = found.duplicates.first
    pairs = zip(originals[copies].tolist(), copies.tolist(), strict=True)
    assert found.duplicates.first == min(pairs)
    assert hash(found) == hash(data.describe())
    assert numpy.array_equal(images[one], images[other])

    other_set = Dataset(numpy.concatenate([noise(40, seed=2), images[:7]]), [0] * 47)
    leaks = other_set.describe(data).leaks
    assert leaks.count == 7
    assert leaks.first is not None
    assert numpy.array_equal(other_set.images[leaks.first[0]], images[leaks.first[1]])


@pytest.mark.parametrize(
    ("images", "targets", "text"),
    [
        (noise(20) // 128, range(20), "go from 0 to 1, of 0 to 255"),
        (noise(20) // 16, range(20), "go from 0 to 15, of 0 to 255"),
        (255 - noise(20) // 16, range(20), "dark strokes on a light ground.*255 - images"),
        (noise(20) * (numpy.arange(20) != 3)[:, None, None], range(20), r"single value.*first: 3"),
        (noise(20), [12] * 20, r"12 of the 13 .* 8, 9, \.\.\.$"),
        (noise(20), [10] * 20, r"10 of the 11 .* 8, 9$"),
        (noise(20), [3] * 20, "3 of the 4 classes have none of the images: 0, 1, 2"),
    ],
)
def test_each_oddity_has_its_words(
    images: NDArray[numpy.uint8], targets: list[int], text: str
) -> None:
    (warning,) = Dataset(images.astype(numpy.uint8), list(targets)).describe().warnings
    assert re.search(text, warning), warning


def test_pictures_of_12_bits_in_16_are_told(tmp_path: Path) -> None:
    for place, image in enumerate(noise(20).astype(numpy.uint16) * 16):
        path = tmp_path / "data" / "ab"[place % 2] / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    data = Dataset.from_folder(tmp_path / "data", progress=False)
    (warning,) = data.describe().warnings
    assert " from 0 to 16, of 0 to 255: " in warning
    assert "pictures of 16 bits come that use 12" in warning


def test_one_is_told_in_the_singular() -> None:
    images = noise(20)
    images[9] = images[4]
    images[3] = 7
    data = Dataset(images, [0] * 9 + [1] * 11, ["cat", "dog", "emu"])
    leaked = Dataset(images[:1], [0], ["cat", "dog", "emu"])
    warnings = [*data.describe().warnings, *leaked.describe(data).warnings]
    assert [" ".join(warning.split()[:8]) for warning in warnings] == [
        "1 of the 20 images equals an earlier",
        "1 of the 20 images equals one of",
        "1 of the 20 images has a single",
        "1 of the 3 classes has none of",
        "1 of the 1 images is also in",
        "2 of the 3 classes have none of",
    ]
    assert warnings[3].endswith(": emu")
    assert warnings[5].endswith(": dog, emu")


def test_a_class_with_twenty_times_the_images_of_another_is_told() -> None:
    names = ["three", "eight", "nine"]
    data = Dataset(noise(150), [0] * 100 + [1] * 5 + [2] * 45, names)
    (warning,) = data.describe().warnings
    assert warning.startswith("class three has 100 of the images and class eight only 5: ")
    # What the warning proposes.
    assert "keep fewer of three with Dataset.subset" in warning
    fewer = numpy.concatenate(
        [numpy.flatnonzero(data.targets == 0)[:50], numpy.flatnonzero(data.targets != 0)]
    )
    assert data.subset(fewer).describe().warnings == ()
    assert Dataset(noise(104), [0] * 99 + [1] * 5).describe().warnings == ()


def test_colours_on_white_are_not_inverted() -> None:
    images = numpy.full((20, 28, 28, 3), 250, dtype=numpy.uint8)
    images[:, 10:18, 10:18] = numpy.random.default_rng(2).integers(0, 256, (20, 8, 8, 3))
    assert Dataset(images, range(20)).describe().warnings == ()


def test_a_run_says_once_what_is_odd(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train = Dataset(noise(60), numpy.arange(60) % 10)
    valid = Dataset(numpy.concatenate([noise(15), noise(5, seed=3)]), numpy.arange(20) % 9)
    with caplog.at_level(logging.WARNING, logger="mnistburn"):
        mnistburn.train(tmp_path / "run", CONFIG, "cpu", data=(train, valid), progress=False)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "15 of the 20 validation images are also in the other set" in messages[0]
    assert "1 of the 10 classes has none of the validation images: 9" in messages[1]
    assert messages[0] in (tmp_path / "run" / "train.log").read_text()
    caplog.clear()
    more = TrainingConfig(model=CONFIG.model, num_epochs=2)
    with caplog.at_level(logging.WARNING, logger="mnistburn"):
        mnistburn.train(
            tmp_path / "run", more, "cpu", data=(train, valid), resume=True, progress=False
        )
    assert not caplog.records


def test_the_text_has_the_names_and_the_histogram() -> None:
    names = ("cat", "giraffe", "emu", "gnu")
    data = Dataset(noise(6), [0, 0, 0, 0, 2, 2], names)
    text = str(data.describe()).splitlines()
    assert text[0] == "images    6 of 28 x 28 x 1"
    assert text[2] == "  cat             4 ########################################"
    assert text[3] == "  giraffe         0"
    assert text[4] == "  emu             2 ####################"
    assert text[5] == "  gnu             0"
    assert text[6].startswith("warning   2 of the 4 classes have none of the images: giraffe, gnu")


def test_the_command_describes() -> None:
    done = CliRunner().invoke(main, ["data", "describe", "mnist", "--split", "test"])
    assert done.exit_code == 0
    assert done.output.startswith("classes: 0, 1, 2")
    assert "\nimages    10,000 of 28 x 28 x 1\n" in done.output
    done = CliRunner().invoke(main, ["data", "describe", "mnist", "--split", "test", "--json"])
    found = json.loads(done.output)
    assert found["class_counts"][0] == 980
    assert found["leaks"] == {"count": 0, "first": None}


def test_an_empty_set_has_no_oddities() -> None:
    found = Dataset(noise(0), []).describe()
    assert (found.images, found.class_counts, found.warnings) == (0, (), ())
    text = str(Dataset(noise(0), [], ["cat"]).describe()).splitlines()
    assert text[2:] == ["  cat         0"]


def test_what_is_found_is_told_with_its_positions() -> None:
    images = noise(20)
    images[3] = 7
    images[9] = images[4]
    found = Dataset(images, [0] * 9 + [1] * 11).describe()
    assert found.constant == Finding(1, (3,))
    assert found.duplicates == found.conflicts == Finding(1, (4, 9))
    assert found.leaks == Finding(0, None)
    # One value has no scale.
    warnings = Dataset(images[[3, 3]], [0, 1]).describe().warnings
    assert not any("scaled" in warning for warning in warnings)


def test_only_a_data_set_is_compared_with() -> None:
    data = Dataset(noise(2), [0, 1])
    with pytest.raises(DataError, match="against must be a Dataset"):
        data.describe(noise(2))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"28 x 28 .*14 x 14"):
        data.describe(Dataset(noise(2)[:, ::2, ::2], [0, 1]))


def test_class_names_go_with_the_images() -> None:
    data = Dataset(noise(4), [0, 1, 1, 0], ["cat", "dog", "emu"])
    assert data.num_classes == 3
    assert data.class_counts.tolist() == [2, 2, 0]
    for part in (data[:2], data.subset([3, 1]), *data.split(0.5), data.concat(data)):
        assert part.class_names == ("cat", "dog", "emu")
    assert pickle.loads(pickle.dumps(data)).class_names == data.class_names  # noqa: S301
    assert mnistburn.datasets.load("mnist", "test").class_names == tuple("0123456789")


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("abc", "a list of str"),
        (5, "a list of str"),
        ({"a", "b"}, "whose order counts"),
        ([1, 2], "texts that are not empty, got 1"),
        (["a", ""], "texts that are not empty"),
        (["a", "\udcff"], "texts that are not empty"),
        (["a", "a"], "'a' twice"),
        (["a"], "1 names, and the targets go up to 1"),
    ],
)
def test_bad_class_names_are_told(names: object, text: str) -> None:
    with pytest.raises(DataError, match=text):
        Dataset(noise(2), [0, 1], names)  # type: ignore[arg-type]


def test_data_sets_are_joined() -> None:
    one, other = Dataset(noise(3), [0, 1, 2]), Dataset(noise(2, seed=2), [3, 4])
    whole = one.concat(other, one)
    assert whole.targets.tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    assert numpy.array_equal(whole.images[3:5], other.images)
    assert not whole.images.flags.writeable
    with pytest.raises(DataError, match="28 x 28, got 14 x 14"):
        one.concat(Dataset(noise(2)[:, ::2, ::2], [0, 1]))
    with pytest.raises(DataError, match="class names"):
        one.concat(Dataset(noise(2), [0, 1], ["a", "b"]))
    with pytest.raises(DataError, match="a Dataset is joined"):
        one.concat(noise(2))  # type: ignore[arg-type]
