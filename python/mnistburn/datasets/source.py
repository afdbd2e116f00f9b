"""What the argument ``data`` of `train`, and the option ``--data`` of the commands, stands for."""

import logging
import os
from pathlib import Path
from typing import Final, Literal

from mnistburn import _native, datasets
from mnistburn.arguments import as_path, shown
from mnistburn.arrays import MNIST, ImageShape
from mnistburn.dataset import Dataset
from mnistburn.errors import DataError

__all__ = ["load_pair", "load_part"]

_logger: Final = logging.getLogger("mnistburn")

# The sub-folders of a folder that is divided already.
_TRAIN: Final = ("train", "training")
_TEST: Final = ("test", "valid", "validation", "val")
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
    train = _read(_part(folder, _TRAIN) or folder, shape, None, progress=progress)
    test = _part(folder, _TEST)
    if validation is None and test is not None:
        return train, _read(test, shape, train.class_names, progress=progress)
    if validation is None:
        validation = _VALIDATION
        _logger.info(
            "%s holds no folder %s: %s of the images are set aside for the validation",
            folder,
            " or ".join(_TEST),
            validation,
        )
    return train.split(validation, seed)


def load_part(
    data: str | os.PathLike[str],
    split: Literal["train", "test"],
    *,
    shape: ImageShape = MNIST,
    progress: bool = True,
) -> Dataset:
    """Load one part of what `load_pair` loads.

    Args:
        data: As `load_pair` takes it; all pictures of a folder that is not divided.
        split: Which part.
        shape: What pictures are made to.
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
    part = _part(folder, _TRAIN if split == "train" else _TEST) or folder
    train = _part(folder, _TRAIN)
    # A part may lack a class, whose number the others keep.
    names = None if train in {None, part} else _class_names(train)
    return _read(part, shape, names, progress=progress)


def _folder(data: object) -> Path | None:
    """Return the folder that is meant; None for a name."""
    if isinstance(data, str) and (datasets.is_name(data) or not _looks_like_path(data)):
        return None
    folder = as_path(data, "data", DataError)
    if not folder.is_dir():
        message = f"data must be the name of a data set or a folder of pictures, got {shown(data)}"
        raise DataError(message)
    return folder


def _looks_like_path(text: str) -> bool:
    return "/" in text or os.sep in text or Path(text).is_dir()


def _part(folder: Path, names: tuple[str, ...]) -> Path | None:
    """Return the sub-folder of one of these names, if the folder is divided into such."""
    if not any((folder / name).is_dir() for name in _TRAIN):
        return None
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _class_names(folder: Path | None) -> tuple[str, ...] | None:
    if folder is None:
        return None
    return tuple(_native.folder_classes(str(folder)))


def _read(
    folder: Path, shape: ImageShape, class_names: tuple[str, ...] | None, *, progress: bool
) -> Dataset:
    return Dataset.from_folder(
        folder,
        image_size=(shape.height, shape.width),
        channels=shape.channels,
        class_names=class_names,
        progress=progress,
    )
