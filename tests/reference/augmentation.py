"""Changes of training images in plain NumPy and float64.

Written from the definitions and without the package, as `guide` is. Images are uint8 of shape
``[height, width, channels]``.
"""

from typing import Final, NamedTuple

import numpy
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from reference.guide import Floats, Purpose, Words, below, draws, stream

Bytes = NDArray[numpy.uint8]

MOVEMENT: Final = 1
ELASTIC: Final = 2
NOISE: Final = 3
CUTOUT: Final = 4
_ROUNDED: Final = 0.5


class Key(NamedTuple):
    """What the changes of an image follow from."""

    seed: int
    epoch: int
    place: int

    def stream(self, part: int) -> Words:
        """Return the stream of one of the changes."""
        return stream(Purpose.AUGMENTATION, *self, part)


class Movement(NamedTuple):
    """How an image moves as a whole: pixels down and to the right, degrees, a factor, degrees."""

    down: float
    right: float
    angle: float
    factor: float
    slant: float


def drawn_movement(
    key: Key, size: tuple[int, int], strengths: tuple[float, float, float, float]
) -> Movement:
    """Return the movement of a key: five numbers of 24 bits, uniform between -1 and 1.

    The strengths are those of shift, rotation, scale and shear.
    """
    shift, rotate, scale, shear = strengths
    words = draws(key.stream(MOVEMENT), 5)
    numbers = (words >> numpy.uint64(40)).astype(numpy.float64) / (1 << 23) - 1.0
    height, width = size
    return Movement(
        float(numbers[0]) * shift * height,
        float(numbers[1]) * shift * width,
        float(numbers[2]) * rotate,
        1.0 + float(numbers[3]) * scale,
        float(numbers[4]) * shear,
    )


def drawn_displacements(key: Key, size: tuple[int, int], alpha: float, sigma: float) -> Floats:
    """Return displacements of rows and columns, ``[2, height, width]``: uniform, smoothed, scaled.

    The Gaussian is one of two dimensions, cut off at three deviations.
    """
    radius = int(numpy.ceil(3.0 * sigma))
    height, width = size[0] + 2 * radius, size[1] + 2 * radius
    words = -(-height * width // 4)
    places = numpy.arange(4, dtype=numpy.uint64) * numpy.uint64(16)
    bits = draws(key.stream(ELASTIC), 2 * words)[:, None] >> places & numpy.uint64(0xFFFF)
    numbers = (bits.astype(numpy.float64) - 32767.5) / 32768.0
    fields = numbers.reshape(2, -1)[:, : height * width].reshape(2, height, width)
    away = numpy.arange(-radius, radius + 1)
    gaussian = numpy.exp(-(away[:, None] ** 2 + away[None, :] ** 2) / (2.0 * sigma**2))
    windows = sliding_window_view(fields, gaussian.shape, axis=(1, 2))
    smooth: Floats = numpy.einsum("crwij,ij->crw", windows, gaussian / gaussian.sum())
    return alpha * smooth


def moved(image: Bytes, movement: Movement, displacements: Floats | None = None) -> Bytes:
    """Return the image after a movement about its centre, and displacements of its pixels.

    A point (right of the centre, below the centre) is slanted, turned anticlockwise, sized and
    shifted; the inverse of that says where each pixel of the new image comes from.
    """
    height, width, _ = image.shape
    angle, slant = numpy.deg2rad([movement.angle, movement.slant])
    slanted = numpy.array([[1.0, numpy.tan(slant)], [0.0, 1.0]])
    # Rows count downwards, so a turn that looks anticlockwise is one by the negative angle.
    cosine, sine = numpy.cos(-angle), numpy.sin(-angle)
    turned = numpy.array([[cosine, -sine], [sine, cosine]])
    inverse = numpy.linalg.inv(movement.factor * turned @ slanted)
    rows, columns = numpy.indices((height, width)).astype(numpy.float64)
    centre = numpy.array([(width - 1) / 2.0, (height - 1) / 2.0])
    points = numpy.stack([columns, rows], axis=-1) - centre
    sources = (points - [movement.right, movement.down]) @ inverse.T + centre
    from_columns, from_rows = sources[..., 0], sources[..., 1]
    if displacements is not None:
        from_rows, from_columns = from_rows + displacements[0], from_columns + displacements[1]
    return rounded(_bilinear(image, from_rows, from_columns))


def _bilinear(image: Bytes, rows: Floats, columns: Floats) -> Floats:
    """Return the image between its pixels: each counts as far as it is nearer than one pixel."""
    height, width, _ = image.shape
    by_row = numpy.maximum(0.0, 1.0 - numpy.abs(rows[..., None] - numpy.arange(height)))
    by_column = numpy.maximum(0.0, 1.0 - numpy.abs(columns[..., None] - numpy.arange(width)))
    result: Floats = numpy.einsum(
        "abr,abc,rck->abk", by_row, by_column, image.astype(numpy.float64), optimize=True
    )
    return result


def noisy(image: Bytes, key: Key, deviation: float) -> Bytes:
    """Return the image with noise: for each value the sum of twelve uniform numbers of 16 bits."""
    places = numpy.arange(4, dtype=numpy.uint64) * numpy.uint64(16)
    words = draws(key.stream(NOISE), 3 * image.size)[:, None]
    numbers = (words >> places & numpy.uint64(0xFFFF)).astype(numpy.float64) / 65536.0
    normal = numbers.reshape(*image.shape, 12).sum(axis=-1) - 12.0 * 65535.0 / 65536.0 / 2.0
    return rounded(image + 255.0 * deviation * normal)


def cut_out(image: Bytes, key: Key, share: float) -> Bytes:
    """Return the image with a black square about a pixel."""
    height, width, _ = image.shape
    side = max(1, int(share * min(height, width) + _ROUNDED))
    numbers = (int(word) for word in draws(key.stream(CUTOUT), 100))
    row, column = below(height, numbers), below(width, numbers)
    rows, columns = numpy.indices((height, width))
    first_row, first_column = row - side // 2, column - side // 2
    covered = (rows >= first_row) & (rows < first_row + side)
    covered &= (columns >= first_column) & (columns < first_column + side)
    return numpy.where(covered[..., None], numpy.uint8(0), image)


def rounded(values: Floats) -> Bytes:
    """Return values as bytes."""
    return numpy.floor(values + _ROUNDED).clip(0, 255).astype(numpy.uint8)
