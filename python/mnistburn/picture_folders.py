"""Folders of pictures, as arrays."""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy
from numpy.typing import NDArray

from mnistburn import _native
from mnistburn.arguments import as_class_names, shown
from mnistburn.arrays import as_image_size
from mnistburn.errors import DataError
from mnistburn.pictures import as_channels, expanded
from mnistburn.preprocessing import Preprocessing
from mnistburn.progress import CountProgress, start_count

__all__ = [
    "NOTHING_TOLD",
    "BrokenPicture",
    "Files",
    "PictureFolder",
    "Told",
    "passed_over_text",
    "read",
]

Files = NDArray[numpy.object_]
"""The files of images, a str for each: a `Path` would take several times the memory."""

_logger: Final = logging.getLogger("mnistburn")

# Files that a line of the log names; the data set lists all broken ones.
_NAMED: Final = 5


class BrokenPicture(NamedTuple):
    """A picture that `Dataset.from_folder` passed over.

    Attributes:
        path: The file.
        reason: Why it cannot be read.
    """

    path: Path
    reason: str


class Told(NamedTuple):
    """What reading a folder told, as the attributes of a data set have it."""

    broken: tuple[BrokenPicture, ...] = ()
    passed_over: Mapping[str, int] = MappingProxyType({})
    shape_rule: str | None = None


NOTHING_TOLD: Final = Told()


@dataclass(frozen=True, eq=False)
class PictureFolder:
    """What was read of a folder of pictures.

    Attributes:
        class_names: The names of the classes.
        images: The images, uint8.
        targets: Their classes, int64.
        told: What else was found.
        files: The file of each image; None where the folder was changed meanwhile.
    """

    class_names: list[str]
    images: NDArray[numpy.uint8]
    targets: NDArray[numpy.int64]
    told: Told
    files: Files | None


def read(
    path: Path,
    *,
    image_size: tuple[int, int] | None,
    channels: int | None,
    preprocessing: Preprocessing,
    class_names: Sequence[str] | None,
    strict: bool,
    progress: bool,
) -> PictureFolder:
    """Read the pictures of a folder that has a sub-folder for each class.

    Args:
        path: The folder.
        image_size: Height and width of the images; None to follow the pictures.
        channels: 1 for grey images, 3 for colours; None to follow the pictures.
        preprocessing: How pictures become images.
        class_names: The classes; None for the sub-folders.
        strict: Whether a picture that cannot be read, or a file that is none, is an error.
        progress: Whether the progress is shown.

    Returns:
        What was read.

    Raises:
        DataError: An argument breaks its rule, there is no whole picture, or the sub-folders are
            no classes.
        OSError: A folder cannot be read.
    """
    size = None if image_size is None else as_image_size(image_size)
    number = None if channels is None else as_channels(channels)
    for argument, value in (("strict", strict), ("progress", progress)):
        if not isinstance(value, bool):
            message = f"{argument} must be True or False, got {shown(value)}"
            raise DataError(message)
    given = None if class_names is None else list(as_class_names(class_names))
    path = expanded(path)
    display: CountProgress | None = None

    def show(done: int, total: int) -> None:
        nonlocal display
        if display is None:
            display = start_count(progress, str(path), total, "pictures")
        if display is not None:
            display.show(done)

    try:
        found = _native.read_folder(
            str(path),
            size,
            number,
            preprocessing,
            given,
            show if progress else None,
        )
    finally:
        if display is not None:
            display.close()
    targets = numpy.frombuffer(found.targets, dtype="<i8")
    height, width, depth = found.shape
    sizes = (height, width) if depth == 1 else (height, width, depth)
    images = numpy.frombuffer(found.pixels, dtype=numpy.uint8).reshape(-1, *sizes)
    broken = tuple(BrokenPicture(Path(file), reason) for file, reason in found.broken)
    folder = PictureFolder(
        found.class_names,
        images,
        targets,
        Told(broken, MappingProxyType(dict(found.passed_over)), found.shape_rule),
        _files(path, found.class_names, targets, broken),
    )
    _tell(path, folder, found.animated, strict=strict, named=given is not None)
    return folder


def _files(
    path: Path,
    class_names: Sequence[str],
    targets: NDArray[numpy.int64],
    broken: Sequence[BrokenPicture],
) -> Files | None:
    """Return the file of each image, in the order in which the core reads them."""
    left_out = {str(picture.path) for picture in broken}
    files: list[str] = []
    for number, name in enumerate(class_names):
        below = _native.folder_pictures(path / name)[0] if (path / name).is_dir() else ()
        whole = [file for file in map(str, below) if file not in left_out]
        if len(whole) != numpy.count_nonzero(targets == number):
            return None
        files += whole
    return numpy.array(files, dtype=object)


def passed_over_text(passed_over: Mapping[str, int]) -> str:
    """Return how many files were passed over, for a message.

    Args:
        passed_over: Their numbers, by extension.

    Returns:
        The sentence; empty where there are none.
    """
    if not passed_over:
        return ""
    count = sum(passed_over.values())
    kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(passed_over.items()))
    files = "1 file was" if count == 1 else f"{count:,} files were"
    return f"{files} passed over: {kinds}"


def _tell(
    path: Path,
    folder: PictureFolder,
    animated: Sequence[tuple[str | Path, int]],
    *,
    strict: bool,
    named: bool,
) -> None:
    """Log what is odd, or raise it."""
    whole, broken = len(folder.targets), folder.told.broken
    texts = []
    if broken:
        files = _listed([f"{file}: {reason}" for file, reason in broken], "; ")
        texts.append(
            f"{len(broken)} of the {whole + len(broken)} pictures in {path} cannot be read: {files}"
        )
        if whole == 0:
            raise DataError(texts[0])
    if folder.told.passed_over:
        texts.append(f"in {path} {passed_over_text(folder.told.passed_over)}")
    if strict and texts:
        message = f"{'; '.join(texts)}; remove them, or leave strict=True out"
        raise DataError(message)
    for text in texts:
        _logger.warning("%s%s", text, "; they are left out" if "cannot be read" in text else "")
    counts = numpy.bincount(folder.targets, minlength=len(folder.class_names))
    empty = [repr(name) for name, n in zip(folder.class_names, counts, strict=True) if n == 0]
    if empty and not named:
        _logger.warning("in %s there is no whole picture of %s", path, _listed(empty, ", "))
    inner = None if named else _shared_folders(path, folder.class_names)
    if inner:
        _logger.warning(
            "the classes are %s, and each of these holds the folders %s: if those are the classes, "
            "put the pictures of each into one folder, and pass the folder of these",
            _listed(folder.class_names, ", "),
            _listed(inner, ", "),
        )
    if animated:
        files = _listed([f"{file} ({frames})" for file, frames in animated], ", ")
        _logger.warning(
            "%d of the pictures in %s have several frames or pages, of which the first is read: %s",
            len(animated),
            path,
            files,
        )
    if folder.told.shape_rule is not None:
        _logger.info("%s: %s", path, folder.told.shape_rule)


def _shared_folders(path: Path, class_names: Sequence[str]) -> list[str]:
    """Return the sub-folders that all classes have, where these hold nothing but such."""
    found: set[frozenset[str]] = set()
    for name in class_names:
        with os.scandir(path / name) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
            if not all(entry.is_dir() for entry in visible):
                return []
            found.add(frozenset(entry.name for entry in visible))
        if len(found) > 1:
            return []
    inner = sorted(*found)
    return inner if len(inner) > 1 else []


def _listed(items: Sequence[str], separator: str) -> str:
    more = f"{separator}and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return separator.join(items[:_NAMED]) + more
