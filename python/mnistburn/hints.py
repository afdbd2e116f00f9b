"""What the messages on images, targets and data propose: code that works when it is pasted.

Each function returns text for the end of a message, or an empty one where nothing is sure to help.
The code calls the arrays by the names of the arguments, ``images``, ``targets`` and ``data``.
"""

import contextlib
from collections.abc import Sequence
from typing import Any, Final

import numpy
from numpy.typing import NDArray

__all__ = [
    "data_hint",
    "float_hint",
    "folder_hint",
    "images_hint",
    "integer_hint",
    "pairs_hint",
    "range_hint",
    "renumbering_hint",
    "targets_hint",
    "text_hint",
]

# Bicubic resizing and rounding leave 0..1 by no more.
_OVERSHOOT: Final = 0.1
_BYTE: Final = 255
# The largest values of 8, 10, 12, 14 and 16 bits, and what makes bytes of them.
_LARGEST_SCALES: Final = ((_BYTE, 1), (1023, 4), (4095, 16), (16383, 64), (65535, 257))
# What makes grey of red, green and blue.
_GREY: Final = "[0.2126, 0.7152, 0.0722]"
_COLOURS: Final = 3
_AXES: Final = 4
_UNIQUE: Final = "numpy.unique(targets, return_inverse=True)[1]"
_WITH_GAPS: Final = f"; labels with gaps are numbered with {_UNIQUE}"


def integer_hint(array: NDArray[Any], name: str) -> str:
    """Propose how integers of another type than uint8 become raw pixels.

    Args:
        array: The images.
        name: What the message calls them.

    Returns:
        The text.
    """
    smallest, largest = (int(array.min()), int(array.max())) if array.size else (0, 0)
    if smallest < 0:
        if smallest >= -128 and largest <= 127:  # noqa: PLR2004  of a signed byte
            code = f"({name}.astype(numpy.int64) + 128).astype(numpy.uint8)"
            return f"; pixels in -128..127 are {code}"
        return f"; bring the values, now from {smallest} to {largest}, to 0..255 first"
    code = f"({name} / {name}.max() * 255).astype(numpy.uint8)"
    return _bits_hint(largest, name) or f"; pixels from 0 to the largest value are {code}"


def _bits_hint(largest: float, name: str) -> str:
    for limit, divisor in _LARGEST_SCALES:
        if largest <= limit:
            scaled = name if divisor == 1 else f"({name} // {divisor})"
            return f"; raw pixels in 0..{limit} are {scaled}.astype(numpy.uint8)"
    return ""


def float_hint(smallest: float, largest: float, name: str) -> str:
    """Propose how floats that leave 0..1 become pixels.

    Args:
        smallest: The smallest value, finite.
        largest: The largest value, finite.
        name: What the message calls the images.

    Returns:
        The text.
    """
    if smallest >= -_OVERSHOOT and largest <= 1.0 + _OVERSHOOT:
        return f"; what rounding or resizing left outside is cut with {name}.clip(0, 1)"
    if smallest < 0.0:
        text = "; do not normalise them: mean and deviation are applied inside"
        if smallest >= -1.0 and largest <= 1.0:
            return f"{text}; pixels in -1..1 are ({name} + 1) / 2"
        return f"{text}; those of MNIST are undone with ({name} * 0.3081 + 0.1307).clip(0, 1)"
    if largest <= 16.0:  # noqa: PLR2004  the scale of scikit-learn's digits
        code = f"({name} * (255 / {largest:g})).round().astype(numpy.uint8)"
        return f"; pixels in 0..{largest:g} are {code}"
    whole = f"; pixels from 0 to the largest value are {name} / {name}.max()"
    return _bits_hint(largest, name) or whole


def text_hint(array: NDArray[Any], name: str, shape: tuple[int, int, int] | None) -> str:
    """Propose how text in the place of images becomes such.

    Args:
        array: The array of text.
        name: What the message calls it.
        shape: Height, width and channels that are taken; None for any.

    Returns:
        The text.
    """
    with contextlib.suppress(ValueError, TypeError):
        # Names of files with one axis may be numbers too.
        if array.ndim > 1 and len(array.astype(numpy.float64)):
            return f"; numbers in text are {name}.astype(numpy.float64)"
    height, width, channels = shape or (28, 28, 1)
    read = f"mnistburn.read_picture(path, size=({height}, {width}), channels={channels})"
    return f"; pictures of these paths are numpy.stack([{read} for path in {name}.flat])"


def images_hint(array: NDArray[Any], name: str, shape: tuple[int, int, int] | None) -> str:
    """Propose how an array of another shape becomes one of images.

    Args:
        array: The array.
        name: What the message calls it.
        shape: Height, width and channels that are taken; None for any.

    Returns:
        The text.
    """
    sizes = array.shape
    height, width, channels = shape or (28, 28, 1)
    pixels = height * width * channels
    if sizes == (pixels,):
        whole = (height, width) if channels == 1 else (height, width, channels)
        return f"; a single flat image is {name}.reshape({', '.join(map(str, whole))})"
    if sizes[1:] == (pixels + 1,) and len(array):
        return _label_column(array, name)
    if len(sizes) == _AXES and shape is None and sizes[2] in (1, _COLOURS) and sizes[3] > _AXES:
        return f"; images in last place are numpy.moveaxis({name}, -1, 0)"
    if len(sizes) == _AXES:
        return _channels(sizes, name, shape)
    return _one_image(sizes, name, (height, width, channels)) if shape else ""


def _one_image(  # noqa: PLR0911  a return for each kind
    sizes: tuple[int, ...], name: str, shape: tuple[int, int, int]
) -> str:
    """Propose how an image, or grey ones, get the channels of a model in last place."""
    height, width, channels = shape
    size = (height, width)
    if channels == _COLOURS:
        if sizes == size:
            return f"; a grey image is numpy.repeat({name}[..., None], 3, axis=2)"
        if sizes == (*size, 1):
            return f"; a grey image is numpy.repeat({name}, 3, axis=2)"
        if sizes == (height, _COLOURS, width):
            return f"; with the channels last it is {name}.transpose(0, 2, 1)"
        grey = f"numpy.repeat({name}[..., None], 3, axis=3)"
        if sizes == (_COLOURS, *size):
            last = f"an image with the channels first is {name}.transpose(1, 2, 0)"
            return f"; three grey images are {grey}; {last}"
        if sizes[1:] == size:
            return f"; grey images are {grey}"
    if sizes == (*size, _AXES) and channels == _COLOURS:
        return f"; without transparency it is {name}[..., :3]"
    if channels == 1 and sizes in {(*size, _COLOURS), (*size, _AXES)}:
        return f"; in grey it is ({name}[..., :3] @ {_GREY}).round().astype(numpy.uint8)"
    return ""


def _label_column(array: NDArray[Any], name: str) -> str:
    """Propose how a table of pixels with the label before or behind them is taken apart."""
    first, last = array[:, 0], array[:, -1]
    behind = bool((first == 0).all() and (last != 0).any())
    rest, label = (":-1", "-1") if behind else ("1:", "0")
    cast = "" if array.dtype == numpy.uint8 else ".astype(numpy.uint8)"
    number = "" if array.dtype.kind in "iu" else ".astype(numpy.int64)"
    return (
        f"; the {'last' if behind else 'first'} column holds the labels: "
        f"images, targets = {name}[:, {rest}]{cast}, {name}[:, {label}]{number}"
    )


def _channels(sizes: tuple[int, ...], name: str, shape: tuple[int, int, int] | None) -> str:
    """Propose how images with other channels become such as are taken."""
    last = shape is None or sizes[1:3] == shape[:2]
    if not last and shape is not None and sizes[2:] != shape[:2]:
        return ""
    count = sizes[3] if last and sizes[3] <= _AXES else sizes[1]
    last = count == sizes[3] and sizes[3] <= _AXES
    wanted = _COLOURS if shape is None else shape[2]
    if count == _AXES and wanted == _COLOURS:
        return f"; without transparency they are {name}[{'..., :3' if last else ':, :3'}]"
    if count == 2:  # noqa: PLR2004  grey and transparency
        return f"; without transparency they are {name}[{'..., 0' if last else ':, 0'}]"
    if wanted == 1 and count in (_COLOURS, _AXES):
        colours = f"{name}[..., :3]" if last else f"numpy.moveaxis({name}[:, :3], 1, 3)"
        return f"; in grey they are ({colours} @ {_GREY}).round().astype(numpy.uint8)"
    if wanted == _COLOURS and count == 1:
        return f"; with three channels they are numpy.repeat({name}, 3, axis={3 if last else 1})"
    return ""


def pairs_hint(value: object, name: str) -> str:
    """Propose how a PyTorch data set, a loader or a list of pairs becomes arrays.

    Args:
        value: What stands in the place of images, or of data.
        name: What the message calls it.

    Returns:
        The arguments of `Dataset.from_numpy`, as code; empty where the value is none of these.
    """
    if hasattr(value, "dataset") and hasattr(value, "batch_size"):  # a loader
        return pairs_hint(value.dataset, f"{name}.dataset")
    if isinstance(value, numpy.ndarray) or not hasattr(value, "__getitem__"):
        return ""
    if _is_array(getattr(value, "data", None)) and hasattr(value, "targets"):
        return f"{name}.data, {name}.targets"
    try:
        first = value[0]
    except Exception:  # noqa: BLE001  whatever a stranger's type raises
        return ""
    if isinstance(first, tuple) and len(first) == 2 and numpy.ndim(first[1]) == 0:  # noqa: PLR2004
        return (
            f"numpy.stack([{name}[i][0] for i in range(len({name}))]), "
            f"[int({name}[i][1]) for i in range(len({name}))]"
        )
    return ""


def data_hint(data: object) -> str:  # noqa: C901, PLR0911  a return for each kind
    """Propose how the data that are at hand become a pair of `Dataset`.

    Args:
        data: The argument ``data`` of `train`.

    Returns:
        The text.
    """
    make = "mnistburn.Dataset.from_numpy"
    if _is_array(data):
        return f"; with their classes: data={make}(images, targets).split(0.1)"
    one = pairs_hint(data, "data") if not isinstance(data, tuple) else ""
    if one:
        return f"; pass data={make}({one}).split(0.1)"
    if not isinstance(data, Sequence) or isinstance(data, str | bytes):
        return ""
    parts = list(data)
    if len(parts) == 2:  # noqa: PLR2004  a pair
        if all(_is_array(part) for part in parts):
            return f"; pass data={make}(*data).split(0.1)"
        if all(isinstance(part, tuple | list) and len(part) == 2 for part in parts) and all(  # noqa: PLR2004
            _is_array(part[0]) and numpy.ndim(part[1]) > 0 for part in parts
        ):
            return f"; pass data=({make}(*data[0]), {make}(*data[1]))"
        made = [pairs_hint(part, f"data[{place}]") for place, part in enumerate(parts)]
        if all(made):
            return f"; pass data=({make}({made[0]}), {make}({made[1]}))"
    if len(parts) == 4 and all(_is_array(part) for part in parts):  # noqa: PLR2004
        sizes = [len(part) for part in parts]
        if sizes[0] == sizes[2] and sizes[1] == sizes[3]:  # as scikit-learn splits
            return f"; pass data=({make}(data[0], data[2]), {make}(data[1], data[3]))"
        if sizes[0] == sizes[1] and sizes[2] == sizes[3]:
            return f"; pass data=({make}(data[0], data[1]), {make}(data[2], data[3]))"
    return ""


def folder_hint(
    shape: tuple[int, int, int], preprocessing: tuple[str, str | None], path: object = None
) -> str:
    """Propose how pictures are read in a shape.

    Args:
        shape: Height, width and channels.
        preprocessing: The fit and the preparation.
        path: The folder; None where it is not known.

    Returns:
        The text.
    """
    height, width, channels = shape
    fit, prepare = preprocessing
    code = f"image_size=({height}, {width}), channels={channels}"
    code += f", fit={fit!r}" * (fit != "stretch") + f", prepare={prepare!r}" * (prepare is not None)
    folder = "path" if path is None else repr(path)
    return (
        f"; pictures in a folder are read so with mnistburn.Dataset.from_folder({folder}, {code})"
    )


def _is_array(value: object) -> bool:
    return hasattr(value, "shape") and hasattr(value, "__array__") and len(value.shape) > 0


def targets_hint(array: NDArray[Any], count: int) -> str:  # noqa: C901, PLR0911  a return for each kind
    """Propose how an array of another shape or type becomes class numbers.

    Args:
        array: What was passed as targets.
        count: The number of images they belong to.

    Returns:
        The text.
    """
    sizes = array.shape
    if len(sizes) != 1:
        if array.size == count and count:
            return "; a column of them is numpy.ravel(targets)"
        if len(sizes) == 2 and sizes[0] == count:  # noqa: PLR2004  a row for each image
            return "; one-hot rows are numpy.argmax(targets, axis=1)"
        return ""
    if array.dtype.kind == "b":
        return "; False and True are numpy.asarray(targets).astype(numpy.int64)"
    if array.dtype.kind == "f":
        bad = ~numpy.isfinite(array) | (array != numpy.floor(array))
        if bad.any():
            place = int(bad.argmax())
            return f", which {array[place]} at index {place} is not"
        return "; whole numbers are numpy.asarray(targets).astype(numpy.int64)"
    if array.dtype.kind not in "USOT":
        return ""
    items = array.tolist()
    if all(isinstance(item, int) for item in items):
        return "; whole numbers are numpy.asarray(targets).astype(numpy.int64)"
    if not all(isinstance(item, str | bytes) for item in items):
        return ""
    texts = [item.decode("latin-1") if isinstance(item, bytes) else item for item in items]
    if all(text.isascii() and text.isdigit() for text in texts):
        return "; numbers in text are numpy.asarray(targets).astype(numpy.int64)"
    return (
        "; number the names with names, targets = numpy.unique(numpy.asarray(targets).astype(str), "
        "return_inverse=True), and give a Dataset class_names=names.tolist()"
    )


def range_hint(array: NDArray[Any], num_classes: int | None, most: int) -> str:
    """Propose how class numbers become such as the model has.

    Args:
        array: The targets, integers, of which one is too small or too large.
        num_classes: The number of classes; None where it is not known.
        most: The largest number of classes that there can be.

    Returns:
        The text.
    """
    smallest, largest = int(array.min()), int(array.max())
    if smallest < 0:
        return f"; -1 and 1 become 0 and 1 with {_UNIQUE}" if set(array.tolist()) == {-1, 1} else ""
    hint = ""
    if num_classes is not None and smallest == 1 and largest == num_classes:
        hint = _from_one(largest)
    elif len(numpy.unique(array)) <= min(num_classes or most, most):
        hint = _WITH_GAPS
    if num_classes is not None and largest < most:
        hint += f"; or set ModelConfig(num_classes={largest + 1}) to fit the data"
    return hint


def renumbering_hint(targets: NDArray[numpy.int64]) -> str:
    """Propose other class numbers where most of those up to the largest, or 0 alone, have no image.

    Args:
        targets: Class numbers from 0 up, at least one.

    Returns:
        The text.
    """
    found = numpy.unique(targets)
    largest = int(found[-1])
    if len(found) * 2 <= largest + 1:
        return _WITH_GAPS
    return _from_one(largest) if found[0] == 1 else ""


def _from_one(largest: int) -> str:
    return f"; labels from 1 to {largest} are numpy.asarray(targets) - 1"
