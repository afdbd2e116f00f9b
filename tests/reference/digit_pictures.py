"""Pictures of digits as people make them: printed, drawn, photographed; the same ones each time.

Run as a script, it prints how many of each kind a model reads right, prepared and not:

    python tests/reference/digit_pictures.py MODEL [FONT ...]
"""

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Grey = NDArray[numpy.uint8]
Point = tuple[float, float]


@dataclass(frozen=True)
class DigitPicture:
    """A picture of a digit.

    Attributes:
        kind: How it was made.
        digit: What it shows.
        grey: Its pixels, [height, width].
    """

    kind: str
    digit: int
    grey: Grey


def arc(middle: Point, radii: Point, start: float, end: float) -> list[Point]:
    """Return points of an ellipse; degrees count clockwise from the right."""
    angles = numpy.radians(numpy.linspace(start, end, 40))
    return [
        (
            middle[0] + radii[0] * float(numpy.cos(angle)),
            middle[1] + radii[1] * float(numpy.sin(angle)),
        )
        for angle in angles
    ]


STROKES: Final[tuple[list[list[Point]], ...]] = (
    [arc((0.5, 0.5), (0.3, 0.5), 0, 360)],
    [[(0.32, 0.2), (0.52, 0.0), (0.52, 1.0)]],
    [[*arc((0.5, 0.27), (0.3, 0.27), 190, 385), (0.18, 1.0), (0.84, 1.0)]],
    [arc((0.46, 0.25), (0.28, 0.25), 200, 450), arc((0.46, 0.74), (0.32, 0.26), 270, 520)],
    [[(0.62, 0.0), (0.14, 0.66), (0.88, 0.66)], [(0.66, 0.36), (0.66, 1.0)]],
    [[(0.8, 0.0), (0.28, 0.0), (0.24, 0.44), *arc((0.46, 0.68), (0.33, 0.32), 235, 510)]],
    [[*arc((0.72, 0.6), (0.52, 0.6), 270, 190), *arc((0.5, 0.7), (0.3, 0.3), 180, 540)]],
    [[(0.16, 0.0), (0.84, 0.0), (0.42, 1.0)]],
    [arc((0.5, 0.25), (0.26, 0.25), 0, 360), arc((0.5, 0.75), (0.32, 0.25), 0, 360)],
    [[*arc((0.5, 0.3), (0.29, 0.3), 0, 360), (0.77, 0.62), (0.68, 1.0)]],
)
"""The strokes of each digit, in a square of side 1."""


def drawn(
    digit: int,
    height: int,
    width: float,
    random: numpy.random.Generator,
    size: tuple[int, int] | None = None,
    *,
    at: Point = (0.5, 0.5),
) -> NDArray[numpy.float64]:
    """Draw a digit by hand.

    Args:
        digit: Which one.
        height: Its height, in pixels.
        width: The width of the pen as a share of that.
        random: How it slants, and how the hand trembles.
        size: Height and width of the picture.
        at: Where the middle of the digit is in it, right and down, in 0..1.

    Returns:
        Ink from 0 to 1, [height, width].
    """
    rows, columns = size or (round(height * 1.6), round(height * 1.6))
    slant, turn, narrow = random.normal(0, 0.12), random.normal(0, 0.06), random.uniform(0.8, 1.15)
    over = 3 if height < 400 else 1
    canvas = Image.new("L", (columns * over, rows * over))
    draw = ImageDraw.Draw(canvas)
    pen = max(1.0, width * height * over)
    wave = random.normal(0, 0.012, (4,))
    for stroke in STROKES[digit]:
        points = []
        for right, down in stroke:
            y = down - 0.5 + wave[1] * numpy.sin(6 * right)
            x = narrow * (right - 0.5 + wave[0] * numpy.sin(7 * down)) - slant * y
            x, y = x - turn * y, y + turn * x
            across, along = at[0] * columns + x * height, at[1] * rows + y * height
            points.append((across * over, along * over))
        draw.line(points, fill=255, width=max(1, round(pen)), joint="curve")
        for x, y in (points[0], points[-1]):
            half = pen / 2
            draw.ellipse((x - half, y - half, x + half, y + half), fill=255)
    if over > 1:
        canvas = canvas.resize((columns, rows), Image.Resampling.BOX)
    return numpy.asarray(canvas, dtype=numpy.float64) / 255


def printed(
    digit: int, font: Path | None, height: int, size: tuple[int, int] | None = None
) -> NDArray[numpy.float64]:
    """Print a digit in a font, None for Pillow's own; ink from 0 to 1."""
    shape = ImageFont.load_default(height) if font is None else ImageFont.truetype(font, height)
    rows, columns = size or (round(height * 1.5), round(height * 1.5))
    canvas = Image.new("L", (columns, rows))
    ImageDraw.Draw(canvas).text(
        (columns / 2, rows / 2), str(digit), fill=255, font=shape, anchor="mm"
    )
    return numpy.asarray(canvas, dtype=numpy.float64) / 255


def as_bytes(values: NDArray[numpy.float64]) -> Grey:
    """Return pixels of values in 0..255."""
    return numpy.clip(numpy.rint(values), 0, 255).astype(numpy.uint8)


def photographed(
    ink: NDArray[numpy.float64],
    random: numpy.random.Generator,
    *,
    noise: float,
    shadow: float = 0,
    black: float = 50,
) -> Grey:
    """Photograph ink on paper in uneven light.

    Args:
        ink: The ink, 0 to 1.
        random: The light and the noise.
        noise: Standard deviation, in grey values.
        shadow: How much a shadow with an edge takes from the light, 0 to 1.
        black: The value of ink in full light.

    Returns:
        The pixels.
    """
    height, width = ink.shape
    rows, columns = numpy.mgrid[:height, :width] / max(height, width)
    angle = random.uniform(0, 2 * numpy.pi)
    ground = random.uniform(165, 215)
    light = 1 + 0.3 * (numpy.cos(angle) * (columns - 0.5) + numpy.sin(angle) * (rows - 0.5))
    along = numpy.cos(angle + 1) * (columns - 0.5) + numpy.sin(angle + 1) * (rows - 0.5)
    light *= 1 - shadow / (1 + numpy.exp(-(along - random.uniform(-0.2, 0.2)) * 25))
    return as_bytes((ground * (1 - ink) + black * ink) * light + random.normal(0, noise, ink.shape))


def framed(grey: Grey, share: float, inset: float) -> Grey:
    """Draw a dark frame around a picture."""
    result = grey.copy()
    height, width = grey.shape
    line = max(1, round(share * height))
    first = round(inset * height)
    for rows, columns in (
        (slice(first, first + line), slice(first, width - first)),
        (slice(height - first - line, height - first), slice(first, width - first)),
        (slice(first, height - first), slice(first, first + line)),
        (slice(first, height - first), slice(width - first - line, width - first)),
    ):
        result[rows, columns] = 20
    return result


def as_jpeg(grey: Grey, quality: int) -> Grey:
    """Return what JPEG makes of a picture."""
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "JPEG", quality=quality)
    return numpy.asarray(Image.open(file).convert("L"))


def paper(ink: NDArray[numpy.float64]) -> Grey:
    """Return black ink on white paper."""
    return as_bytes(255 - 255 * ink)


def board(ink: NDArray[numpy.float64]) -> Grey:
    """Return white ink on a black board."""
    return as_bytes(255 * ink)


def pictures(fonts: tuple[Path | None, ...] = (None,), seed: int = 7) -> Iterator[DigitPicture]:
    """Make the pictures.

    Args:
        fonts: Files of the fonts to print with; None is Pillow's own.
        seed: What chance follows from.

    Yields:
        The pictures, ten of each kind, and ten in each font.
    """
    random = numpy.random.default_rng(seed)
    for font in fonts:
        name = "Pillow's" if font is None else font.stem
        for digit in range(10):
            yield DigitPicture(
                f"printed: {name}", digit, as_bytes(255 - 255 * printed(digit, font, 120))
            )
    kinds: dict[str, Callable[[int], Grey]] = {
        "drawn with a pen of 2 %": lambda digit: paper(drawn(digit, 400, 0.02, random)),
        "drawn with a pen of 5 %": lambda digit: paper(drawn(digit, 200, 0.05, random)),
        "drawn with a pen of 10 %": lambda digit: paper(drawn(digit, 150, 0.10, random)),
        "drawn with a pen of 18 %": lambda digit: paper(drawn(digit, 150, 0.18, random)),
        "drawn with a pen of 25 %": lambda digit: paper(drawn(digit, 150, 0.25, random)),
        "white on black": lambda digit: board(drawn(digit, 150, 0.08, random)),
        "grey on dark grey": lambda digit: as_bytes(70 + 80 * drawn(digit, 150, 0.1, random)),
        "28 x 28, black on white": lambda digit: paper(drawn(digit, 20, 0.11, random, (28, 28))),
        "28 x 28, thin, white on black": lambda digit: board(
            drawn(digit, 22, 0.05, random, (28, 28))
        ),
        "off centre": lambda digit: paper(
            drawn(
                digit,
                100,
                0.09,
                random,
                (300, 300),
                at=(random.uniform(0.2, 0.8), random.uniform(0.2, 0.8)),
            )
        ),
        "in a corner of 1500 x 2000": lambda digit: paper(
            drawn(digit, 90, 0.09, random, (1500, 2000), at=(0.06, 0.94))
        ),
        "wide, 100 x 400": lambda digit: paper(
            drawn(digit, 70, 0.1, random, (100, 400), at=(0.3, 0.5))
        ),
        "cropped tightly": lambda digit: paper(cropped(drawn(digit, 100, 0.1, random))),
        "cropped tightly, white on black": lambda digit: board(
            cropped(drawn(digit, 100, 0.12, random))
        ),
        "photo": lambda digit: photographed(drawn(digit, 250, 0.06, random), random, noise=8),
        "photo with a shadow": lambda digit: photographed(
            drawn(digit, 250, 0.06, random), random, noise=8, shadow=0.4
        ),
        "photo, much noise": lambda digit: photographed(
            drawn(digit, 200, 0.08, random), random, noise=30
        ),
        "photo, 64 x 64": lambda digit: photographed(
            drawn(digit, 44, 0.09, random, (64, 64)), random, noise=10
        ),
        "photo, faint pencil": lambda digit: photographed(
            drawn(digit, 250, 0.04, random), random, noise=6, black=120
        ),
        "photo of 3000 x 2250, thin pen": lambda digit: photographed(
            drawn(digit, 900, 0.02, random, (3000, 2250), at=(0.4, 0.6)),
            random,
            noise=8,
            shadow=0.3,
        ),
        "photo of a blackboard": lambda digit: (
            255 - photographed(drawn(digit, 250, 0.06, random), random, noise=8)
        ),
        "JPEG": lambda digit: as_jpeg(paper(drawn(digit, 100, 0.08, random)), 40),
        "frame at the border": lambda digit: framed(
            paper(drawn(digit, 140, 0.08, random)), 0.03, 0
        ),
        "frame inside": lambda digit: framed(
            paper(drawn(digit, 120, 0.08, random, (220, 220))), 0.01, 0.05
        ),
        "specks": lambda digit: numpy.minimum(
            paper(drawn(digit, 150, 0.08, random)), specks((240, 240), random)
        ),
    }
    for kind, make in kinds.items():
        for digit in range(10):
            yield DigitPicture(kind, digit, make(digit))


def cropped(ink: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    """Crop ink to what is not empty."""
    rows, columns = (numpy.flatnonzero(ink.max(axis) > 0) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def specks(size: tuple[int, int], random: numpy.random.Generator) -> Grey:
    """Return white paper with dark specks."""
    empty = numpy.full(size, 255, dtype=numpy.uint8)
    for _ in range(30):
        top, left = random.integers(0, size[0] - 3), random.integers(0, size[1] - 3)
        height, width = random.integers(1, 4, 2)
        empty[top : top + height, left : left + width] = random.integers(0, 120)
    return empty


def prepared(grey: Grey) -> Grey:
    """Prepare a picture for a model of MNIST."""
    from mnistburn import _native

    pixels, _ = _native.prepare_digit(numpy.ascontiguousarray(grey), grey.shape, (28, 28, 1))
    return numpy.frombuffer(pixels, dtype=numpy.uint8).reshape(28, 28)


def stretched(grey: Grey) -> Grey:
    """Resize a picture to 28 x 28."""
    return numpy.asarray(Image.fromarray(grey).resize((28, 28), Image.Resampling.BILINEAR))


def main() -> None:
    """Print how many pictures of each kind are read right."""
    import mnistburn

    model = mnistburn.Model.load(sys.argv[1])
    fonts = tuple(Path(font) for font in sys.argv[2:])
    found: dict[str, list[list[bool]]] = {}
    for picture in pictures((None, *fonts)):
        read = model.predict(numpy.stack([prepared(picture.grey), stretched(picture.grey)]))
        found.setdefault(picture.kind, []).append([int(digit) == picture.digit for digit in read])
    everything = [row for rows in found.values() for row in rows]
    for kind, rows in [*found.items(), ("all", everything)]:
        right, plain = numpy.sum(rows, 0)
        sys.stdout.write(f"{kind:<40} {right:>4} {plain:>4} of {len(rows)}\n")


if __name__ == "__main__":
    main()
