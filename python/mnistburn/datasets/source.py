"""What the argument ``data`` of `train`, and the option ``--data`` of the commands, stands for."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, Self, get_args

from mnistburn import _native, datasets
from mnistburn.arguments import as_path, shown
from mnistburn.datasets import idx_files
from mnistburn.datasets.parts import SPLITS, Split, find_parts, holds_pictures
from mnistburn.errors import DataError

__all__ = [
    "ARRAYS_ARE_NOT_KEPT",
    "WHOLE",
    "DataSource",
    "available_parts",
    "part_named_or_tested",
    "part_taken",
    "printable",
    "source_of",
]

_logger: Final = logging.getLogger("mnistburn")

SourceKind = Literal["name", "folder", "npz", "csv", "idx", "arrays"]

ARRAYS_ARE_NOT_KEPT: Final = (
    "the run was trained on arrays, which are not kept with it; pass them as data=, or give --data"
)
"""What errors say of data that cannot be found again."""

WHOLE: Final = "."
"""The part of a folder whose sub-folders are the classes: it is its own and only one."""


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
            if taken not in ([], [WHOLE], [name]):
                details.append(f"parts: {', '.join(taken)}")
        if self.validation is not None:
            details.append(f"{self.validation:g} held out, seed {self.seed}")
        return printable(f"{name} ({'; '.join(details)})" if details else name)


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
        raise DataError(ARRAYS_ARE_NOT_KEPT)
    there = available_parts(source)
    if split in there:
        return split
    other: Split = "valid" if split == "test" else "test"
    if split != "train" and other in there:
        return other
    # A folder of parts that lacks one: to measure on the training images would mislead.
    divided = source.kind == "folder" and source.parts["train"] != WHOLE
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
        raise DataError(ARRAYS_ARE_NOT_KEPT)
    there = available_parts(source)
    if split not in there:
        message = (
            f"{source} has no part {split}: there is {' and '.join(there)}; name one of these, or "
            "leave --split out"
        )
        raise DataError(message)
    return split


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
    found = _source("folder", folder, parts.folders or {"train": WHOLE})
    return replace(found, left_out=parts.left_out)


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


def printable(text: str) -> str:
    """Return text with a question mark for what is none: the names of folders may hold anything.

    Args:
        text: The text.
    """
    return "".join(one if one.isprintable() else "?" for one in text)
