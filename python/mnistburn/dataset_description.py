"""What a data set holds, and what is odd about it.

Example:
    >>> import mnistburn
    >>> test = mnistburn.datasets.load("mnist", split="test")
    >>> found = test.describe()
    >>> found.images, found.class_counts[:3], found.warnings
    (10000, (980, 1135, 1032), ())
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from mnistburn.picture_folders import passed_over_text

__all__ = ["DatasetDescription", "Finding"]


@dataclass(frozen=True)
class Finding:
    """How often something was found in a data set, and where first.

    Attributes:
        count: How often.
        first: Positions of the first one: of the image, or of the two images that are equal.
    """

    count: int
    first: tuple[int, ...] | None


@dataclass(frozen=True)
class DatasetDescription:
    """What a data set holds.

    Attributes:
        images: The number of images.
        image_shape: Height, width and channels of each.
        class_names: The names of the classes, or None.
        class_counts: The number of images of each class.
        pixel_min: The smallest raw pixel, 0 to 255.
        pixel_max: The largest.
        pixel_mean: Their mean.
        pixel_std: Their standard deviation.
        border_mean: The mean of the outermost pixels.
        border_std: Their standard deviation.
        foreground: The mean share of an image's values that differ from the mean of its outermost
            pixels by more than 64.
        constant: Images of a single value.
        duplicates: Images that an earlier one equals.
        conflicts: Those of them whose class is another.
        leaks: Images that are in the other set too, if one was given.
        warnings: What is odd, in words.
        passed_over: How many files of a folder were no pictures that are read, by extension.
    """

    images: int
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...] | None
    class_counts: tuple[int, ...]
    pixel_min: int
    pixel_max: int
    pixel_mean: float
    pixel_std: float
    border_mean: float
    border_std: float
    foreground: float
    constant: Finding
    duplicates: Finding
    conflicts: Finding
    leaks: Finding
    warnings: tuple[str, ...]
    passed_over: Mapping[str, int] = field(default_factory=dict, hash=False)

    @classmethod
    def _from_json(
        cls,
        value: dict[str, Any],
        class_names: tuple[str, ...] | None,
        passed_over: Mapping[str, int],
    ) -> Self:
        found = value["found"]

        def finding(name: str) -> Finding:
            count, first = found[name]
            return Finding(count, None if first is None else tuple(first))

        return cls(
            images=found["images"],
            image_shape=tuple(found["shape"]),
            class_names=class_names,
            class_counts=tuple(found["class_counts"]),
            pixel_min=found["pixel_min"],
            pixel_max=found["pixel_max"],
            pixel_mean=found["pixel_mean"],
            pixel_std=found["pixel_std"],
            border_mean=found["border_mean"],
            border_std=found["border_std"],
            foreground=found["foreground"],
            constant=finding("constant"),
            duplicates=finding("duplicates"),
            conflicts=finding("conflicts"),
            leaks=finding("leaks"),
            warnings=tuple(value["warnings"]),
            passed_over=dict(passed_over),
        )

    def __str__(self) -> str:
        """Return the numbers, the histogram of the classes and the warnings, a line for each."""
        sizes = " x ".join(map(str, self.image_shape))
        pixels = f"{self.pixel_min} to {self.pixel_max}, mean {self.pixel_mean:.1f}"
        lines = [
            f"images    {self.images:,} of {sizes}",
            f"pixels    {pixels}, standard deviation {self.pixel_std:.1f}",
        ]
        names = self.class_names or tuple(map(str, range(len(self.class_counts))))
        widest = max((len(name) for name in names), default=0)
        most = max(self.class_counts, default=0) or 1
        for name, count in zip(names, self.class_counts, strict=True):
            lines.append(
                f"  {name:<{widest}} {count:>9,} {'#' * round(40 * count / most)}".rstrip()
            )
        if self.passed_over:
            lines.append(f"files     {passed_over_text(self.passed_over)}")
        lines += [f"warning   {warning}" for warning in self.warnings]
        return "\n".join(lines)
