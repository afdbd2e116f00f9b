"""Images and labels in a ``.csv`` file, a line for each image, as Kaggle has them."""

import csv
import gzip
import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import numpy
from numpy.typing import NDArray

from mnistburn.arrays import ImageShape
from mnistburn.errors import DataError

__all__ = ["Table", "read_table"]

_LABELS: Final = frozenset({"label", "labels", "class", "target", "y", "digit", "category"})
_LARGEST_BYTES: Final = 8 << 30
_LONGEST_LINE: Final = 1 << 28
# Lines whose pixels become numbers at once.
_LINES: Final = 2000
_SMALLEST_SIDE: Final = 5
_MOST_CLASSES: Final = 100
_DELIMITERS: Final = b",;\t"
_ZERO, _NINE = b"09"


@dataclass(frozen=True, eq=False)
class Table:
    """What a file holds.

    Attributes:
        images: Raw pixels of shape ``[n, height, width]`` or ``[n, height, width, 3]``.
        labels: Class numbers, int64, or texts, of shape ``[n]``.
        rule: How the columns were read, in words.
    """

    images: NDArray[numpy.uint8]
    labels: NDArray[numpy.int64] | NDArray[numpy.str_]
    rule: str


def read_table(path: Path, shape: ImageShape | None = None) -> Table:
    """Read a table of images.

    A column called label, labels, class, target, y, digit or category has the labels. Without such
    a name it is the first or the last column, whichever holds class numbers. The other columns are
    the pixels, row by row, of colour images with the channels last.

    Args:
        path: The file, plain or gzip.
        shape: The shape of the images, where they are not square.

    Returns:
        The images with their labels.

    Raises:
        DataError: The file is no such table, has no labels, or can be read in two ways.
        OSError: The file cannot be read.
    """
    try:
        with path.open("rb") as start:
            packed = start.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            return _read(path, _lines(path, cast("BinaryIO", file)), shape)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        message = f"{path} is damaged: {error}"
        raise DataError(message) from None


def _lines(path: Path, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield each line that is not empty, with its number."""
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            message = f"{path}: line {number} is longer than any image"
            raise DataError(message)
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        line = line.strip(b" \r\n")
        if line:
            yield number, line


def _read(path: Path, lines: Iterator[tuple[int, bytes]], shape: ImageShape | None) -> Table:
    number, first = next(lines, (0, b""))
    if not first or b"\0" in first:
        message = f"{path} must be a table in UTF-8 with a line for each image"
        raise DataError(message)
    delimiter = max((bytes([one]) for one in _DELIMITERS), key=first.count)
    try:
        ((*names,),) = csv.reader([first.decode()], delimiter=delimiter.decode())
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        message = f"{path} must be a table in UTF-8: {error}"
        raise DataError(message) from None
    named = any(not re.fullmatch(r"\s*\d+\s*", name) for name in names[1:-1])
    column = _named_label(path, names) if named else None
    shapes = _shapes(path, len(names), shape, labelled=column is not None)
    rows = _Rows(path, delimiter, len(names), column)
    if not named:
        rows.add(number, first)
    for number, line in lines:
        rows.add(number, line)
    pixels, texts, column = rows.finished()
    rule = f"labels in the {'first' if column == 0 else 'last'} column"
    if named:
        rule = f"labels in the column {names[column].strip()!r}"
    rule += f", images of {shapes}" + " with the channels last" * (shapes.channels > 1)
    images = pixels.reshape(-1, *shapes.sizes)
    return Table(images, _labels(path, texts, rows.numbers), rule)


class _Rows:
    """The lines of a table, whose pixels become numbers as they come."""

    def __init__(self, path: Path, delimiter: bytes, width: int, column: int | None) -> None:
        self._path = path
        self._delimiter = delimiter
        # Where no name tells the column of the labels, both ends stay texts until all are known.
        self._column = column
        self._pixels_wide = width - (2 if column is None else 1)
        self._width = width
        self._first: list[bytes] = []
        self._last: list[bytes] = []
        self._pending: list[bytes] = []
        self._blocks: list[NDArray[numpy.uint8]] = []
        self._bytes = 0
        self.numbers: list[int] = []

    def add(self, number: int, line: bytes) -> None:
        self.numbers.append(number)
        if self._column in (None, 0):
            head, _, line = line.partition(self._delimiter)
            self._first.append(head)
        if self._column != 0:
            line, _, tail = line.rpartition(self._delimiter)
            self._last.append(tail)
        self._pending.append(line)
        if len(self._pending) == _LINES:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            numbers = self.numbers[-len(self._pending) :]
            self._blocks.append(
                _pixels(self._path, self._pending, numbers, self._delimiter, self._pixels_wide)
            )
            self._bytes += self._blocks[-1].size
            self._pending.clear()
        if self._bytes > _LARGEST_BYTES:
            message = (
                f"{self._path} holds more than {_LARGEST_BYTES >> 30} GiB of pixels; divide it"
            )
            raise DataError(message)

    def finished(self) -> tuple[NDArray[numpy.uint8], list[bytes], int]:
        """Return the pixels, the labels and the column of these."""
        self._flush()
        if not self._blocks:
            message = f"{self._path} must hold a line for each image, and there is none"
            raise DataError(message)
        pixels = numpy.concatenate(self._blocks)
        if self._column is not None:
            return pixels, self._first or self._last, self._column
        if _first_is_label(self._path, self._first, self._last):
            edge = _pixels(self._path, self._last, self.numbers, self._delimiter, 1)
            return numpy.concatenate((pixels, edge), axis=1), self._first, 0
        edge = _pixels(self._path, self._first, self.numbers, self._delimiter, 1)
        return numpy.concatenate((edge, pixels), axis=1), self._last, self._width - 1


def _named_label(path: Path, names: list[str]) -> int | None:
    found = [place for place, name in enumerate(names) if name.strip().casefold() in _LABELS]
    if len(found) > 1:
        listed = " and ".join(repr(names[place]) for place in found)
        message = f"{path} must have one column of labels, and {listed} both read as such; drop one"
        raise DataError(message)
    if found and found[0] not in (0, len(names) - 1):
        message = (
            f"{path}: the column of labels, {names[found[0]]!r}, must be the first or the last; it "
            f"is column {found[0] + 1} of {len(names)}. Drop the columns that are no pixels "
            "(pandas writes its own with to_csv unless index=False)"
        )
        raise DataError(message)
    return found[0] if found else None


def _square(count: int) -> ImageShape | None:
    for channels in (1, 3):
        side = math.isqrt(count // channels)
        if side >= _SMALLEST_SIDE and side * side * channels == count:
            return ImageShape(side, side, channels)
    return None


def _shapes(path: Path, columns: int, shape: ImageShape | None, *, labelled: bool) -> ImageShape:
    """Return the shape of the images, from the number of columns."""
    if shape is not None and math.prod(shape) == columns - 1:
        return shape
    found, unlabelled = _square(columns - 1), _square(columns)
    if found is not None and (labelled or unlabelled is None):
        return found
    if not labelled and unlabelled is not None:
        text = f"its {columns} columns are the pixels of images of {unlabelled} without labels"
        if found is not None:
            text += f", or a label and images of {found}"
        message = (
            f"{path} has no column of labels by name: {text}; a column called 'label' is needed, "
            "as Kaggle's train.csv has (its test.csv has none)"
        )
        raise DataError(message)
    message = (
        f"{path} must have a label and the pixels of square images, height x width or height x "
        f"width x 3 columns, got {columns} columns"
    )
    message += "" if shape is None else f"; images of {shape} need {math.prod(shape) + 1}"
    message += (
        "; drop the columns that are neither, or, for images that are not square, say their "
        "height, width and channels in the model's configuration"
    )
    raise DataError(message)


def _first_is_label(path: Path, first: list[bytes], last: list[bytes]) -> bool:
    """Tell whether the first column has the labels, not the last."""

    def is_label(texts: list[bytes]) -> bool:
        values = set(texts)
        if not all(value.isdigit() for value in values):
            return True  # classes by name
        numbers = {int(value) for value in values if len(value) <= 3}  # noqa: PLR2004  three digits
        return 1 < len(values) == len(numbers) and max(numbers) < _MOST_CLASSES

    one, other = is_label(first), is_label(last)
    if one == other:
        message = (
            f"{path} does not say which column has the labels, and both the first and the last may "
            "be it; give the file a first line of names in which that column is called 'label'"
        )
        raise DataError(message)
    return one


def _pixels(
    path: Path, lines: list[bytes], numbers: list[int], delimiter: bytes, width: int
) -> NDArray[numpy.uint8]:
    """Return the numbers of lines, uint8 of shape ``[lines, width]``."""
    for number, line in zip(numbers, lines, strict=True):
        count = line.count(delimiter) + 1
        if count != width:
            message = (
                f"{path}: each line must have as many columns as the first, and line {number} has "
                f"{abs(count - width)} {'more' if count > width else 'fewer'}"
            )
            raise DataError(message)
    text = (delimiter.join(lines) + delimiter).replace(b'"', b"").replace(b" ", b"")
    data = numpy.frombuffer(text, dtype=numpy.uint8)
    ends = numpy.flatnonzero(data == delimiter[0])
    lengths = numpy.diff(ends, prepend=-1) - 1
    digits = data - numpy.uint8(_ZERO)
    digits_only = len(text) - len(ends) == int(((data >= _ZERO) & (data <= _NINE)).sum())
    if not digits_only or lengths.min() < 1 or lengths.max() > 3:  # noqa: PLR2004  three digits
        _name_bad_pixel(path, lines, numbers, delimiter)
    values = digits[ends - 1].astype(numpy.uint16)
    for place, factor in ((2, 10), (3, 100)):
        more = lengths >= place
        values[more] += digits[ends[more] - place].astype(numpy.uint16) * numpy.uint16(factor)
    if values.max() > 255:  # noqa: PLR2004  of a byte
        _name_bad_pixel(path, lines, numbers, delimiter)
    return values.astype(numpy.uint8).reshape(len(lines), width)


def _name_bad_pixel(path: Path, lines: list[bytes], numbers: list[int], delimiter: bytes) -> None:
    for number, line in zip(numbers, lines, strict=True):
        for field in line.replace(b'"', b"").replace(b" ", b"").split(delimiter):
            if not (field.isdigit() and len(field) <= 3 and int(field) <= 255):  # noqa: PLR2004
                text = field[:20].decode(errors="replace")
                message = (
                    f"{path}: pixels must be whole numbers in 0..255, got {text!r} in line "
                    f"{number}; write them as such, for example with "
                    "frame.astype('uint8').to_csv(file, index=False)"
                )
                raise DataError(message)


def _labels(
    path: Path, texts: list[bytes], numbers: list[int]
) -> NDArray[numpy.int64] | NDArray[numpy.str_]:
    try:
        plain = [text.strip(b'" ').decode() for text in texts]
    except UnicodeDecodeError as error:
        message = f"{path} must be in UTF-8: {error}"
        raise DataError(message) from None
    for number, text in zip(numbers, plain, strict=True):
        if not text:
            message = f"{path}: each image must have a label, and line {number} has none"
            raise DataError(message)
    if all(re.fullmatch(r"\d{1,9}(\.0+)?", text, re.ASCII) for text in set(plain)):
        return numpy.array([int(text.partition(".")[0]) for text in plain], dtype=numpy.int64)
    for number, text in zip(numbers, plain, strict=True):
        if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", text, re.ASCII | re.IGNORECASE):
            message = (
                f"{path}: labels must be class numbers from 0 up, or names, got {text!r} in line "
                f"{number}"
            )
            raise DataError(message)
    return numpy.array(plain)
