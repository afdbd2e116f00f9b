"""What pictures are made to when they are read."""

from dataclasses import dataclass
from typing import Final, Self

from mnistburn.arrays import ImageShape
from mnistburn.preprocessing import STRETCHED, Fit, Prepare, Preprocessing

__all__ = ["FOLLOW_PICTURES", "PictureOptions"]


@dataclass(frozen=True)
class PictureOptions:
    """What pictures are made to; arrays and known data sets have a shape already.

    Attributes:
        image_size: Height and width; None to follow the pictures.
        channels: 1 for grey images, 3 for colours; None to follow the pictures.
        fit: What happens to pictures of other proportions.
        prepare: What else is done to pictures.
    """

    image_size: tuple[int, int] | None = None
    channels: int | None = None
    fit: Fit = "stretch"
    prepare: Prepare | None = None

    @classmethod
    def of(cls, shape: ImageShape, preprocessing: Preprocessing = STRETCHED) -> Self:
        """Return the options that make images of a shape."""
        return cls((shape.height, shape.width), shape.channels, *preprocessing)

    @property
    def shape(self) -> ImageShape | None:
        """The shape of the images; None where it follows the pictures."""
        if self.image_size is None or self.channels is None:
            return None
        return ImageShape(*self.image_size, self.channels)


FOLLOW_PICTURES: Final = PictureOptions()
"""Images of the shape of the pictures."""
