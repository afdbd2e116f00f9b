"""Images and labels in a ``.npz`` file, as Keras and others keep them."""

import io
import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import numpy
from numpy.lib import format as npy
from numpy.typing import NDArray

from mnistburn.datasets.parts import SPLITS, Split, part_named
from mnistburn.errors import DataError

__all__ = ["find_arrays", "read_arrays", "read_content"]

_IMAGES: Final = frozenset({"x", "images", "image", "imgs", "pixels", "data", "features"})
_LABELS: Final = frozenset({"y", "labels", "label", "targets", "target", "classes"})
_LARGEST_BYTES: Final = 8 << 30
_TAKEN: Final = (
    "x_train and y_train (x_test, y_test), train_images and train_labels, or images and labels"
)


def find_arrays(path: Path) -> dict[Split, tuple[str, str]]:
    """Find the arrays of each part by their names; no array is read.

    Args:
        path: The file.

    Returns:
        For each part that is there the names of its images and of its labels. Arrays that name no
        part are those to train with.

    Raises:
        DataError: The file is no such archive, or the names are others.
        OSError: The file cannot be read.
    """
    with _opened(path) as archive:
        keys = [name[:-4] for name in archive.namelist() if name.endswith(".npy")]
    found: dict[tuple[Split, str], str] = {}
    for key in keys:
        place = _place(key)
        if place is None:
            continue
        if place in found:
            message = (
                f"{path} must hold one array for each purpose, and both {found[place]!r} and "
                f"{key!r} read as the {place[1]} of the part {place[0]}; save it without one"
            )
            raise DataError(message)
        found[place] = key
    pairs = {
        split: (found[split, "images"], found[split, "labels"])
        for split in SPLITS
        if (split, "images") in found and (split, "labels") in found
    }
    if not pairs:
        names = ", ".join(keys[:20]) or "none"
        message = f"{path} must hold arrays called {_TAKEN}; its arrays are: {names}"
        raise DataError(message)
    return pairs


def read_arrays(path: Path, keys: tuple[str, str]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Read the images and the labels of a part.

    Args:
        path: The file.
        keys: The names of both arrays.

    Returns:
        The images, as they are, except that whole numbers in 0..255 become uint8; and the labels,
        of shape ``[n]`` where they are ``[n, 1]``.

    Raises:
        DataError: An array is damaged, too large or one of objects.
        OSError: The file cannot be read.
    """
    return read_content(path, path, keys)


def read_content(
    path: Path, content: Path | bytes, keys: tuple[str, str]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Read the images and the labels of a part, as `read_arrays` does, also from bytes.

    Args:
        path: The file, for messages.
        content: The file, or its bytes.
        keys: The names of both arrays.

    Returns:
        As `read_arrays`.

    Raises:
        DataError: As `read_arrays`; also where there is no such array.
        OSError: The file cannot be read.
    """
    with _opened(path, content) as archive:
        images, labels = (_read(path, archive, key) for key in keys)
    if images.dtype.kind in "iu" and images.size:
        smallest, largest = int(images.min()), int(images.max())
        if smallest < 0 or largest > 255:  # noqa: PLR2004  of a byte
            message = (
                f"{path}: {keys[0]!r} must hold pixels in 0..255, got {smallest} to {largest}; "
                "save them scaled to that range, as uint8"
            )
            raise DataError(message)
        images = images.astype(numpy.uint8, copy=False)
    if labels.ndim == 2 and labels.shape[1] == 1:  # noqa: PLR2004  a column
        labels = labels[:, 0]
    return images, labels


def _place(key: str) -> tuple[Split, str] | None:
    """Return the part and the purpose that the name of an array tells."""
    letters = re.sub(r"[-_. ]", "", key.casefold())
    for kind, words in (("images", _IMAGES), ("labels", _LABELS)):
        if letters in words:
            return "train", kind
        for word in words:
            for rest in (letters.removeprefix(word), letters.removesuffix(word)):
                part = part_named(rest) if rest != letters else None
                if part is not None:
                    return part, kind
    return None


@contextmanager
def _opened(path: Path, content: Path | bytes | None = None) -> Iterator[zipfile.ZipFile]:
    source = path if content is None else content
    try:
        with zipfile.ZipFile(
            io.BytesIO(source) if isinstance(source, bytes) else source
        ) as archive:
            yield archive
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,  # it is encrypted
        ValueError,
    ) as error:
        if isinstance(error, DataError):
            raise
        message = f"{path} must be a .npz file, and cannot be read as one: {error}"
        raise DataError(message) from None


def _read(path: Path, archive: zipfile.ZipFile, key: str) -> NDArray[Any]:
    try:
        member = archive.getinfo(f"{key}.npy")
    except KeyError:
        names = ", ".join(name.removesuffix(".npy") for name in archive.namelist()[:20]) or "none"
        message = f"{path} must hold the array {key!r}; its arrays are: {names}"
        raise DataError(message) from None
    with archive.open(member) as file:
        shape, dtype = _header(file)
        if dtype.hasobject:
            message = (
                f"{path}: {key!r} is an array of Python objects, which are never loaded because "
                "they can run code; save it as an array of numbers: "
                f"numpy.savez(file, {key}=numpy.stack(list({key})))"
            )
            raise DataError(message)
        # The header claims a size before anything of it is read.
        size = math.prod(shape) * dtype.itemsize
        if size > _LARGEST_BYTES:
            message = (
                f"{path}: {key!r} of the shape {list(shape)} would take {size / 2**30:.1f} GiB, "
                f"more than the {_LARGEST_BYTES >> 30} GiB allowed; save it in parts"
            )
            raise DataError(message)
        if size + file.tell() != member.file_size:
            message = f"{path}: {key!r} is damaged: its header and its length do not agree"
            raise DataError(message)
    with archive.open(member) as file:
        return npy.read_array(file, allow_pickle=False)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], numpy.dtype[Any]]:
    version = npy.read_magic(file)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        message = f"version {version} of the format .npy is not known"
        raise ValueError(message)
    shape, _, dtype = readers[version](file)
    return shape, dtype
