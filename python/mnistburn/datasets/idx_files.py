"""Which IDX files of a folder belong together, as MNIST's four do."""

import gzip
import re
import zlib
from pathlib import Path
from typing import Final

from mnistburn.datasets.parts import Split
from mnistburn.errors import DataError

__all__ = ["is_idx", "labels_of", "parts_of_file", "parts_of_folder"]

_BYTES: Final = b"\0\0\x08"
_IMAGES: Final = re.compile(
    r"(?P<part>train|t10k|test|valid|val)?.*images?[-.]idx[34]-ubyte(\.gz)?"
)
_SPLITS: Final[dict[str, Split]] = {
    "train": "train",
    "t10k": "test",
    "test": "test",
    "valid": "valid",
    "val": "valid",
}


def is_idx(path: Path) -> bool:
    """Tell whether a file begins as IDX files of bytes do, plain or gzip."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            return bool(file.read(3) == _BYTES)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return False


def labels_of(images: Path) -> Path:
    """Return the file of the labels beside a file of images.

    Args:
        images: The file of the images.

    Returns:
        The file.

    Raises:
        DataError: There is none.
    """
    name = re.sub(r"idx[34]", "idx1", images.name.replace("images", "labels"))
    plain = name.removesuffix(".gz")
    for other in (name, plain, f"{plain}.gz"):
        if other != images.name and (images.parent / other).is_file():
            return images.parent / other
    message = f"{images} needs its labels beside it, in the file {plain} or {plain}.gz"
    if "labels" in images.name:
        message = f"{images} holds labels; pass the file of the images, whose labels lie beside it"
    raise DataError(message)


def parts_of_file(path: Path) -> dict[Split, str]:
    """Return the parts that a file of images belongs to, by the names of the files.

    The file of training images has the others of its folder as parts; any other stands alone.

    Args:
        path: The file.

    Returns:
        The name of each part's file of images.

    Raises:
        DataError: The labels are missing.
    """
    labels_of(path)
    match = _IMAGES.fullmatch(path.name)
    if match is None or match["part"] != "train":
        return {"train": path.name}
    return {**parts_of_folder(path.parent), "train": path.name}


def parts_of_folder(folder: Path) -> dict[Split, str]:
    """Return the parts whose files of images and labels lie in a folder.

    Args:
        folder: The folder.

    Returns:
        The name of each part's file of images; empty where there is none to train with.
    """
    found: dict[Split, str] = {}
    for entry in sorted(folder.iterdir()):
        match = _IMAGES.fullmatch(entry.name)
        if match is None or match["part"] is None or not entry.is_file():
            continue
        try:
            labels_of(entry)
        except DataError:
            continue
        found.setdefault(_SPLITS[match["part"]], entry.name)
    return found if "train" in found else {}
