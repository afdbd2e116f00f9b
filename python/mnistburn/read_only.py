"""Arrays that nobody can write to."""

from typing import Any, TypeVar

import numpy
from numpy.typing import NDArray

__all__ = ["owned", "read_only"]

_Item = TypeVar("_Item", bound=numpy.generic)


def owned(array: NDArray[_Item], given: object) -> NDArray[_Item]:
    """Return a copy of an array that shares its memory with one that the caller can write to."""
    if isinstance(given, list | tuple):
        return array  # NumPy has made a new one of these
    if not _is_writable(array) or not numpy.may_share_memory(array, numpy.asarray(given)):
        return array
    return array.copy()


def _is_writable(array: object) -> bool:
    """Whether the memory of an array can be written to through it or what it is a view of."""
    while isinstance(array, numpy.ndarray):
        if array.flags.writeable:
            return True
        array = array.base
    return (isinstance(array, memoryview) and not array.readonly) or isinstance(array, bytearray)


def read_only(array: NDArray[_Item]) -> NDArray[_Item]:
    """Return a view of an array of our own that nobody can write to, nor make writable."""
    owner: Any = array
    while isinstance(owner, numpy.ndarray):
        owner.flags.writeable = False
        owner = owner.base
    return array.view()
