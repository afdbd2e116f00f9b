"""What the argument ``data`` of `train`, and the option ``--data`` of the commands, stands for."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from mnistburn import _native, datasets
from mnistburn.arguments import as_path, shown
from mnistburn.arrays import MNIST, ImageShape
from mnistburn.dataset import Dataset
from mnistburn.errors import DataError

__all__ = ["is_divided", "load_pair", "load_part"]

_logger: Final = logging.getLogger("mnistburn")

# The sub-folders of a folder that is divided already, in any spelling of capitals.
_TRAIN: Final = ("train", "training")
_TEST: Final = ("test", "testing", "valid", "validation", "val")
# The share set aside of a folder that is not, where none is given.
_VALIDATION: Final = 0.1


def load_pair(
    data: str | os.PathLike[str],
    *,
    validation: float | None = None,
    seed: int = 42,
    shape: ImageShape = MNIST,
    progress: bool = True,
) -> tuple[Dataset, Dataset]:
    """Load what to train with, and what to validate on.

    Args:
        data: The name of a data set, or a folder of pictures: with a sub-folder for each class, or
            with the folders ``train`` and ``test`` (or ``valid``) of such.
        validation: The share of the training images to validate on; None for the test images, or
            for a tenth where there are none.
        seed: Which images are set aside.
        shape: What pictures are made to.
        progress: Whether the progress is shown.

    Returns:
        The pair.

    Raises:
        DataError: There is no such data set, or the folder holds no pictures.
        OSError: A file cannot be read.
    """
    folder = _folder(data)
    if folder is None:
        name = str(data)
        if validation is None:
            return (
                datasets.load(name, "train", progress=progress),
                datasets.load(name, "test", progress=progress),
            )
        return datasets.load(name, validation=validation, seed=seed, progress=progress)
    parts = _parts(folder)
    train_folder = folder if parts is None else parts.folder("train")
    train = _read(train_folder, shape, None, progress=progress)
    if validation is None and parts is not None and parts.test is not None:
        return train, _read(parts.test, shape, train.class_names, progress=progress)
    if validation is None:
        validation = _VALIDATION
        _logger.info(
            "%s holds no folder test: %s of its images are set aside for the validation",
            folder,
            validation,
        )
    return train.split(validation, seed)


def load_part(
    data: str | os.PathLike[str],
    split: Literal["train", "test"],
    *,
    shape: ImageShape = MNIST,
    class_names: Sequence[str] | None = None,
    progress: bool = True,
) -> Dataset:
    """Load one part of what `load_pair` loads.

    Args:
        data: As `load_pair` takes it. Of a folder that is not divided these are all pictures.
        split: Which part.
        shape: What pictures are made to.
        class_names: The classes of pictures in their order: those that a model was trained with.
        progress: Whether the progress is shown.

    Returns:
        The data set.

    Raises:
        DataError: There is no such data set, or the folder holds no pictures.
        OSError: A file cannot be read.
    """
    folder = _folder(data)
    if folder is None:
        return datasets.load(str(data), split, progress=progress)
    parts = _parts(folder)
    part = folder if parts is None else parts.folder(split)
    if class_names is None and parts is not None and parts.train is not None:
        # A part may lack a class, whose number the others keep.
        class_names = _native.folder_classes(str(parts.train))
    return _read(part, shape, class_names, progress=progress)


def is_divided(data: str | os.PathLike[str]) -> bool:
    """Tell whether what `load_part` gives depends on the part.

    Args:
        data: As `load_pair` takes it.

    Returns:
        False for a folder of pictures that is not divided.
    """
    folder = _folder(data)
    return folder is None or _parts(folder) is not None


@dataclass(frozen=True)
class _Parts:
    """The folders of a divided folder."""

    whole: Path
    train: Path | None
    test: Path | None

    def folder(self, split: Literal["train", "test"]) -> Path:
        part = self.train if split == "train" else self.test
        if part is None:
            other = self.test if split == "train" else self.train
            message = (
                f"{self.whole} must hold a folder {split} beside {other and other.name}, "
                f"each with a sub-folder for every class; or give {other} itself"
            )
            raise DataError(message)
        return part


def _folder(data: object) -> Path | None:
    """Return the folder that is meant; None for a name."""
    if isinstance(data, str) and "/" not in data and os.sep not in data:
        if datasets.is_name(data):
            return None
        if not Path(data).is_dir():
            # The message lists the names.
            datasets.info(data)
    folder = as_path(data, "data", DataError)
    if not folder.is_dir():
        message = f"data must be the name of a data set or a folder of pictures, got {shown(data)}"
        raise DataError(message)
    return folder


def _parts(folder: Path) -> _Parts | None:
    """Return the parts of a folder; None where its sub-folders are the classes."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    folders = [entry for entry in entries if entry.is_dir()]

    def part(names: tuple[str, ...]) -> Path | None:
        found = [entry for name in names for entry in folders if entry.name.casefold() == name]
        # A class may have such a name too; a part has classes.
        return next(
            (entry for entry in found if any(sub.is_dir() for sub in entry.iterdir())), None
        )

    train, test = part(_TRAIN), part(_TEST)
    return None if train is None and test is None else _Parts(folder, train, test)


def _read(
    folder: Path, shape: ImageShape, class_names: Sequence[str] | None, *, progress: bool
) -> Dataset:
    return Dataset.from_folder(
        folder,
        image_size=(shape.height, shape.width),
        channels=shape.channels,
        class_names=class_names,
        progress=progress,
    )
