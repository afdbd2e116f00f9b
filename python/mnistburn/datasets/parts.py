"""Which sub-folders of a folder of pictures are the parts of a data set, and which are classes."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

from mnistburn import _native
from mnistburn.errors import DataError

__all__ = ["SPLITS", "FolderParts", "Split", "find_parts", "holds_pictures", "part_named"]

Split = Literal["train", "valid", "test"]
"""The parts of a data set: to train with, to validate on, and to measure once at the end."""

SPLITS: Final[tuple[Split, ...]] = ("train", "valid", "test")

_DEPTH: Final = 6
# Names that a line for people has.
_NAMED: Final = 10


@dataclass(frozen=True)
class FolderParts:
    """The parts of a folder.

    Attributes:
        folders: The folder of each part that is there, relative to the whole; none where the
            sub-folders are the classes.
        left_out: Sub-folders that are no part, and why.
    """

    folders: dict[Split, str]
    left_out: tuple[str, ...] = ()


def part_named(name: str) -> Split | None:
    """Tell which part is called so, in any case and with any of ``-``, ``_``, ``.`` and space.

    Args:
        name: The name of a folder.

    Returns:
        The part; None where the name is that of none.
    """
    return cast("Split | None", _native.part_named(_text(name)))


def find_parts(folder: Path) -> FolderParts:
    """Find the parts of a folder by the names and contents of its sub-folders.

    The folder is divided when all sub-folders are called as parts are and hold folders of classes.
    A sub-folder of another name that holds pictures without classes is left out beside two such
    parts; with classes in it, it makes all of them classes beside a single part.

    Args:
        folder: The folder.

    Returns:
        The parts.

    Raises:
        DataError: There are two ways to read it, or the parts are in one of its sub-folders.
        OSError: A folder cannot be read.
    """
    folders = _sub_folders(folder)
    named = {entry: part for entry in folders if (part := part_named(entry.name)) is not None}
    divided = [entry for entry in named if _holds_classes(_inner(entry))]
    others = [entry for entry in folders if entry not in divided]
    if not divided:
        if named and len(named) == len(folders) and "train" in named.values():
            _refuse_parts_without_classes(folder, folders)
        _refuse_parts_below(folder, folders)
        return FolderParts({})
    kinds = {named[entry] for entry in divided}
    with_classes = [entry for entry in others if _holds_classes(entry)]
    with_pictures = [
        entry for entry in others if entry not in with_classes and holds_pictures(entry)
    ]
    strangers = [entry for entry in with_pictures if entry not in named]
    if len(kinds) == 1:
        if with_classes or (strangers and "train" not in kinds):
            return FolderParts({})
        if strangers:
            _refuse_two_readings(folder, divided, strangers)
    elif with_classes:
        _refuse_two_readings(folder, divided, with_classes)
    found: dict[Split, str] = {}
    for entry in divided:
        part = named[entry]
        if part in found:
            message = (
                f"{folder} holds two folders for one part of the data: {found[part]} and "
                f"{entry.name} both read as {part}; move one of them away, or join them"
            )
            raise DataError(message)
        found[part] = _inner(entry).relative_to(folder).as_posix()
    left_out = [f"{entry.name} (pictures without classes)" for entry in with_pictures]
    left_out += [f"{entry.name} (no pictures)" for entry in others if entry not in with_pictures]
    return FolderParts({part: found[part] for part in SPLITS if part in found}, tuple(left_out))


def holds_pictures(folder: Path, depth: int = _DEPTH) -> bool:
    """Tell whether there is a file with the extension of a picture in or below a folder.

    Args:
        folder: The folder.
        depth: How many folders deep to look.

    Returns:
        Whether there is one.

    Raises:
        OSError: A folder cannot be read.
    """
    below = []
    for entry in _entries(folder):
        if entry.is_dir():
            below.append(Path(entry.path))
        elif _native.is_called_picture(_text(entry.name)):
            return True
    return depth > 0 and any(holds_pictures(inner, depth - 1) for inner in below)


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    # Unlike pathlib's, these know what they are: a folder may hold a million pictures.
    with os.scandir(folder) as entries:
        for entry in entries:
            if not _native.is_passed_over(_text(entry.name)):
                yield entry


def _text(name: str) -> str:
    """Return a name without what is no Unicode text in it: no name that is looked for has such."""
    return name.encode(errors="replace").decode()


def _sub_folders(folder: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in _entries(folder) if entry.is_dir())


def _holds_classes(folder: Path) -> bool:
    return any(holds_pictures(entry) for entry in _sub_folders(folder))


def _inner(folder: Path) -> Path:
    """Follow a folder that holds another of its own name alone, as archives of Kaggle do."""
    for _ in range(_DEPTH):
        folders = _sub_folders(folder)
        if len(folders) != 1 or folders[0].name.casefold() != folder.name.casefold():
            break
        if not _holds_classes(folders[0]):
            break
        folder = folders[0]
    return folder


def _refuse_parts_below(folder: Path, folders: list[Path]) -> None:
    for entry in folders:
        if part_named(entry.name) is not None:
            continue
        inner = {part_named(below.name): below for below in _sub_folders(entry)}
        if "train" in inner and len(inner.keys() - {None}) > 1:
            if not all(_holds_classes(below) for part, below in inner.items() if part):
                continue
            names = ", ".join(sorted(below.name for part, below in inner.items() if part))
            message = (
                f"{folder} must hold the parts of the data or a sub-folder for each class, and its "
                f"sub-folder {entry.name} holds the parts {names}; pass {entry}"
            )
            raise DataError(message)


def _refuse_parts_without_classes(folder: Path, folders: list[Path]) -> None:
    if not any(holds_pictures(entry) for entry in folders):
        return
    names = " and ".join(entry.name for entry in folders)
    message = (
        f"{folder} holds {names}, which read as parts of the data, and a part must have a "
        "sub-folder with pictures for each class; sort the pictures into such folders, or, if "
        f"{names} are the classes, give the folders other names"
    )
    raise DataError(message)


def _refuse_two_readings(folder: Path, divided: list[Path], others: list[Path]) -> None:
    parts = ", ".join(entry.name for entry in divided)
    rest = ", ".join(entry.name for entry in others[:_NAMED])
    rest += ", ..." * (len(others) > _NAMED)
    message = (
        f"{folder} can be read in two ways: {parts} as parts of the data, or {parts}, {rest} as "
        f"classes. If they are parts, move {rest} away; if they are classes, give {parts} another "
        "name, as in 'class train'"
    )
    raise DataError(message)
