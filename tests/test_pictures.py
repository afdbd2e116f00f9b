"""Single pictures: what is read is what is seen, compared with Pillow."""

import io
import logging
import random
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

import mnistburn
from mnistburn import Dataset, Model, ModelConfig, read_picture
from mnistburn.errors import DataError

RANDOM = numpy.random.default_rng(7)


def scene(height: int = 37, width: int = 53) -> NDArray[numpy.uint8]:
    """Return colours that change slowly, with a bright square."""
    rows, columns = numpy.mgrid[0:height, 0:width]
    image = numpy.stack([rows * 5 % 256, columns * 4 % 256, (rows + columns) * 2 % 256], axis=-1)
    image[5:15, 8:20] = (250, 240, 30)
    return image.astype(numpy.uint8)


COLOUR = Image.fromarray(scene())
GREY = COLOUR.convert("L")


def encoded(image: Any, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def seen(content: bytes) -> NDArray[numpy.uint8]:
    """Return what Pillow shows of an opaque picture, as colours."""
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    return numpy.asarray(upright.convert("RGB"))


def exif(orientation: int) -> Image.Exif:
    found = Image.Exif()
    found[ExifTags.Base.Orientation] = orientation
    return found


FILES = {
    "png grey": encoded(GREY, "PNG"),
    "png colour": encoded(COLOUR, "PNG"),
    "png palette": encoded(COLOUR.quantize(16), "PNG"),
    "png palette of 256": encoded(COLOUR.quantize(256), "PNG"),
    "png one bit": encoded(GREY.convert("1"), "PNG"),
    "bmp colour": encoded(COLOUR, "BMP"),
    "bmp grey": encoded(GREY, "BMP"),
    "bmp palette": encoded(COLOUR.quantize(200), "BMP"),
    "bmp one bit": encoded(GREY.convert("1"), "BMP"),
    "gif": encoded(COLOUR, "GIF"),
    "gif grey": encoded(GREY, "GIF"),
    "gif one bit": encoded(GREY.convert("1"), "GIF"),
    "webp lossless": encoded(COLOUR, "WEBP", lossless=True),
    "tiff colour": encoded(COLOUR, "TIFF"),
    "tiff lzw": encoded(COLOUR, "TIFF", compression="tiff_lzw"),
    "tiff deflate": encoded(COLOUR, "TIFF", compression="tiff_adobe_deflate"),
    "tiff packbits": encoded(GREY, "TIFF", compression="packbits"),
    "tiff palette": encoded(COLOUR.quantize(100), "TIFF"),
    "tiff palette lzw": encoded(COLOUR.quantize(9), "TIFF", compression="tiff_lzw"),
    "tiff one bit": encoded(GREY.convert("1"), "TIFF"),
    "tiff fax": encoded(GREY.convert("1"), "TIFF", compression="group4"),
    "pgm": encoded(GREY, "PPM"),
    "ppm": encoded(COLOUR, "PPM"),
    "pbm": encoded(GREY.convert("1"), "PPM"),
}
LOSSY = {
    "jpeg": encoded(COLOUR, "JPEG", quality=95, subsampling=0),
    "jpeg grey": encoded(GREY, "JPEG", quality=95),
    "jpeg progressive": encoded(COLOUR, "JPEG", quality=95, subsampling=0, progressive=True),
    "jpeg cmyk": encoded(COLOUR.convert("CMYK"), "JPEG", quality=95),
    "jpeg restarts": encoded(COLOUR, "JPEG", quality=95, subsampling=0, restart_marker_blocks=3),
    "webp": encoded(COLOUR, "WEBP", quality=95),
    "tiff jpeg": encoded(COLOUR, "TIFF", compression="jpeg", quality=95),
}


@pytest.mark.parametrize("name", FILES)
def test_each_format_is_read_as_pillow_reads_it(name: str) -> None:
    found = read_picture(FILES[name], channels=3)
    assert numpy.array_equal(found, seen(FILES[name]))


@pytest.mark.parametrize("name", LOSSY)
def test_each_lossy_format_is_read_nearly_as_pillow_reads_it(name: str) -> None:
    found = read_picture(LOSSY[name], channels=3)
    difference = numpy.abs(found.astype(int) - seen(LOSSY[name]))
    # Chroma is scaled up, and colours are converted, with other roundings.
    assert difference.mean() < 3
    assert numpy.percentile(difference, 99) < 40


def cuts(content: bytes) -> list[int]:
    size = len(content)
    return [size // 10, size // 3, size // 2, size * 9 // 10, size - 10, size - 1]


@pytest.mark.parametrize("name", [*FILES, *LOSSY])
def test_a_picture_that_is_cut_is_broken(name: str) -> None:
    content = (FILES | LOSSY)[name]
    for size in cuts(content):
        with pytest.raises(DataError):
            read_picture(io.BytesIO(content[:size]))


@pytest.mark.parametrize("name", [*FILES, *LOSSY])
def test_what_follows_a_whole_picture_does_not_matter(name: str) -> None:
    content = (FILES | LOSSY)[name]
    assert numpy.array_equal(read_picture(content + b"trailing" * 9), read_picture(content))


@pytest.mark.parametrize("name", [*FILES, *LOSSY])
def test_a_picture_without_its_middle_is_broken(name: str) -> None:
    content = (FILES | LOSSY)[name]
    start = content.rindex(b"\xff\xda") if name.startswith("jpeg") else len(content) // 4
    size = (len(content) - start) // 4
    for place in range(start + 14, len(content) - size - 2, max(1, size // 7)):
        with pytest.raises(DataError):
            read_picture(content[:place] + content[place + size :])


JPEGS: list[dict[str, Any]] = [
    {"quality": quality, "subsampling": subsampling, "progressive": progressive} | further
    for quality in (5, 75, 100)
    for subsampling in (0, 1, 2)
    for progressive in (False, True)
    for further in ({}, {"optimize": True}, {"restart_marker_blocks": 3})
]


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpegs_of_all_kinds_are_whole(mode: str) -> None:
    noise = Image.fromarray(RANDOM.integers(0, 256, (41, 66, 3), dtype=numpy.uint8))
    for image in (COLOUR, noise, COLOUR.crop((0, 0, 1, 1)), COLOUR.resize((160, 120))):
        for options in JPEGS:
            content = encoded(image.convert(mode), "JPEG", **options)
            assert read_picture(content).shape[:2] == image.size[::-1], options


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_jpeg_without_a_part_of_its_scans_is_broken(mode: str) -> None:
    image = COLOUR.resize((160, 120)).convert(mode)
    size = 600
    for options in JPEGS:
        content = encoded(image, "JPEG", **options)
        start = content.index(b"\xff\xda") + 14
        for place in range(start, len(content) - size - 2, 311):
            with pytest.raises(DataError):
                read_picture(content[:place] + content[place + size :])


def test_a_jpeg_whose_scan_is_filled_up_is_whole() -> None:
    content = LOSSY["jpeg"]
    expected = read_picture(content)
    for filling in (bytes(3), b"\xff\x00" * 2, b"\xff"):
        filled = content[:-2] + filling + content[-2:]
        assert numpy.array_equal(read_picture(filled), expected)
    with pytest.raises(DataError, match="damaged"):
        read_picture(content[:-2] + b"more" + content[-2:])


def test_a_jpeg_with_a_thumbnail_is_as_long_as_it_is_itself() -> None:
    data = exif(1)
    thumbnail = encoded(COLOUR.resize((16, 16)), "JPEG")
    header = data.tobytes() + thumbnail
    content = encoded(COLOUR, "JPEG", quality=95, exif=header)
    assert content.count(b"\xff\xd9") > 1
    assert read_picture(content).shape == (37, 53, 3)
    with pytest.raises(DataError, match="cut short"):
        read_picture(content[: content.rindex(b"\xff\xd9")])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_picture_is_turned_as_its_camera_says(kind: str, orientation: int) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(GREY, kind, exif=exif(orientation), **options)
    found = read_picture(content, channels=3)
    expected = seen(content)
    assert found.shape == expected.shape
    assert numpy.abs(found.astype(int) - expected).mean() < 1
    # An image that Pillow has opened is the same picture.
    opened = read_picture(Image.open(io.BytesIO(content)), channels=3)
    assert numpy.abs(opened.astype(int) - expected).max() <= (8 if kind == "JPEG" else 0)


def over(image: Any, ground: int) -> NDArray[numpy.uint8]:
    """Return what Pillow shows of a transparent picture over a grey ground."""
    image = image.convert("RGBA")
    below = Image.new("RGBA", image.size, (ground, ground, ground, 255))
    return numpy.asarray(Image.alpha_composite(below, image).convert("RGB"))


def drawing(ink: tuple[int, ...], mode: str = "RGBA") -> Any:
    """Return strokes of an ink on a transparent ground, soft at their border."""
    alpha = numpy.zeros((20, 30), dtype=numpy.uint8)
    alpha[5:15, 10:14] = 255
    alpha[4, 10:14] = 100
    bands = [Image.new("L", (30, 20), value) for value in ink]
    return Image.merge(mode, (*bands, Image.fromarray(alpha)))


@pytest.mark.parametrize(
    ("image", "ground"),
    [
        (drawing((0, 0, 0)), 255),
        (drawing((255, 255, 255)), 0),
        (drawing((0, 0, 255)), 255),  # blue is dark
        (drawing((255, 255, 0)), 0),  # yellow is light
        (drawing((127,), "LA"), 255),
        (drawing((128,), "LA"), 0),
    ],
    ids=["black", "white", "blue", "yellow", "just dark", "just light"],
)
def test_transparency_is_put_over_what_lets_the_ink_be_seen(image: Any, ground: int) -> None:
    expected = over(image, ground)
    for source in (image, encoded(image, "PNG"), encoded(image, "WEBP", lossless=True)):
        found = read_picture(source, channels=3)
        assert numpy.abs(found.astype(int) - expected).max() <= 1
        assert len(numpy.unique(found[..., 0] if ground == 0 else found[..., 1])) > 1
    if image.mode == "RGBA":  # of grey, Pillow writes no transparent GIF
        palette = read_picture(encoded(image, "GIF"), channels=3)
        assert (palette[0, 0] == ground).all()


def test_an_opaque_alpha_channel_changes_nothing_and_a_transparent_picture_is_constant() -> None:
    opaque = COLOUR.convert("RGBA")
    assert numpy.array_equal(read_picture(encoded(opaque, "PNG")), scene())
    opaque.putalpha(0)
    assert len(numpy.unique(read_picture(encoded(opaque, "PNG")))) == 1


def test_palettes_with_transparency_are_composed() -> None:
    image = Image.new("P", (12, 10), 0)
    image.putpalette([10, 20, 30, 200, 0, 0, 0, 0, 90])
    image.paste(1, (3, 3, 6, 6))
    content = encoded(image, "PNG", transparency=0)
    expected = numpy.full((10, 12, 3), 255, dtype=numpy.uint8)
    expected[3:6, 3:6] = (200, 0, 0)
    assert numpy.array_equal(read_picture(content), expected)
    assert numpy.array_equal(read_picture(Image.open(io.BytesIO(content))), expected)


def test_sixteen_bits_count_by_their_range(tmp_path: Path) -> None:
    values = RANDOM.integers(0, 65536, (20, 30), dtype=numpy.uint16)
    values[0, :3] = (0, 65535, 128)
    expected = numpy.rint(values / 257).astype(numpy.uint8)
    image = Image.fromarray(values)
    for content in (encoded(image, "PNG"), encoded(image, "TIFF"), encoded(image, "PPM")):
        assert numpy.array_equal(read_picture(content), expected)
        assert numpy.array_equal(read_picture(Image.open(io.BytesIO(content))), expected)
    assert numpy.array_equal(read_picture(image), expected)
    # A PNM says what its white is.
    twelve = (values >> 4).astype(">u2")
    content = b"P5 30 20 4095\n" + twelve.tobytes()
    assert numpy.abs(read_picture(content) - twelve * (255 / 4095)).max() <= 0.51
    text = b"P2 # a comment\n3 1\n15\n0 8 15\n"
    assert read_picture(text).tolist() == [[0, 136, 255]]


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F"]


@pytest.mark.parametrize("mode", MODES)
def test_pillow_images_are_read_in_every_mode(mode: str) -> None:
    image = COLOUR.convert(mode)
    shown = image.convert("L") if mode in {"I", "F"} else image
    difference = numpy.abs(read_picture(image, channels=3).astype(int) - shown.convert("RGB"))
    # Pillow cuts off the fractions of floats, which are rounded here.
    assert difference.max() <= (mode == "F")


def test_odd_modes_of_pillow_are_read() -> None:
    ink = drawing((0, 0, 0))
    for mode in ("RGBa", "La"):
        image = ink.convert("LA").convert("La") if mode == "La" else ink.convert(mode)
        assert numpy.array_equal(read_picture(image), read_picture(ink))
    palette = ink.convert("LA").convert("PA") if hasattr(Image, "PA") else ink.quantize(8)
    assert (read_picture(palette)[0] == 255).all()
    from PIL import ImageCms

    lab = ImageCms.profileToProfile(
        COLOUR, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert numpy.abs(read_picture(lab).astype(int) - scene()).mean() < 6
    floats = Image.fromarray((scene()[..., 0] / 255).astype(numpy.float32))
    assert numpy.array_equal(read_picture(floats), scene()[..., 0])
    with pytest.raises(DataError, match=r"mode F must be .* got -1\.0"):
        read_picture(Image.fromarray(numpy.full((5, 5), -1, dtype=numpy.float32)))


def test_a_grey_picture_has_one_channel_whatever_its_format() -> None:
    for name in ("png grey", "pgm", "gif grey", "bmp grey"):
        assert read_picture(FILES[name]).shape == (37, 53)
    assert read_picture(encoded(GREY.convert("RGB"), "PNG")).shape == (37, 53)
    assert read_picture(FILES["png colour"]).shape == (37, 53, 3)


def test_a_picture_is_read_from_all_that_holds_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = FILES["png colour"]
    path = tmp_path / "x.png"
    path.write_bytes(content)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with path.open("rb") as file:
        assert numpy.array_equal(read_picture(file), scene())
        with pytest.raises(DataError, match=r"x\.png has no more bytes.*seek"):
            read_picture(file)
        file.seek(0)
        assert numpy.array_equal(read_picture(file), scene())
    sources = [path, str(path), bytes(path), "~/x.png", content, bytearray(content)]
    for source in [*sources, memoryview(content), io.BytesIO(content), Image.open(path)]:
        assert numpy.array_equal(read_picture(source), scene())
    with path.open(encoding="latin-1") as text, pytest.raises(DataError, match=r"open.path, 'rb'"):
        read_picture(text)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_picture("nowhere.png")
    with pytest.raises(DataError, match="it is a folder"):
        read_picture(tmp_path)
    with pytest.raises(DataError, match="got 7"):
        read_picture(7)
    for argument, value in {"size": 28, "channels": 2, "fit": "fill", "prepare": "x"}.items():
        with pytest.raises(DataError, match=argument):
            read_picture(path, **{argument: value})  # type: ignore[arg-type]


def test_the_first_frame_is_read_and_the_others_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    frames = [Image.fromarray(scene()[..., k]) for k in range(3)]
    for kind in ("GIF", "TIFF", "PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="mnistburn"):
            assert numpy.array_equal(read_picture(content), scene()[..., 0]), kind
        assert "has 3 frames" in caplog.text, kind


def test_damaged_files_are_errors_and_no_panic() -> None:
    chance = random.Random(3)  # noqa: S311  no secret
    for content in (FILES | LOSSY).values():
        for _ in range(60):
            damaged = bytearray(content)
            for _ in range(chance.randint(1, 6)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            try:
                read_picture(io.BytesIO(damaged[: chance.randint(1, len(damaged))]))
            except DataError:
                continue


def test_sizes_of_pictures_are_limited() -> None:
    for text in (b"P5 16385 1 255\n", b"P5 16384 16384 255\n", b"P5 0 5 255\n"):
        with pytest.raises(DataError):
            read_picture(text)
    with pytest.raises(DataError, match="16385"):
        read_picture(Image.new("L", (16385, 1)))


def weights(size: int, new: int) -> NDArray[numpy.float64]:
    """Return the triangle filter from one size to another, as a matrix."""
    ratio = size / new
    support = max(ratio, 1.0)
    centres = (numpy.arange(new) + 0.5) * ratio
    distance = numpy.abs(numpy.arange(size) + 0.5 - centres[:, None]) / support
    found: NDArray[numpy.float64] = numpy.clip(1 - distance, 0, None)
    found /= found.sum(axis=1, keepdims=True)
    return found


def stretched(image: NDArray[Any], height: int, width: int) -> NDArray[numpy.float64]:
    rows, columns = weights(image.shape[0], height), weights(image.shape[1], width)
    found: NDArray[numpy.float64] = numpy.einsum("ij,jkc,lk->ilc", rows, image, columns)
    return found


@pytest.mark.parametrize("size", [(20, 20), (30, 12), (12, 30), (60, 80)])
def test_a_picture_fits_as_it_is_told(size: tuple[int, int]) -> None:
    image, (height, width) = scene().astype(float), size
    found = read_picture(COLOUR, size=size)
    assert numpy.abs(found - stretched(image, *size)).max() <= 1.5

    found = read_picture(COLOUR, size=size, fit="pad")
    scale = min(height / 37, width / 53)
    inner = max(1, round(37 * scale)), max(1, round(53 * scale))
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    border = numpy.ones((37, 53), dtype=bool)
    border[1:-1, 1:-1] = False
    expected = numpy.tile(image[border].mean(axis=0), (*size, 1))
    expected[top : top + inner[0], left : left + inner[1]] = stretched(image, *inner)
    assert numpy.abs(found - expected).max() <= 1.5

    found = read_picture(COLOUR, size=size, fit="crop")
    scale = max(height / 37, width / 53)
    part = min(37, round(height / scale)), min(53, round(width / scale))
    top, left = (37 - part[0]) // 2, (53 - part[1]) // 2
    expected = stretched(image[top : top + part[0], left : left + part[1]], *size)
    assert numpy.abs(found - expected).max() <= 1.5


MODEL = Model(ModelConfig(num_classes=3, hidden_size=4), seed=1)


def test_a_model_takes_pictures_of_any_kind(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(FILES["png palette"])
    image = read_picture(path, size=(28, 28), channels=1)
    expected = MODEL.predict_proba(image)
    palette = Image.open(path)
    assert palette.mode == "P"
    for source in (path, str(path), palette, io.BytesIO(path.read_bytes())):
        assert numpy.array_equal(MODEL.predict_proba(source), expected)
    mixed = [str(path), path, palette, io.BytesIO(path.read_bytes())]
    assert numpy.array_equal(MODEL.predict(mixed), MODEL.predict(image).repeat(4))


@pytest.mark.parametrize("dtype", ["U", "S", "O", "T"])
def test_a_column_of_paths_is_taken_as_a_list(tmp_path: Path, dtype: Any) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(FILES["png grey"])
    column = numpy.array([str(path)] * 2, dtype=dtype)
    assert numpy.array_equal(MODEL.predict_proba(column), MODEL.predict_proba([path, path]))
    column[1] = ""
    with pytest.raises(DataError, match=r"picture 1 of 2: .* a path that is not empty"):
        MODEL.predict(column)


def test_a_picture_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(FILES["png grey"])
    broken = tmp_path / "broken.png"
    broken.write_bytes(FILES["png grey"][:100])
    with pytest.raises(DataError, match=r"picture 1 of 2: .*broken\.png: .*cut short"):
        MODEL.predict([path, broken])
    with pytest.raises(FileNotFoundError, match=r"photo\.png"):
        MODEL.predict("photo.png")
    with pytest.raises(DataError, match="at place 1"):
        MODEL.predict([path, numpy.zeros((28, 28), dtype=numpy.uint8)])
    with pytest.raises(DataError, match="must have the shape"):
        MODEL.predict(numpy.zeros((5, 5), dtype=numpy.uint8))


def test_pillow_images_are_no_arrays_of_places_in_a_palette() -> None:
    images: Any = [Image.fromarray(scene()[:, :, k]) for k in range(3)]
    expected = numpy.stack([numpy.asarray(image) for image in images])
    assert numpy.array_equal(Dataset.from_numpy(images, [0, 1, 2]).images, expected)
    palettes: Any = [image.convert("P") for image in images]
    assert numpy.array_equal(Dataset.from_numpy(palettes, [0, 1, 2]).images, expected)
    colours: Any = [COLOUR.quantize(256), COLOUR]
    found = Dataset.from_numpy(colours, [0, 1]).images
    assert numpy.array_equal(found[0], numpy.asarray(colours[0].convert("RGB")))
    with pytest.raises(DataError, match=r"size=.height, width"):
        Dataset.from_numpy([COLOUR, COLOUR.resize((9, 9))], [0, 1])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="read_picture"):
        Dataset.from_numpy([COLOUR, scene()], [0, 1])  # type: ignore[arg-type]


def test_pillow_is_not_imported() -> None:
    import subprocess

    text = (
        "import sys, mnistburn; "
        "mnistburn.Model(mnistburn.ModelConfig(hidden_size=4)).predict(sys.argv[1]); "
        "assert 'PIL' not in sys.modules"
    )
    path = Path(__file__).parent / "fixtures" / "pictures" / "turned.jpg"
    subprocess.run([sys.executable, "-c", text, str(path)], check=True)


def test_read_picture_is_public() -> None:
    assert "read_picture" in mnistburn.__all__
