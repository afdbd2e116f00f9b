# /// script
# requires-python = ">=3.11"
# dependencies = ["matplotlib", "mnistburn"]
# ///
"""Draws what each strength of an augmentation does to digits: ``python augmentation.py FILE``.

It needs matplotlib beside the package. The picture in ``docs`` is made by it.
"""

import sys
from pathlib import Path
from typing import Final

import matplotlib.pyplot as plt
import numpy

import mnistburn
from mnistburn import AugmentationConfig

ROWS: Final = {
    "as they are": AugmentationConfig(),
    "shift=0.1": AugmentationConfig(shift=0.1),
    "rotate=15": AugmentationConfig(rotate=15),
    "scale=0.2": AugmentationConfig(scale=0.2),
    "shear=20": AugmentationConfig(shear=20),
    "elastic=34": AugmentationConfig(elastic=34),
    "elastic=8,\nelastic_sigma=2": AugmentationConfig(elastic=8, elastic_sigma=2),
    "noise=0.1": AugmentationConfig(noise=0.1),
    "cutout=0.3": AugmentationConfig(cutout=0.3),
    "shift=0.05, rotate=10,\nscale=0.1, shear=5,\nelastic=34": AugmentationConfig(
        shift=0.05, rotate=10, scale=0.1, shear=5, elastic=34
    ),
}
COLUMNS: Final = 10
GAP: Final = 2
"""White pixels between two images."""


def row_of(images: numpy.ndarray) -> numpy.ndarray:
    """Return images side by side."""
    spaced = numpy.pad(images, ((0, 0), (0, 0), (0, GAP)), constant_values=255)
    return numpy.hstack(list(spaced))[:, :-GAP]


def main(path: Path) -> None:
    """Draw the picture."""
    data = mnistburn.datasets.load("mnist")
    # One image of each class.
    indices = [int((data.targets == digit).argmax()) for digit in range(COLUMNS)]
    images = data.images[indices]
    figure, axes = plt.subplots(len(ROWS), figsize=(8, 0.62 * len(ROWS)), layout="compressed")
    for axis, (label, augmentation) in zip(axes, ROWS.items(), strict=True):
        changed = augmentation.apply(images, seed=42, epoch=1, indices=indices)
        axis.imshow(row_of(changed), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9, family="monospace")
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    figure.savefig(path, dpi=110, facecolor="white")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
