"""What the argument ``data`` of `train`, and the option ``--data`` of the commands, stands for."""

import dataclasses
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, Self, get_args

import numpy
from numpy.typing import NDArray

from mnistburn import _native, datasets
from mnistburn.arguments import as_path, as_share, shown
from mnistburn.arrays import ImageShape
from mnistburn.dataset import Dataset
from mnistburn.datasets import idx_files
from mnistburn.datasets.parts import SPLITS, Split, find_parts, holds_pictures
from mnistburn.errors import DataError
from mnistburn.preprocessing import STRETCHED, Fit, Prepare, Preprocessing

__all__ = [
    "DataSource",
    "LoadedPair",
    "PictureOptions",
    "available_parts",
    "classes_line",
    "load_pair",
    "load_part",
    "part_named_or_tested",
    "part_taken",
    "source_of",
]

_logger: Final = logging.getLogger("mnistburn")

SourceKind = Literal["name", "folder", "npz", "csv", "idx", "arrays"]

# The share held out where there is no part to validate on and none is given.
_VALIDATION: Final = 0.1
# A folder whose sub-folders are the classes is its own and only part.
_WHOLE: Final = "."
_NAMED: Final = 10


@dataclass(frozen=True)
class PictureOptions:
    """What pictures are made to; arrays and known data sets have a shape already.

    Attributes:
        image_size: Height and width; None to follow the pictures.
        channels: 1 for grey images, 3 for colours; None to follow the pictures.
        fit: What happens to pictures of other proportions.
        prepare: What else is done to pictures.
    """

    image_size: tuple[int, int] | None = None
    channels: int | None = None
    fit: Fit = "stretch"
    prepare: Prepare | None = None

    @classmethod
    def of(cls, shape: ImageShape, preprocessing: Preprocessing = STRETCHED) -> Self:
        """Return the options that make images of a shape."""
        return cls((shape.height, shape.width), shape.channels, *preprocessing)

    @property
    def shape(self) -> ImageShape | None:
        """The shape of the images; None where it follows the pictures."""
        if self.image_size is None or self.channels is None:
            return None
        return ImageShape(*self.image_size, self.channels)


@dataclass(frozen=True)
class DataSource:
    """Where the data of a run come from, so that they are found again.

    Attributes:
        kind: What the data are.
        location: The name of the data set, or the absolute path; None for arrays.
        parts: What was taken for ``"train"``, ``"valid"`` and ``"test"``: folders, names of arrays
            or files; None where there is none, or where a share is held out.
        validation: The share of the training images that was held out to validate on, else None.
        seed: Which images were held out, else None.
        left_out: What lies beside the parts and is none, for people.
    """

    kind: SourceKind
    location: str | None
    parts: Mapping[str, str | None]
    validation: float | None = None
    seed: int | None = None
    left_out: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def of_arrays(cls) -> Self:
        """Return the source of data that were given as arrays."""
        return cls("arrays", None, dict.fromkeys(SPLITS))

    def to_json_object(self) -> dict[str, Any]:
        """Return the source as what JSON can hold."""
        return {
            "kind": self.kind,
            "location": self.location,
            "parts": dict(self.parts),
            "validation": self.validation,
            "seed": self.seed,
            # For people; it is not read again.
            "described": str(self),
        }

    @classmethod
    def from_json_object(cls, value: object) -> Self:
        """Return the source that `to_json_object` gave.

        Args:
            value: The object.

        Returns:
            The source.

        Raises:
            DataError: The object is another.
        """
        match value:
            case {
                "kind": str(kind),
                "location": str() | None as location,
                "parts": dict(parts),
                "validation": float() | None as share,
                "seed": int() | None as seed,
            } if (
                kind in get_args(SourceKind)
                and (location is None) == (kind == "arrays")
                and set(parts) == set(SPLITS)
                and all(part is None or isinstance(part, str) for part in parts.values())
                and (share is None or 0.0 < share < 1.0)
                and (share is None or seed is not None)
                and not isinstance(seed, bool)
            ):
                known: Any = kind
                return cls(known, location, dict(parts), share, seed)
        message = (
            f"the source of the data of a run must be as `train` writes it, got {shown(value)}"
        )
        raise DataError(message)

    def __str__(self) -> str:
        details = []
        if self.location is None:
            return "arrays"
        name = self.location
        if self.kind != "name":
            name = Path(self.location).name or self.location
            details.append(
                f"{'folder' if Path(self.location).is_dir() else self.kind} {self.location}"
            )
            taken = list(dict.fromkeys(part for part in self.parts.values() if part))
            if taken not in ([], [_WHOLE], [name]):
                details.append(f"parts: {', '.join(taken)}")
        if self.validation is not None:
            details.append(f"{self.validation:g} held out, seed {self.seed}")
        return _printable(f"{name} ({'; '.join(details)})" if details else name)


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


def source_of(data: object) -> DataSource:
    """Find out what data are, without reading an image.

    Args:
        data: The name of a data set, a folder of pictures, a folder of IDX files, a file (.npz,
            .csv or IDX), or a source, which is returned as it is.

    Returns:
        The source.

    Raises:
        DataError: There is no such data set or it can be read in two ways.
        OSError: A file cannot be read.
    """
    if isinstance(data, DataSource):
        return data
    if isinstance(data, str) and "/" not in data and os.sep not in data:
        if datasets.is_name(data):
            _tell_hidden_folder(data)
            known = datasets.info(data)
            valid = "test" if known.valid is None else "valid"
            parts = {"train": "train", "valid": valid, "test": "test"}
            return DataSource("name", known.name, parts)
        if not Path(data).expanduser().exists() and not Path(data).suffix:
            # The message lists the names.
            _refuse_name(data)
    return _path_source(data)


def _refuse_name(name: str) -> NoReturn:
    try:
        datasets.info(name)
    except DataError as error:
        message = f"{error}; and there is no folder of that name"
        raise DataError(message) from None
    raise AssertionError(name)


def _path_source(data: object) -> DataSource:
    from mnistburn.datasets import archive  # noqa: PLC0415  zip files cost import time

    if not isinstance(data, str | bytes | os.PathLike):
        message = f"data must be {_TAKEN}, got {shown(data)}"
        raise DataError(message)
    path = Path(os.path.expanduser(as_path(data, "data", DataError)))  # noqa: PTH111  never fails
    path = Path(os.path.abspath(path))  # noqa: PTH100  links stay
    if path.is_dir():
        return _folder_source(path)
    if not path.is_file():
        message = f"data must be {_TAKEN}; there is no such file or folder: {shown(data)}"
        raise DataError(message)
    name = path.name.casefold()
    if name.endswith(".npz"):
        pairs = archive.find_arrays(path)
        return _source("npz", path, {split: images for split, (images, _) in pairs.items()})
    if name.removesuffix(".gz").endswith((".csv", ".tsv")):
        return _source("csv", path, {"train": path.name})
    if idx_files.is_idx(path):
        return _source("idx", path, idx_files.parts_of_file(path))
    message = f"data must be {_TAKEN}; the file {path} is none of these by its extension"
    raise DataError(message)


_TAKEN: Final = (
    "the name of a data set, a folder of pictures with a sub-folder for each class, or a file: "
    ".npz, .csv (.csv.gz) or IDX"
)


def available_parts(source: DataSource) -> tuple[Split, ...]:
    """List the parts that can be read, a share held out for the validation among them.

    Args:
        source: The source.

    Returns:
        The parts.
    """
    return tuple(
        split
        for split in SPLITS
        if source.parts.get(split) is not None
        or (split == "valid" and source.validation is not None)
    )


def part_taken(source: DataSource, split: Split) -> Split:
    """Tell which part `load_part` reads.

    Args:
        source: The source.
        split: The part that is asked for.

    Returns:
        The part itself; where there is none to test on, that to validate on, and of data that are
        not divided all of them: ``"train"``.

    Raises:
        DataError: There is nothing that can stand for the part.
    """
    if source.location is None:
        raise DataError(_ARRAYS)
    there = available_parts(source)
    if split in there:
        return split
    other: Split = "valid" if split == "test" else "test"
    if split != "train" and other in there:
        return other
    # A folder of parts that lacks one: to measure on the training images would mislead.
    divided = source.kind == "folder" and source.parts["train"] != _WHOLE
    if there == ("train",) and not divided:
        return "train"
    names = ", ".join(part for part in source.parts.values() if part)
    message = f"{source.location} must hold the part {split} beside {names}"
    if source.kind == "folder":
        message = (
            f"{source.location} must hold a folder {split} beside {names}, each with a sub-folder "
            "for every class; or give the folder of the images itself"
        )
    raise DataError(message)


def part_named_or_tested(source: DataSource, split: Split | None) -> Split:
    """Tell which part is measured: the one that was asked for, or else what there is to test on.

    Args:
        source: The source.
        split: The part that was asked for; None where none was.

    Returns:
        The part; where none was asked for, what `part_taken` tells for ``"test"``.

    Raises:
        DataError: There is no such part.
    """
    if split is None:
        return part_taken(source, "test")
    if source.location is None:
        raise DataError(_ARRAYS)
    there = available_parts(source)
    if split not in there:
        message = (
            f"{source} has no part {split}: there is {' and '.join(there)}; name one of these, or "
            "leave --split out"
        )
        raise DataError(message)
    return split


_ARRAYS: Final = (
    "the run was trained on arrays, which are not kept with it; pass them as data=, or give --data"
)


def load_pair(
    data: object,
    *,
    validation: float | None = None,
    seed: int = 42,
    options: PictureOptions = PictureOptions(),
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
    options: PictureOptions = PictureOptions(),
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


def _source(kind: SourceKind, path: Path, parts: Mapping[Split, str]) -> DataSource:
    return DataSource(kind, str(path), {split: parts.get(split) for split in SPLITS})


def _folder_source(folder: Path) -> DataSource:
    if _native.holds_run(str(folder)):
        message = (
            f"data must be {_TAKEN}, and {folder} is the directory of a run; it comes first and "
            "the data behind it: train(artifact_dir, data=...), `mnistburn train ARTIFACT_DIR "
            "--data DATA`"
        )
        raise DataError(message)
    parts = find_parts(folder)
    if not parts.folders and not holds_pictures(folder):
        files = idx_files.parts_of_folder(folder)
        if files:
            return _source("idx", folder, files)
        tables_there = sorted(
            entry for entry in folder.iterdir() if entry.suffix.casefold() in (".npz", ".csv")
        )
        if tables_there:
            message = f"{folder} holds no pictures; to take a file in it, pass {tables_there[0]}"
            raise DataError(message)
    found = _source("folder", folder, parts.folders or {"train": _WHOLE})
    return replace(found, left_out=parts.left_out)


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
        raise DataError(_ARRAYS)
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
    if class_names is None and train not in (None, _WHOLE) and source.location is not None:
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
                f"{folder} must hold no other classes than {_listed(class_names)}, which the "
                f"training images have, and holds {_listed(unknown)}; rename these folders or move "
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
        message = f"the labels must be of the classes {_listed(names)}, got {_listed(unknown)} too"
        raise DataError(message)
    return Dataset(images, [numbers[name] for name in found.tolist()], list(numbers))


_UNDIVIDED: Final = "not divided into train, valid and test"


def classes_line(train: Dataset, source: DataSource) -> str:
    """Say in a line what was taken for classes and for parts."""
    if train.class_names is None:
        line = f"classes: {train.num_classes}, without names"
    else:
        line = f"classes: {_listed(train.class_names)}"
    taken = {split: part for split, part in source.parts.items() if part is not None}
    if list(taken.values()) == [_WHOLE] and source.validation is None:
        line += f"; {_UNDIVIDED}"
    elif source.validation is not None:
        held = f"{source.validation:g} of the training images validate (seed {source.seed})"
        others = [str(part) for part in taken.values()]
        line += f"; {_UNDIVIDED if len(others) == 1 else 'parts: ' + ', '.join(others)}; {held}"
    else:
        line += f"; parts: {', '.join(dict.fromkeys(taken.values()))}"
        if taken.get("valid") is not None and taken.get("valid") == taken.get("test"):
            line += f" ({taken['valid']} validates)"
    if source.left_out:
        line += f"; left out: {', '.join(source.left_out)}"
    return _printable(line)


def _listed(names: Sequence[str]) -> str:
    """Return names in a line, shortened."""
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])}, ... ({len(names)})"


def _printable(text: str) -> str:
    # The names of folders may hold anything.
    return "".join(one if one.isprintable() else "?" for one in text)


def _tell_hidden_folder(name: str) -> None:
    folder = Path(name)
    if folder.is_dir() and (holds_pictures(folder) or idx_files.parts_of_folder(folder)):
        _logger.warning(
            "the data set %s is taken; the folder %s in the working directory is not looked at: "
            "./%s takes it",
            datasets.info(name).name,
            name,
            name,
        )
