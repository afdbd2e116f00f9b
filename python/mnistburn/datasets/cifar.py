"""CIFAR's binary records, read from the compressed archive without unpacking it to the disk.

A record is the class, or the coarse and the fine class, in a byte each, and the pixels: the rows of
the red channel, then those of the green and the blue one. The layout is described at
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import gzip
import io
import math
import tarfile
import zlib
from pathlib import Path
from typing import Final

import numpy
from numpy.typing import NDArray

from mnistburn.datasets.known import KnownDataset, KnownSplit
from mnistburn.errors import DataError

__all__ = ["read_records"]

# What an archive may hold beside the records: names of classes, a page, headers.
_SLACK: Final = 1 << 20
_LISTED: Final = 10


def read_records(
    path: Path, content: bytes, entry: KnownDataset, part: KnownSplit
) -> tuple[NDArray[numpy.uint8], NDArray[numpy.uint8]]:
    """Return the images and the labels of a part.

    Only the members that are expected are read, each of the size that it must have.

    Args:
        path: The archive, for the message.
        content: Its bytes.
        entry: The data set.
        part: The part.

    Returns:
        Raw pixels of shape ``[count, height, width, channels]``, and labels of shape ``[count]``.

    Raises:
        DataError: The archive is damaged or another one.
    """
    record = entry.label_columns + math.prod(entry.image_shape)
    sizes = {
        name: split.count // len(split.members) * record
        for split in entry.splits
        for name in split.members
    }
    found: dict[str, bytes] = {}
    others: list[str] = []
    limited = _Limited(content, sum(sizes.values()) + _SLACK)
    try:
        with tarfile.open(fileobj=limited, mode="r|") as archive:
            for member in archive:
                if member.name not in sizes:
                    others.append(member.name)
                    continue
                _check(member, sizes[member.name], again=member.name in found)
                file = archive.extractfile(member) if member.name in part.members else None
                found[member.name] = b"" if file is None else file.read()
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        message = f"{path} must be the archive {part.images.name} of {entry.name}: {error}"
        raise DataError(message) from None
    missing = [name for name in part.members if name not in found]
    if missing:
        held = ", ".join([*found, *others][:_LISTED]) or "nothing"
        message = (
            f"{path} must hold {', '.join(missing)}, and holds {held}; the archive is another one"
        )
        raise DataError(message)
    records = numpy.frombuffer(b"".join(found[name] for name in part.members), numpy.uint8)
    records = records.reshape(part.count, record)
    height, width, channels = entry.image_shape
    pixels = records[:, entry.label_columns :].reshape(-1, channels, height, width)
    return pixels.transpose(0, 2, 3, 1), records[:, entry.label_columns - 1]


def _check(member: tarfile.TarInfo, size: int, *, again: bool) -> None:
    if again:
        message = f"it holds {member.name} twice"
        raise tarfile.TarError(message)
    if not member.isfile() or member.size != size:
        kind = "" if member.isfile() else " of something else"
        message = f"{member.name} must be a file of {size} bytes, got {member.size}{kind}"
        raise tarfile.TarError(message)


class _Limited(gzip.GzipFile):
    """A gzip file that gives no more bytes than an archive of that kind has."""

    def __init__(self, content: bytes, limit: int) -> None:
        super().__init__(fileobj=io.BytesIO(content), mode="rb")
        self._rest = limit
        self._limit = limit

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size)
        self._rest -= len(chunk)
        if self._rest < 0:
            message = f"it decompresses to more than {self._limit} bytes"
            raise tarfile.TarError(message)
        return chunk
