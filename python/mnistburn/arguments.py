"""Checks of plain arguments: paths, integers, numbers, and how a bad value is shown."""

import math
import operator
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy

from mnistburn.errors import DataError, MnistburnError

LARGEST_SEED: Final = 2**64 - 1
"""Seeds are unsigned 64-bit integers."""

_LONGEST_SHOWN: Final = 120


def shown(value: object) -> str:
    """Return the value as an error message shows it: short, and with its type.

    Args:
        value: What the caller passed.

    Returns:
        The value's `repr`, cut when long, followed by the type name in brackets.
    """
    if isinstance(value, numpy.ndarray):
        return f"an array of shape {list(value.shape)} and dtype {value.dtype}"
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  a broken __repr__ must not hide the rule that was broken
        text = "a value that cannot be shown"
    if "\n" in text:  # an array in a tuple takes several lines
        text = " ".join(text.split())
    if len(text) > _LONGEST_SHOWN:
        text = text[: _LONGEST_SHOWN - 3] + "..."
    return text if value is None else f"{text} ({type(value).__name__})"


def nearest(name: str, names: Iterable[str]) -> str:
    """Return the sentence that proposes the nearest valid name.

    Args:
        name: The name that is not known.
        names: The names that are.

    Returns:
        ``"; did you mean 'x'?"``, or an empty string when nothing is near.
    """
    import difflib  # noqa: PLC0415  needed for error messages only

    known = {known.lower(): known for known in names}
    found = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f"; did you mean {known[found[0]]!r}?" if found else ""


def as_class_names(value: object) -> tuple[str, ...]:
    """Return class names as a tuple.

    Args:
        value: A list or a tuple of different texts.

    Returns:
        The names.

    Raises:
        DataError: The value is something else; the first bad name is told.
    """
    if not isinstance(value, list | tuple):
        message = f"class_names must be a list of str, whose order counts, got {shown(value)}"
        raise DataError(message)
    known: set[str] = set()
    for name in value:
        if not isinstance(name, str) or not name or not _is_unicode(name):
            message = f"class_names must be texts that are not empty, got {shown(name)}"
            raise DataError(message)
        if name in known:
            message = f"class_names must differ from each other, got {name!r} twice"
            raise DataError(message)
        known.add(name)
    return tuple(value)


def _is_unicode(text: str) -> bool:
    """Whether there is no lone surrogate, which no Rust string can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_path(path: object, argument: str, error: type[MnistburnError]) -> Path:
    """Return a path argument as a `Path`.

    Args:
        path: A string, bytes, or an object with ``__fspath__``.
        argument: The argument's name, for the message.
        error: The class to raise.

    Returns:
        The path, with a leading ``~`` expanded to the home directory.

    Raises:
        MnistburnError: The path is of another type, empty, or none that the system can hold: it has
            a NUL character or a lone surrogate, or its home directory is not known.
    """
    try:
        text = os.fsdecode(path)  # type: ignore[arg-type]
    except TypeError:
        message = f"{argument} must be a path (str or os.PathLike), got {shown(path)}"
        raise error(message) from None
    if not text:
        message = f"{argument} must not be empty; use '.' for the current directory"
        raise error(message)
    if "\0" in text:
        message = f"{argument} must not hold a NUL character, got {shown(text)}"
        raise error(message)
    try:
        os.fsencode(text)
    except UnicodeEncodeError as reason:
        message = (
            f"{argument} must be what a file name can hold, got {shown(text)}: {reason.reason}"
        )
        raise error(message) from None
    try:
        return Path(text).expanduser()
    except RuntimeError:
        message = (
            f"{argument} begins with ~, and the home directory that stands for is not known, got "
            f"{shown(text)}; a file of that name is ./{text}"
        )
        raise error(message) from None


def as_integer(
    value: object,
    argument: str,
    error: type[MnistburnError],
    *,
    minimum: int = 0,
    maximum: int = 2**63 - 1,
) -> int:
    """Return an integer argument as an `int`.

    Args:
        value: A Python or NumPy integer; a bool is none.
        argument: The argument's name, for the message.
        error: The class to raise.
        minimum: The smallest value allowed.
        maximum: The largest value allowed.

    Returns:
        The integer.

    Raises:
        MnistburnError: The value is not an integer, or out of range.
    """
    rule = f"{argument} must be an integer of at least {minimum}"
    if maximum != 2**63 - 1:
        rule = f"{argument} must be an integer from {minimum} to {maximum}"
    if isinstance(value, bool | numpy.bool):
        message = f"{rule}, got {shown(value)}"
        raise error(message)
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        message = f"{rule}, got {shown(value)}"
        raise error(message) from None
    if not minimum <= number <= maximum:
        message = f"{rule}, got {shown(number)}"
        raise error(message)
    return number


def as_number(value: object, rule: str, error: type[MnistburnError]) -> float:
    """Return a real number argument as a finite `float`.

    Args:
        value: A Python or NumPy real number; a bool is none.
        rule: The rule, opening the message: "fraction must be a number above 0 and below 1".
        error: The class to raise.

    Returns:
        The number.

    Raises:
        MnistburnError: The value is no number, or not finite.
    """
    message = f"{rule}, got {shown(value)}"
    if isinstance(value, bool | numpy.bool) or not isinstance(
        value, int | float | numpy.integer | numpy.floating
    ):
        raise error(message)
    try:
        number = float(value)
    except OverflowError:
        raise error(message) from None
    if not math.isfinite(number):
        raise error(message)
    return number


def as_share(value: object, argument: str, error: type[MnistburnError]) -> float:
    """Return a share of something, a part that is neither nothing nor everything.

    Args:
        value: A Python or NumPy real number.
        argument: The argument's name, for the message.
        error: The class to raise.

    Returns:
        The share.

    Raises:
        MnistburnError: The value is not a number above 0 and below 1.
    """
    rule = f"{argument} must be a number above 0 and below 1"
    share = as_number(value, rule, error)
    if not 0.0 < share < 1.0:
        message = f"{rule}, got {shown(value)}"
        raise error(message)
    return share
