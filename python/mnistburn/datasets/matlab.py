"""Arrays of numbers in MATLAB files of level 5, as SVHN's are.

SciPy would read them too. This reader is shorter than what it takes to depend on SciPy by choice,
which is 35 MB to fetch for one data set, and it decompresses no further than to a limit. The format
is described in MathWorks' "MAT-File Format".
"""

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

import numpy
from numpy.typing import NDArray

from mnistburn.errors import DataError

__all__ = ["read_arrays"]

_HEADER: Final = 128
# Version 1.0 in little-endian order, which every MATLAB of today writes.
_VERSION: Final = b"\x00\x01IM"
_TAG: Final = struct.Struct("<II")
_MATRIX: Final = 14
_COMPRESSED: Final = 15
_STORED: Final = {
    1: "i1",
    2: "u1",
    3: "<i2",
    4: "<u2",
    5: "<i4",
    6: "<u4",
    7: "<f4",
    9: "<f8",
    12: "<i8",
    13: "<u8",
}
_NUMERIC_CLASSES: Final = range(6, 16)
_COMPLEX: Final = 0x0800
_MOST_DIMENSIONS: Final = 8
# Of a matrix beside its numbers.
_OVERHEAD: Final = 1 << 12


class _DamagedError(Exception):
    """The file is something else; the message says what."""


def read_arrays(
    path: Path, content: bytes, names: Collection[str], most_bytes: int
) -> dict[str, NDArray[Any]]:
    """Return arrays of numbers by their names.

    Args:
        path: The file, for the message.
        content: Its bytes.
        names: The names of the arrays; others are passed over.
        most_bytes: What an array may take at most.

    Returns:
        The arrays, in the shape and order that MATLAB has them.

    Raises:
        DataError: The file is no such file, is damaged, or lacks an array.
    """
    found: dict[str, NDArray[Any]] = {}
    others = []
    try:
        for matrix in _matrices(content, most_bytes + _OVERHEAD):
            name, array = _array(matrix, names)
            if array is None:
                others.append(name)
            else:
                found[name] = array
    except (_DamagedError, zlib.error, struct.error) as error:
        message = f"{path} must be a MATLAB file of level 5: {error}"
        raise DataError(message) from None
    missing = [name for name in names if name not in found]
    if missing:
        held = ", ".join([*found, *others]) or "nothing"
        message = f"{path} must hold the arrays {', '.join(names)}, and holds {held}"
        raise DataError(message)
    return found


def _matrices(content: bytes, limit: int) -> Iterator[bytes]:
    """Yield what each matrix of a file holds, decompressed."""
    if len(content) < _HEADER or content[_HEADER - 4 : _HEADER] != _VERSION:
        message = "it does not begin as one"
        raise _DamagedError(message)
    place = _HEADER
    while place < len(content):
        kind, data, place = _element(content, place, padded=False)
        if kind == _COMPRESSED:
            decompressor = zlib.decompressobj()
            data = decompressor.decompress(data, limit)
            if not decompressor.eof:
                message = f"an array is cut off or takes more than {limit} bytes"
                raise _DamagedError(message)
            kind, data, _ = _element(data, 0, padded=False)
        if kind == _MATRIX:
            yield data


def _element(content: bytes, place: int, *, padded: bool = True) -> tuple[int, bytes, int]:
    """Return the kind and the data of an element, and where the next one begins."""
    kind, size = _TAG.unpack_from(content, place)
    if kind >> 16:
        # Up to four bytes stand in the tag itself.
        kind, size = kind & 0xFFFF, kind >> 16
        begin, after = place + 4, place + 8
        if size > 4:  # noqa: PLR2004  bytes
            message = f"an element of {size} bytes stands where four fit"
            raise _DamagedError(message)
    else:
        begin = place + 8
        after = begin + (size + 7) // 8 * 8 if padded else begin + size
    if begin + size > len(content):
        message = f"it is cut off: an element of {size} bytes has {max(len(content) - begin, 0)}"
        raise _DamagedError(message)
    return kind, content[begin : begin + size], after


def _array(matrix: bytes, names: Collection[str]) -> tuple[str, NDArray[Any] | None]:
    """Return the name of a matrix, and its numbers if it is one of the names."""
    _, flags, place = _element(matrix, 0)
    _, dimensions, place = _element(matrix, place)
    _, label, place = _element(matrix, place)
    name = label.decode("ascii", "replace")
    if name not in names:
        return name, None
    kind = _TAG.unpack_from(flags)[0]
    shape = numpy.frombuffer(dimensions[: 4 * _MOST_DIMENSIONS], "<i4").tolist()
    if kind & 0xFF not in _NUMERIC_CLASSES or kind & _COMPLEX or len(shape) < 2:  # noqa: PLR2004
        message = f"{name} must be an array of real numbers"
        raise _DamagedError(message)
    stored, data, _ = _element(matrix, place)
    # Whole numbers of any class are stored in the smallest type that holds them.
    dtype = numpy.dtype(_STORED.get(stored, "V1"))
    if stored not in _STORED or min(shape) < 0 or math.prod(shape) * dtype.itemsize != len(data):
        message = f"{name} of the shape {shape} does not fit its {len(data)} bytes"
        raise _DamagedError(message)
    return name, numpy.frombuffer(data, dtype).reshape(shape, order="F")
