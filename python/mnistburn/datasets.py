"""Known data sets by name.

Example:
    >>> import mnistburn
    >>> mnistburn.datasets.load("mnist", split="test")
    Dataset(10000 images, 10 classes)
    >>> train, valid = mnistburn.datasets.load("mnist", validation=0.1)
    >>> len(train), len(valid)
    (54000, 6000)
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, overload

from mnistburn.arguments import LARGEST_SEED, as_integer, as_share, nearest, shown
from mnistburn.dataset import Dataset
from mnistburn.errors import DataError

__all__ = ["load", "names"]


@dataclass(frozen=True)
class _File:
    """A file of the package, and the SHA-256 of its uncompressed bytes."""

    name: str
    sha256: str


@dataclass(frozen=True)
class _Split:
    images: _File
    labels: _File


_DATA: Final = Path(__file__).parent / "data"

_DATASETS: Final = {
    "mnist": {
        "train": _Split(
            images=_File(
                "train-images-idx3-ubyte.gz",
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            labels=_File(
                "train-labels-idx1-ubyte.gz",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
        ),
        "test": _Split(
            images=_File(
                "t10k-images-idx3-ubyte.gz",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
            labels=_File(
                "t10k-labels-idx1-ubyte.gz",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
    },
}


def names() -> list[str]:
    """List the names that `load` takes.

    Returns:
        The names, sorted.
    """
    return sorted(_DATASETS)


@overload
def load(
    name: str,
    split: Literal["train", "test"] = "train",
    *,
    validation: None = None,
    seed: int = 42,
) -> Dataset: ...
@overload
def load(
    name: str,
    split: Literal["train"] = "train",
    *,
    validation: float,
    seed: int = 42,
) -> tuple[Dataset, Dataset]: ...
def load(
    name: str,
    split: Literal["train", "test"] = "train",
    *,
    validation: float | None = None,
    seed: int = 42,
) -> Dataset | tuple[Dataset, Dataset]:
    """Load a data set from the files of the package; no network is used.

    Choosing a model by its accuracy on the test images makes that accuracy too good to be true:
    set a share of the training images aside with ``validation`` and keep the test images for the
    end.

    Args:
        name: The name; ``"mnist"`` has 60,000 images to train with and 10,000 to test with.
        split: ``"train"`` or ``"test"``.
        validation: The share of the training images to set aside, above 0 and below 1.
        seed: Which images are set aside.

    Returns:
        The data set; with ``validation``, the pair of the rest and the share set aside.

    Raises:
        DataError: There is no such data set or split, the share is out of range, or a file of the
            package is damaged.
    """
    if not isinstance(name, str) or name not in _DATASETS:
        advice = nearest(name, _DATASETS) if isinstance(name, str) else ""
        message = f"there is no data set {shown(name)}; the names are {', '.join(names())}{advice}"
        raise DataError(message)
    splits = _DATASETS[name]
    if not isinstance(split, str) or split not in splits:
        message = f"split must be 'train' or 'test', got {shown(split)}"
        raise DataError(message)
    if validation is not None and split != "train":
        message = (
            "validation sets a share of the training images aside, so it needs split='train', "
            f"got split={split!r}"
        )
        raise DataError(message)
    share = None if validation is None else as_share(validation, "validation", DataError)
    as_integer(seed, "seed", DataError, maximum=LARGEST_SEED)
    files = splits[split]
    folder = _DATA / name
    dataset = Dataset._from_idx(  # noqa: SLF001  the public form takes no hashes
        folder / files.images.name,
        folder / files.labels.name,
        (files.images.sha256, files.labels.sha256),
    )
    return dataset if share is None else dataset.split(share, seed)
