"""What the page shows: a model, and images to try it on."""

import base64
import json
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy

from mnistburn.dataset import Dataset
from mnistburn.demo.layers import layers_of, normalisation_of
from mnistburn.errors import DataError
from mnistburn.model import Model
from mnistburn.preprocessing import Preprocessing

__all__ = ["Content", "Precision"]

Precision = Literal["half", "full"]

# Samples are part of the page: so many at most, and so many bytes.
_MOST_SAMPLES: Final = 120
_SAMPLE_BYTES: Final = 1 << 18


@dataclass(frozen=True)
class Content:
    """A model, with what its page says and shows.

    Attributes:
        model: The model; the size of its images is known.
        title: What it is called.
        drawn: Whether its images are strokes, so that the page has a canvas to draw on.
        samples: Images to try it on, some of which the page gets; None for none.
    """

    model: Model
    title: str
    drawn: bool
    samples: Dataset | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        if self.model.image_size is None:
            message = (
                "the size of the images of this model is not known; give it with "
                "Model.load(path, image_size=...) or --image-size"
            )
            raise DataError(message)
        shape = self.model.config.image_shape
        if self.samples is not None and self.samples.image_shape != shape:
            message = (
                f"samples must be images of the model's shape, {tuple(shape)}, "
                f"got {tuple(self.samples.image_shape)}"
            )
            raise DataError(message)

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures become images; drawings are made as MNIST was."""
        fit, prepare = self.model.preprocessing
        return Preprocessing(fit, "digit" if self.drawn else prepare)

    @property
    def class_names(self) -> list[str]:
        """The names of the classes, or their numbers."""
        names = list(self.model.class_names or ())
        return names + [str(number) for number in range(len(names), self.model.config.num_classes)]

    def about(self, precision: Precision) -> str:
        """Describe the model.

        Args:
            precision: That of `parameters`.

        Returns:
            JSON, safe within HTML.
        """
        model = self.model
        mean, std = normalisation_of(model.config)
        described = {
            "title": self.title,
            "num_params": model.num_params,
            "class_names": self.class_names,
            "image": model.config.image_shape._asdict(),
            "mean": mean,
            "std": std,
            "preprocessing": self.preprocessing._asdict(),
            "drawn": self.drawn,
            "layers": layers_of(model.config),
            "precision": precision,
            "tensors": [
                {"name": name, "shape": list(values.shape)}
                for name, values in model.state_dict().items()
            ],
            "samples": self._samples(),
        }
        text = json.dumps(described)
        # "</script>" would end the element that the text is in.
        return text.replace("<", "\\u003c")

    def parameters(self, precision: Precision) -> bytes:
        """Return all parameters and buffers one after the other, little-endian.

        Args:
            precision: ``"half"`` for two bytes each, ``"full"`` for four.

        Returns:
            The bytes, in the order of the ``tensors`` in `about`.
        """
        kind = "<f2" if precision == "half" else "<f4"
        # What half precision has no room for is infinite there, as in a record.
        with numpy.errstate(over="ignore"):
            parts = [values.astype(kind) for values in self.model.state_dict().values()]
        return b"".join(part.tobytes() for part in parts)

    def _samples(self) -> dict[str, Any] | None:
        """Return some of the images, from all over the set."""
        if self.samples is None or len(self.samples) == 0:
            return None
        size = int(numpy.prod(self.model.config.image_shape))
        count = min(len(self.samples), _MOST_SAMPLES, max(_SAMPLE_BYTES // size, 1))
        places = numpy.linspace(0, len(self.samples) - 1, count).round().astype(int)
        part = self.samples.subset(places.tolist())
        names, images = part.class_names, numpy.asarray(part.images, dtype=numpy.uint8).tobytes()
        return {
            "targets": [
                str(target) if names is None else names[target] for target in part.targets.tolist()
            ],
            "pixels": base64.b64encode(images).decode(),
        }
