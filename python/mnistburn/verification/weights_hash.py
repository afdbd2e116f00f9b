"""The hash of a model's weights."""

import hashlib
from collections.abc import Mapping

import numpy
from numpy.typing import NDArray

__all__ = ["sha256_of"]


def sha256_of(state: Mapping[str, NDArray[numpy.float32]]) -> str:
    """Return the SHA-256 of parameters: their float32 numbers, little-endian, in their order."""
    digest = hashlib.sha256()
    for values in state.values():
        digest.update(numpy.ascontiguousarray(values, dtype="<f4"))
    return digest.hexdigest()
