"""Known data sets by name.

MNIST is in the package. The others are fetched when they are first used, from one of several
mirrors, and kept in the user's cache directory, or in what ``MNISTBURN_DATA_DIR`` names. Every file
is verified by its hash each time it is read.

Example:
    >>> import mnistburn
    >>> mnistburn.datasets.load("mnist", split="test")
    Dataset(10000 images, 10 classes)
    >>> train, valid = mnistburn.datasets.load("mnist", validation=0.1)
    >>> len(train), len(valid)
    (54000, 6000)
    >>> mnistburn.datasets.info("fashion-mnist").class_names[:3]
    ('T-shirt/top', 'Trouser', 'Pullover')
"""

import os
from pathlib import Path
from typing import Final, Literal, overload

from mnistburn.arguments import LARGEST_SEED, as_integer, as_path, as_share, nearest, shown
from mnistburn.dataset import Dataset
from mnistburn.datasets import contents, store
from mnistburn.datasets.known import KnownDataset, KnownFile, KnownSplit
from mnistburn.datasets.parts import SPLITS, Split
from mnistburn.datasets.registry import DATASETS
from mnistburn.datasets.store import FileState
from mnistburn.errors import DataError
from mnistburn.preprocessing import Preprocessing

__all__ = [
    "FileState",
    "KnownDataset",
    "KnownFile",
    "KnownSplit",
    "fetch",
    "info",
    "is_name",
    "load",
    "names",
    "verify",
    "where",
]


def names() -> list[str]:
    """List the names that `load` takes.

    Returns:
        The names, sorted.
    """
    return sorted(DATASETS)


def info(name: str) -> KnownDataset:
    """Tell what is known of a data set: sizes, classes, licence, files and mirrors.

    Args:
        name: The name. Capitals, hyphens and underscores make no difference.

    Returns:
        The description. Nothing is read or fetched.

    Raises:
        DataError: There is no such data set.
    """
    spelling = _letters(name) if isinstance(name, str) else ""
    for entry in DATASETS.values():
        if _letters(entry.name) == spelling:
            return entry
    message = f"there is no data set {shown(name)}; the names are {', '.join(names())}"
    parts = [known for known in names() if spelling and _letters(known).startswith(spelling)]
    if len(parts) > 1:
        message += f"; did you mean one of {', '.join(map(repr, parts))}?"
    elif isinstance(name, str):
        message += _folder_hint(name) or nearest(name, DATASETS)
    raise DataError(message)


def _folder_hint(name: str) -> str:
    try:
        if name and Path(name).expanduser().is_dir():
            make = f"mnistburn.Dataset.from_folder({name!r})"
            return f"; the folder of that name is read with {make}, or with data= and --data"
    except (OSError, ValueError, RuntimeError):
        pass  # no path, or one without a home directory
    return ""


def is_name(text: str) -> bool:
    """Tell whether a text is the name of a data set, as `load` takes it.

    Args:
        text: The text.

    Returns:
        Whether there is such a data set.
    """
    return isinstance(text, str) and any(_letters(name) == _letters(text) for name in DATASETS)


# Of how a name is written.
_IGNORED: Final = str.maketrans("", "", "-_ ")


def _letters(name: str) -> str:
    return name.casefold().translate(_IGNORED)


@overload
def load(
    name: str,
    split: Split = "train",
    *,
    validation: None = None,
    seed: int = 42,
    root: str | os.PathLike[str] | None = None,
    download: bool = True,
    progress: bool = True,
) -> Dataset: ...
@overload
def load(
    name: str,
    split: Literal["train"] = "train",
    *,
    validation: float,
    seed: int = 42,
    root: str | os.PathLike[str] | None = None,
    download: bool = True,
    progress: bool = True,
) -> tuple[Dataset, Dataset]: ...
def load(
    name: str,
    split: Split = "train",
    *,
    validation: float | None = None,
    seed: int = 42,
    root: str | os.PathLike[str] | None = None,
    download: bool = True,
    progress: bool = True,
) -> Dataset | tuple[Dataset, Dataset]:
    """Load a data set, after fetching it where it is not there yet.

    Choosing a model by its accuracy on the test images makes that accuracy too good to be true:
    set a share of the training images aside with ``validation`` and keep the test images for the
    end.

    Args:
        name: One of `names`: ``"mnist"``, which needs no network, ``"fashion-mnist"``,
            ``"cifar-10"``, ``"pathmnist"`` and others. Capitals, hyphens and underscores make no
            difference.
        split: ``"train"`` or ``"test"``; ``"valid"`` where the authors set images aside to
            validate on, as those of MedMNIST did.
        validation: The share of the training images to set aside, above 0 and below 1.
        seed: Which images are set aside.
        root: A folder with the files, compressed as servers have them or not, directly in it, in a
            folder of the data set's name, or as torchvision lays them out. It is read only, and
            nothing is fetched.
        download: Whether files that are missing or damaged are fetched.
        progress: Whether the progress of fetching is shown, with a bar or with lines where there
            is no terminal.

    Returns:
        The data set; with ``validation``, the pair of the rest and the share set aside.

    Raises:
        DataError: There is no such data set or split, an argument breaks its rule, or a file is
            missing or damaged and no mirror gave it. The message says how to get it by hand.
        OSError: A file cannot be read or written.
    """
    entry = info(name)
    part = entry.split(split) if isinstance(split, str) and split in SPLITS else None
    if part is None:
        *others, last = (repr(name) for name in SPLITS if entry.split(name) is not None)
        message = f"split must be {', '.join(others)} or {last}, got {shown(split)}"
        if split == "valid":
            message += (
                f"; {entry.name} has no part to validate on: set a share of the training images "
                "aside, with validation=0.1"
            )
        raise DataError(message)
    if validation is not None and split != "train":
        message = (
            "validation sets a share of the training images aside, so it needs split='train', "
            f"got split={split!r}"
        )
        raise DataError(message)
    share = None if validation is None else as_share(validation, "validation", DataError)
    as_integer(seed, "seed", DataError, maximum=LARGEST_SEED)
    folder = _root(root)
    for argument, value in (("download", download), ("progress", progress)):
        if not isinstance(value, bool):
            message = f"{argument} must be True or False, got {shown(value)}"
            raise DataError(message)
    files = store.read(entry, part.files, folder, download=download, progress=progress)
    images, targets = contents.images_and_classes(entry, part, files)
    dataset = Dataset(images, targets, entry.class_names)
    dataset = Dataset._of(  # noqa: SLF001  of this package
        dataset.images, dataset.targets, entry.class_names, Preprocessing(prepare=entry.prepare)
    )
    return dataset if share is None else dataset.split(share, seed)


def fetch(name: str, *, progress: bool = True) -> list[Path]:
    """Fetch what is missing of a data set, so that `load` needs no network.

    Args:
        name: The name, as `load` takes it.
        progress: Whether the progress is shown.

    Returns:
        The paths of all its files, verified, wherever they are.

    Raises:
        DataError: There is no such data set, or no mirror gave a file.
        OSError: A file cannot be read or written.
    """
    entry = info(name)
    found = store.read(entry, entry.files, None, download=True, progress=progress)
    return [path for path, _ in found]


def verify(name: str, *, root: str | os.PathLike[str] | None = None) -> list[FileState]:
    """Check the hashes of the files of a data set that are there; nothing is fetched.

    Args:
        name: The name, as `load` takes it.
        root: The folder to look in, as `load` takes it.

    Returns:
        For each file whether it is all right, damaged or missing.

    Raises:
        DataError: There is no such data set.
        OSError: A file cannot be read.
    """
    return store.states(info(name), _root(root))


def where(name: str | None = None, *, root: str | os.PathLike[str] | None = None) -> Path:
    """Tell where files are; none is read.

    Args:
        name: The name of a data set, as `load` takes it; None for the directory that fetched
            files go to.
        root: The folder to look in, as `load` takes it.

    Returns:
        The folder with the files of the data set, or the one that they would go to.

    Raises:
        DataError: There is no such data set.
    """
    folder = _root(root)
    if name is None:
        return folder or store.data_dir()
    return store.folder(info(name), folder)


def _root(root: object) -> Path | None:
    return None if root is None else as_path(root, "root", DataError)
