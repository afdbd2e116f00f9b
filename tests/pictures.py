"""Pictures as files, written by the standard library alone."""

import struct
import zlib
from pathlib import Path

import numpy
from numpy.typing import NDArray


def write_png(path: Path, image: NDArray[numpy.uint8]) -> None:
    """Write an image, ``[height, width]`` or ``[height, width, 3]``, as PNG (RFC 2083)."""
    height, width = image.shape[:2]
    colour_type = 0 if image.ndim == 2 else 2
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in image)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    content = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def write_bmp(path: Path, image: NDArray[numpy.uint8]) -> None:
    """Write an image, ``[height, width, 3]``, as a BMP of 24 bits."""
    height, width, _ = image.shape
    padding = b"\0" * (-3 * width % 4)
    # Rows from below, blue first.
    rows = b"".join(row[:, ::-1].tobytes() + padding for row in image[::-1])
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0)
    file = struct.pack("<2sIHHI", b"BM", 54 + len(rows), 0, 0, 54)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file + header + rows)
