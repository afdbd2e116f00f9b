"""Which folders are parts of a data set, which are classes, and what is refused."""

import re
import shutil
from pathlib import Path

import numpy
import pytest
from pictures import write_png

from mnistburn.datasets.loading import load_pair, load_part
from mnistburn.datasets.parts import part_named
from mnistburn.datasets.source import source_of
from mnistburn.errors import DataError


def made(root: Path, *folders: str) -> Path:
    """Return a folder with a picture of its own value in each of these folders."""
    for value, folder in enumerate(folders):
        image = numpy.full((28, 28), value, dtype=numpy.uint8)
        image[0, 0] = 255
        for index in range(2):
            write_png(root / folder / f"{index}.png", image)
    return root


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("train_set", "train"),
        ("trainset", "train"),
        ("train-data", "train"),
        ("seg_train", "train"),
        ("train images", "train"),
        ("images_train", "train"),
        ("val", "valid"),
        ("VALID", "valid"),
        ("validation_set", "valid"),
        ("dev", "valid"),
        ("eval", "valid"),
        ("holdout", "valid"),
        ("test", "test"),
        ("testing", "test"),
        ("test_set", "test"),
        ("seg_test", "test"),
        ("testset", "test"),
        ("trainer", None),
        ("devil", None),
        ("bus", None),
        ("set", None),
        ("test tube", None),
    ],
)
def test_parts_are_known_by_the_names_that_people_give(name: str, part: str | None) -> None:
    assert part_named(name) == part


def test_three_parts_validate_on_valid_and_keep_test(tmp_path: Path) -> None:
    made(tmp_path, *(f"{part}/{name}" for part in ("train", "valid", "test") for name in "ab"))
    pair = load_pair(tmp_path, progress=False)
    assert dict(pair.source.parts) == {"train": "train", "valid": "valid", "test": "test"}
    assert pair.told[0] == "classes: a, b; parts: train, valid, test"
    # The pictures of each part have values of their own.
    for part, values in (("train", {0, 1}), ("valid", {2, 3}), ("test", {4, 5})):
        data = load_part(tmp_path, part, progress=False)  # type: ignore[arg-type]
        assert set(data.images[:, 1, 1].tolist()) == values
    assert set(pair.valid.images[:, 1, 1].tolist()) == {2, 3}


def test_a_test_part_that_validates_is_told(tmp_path: Path) -> None:
    made(tmp_path, "train/a", "train/b", "test/a", "test/b")
    pair = load_pair(tmp_path, progress=False)
    assert pair.told[0] == "classes: a, b; parts: train, test (test validates)"


def test_archives_of_kaggle_are_read_as_they_are(tmp_path: Path) -> None:
    made(
        tmp_path,
        *(f"seg_{part}/seg_{part}/{name}" for part in ("train", "test") for name in "ab"),
        "seg_pred/seg_pred",
    )
    shutil.move(tmp_path / "seg_pred" / "seg_pred", tmp_path / "pred")
    shutil.rmtree(tmp_path / "seg_pred")
    shutil.move(tmp_path / "pred", tmp_path / "seg_pred")
    (tmp_path / "__MACOSX" / "train" / "a").mkdir(parents=True)
    (tmp_path / "annotations").mkdir()
    pair = load_pair(tmp_path, progress=False)
    assert pair.train.class_names == ("a", "b")
    assert pair.source.parts["train"] == "seg_train/seg_train"
    assert (
        "left out: seg_pred (pictures without classes), annotations (no pictures)" in pair.told[0]
    )


def test_a_class_called_train_among_classes_is_one(tmp_path: Path) -> None:
    made(tmp_path, *(f"{name}/{number}" for name in ("bus", "car", "train") for number in "12"))
    pair = load_pair(tmp_path, validation=0.25, progress=False)
    assert pair.train.class_names == ("bus", "car", "train")
    assert dict(source_of(tmp_path).parts) == {"train": ".", "valid": None, "test": None}


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("train/a", "train/b", "training/a", "test/a"), "train and training both read as train"),
        (("train/a", "test/a", "bus/a"), "can be read in two ways: test, train as parts"),
        (("train/1", "train/2", "bus", "car"), "can be read in two ways: train as parts"),
        (("train", "test"), "a part must have a sub-folder with pictures for each class"),
        (("train/a", "train/b", "test/c", "test/a"), "no other classes than a, b.* holds c"),
        (("test/a", "test/b"), "must hold a folder train beside test"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(
    folders: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    made(tmp_path, *folders)
    with pytest.raises(DataError, match=message):
        load_pair(tmp_path, progress=False)


def test_the_ways_out_of_two_readings_work(tmp_path: Path) -> None:
    made(tmp_path, "train/a", "train/b", "test/a", "bus/a")
    with pytest.raises(DataError, match="move bus away"):
        load_pair(tmp_path, progress=False)
    as_classes = tmp_path.with_name("classes")
    shutil.copytree(tmp_path, as_classes)
    for name in ("train", "test"):
        (as_classes / name).rename(as_classes / f"class {name}")
    pair = load_pair(as_classes, validation=0.25, progress=False)
    assert pair.train.class_names == ("bus", "class test", "class train")
    shutil.rmtree(tmp_path / "bus")
    assert load_pair(tmp_path, progress=False).train.class_names == ("a", "b")


def test_a_folder_above_the_parts_is_refused_with_the_path(tmp_path: Path) -> None:
    made(tmp_path, *(f"images/{part}/{name}" for part in ("train", "val") for name in "ab"))
    with pytest.raises(DataError, match=r"holds the parts train, val; pass ") as caught:
        load_pair(tmp_path, progress=False)
    found = re.search(r"pass (.*)$", str(caught.value))
    assert found is not None
    assert load_pair(found[1], progress=False).told[0].endswith("parts: train, val")


def test_many_classes_are_shortened(tmp_path: Path) -> None:
    made(tmp_path, *(f"train/{index}" for index in range(12)), "valid/0")
    line = load_pair(tmp_path, progress=False).told[0]
    assert line.startswith("classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ... (12)")
