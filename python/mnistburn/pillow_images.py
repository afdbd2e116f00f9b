"""Images of Pillow, as pictures: what is seen, whatever their mode. Pillow is no dependency."""

import sys
from typing import Any, Final

import numpy

from mnistburn import _native
from mnistburn.errors import DataError

__all__ = ["has_colour_mode", "is_pillow_image", "picture_of"]

# Modes whose bytes the core takes as they are.
_TAKEN: Final = ("L", "LA", "RGB", "RGBA")
# What Pillow converts the others to; "P", with its palette, and 16 bits are treated apart.
_CONVERSIONS: Final = {
    "1": "L",
    "La": "LA",
    "PA": "RGBA",
    "RGBX": "RGB",
    "RGBa": "RGBA",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "HSV": "RGB",
}
_COLOURS: Final = ("RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "HSV", "LAB")
# The tag of EXIF that says how a picture is to be turned.
_ORIENTATION: Final = 0x0112


def is_pillow_image(value: object) -> bool:
    """Tell whether a value is an image of Pillow.

    Args:
        value: Anything.

    Returns:
        Whether it is; False where Pillow has not been imported.
    """
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)


def has_colour_mode(image: Any) -> bool:  # noqa: ANN401  Pillow is no dependency
    """Tell whether the pixels of an image are colours by its mode, grey or not."""
    return image.mode in _COLOURS


def picture_of(image: Any) -> _native.Picture:  # noqa: ANN401  Pillow is no dependency
    """Return an image of Pillow as the picture that a file of it would be.

    Args:
        image: The image, of any mode. Of integers and floats, those up to 255 are raw pixels, larger
            ones up to 65535 have 16 bits, and floats up to 1 are pixels in 0..1.

    Returns:
        The picture, turned as the image's EXIF data say.

    Raises:
        DataError: The image cannot be loaded or converted, or holds other numbers.
    """
    try:
        image.load()
        mode = image.mode
        if mode in ("I", "F") or mode.startswith("I;"):
            pixels, mode = _numbers(image)
        else:
            image = _converted(image)
            pixels, mode = image.tobytes(), image.mode
        orientation = image.getexif().get(_ORIENTATION, 1)
    except DataError:
        raise
    except (OSError, ValueError, SyntaxError) as reason:
        message = f"the Pillow image {_shown(image)} could not be read: {reason}"
        raise DataError(message) from reason
    if not isinstance(orientation, int) or not 1 <= orientation <= 8:  # noqa: PLR2004  as EXIF has it
        orientation = 1
    return _native.Picture.from_pixels(pixels, image.size, mode, orientation)


def _converted(image: Any) -> Any:  # noqa: ANN401  Pillow is no dependency
    """Return an image in one of the modes that the core takes."""
    transparent = "transparency" in image.info
    if image.mode == "P":
        transparent = transparent or image.palette.mode == "RGBA"
        return image.convert("RGBA" if transparent else "RGB")
    if image.mode in ("1", "L", "RGB") and transparent:
        return image.convert("RGBA")
    if image.mode == "LAB":
        return _from_lab(image)
    if image.mode in _TAKEN:
        return image
    if image.mode in _CONVERSIONS:
        return image.convert(_CONVERSIONS[image.mode])
    message = (
        f"the Pillow image {_shown(image)} has the mode {image.mode!r}, which is not read; "
        "convert it first: image.convert('RGB')"
    )
    raise DataError(message)


def _from_lab(image: Any) -> Any:  # noqa: ANN401  Pillow is no dependency
    """Return an image in CIELAB as RGB, which ``convert`` of Pillow does not."""
    try:
        from PIL import ImageCms  # noqa: PLC0415  it is there: the image is
    except ImportError as reason:
        message = f"a Pillow image of the mode LAB cannot be converted here: {reason}"
        raise DataError(message) from reason
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")


def _numbers(image: Any) -> tuple[bytes, str]:  # noqa: ANN401  Pillow is no dependency
    """Return the pixels of an image of integers or floats, with their mode."""
    values = numpy.asarray(image)
    if image.mode.startswith("I;16"):
        return values.astype("=u2").tobytes(), "I;16"
    if not numpy.isfinite(values).all() or values.min() < 0 or values.max() > 65535:  # noqa: PLR2004
        message = (
            f"the pixels of a Pillow image of the mode {image.mode} must be 0 to 255, 0 to 65535 "
            f"or, as floats, 0 to 1, got {values.min()} to {values.max()}"
        )
        raise DataError(message)
    if image.mode == "F" and values.max() <= 1:
        return (values * 255).round().astype("u1").tobytes(), "L"
    if values.max() <= 255:  # noqa: PLR2004
        return values.round().astype("u1").tobytes(), "L"
    return values.round().astype("=u2").tobytes(), "I;16"


def _shown(image: Any) -> str:  # noqa: ANN401  Pillow is no dependency
    name = getattr(image, "filename", "")
    return str(name) if name else f"of {image.size[0]} x {image.size[1]}"
