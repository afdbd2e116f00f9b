"""What pages are made of: markup that escapes, curves, images, colours that can be read."""

import io
import math
import re
from pathlib import Path

import numpy
import pytest
from page_elements import Elements
from PIL import Image

import mnistburn
from mnistburn.pages.curves import Chart, Series, binned, chart_svg
from mnistburn.pages.markup import Markup, escaped, joined, tag
from mnistburn.pages.png import png

STYLE = (Path(mnistburn.__file__).parent / "pages" / "pages.css").read_text("utf-8")


def test_text_is_escaped_and_markup_is_not() -> None:
    assert escaped("<a href='x' title=\"y\">&") == (
        "&lt;a href=&#39;x&#39; title=&quot;y&quot;&gt;&amp;"
    )
    assert tag("p", Markup("<b>x</b>"), "<i>", 3, None) == "<p><b>x</b>&lt;i&gt;3</p>"
    assert tag("p", class_='"><script>') == '<p class="&quot;&gt;&lt;script&gt;"></p>'
    assert tag("input", "x", hidden=True, title=False, name=None, aria_label="a") == (
        '<input hidden aria-label="a">x</input>'
    )
    assert joined(["<", Markup("<br>")]) == "&lt;<br>"
    # No page may hold these.
    assert escaped("a\0b\x1b\u202ec\n") == "a\ufffdb\ufffd\ufffdc\n"


def test_what_comes_of_markup_is_text_again() -> None:
    # A part of it, or more than it, need not be whole.
    assert escaped(Markup("<b>")[:1]) == "&lt;"
    assert escaped("<" + Markup("b>")) == "&lt;b&gt;"


def points_of(drawing: str) -> list[list[tuple[float, float]]]:
    found = re.findall(r'<polyline points="([^"]*)"', drawing)
    return [
        [(float(x), float(y)) for x, y in (place.split(",") for place in line.split())]
        for line in found
    ]


def chart(*series: Series) -> str:
    return chart_svg(Chart("Loss", "epoch", "Loss", series), "loss")


def test_a_curve_is_drawn_to_scale() -> None:
    drawing = chart(Series("training", [(0, 1.0), (5, 2.0), (10, 4.0)], "train"))
    line = points_of(drawing)[0]
    (x0, y0), (x1, y1), (x2, y2) = line
    assert (x1 - x0) == pytest.approx((x2 - x0) / 2, abs=0.1)
    # Higher values are higher up, where y is less.
    assert (y0 - y1) == pytest.approx((y0 - y2) / 3, abs=0.1)
    assert y2 < y1 < y0


def test_the_numbers_at_the_axes_are_round_and_in_their_places() -> None:
    drawing = chart(Series("training", [(0, 0.13), (7, 0.94)], "train"))
    rows = re.findall(r'<text x="44" y="([\d.]+)" dy="0.35em" class="y number">([\d.]+)<', drawing)
    assert [text for _, text in rows] == ["0.2", "0.4", "0.6", "0.8"]
    ((_, low), (_, high)) = points_of(drawing)[0]
    for y, text in rows:
        share = (float(text) - 0.13) / (0.94 - 0.13)
        assert float(y) == pytest.approx(low + share * (high - low), abs=0.11)


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1.0, 1e6, 1e300])
def test_any_scale_has_a_few_numbers(scale: float) -> None:
    drawing = chart(Series("training", [(0, 1.3 * scale), (1, 9.1 * scale)], "train"))
    assert 2 <= len(re.findall("y number", drawing)) <= 10


def test_values_that_are_not_finite_are_gaps() -> None:
    values = [1.0, math.nan, 2.0, 3.0, math.inf, 4.0]
    drawing = chart(Series("training", list(enumerate(values)), "train"))
    lines = points_of(drawing)
    assert [len(line) for line in lines][:3] == [1, 2, 1]
    assert "nan" not in drawing
    assert "inf" not in drawing


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, -math.inf]])
def test_nothing_to_draw_is_said(values: list[float]) -> None:
    drawing = chart(Series("training", list(enumerate(values)), "train"))
    assert "There is nothing to draw yet" in drawing


@pytest.mark.parametrize("value", [0.0, 2.5, -3.0])
def test_one_point_and_a_constant_are_drawn(value: float) -> None:
    assert "<circle" in chart(Series("training", [(1, value)], "train"))
    lines = points_of(chart(Series("training", [(1, value), (2, value)], "train")))
    assert lines[0][0][1] == lines[0][1][1]


def test_a_drawing_says_in_words_what_it_shows() -> None:
    series = Series("<validation>", [(1, 0.5), (2, 0.25), (3, 0.75)], "valid")
    drawing = chart(series)
    elements = Elements(drawing)
    assert elements.all("svg")[0]["role"] == "img"
    assert elements.text("title") == "Loss"
    told = elements.text("desc")
    assert "<validation>: 0.5 at epoch 1, 0.75 at 3, lowest 0.25, highest 0.75" in told
    # Told apart by marks, not by colour alone.
    assert len(elements.all("circle")) == 3 + 1  # and in the legend


def test_neighbours_are_averaged_by_their_weights() -> None:
    points = binned([1, 2, 3, 4, 5], [1.0, 4.0, 6.0, math.nan, 9.0], [2, 1, 1, 1, 3], 3)
    assert points == [(2, 2.0), (4, 6.0), (5, 9.0)]
    assert binned([], [], [], 3) == []
    many = binned(range(1001), range(1001), [1] * 1001, 300)
    assert len(many) <= 300
    assert many[-1][0] == 1000


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (5, 7, 3), (5, 7, 1), (4, 3, 2), (4, 3, 4)])
def test_an_image_is_what_pillow_reads(shape: tuple[int, ...]) -> None:
    image = numpy.random.default_rng(1).integers(0, 256, shape, dtype=numpy.uint8)
    expected = image
    if len(shape) == 3:
        expected = image[..., :3] if shape[2] >= 3 else image[..., 0]
    read = Image.open(io.BytesIO(png(image)))
    read.load()
    assert numpy.array_equal(numpy.asarray(read), expected)


def colours(dark: bool) -> dict[str, str]:
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    assert len(blocks) == 2
    found: dict[str, str] = {}
    for block in blocks[: 2 if dark else 1]:
        found |= dict(re.findall(r"--(\w+): ([^;]+);", block))
    return found


def luminance(colour: tuple[float, ...]) -> float:
    """Return the relative luminance of a colour in 0..255, as WCAG 2 defines it."""
    parts = [one / 255 for one in colour]
    red, green, blue = (
        one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def as_colour(text: str) -> tuple[float, ...]:
    return tuple(int(text[place : place + 2], 16) for place in (1, 3, 5))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_contrast_is_that_of_wcag(dark: bool) -> None:
    known = colours(dark)
    for ground in ("ground", "raised"):
        for text in ("text", "faint", "link"):
            ratio = contrast(as_colour(known[text]), as_colour(known[ground]))
            assert ratio >= 4.5, (text, ground, ratio)
    for line in ("train", "valid"):
        assert contrast(as_colour(known[line]), as_colour(known["ground"])) >= 3
    heat = [float(part) for part in known["heat"].split(",")]
    shares = [float(share) for share in re.findall(r"rgba\(var\(--heat\), ([\d.]+)\)", STYLE)]
    assert len(shares) == 5
    for share in shares:
        under = as_colour(known["ground"])
        mixed = tuple(
            share * over + (1 - share) * below for over, below in zip(heat, under, strict=True)
        )
        assert contrast(as_colour(known["text"]), mixed) >= 4.5


def test_colours_are_named_in_one_place() -> None:
    rules = re.sub(r":root \{.*?\}", "", STYLE, flags=re.DOTALL)
    assert re.findall(r"#[0-9a-f]{3,8}\b", rules) == ["#808080"]  # behind images of any colour
    used = set(re.findall(r"var\(--(\w+)\)", rules))
    assert used == set(colours(False))
    assert set(colours(True)) == set(colours(False))
