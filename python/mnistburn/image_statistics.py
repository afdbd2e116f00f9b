"""What the images of a data set look like."""

from dataclasses import dataclass

__all__ = ["ImageStatistics"]


@dataclass(frozen=True)
class ImageStatistics:
    """What the images that a model was trained with look like, in raw pixels from 0 to 255.

    Attributes:
        pixel_min: The smallest pixel.
        pixel_max: The largest pixel.
        pixel_mean: The mean of the pixels.
        pixel_std: Their standard deviation.
        border_mean: The mean of the outermost pixels.
        border_std: Their standard deviation.
        foreground: The mean share of an image's pixels that differ clearly from its border, in
            0..1.
    """

    pixel_min: int
    pixel_max: int
    pixel_mean: float
    pixel_std: float
    border_mean: float
    border_std: float
    foreground: float
