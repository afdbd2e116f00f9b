"""Images in a page: PNG as data of its own, so that a page needs no other file."""

import base64
import struct
import zlib
from typing import Final

import numpy
from numpy.typing import NDArray

__all__ = ["image_address", "png"]

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_GREY: Final = 0
_COLOURS: Final = 2
_CHANNELS: Final = 3


def png(image: NDArray[numpy.uint8]) -> bytes:
    """Return an image as a PNG file (RFC 2083).

    Args:
        image: Its pixels, uint8 of shape ``[height, width]`` or ``[height, width, channels]``; of
            three channels or more the first three are red, green and blue, of fewer the first one
            is grey.

    Returns:
        The bytes of the file.
    """
    pixels = image
    if pixels.ndim == _CHANNELS:
        pixels = pixels[..., :_CHANNELS] if pixels.shape[2] >= _CHANNELS else pixels[..., 0]
    height, width = pixels.shape[:2]
    kind = _COLOURS if pixels.ndim == _CHANNELS else _GREY
    # Each row begins with the filter that it is coded by: none.
    rows = numpy.zeros((height, 1 + pixels[0].size), dtype=numpy.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows.tobytes(), 9)),
        (b"IEND", b""),
    )
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def image_address(image: NDArray[numpy.uint8]) -> str:
    """Return the address of an image that is in the page itself.

    Args:
        image: Its pixels, as `png` takes them.

    Returns:
        The address, ``data:image/png;base64,...``.
    """
    return f"data:image/png;base64,{base64.b64encode(png(image)).decode('ascii')}"
