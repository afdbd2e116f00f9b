"""The known data sets by name.

A further set is one more entry of `mnist_family`, `colour_sets` or `medmnist`, beside those whose
files look like its own.
"""

from typing import Final

from mnistburn.datasets.colour_sets import COLOUR_SETS
from mnistburn.datasets.known import KnownDataset, KnownFile, KnownSplit
from mnistburn.datasets.medmnist import MEDMNIST
from mnistburn.datasets.mnist_family import MNIST_FAMILY

__all__ = ["DATASETS", "KnownDataset", "KnownFile", "KnownSplit"]

DATASETS: Final = {entry.name: entry for entry in (*MNIST_FAMILY, *COLOUR_SETS, *MEDMNIST)}
"""The data sets by name."""
