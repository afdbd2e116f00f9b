"""The data sets of the package."""

import hashlib

import numpy
import pytest

import mnistburn
from mnistburn import datasets


def test_mnist_is_the_original() -> None:
    train = datasets.load("mnist")
    test = datasets.load("mnist", split="test")
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.targets[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    # The IDX header of the images takes 16 bytes.
    header = bytes.fromhex("00000803 00002710 0000001c 0000001c")
    digest = hashlib.sha256(header + test.images.tobytes()).hexdigest()
    assert digest == "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    # The mean and the deviation that the model normalises with.
    assert train.images.mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert train.images.std() / 255 == pytest.approx(0.3081, abs=1e-4)


def test_a_validation_share_comes_from_the_training_images() -> None:
    train, valid = datasets.load("mnist", validation=0.1, seed=3)
    assert (len(train), len(valid)) == (54_000, 6_000)
    whole = numpy.bincount(datasets.load("mnist").targets)
    assert numpy.allclose(numpy.bincount(valid.targets), whole * 0.1, atol=1)
    again = datasets.load("mnist", validation=0.1, seed=3)[1]
    assert (again.images == valid.images).all()


def test_licence_and_source_lie_beside_the_files() -> None:
    text = (datasets._DATA / "mnist" / "README.md").read_text("utf-8")
    for part in ("CC BY-SA", "creativecommons.org/licenses/by-sa/3.0", "Yann LeCun"):
        assert part.replace("CC BY-SA", "Attribution-ShareAlike 3.0") in text
    for split in datasets._DATASETS["mnist"].values():
        assert split.images.sha256 in text
        assert split.labels.sha256 in text


def test_a_damaged_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("data")
    (folder / "mnist").mkdir()
    for path in (datasets._DATA / "mnist").glob("*.gz"):
        (folder / "mnist" / path.name).write_bytes(path.read_bytes())
    labels = folder / "mnist" / "t10k-labels-idx1-ubyte.gz"
    images = folder / "mnist" / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(images.read_bytes())
    monkeypatch.setattr(datasets, "_DATA", folder)
    with pytest.raises(mnistburn.errors.DataError, match="t10k-labels"):
        datasets.load("mnist", split="test")


def test_names_are_listed() -> None:
    assert datasets.names() == ["mnist"]
