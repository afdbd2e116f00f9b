"""What is in a model file, without making a model of it.

Example:
    >>> import mnistburn
    >>> model = mnistburn.Model(mnistburn.ModelConfig(hidden_size=4), seed=1)
    >>> found = mnistburn.describe(model.export("digits.safetensors"))
    >>> found.format, found.precision, found.num_params, found.config.hidden_size
    ('safetensors', 'F32', 5398, 4)
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from mnistburn import _native
from mnistburn.arguments import as_path
from mnistburn.errors import RecordError
from mnistburn.image_statistics import ImageStatistics
from mnistburn.networks import NetworkConfig, network_from_json
from mnistburn.preprocessing import STRETCHED, Preprocessing

__all__ = ["FileDescription", "StoredTensor", "describe"]


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file.

    Attributes:
        name: Its name.
        shape: Its shape, as the file has it.
        number: The type of its numbers, for example ``"F32"``; empty where the file does not say.
    """

    name: str
    shape: tuple[int, ...]
    number: str


@dataclass(frozen=True)
class FileDescription:
    """What a model file says of itself.

    Attributes:
        format: ``"onnx"``, ``"safetensors"``, ``"npz"`` or ``"pytorch"``, or Burn's name of the
            recorder.
        precision: The types of the numbers, for example ``"F32"``.
        tensors: The tensors.
        config: The configuration that the tensors fit; None where they fit none.
        image_size: Height and width of the images; None where neither the file nor one beside it
            says them, and those of ``config`` are assumed.
        class_names: The names of the classes; None where they are not known.
        preprocessing: How pictures become images for the model.
        statistics: What the images looked like that it was trained with; None where that is not
            known.
        metadata: What else the file says: who wrote it, with which versions.
        problem: Why the tensors are not those of a network of this package; None where they are.
    """

    format: str
    precision: str
    tensors: tuple[StoredTensor, ...]
    config: NetworkConfig | None
    metadata: Mapping[str, str]
    problem: str | None
    image_size: tuple[int, int] | None = None
    class_names: tuple[str, ...] | None = None
    preprocessing: Preprocessing = STRETCHED
    statistics: ImageStatistics | None = None

    @property
    def num_params(self) -> int:
        """The number of parameters."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors)


def describe(path: str | os.PathLike[str]) -> FileDescription:
    """Tell what is in a model file of any format that is read or written here.

    Args:
        path: The file.

    Returns:
        What it says of itself.

    Raises:
        RecordError: The file is damaged, or no model file.
        OSError: The file cannot be read.
    """
    source = as_path(path, "path", RecordError)
    found = json.loads(_native.describe(str(source)))
    config = None
    if found["config"] is not None:
        config = network_from_json(json.dumps(found["config"]))
    about = found["about"] or {"metadata": {}, "image_size_known": False}
    known = about["metadata"]
    names, statistics = known.get("class_names"), known.get("statistics")
    size = None
    if config is not None and about["image_size_known"]:
        size = (config.image_height, config.image_width)
    return FileDescription(
        format=found["format"],
        precision=found["precision"],
        tensors=tuple(
            StoredTensor(name, tuple(shape), number) for name, shape, number in found["tensors"]
        ),
        config=config,
        image_size=size,
        class_names=None if names is None else tuple(names),
        preprocessing=Preprocessing(**known.get("preprocessing", {})),
        statistics=None if statistics is None else ImageStatistics(**statistics),
        metadata=found["metadata"],
        problem=found["problem"],
    )
