"""Loads what the argument ``data`` stands for: the images of a source, part by part."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy
from numpy.typing import NDArray

from mnistburn import _native, datasets
from mnistburn.arguments import as_share
from mnistburn.dataset import Dataset
from mnistburn.datasets import idx_files
from mnistburn.datasets.classes_line import classes_line, listed
from mnistburn.datasets.parts import SPLITS, Split
from mnistburn.datasets.picture_options import FOLLOW_PICTURES, PictureOptions
from mnistburn.datasets.source import (
    ARRAYS_ARE_NOT_KEPT,
    WHOLE,
    DataSource,
    available_parts,
    part_taken,
    source_of,
)
from mnistburn.errors import DataError

__all__ = ["LoadedPair", "load_pair", "load_part"]

# The share held out where there is no part to validate on and none is given.
_VALIDATION: Final = 0.1


@dataclass(frozen=True, eq=False)
class LoadedPair:
    """What to train with and what to validate on.

    Attributes:
        train: The images to train with.
        valid: Those to validate on.
        source: Where they come from.
        told: Lines for people: which classes and parts were found, and what else was decided.
    """

    train: Dataset
    valid: Dataset
    source: DataSource
    told: tuple[str, ...]


def load_pair(
    data: object,
    *,
    validation: float | None = None,
    seed: int = 42,
    options: PictureOptions = FOLLOW_PICTURES,
    progress: bool = True,
) -> LoadedPair:
    """Load what to train with, and what to validate on.

    The part ``valid`` is validated on, for lack of it ``test``, and for lack of both a tenth of the
    training images.

    Args:
        data: As `source_of` takes it.
        validation: The share of the training images to validate on, instead.
        seed: Which images are held out.
        options: What pictures are made to.
        progress: Whether the progress is shown.

    Returns:
        The pair.

    Raises:
        DataError: There are no such data, or they hold no images.
        OSError: A file cannot be read.
    """
    source = source_of(data)
    if isinstance(data, DataSource):
        validation, seed = source.validation, seed if source.seed is None else source.seed
    share = None if validation is None else as_share(validation, "validation", DataError)
    part_taken(source, "train")
    if share is None and available_parts(source) == ("train",):
        share = _VALIDATION
    if share is not None:
        parts = {**source.parts, "valid": None}
        source = replace(source, parts=parts, validation=share, seed=seed)
    elif source.parts["valid"] is None:
        source = replace(source, parts={**source.parts, "valid": source.parts["test"]})
    train, rule = _read(source, "train", options, None, progress=progress)
    if share is None:
        same = PictureOptions.of(train.image_shape, train.preprocessing)
        valid, _ = _read(source, "valid", same, train.class_names, progress=progress)
    else:
        train, valid = train.split(share, seed)
    told = (classes_line(train, source), rule, train.shape_rule)
    return LoadedPair(train, valid, source, tuple(line for line in told if line))


def load_part(
    data: object,
    split: Split,
    *,
    options: PictureOptions = FOLLOW_PICTURES,
    class_names: Sequence[str] | None = None,
    progress: bool = True,
) -> Dataset:
    """Load one part of what `load_pair` loads; `part_taken` tells which.

    Args:
        data: As `source_of` takes it; a source finds the data of a run again.
        split: Which part.
        options: What pictures are made to.
        class_names: The classes in their order: those that a model was trained with.
        progress: Whether the progress is shown.

    Returns:
        The data set.

    Raises:
        DataError: There are no such data any more, or they hold no images.
        OSError: A file cannot be read.
    """
    source = source_of(data)
    taken = part_taken(source, split)
    held_out = source.validation is not None and taken in ("train", "valid")
    read: Split = "train" if held_out else taken
    dataset, _ = _read(source, read, options, class_names, progress=progress)
    if not held_out or source.validation is None or source.seed is None:
        return dataset
    rest, share = dataset.split(source.validation, source.seed)
    return rest if taken == "train" else share


def _read(
    source: DataSource,
    split: Split,
    options: PictureOptions,
    class_names: Sequence[str] | None,
    *,
    progress: bool,
) -> tuple[Dataset, str | None]:
    """Read a part that is there; with the rule by which it was read, where there is a choice."""
    from mnistburn.datasets import archive, tables  # noqa: PLC0415  they cost import time

    part = source.parts[split]
    if source.location is None or part is None:
        raise DataError(ARRAYS_ARE_NOT_KEPT)
    if source.kind == "name":
        known: Split = next((each for each in SPLITS if each == part), "test")
        return datasets.load(source.location, known, progress=progress), None
    path = Path(source.location)
    # A folder that is gone must not become the one around it.
    base = path if source.kind == "folder" or path.is_dir() else path.parent
    place = path if source.kind in ("npz", "csv") else base / part
    if not place.exists():
        message = f"the data were {source}, and {place} no longer exists; pass data= or give --data"
        raise DataError(message)
    if source.kind == "folder":
        return _read_folder(source, place, options, class_names, progress=progress), None
    if source.kind == "idx":
        return Dataset.from_idx(place, idx_files.labels_of(place)), None
    if source.kind == "csv":
        table = tables.read_table(place, options.shape)
        return _labelled(place, table.images, table.labels, class_names, None), table.rule
    pairs = archive.find_arrays(place)
    if split not in pairs and part in {images for images, _ in pairs.values()}:
        split = next(other for other, (images, _) in pairs.items() if images == part)
    if split not in pairs:
        message = f"the data were {source}, and {place} no longer holds {part!r} with its labels"
        raise DataError(message)
    images, labels = archive.read_arrays(place, pairs[split])
    names = class_names
    if names is None and labels.dtype.kind in "US" and "train" in pairs and split != "train":
        names = tuple(
            numpy.unique(archive.read_arrays(place, pairs["train"])[1].astype(str)).tolist()
        )
    return _labelled(place, images, labels, names, pairs[split]), None


def _read_folder(
    source: DataSource,
    folder: Path,
    options: PictureOptions,
    class_names: Sequence[str] | None,
    *,
    progress: bool,
) -> Dataset:
    train = source.parts["train"]
    if class_names is None and train not in (None, WHOLE) and source.location is not None:
        whole = Path(source.location) / str(train)
        if whole != folder and whole.is_dir():
            # A part may lack a class, whose number the others keep.
            class_names = _native.folder_classes(str(whole))
    if class_names is not None:
        unknown = [
            name for name in _native.folder_classes(str(folder)) if name not in set(class_names)
        ]
        if unknown:
            message = (
                f"{folder} must hold no other classes than {listed(class_names)}, which the "
                f"training images have, and holds {listed(unknown)}; rename these folders or move "
                "them away"
            )
            raise DataError(message)
    return Dataset.from_folder(
        folder, class_names=class_names, progress=progress, **dataclasses.asdict(options)
    )


def _labelled(
    path: Path,
    images: NDArray[Any],
    labels: NDArray[Any],
    class_names: Sequence[str] | None,
    keys: tuple[str, str] | None,
) -> Dataset:
    """Make a data set; labels that are texts are the names of the classes."""
    try:
        return _named_dataset(images, labels, class_names)
    except DataError as error:
        where = "" if keys is None else f" ({keys[0]} and {keys[1]})"
        message = f"{path}{where}: {error}"
        raise DataError(message) from None


def _named_dataset(
    images: NDArray[Any], labels: NDArray[Any], class_names: Sequence[str] | None
) -> Dataset:
    if labels.dtype.kind not in "US":
        return Dataset(images, labels)
    found = labels.astype(str)
    names = tuple(class_names) if class_names is not None else tuple(numpy.unique(found).tolist())
    numbers = {str(name): number for number, name in enumerate(names)}
    unknown = sorted(set(found.tolist()) - numbers.keys())
    if unknown:
        message = f"the labels must be of the classes {listed(names)}, got {listed(unknown)} too"
        raise DataError(message)
    return Dataset(images, [numbers[name] for name in found.tolist()], list(numbers))
