"""The guide model of the Burn book: construct, use, keep.

Example:
    >>> import mnistburn
    >>> model = mnistburn.Model(mnistburn.ModelConfig(hidden_size=32), seed=1)
    >>> model
    Model(num_classes=10, hidden_size=32, dropout=0.5, device='cpu', num_params=34378)
    >>> images = mnistburn.datasets.load("mnist", split="test").images[:3]
    >>> model.forward(images).shape
    (3, 10)
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy
from numpy.typing import ArrayLike, NDArray

from mnistburn import _native, model_files, notebook, plots
from mnistburn.arguments import LARGEST_SEED, as_class_names, as_integer, as_path, shown
from mnistburn.arrays import (
    Images,
    ImageShape,
    as_float32,
    as_image_size,
    as_images,
    as_targets,
)
from mnistburn.dataset import Dataset
from mnistburn.device import resolve_device
from mnistburn.dropout import DropoutKey
from mnistburn.errors import ConfigError, DataError, RecordError
from mnistburn.evaluation import Evaluation
from mnistburn.evaluation.measure import Measured, measure
from mnistburn.gradients import Loss
from mnistburn.image_statistics import ImageStatistics
from mnistburn.likeness import warn_of_unlike
from mnistburn.metrics import Metric
from mnistburn.model_files import ExportFormat, Precision, Recorder
from mnistburn.networks import ModelConfig, NetworkConfig, check_network, network_from_json
from mnistburn.pictures import read_pictures
from mnistburn.preprocessing import Preprocessing
from mnistburn.training_forward import (
    ClassificationOutput,
    RegressionOutput,
    as_dropout_key,
    as_values,
    as_weights,
    check_count,
)
from mnistburn.views import Augment, as_views

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ExportFormat", "Model", "Precision", "Recorder"]

# Class names that a notebook shows of a model.
_NAMED: Final = 12

Pictures = Any
"""Arrays of images, paths, open files, images of Pillow, and lists of these."""


class Model:
    """A convolutional network that tells the class of an image.

    Images are uint8 raw pixels of shape ``[batch, height, width]``, by default ``[batch, 28, 28]``,
    or ``[batch, height, width, channels]`` where the configuration has several channels; one image
    without the batch, flat ones and ``[batch, channels, height, width]`` are taken too. Floats are
    taken as pixels in 0..1.
    Both are normalised inside.
    """

    def __init__(
        self,
        config: NetworkConfig | None = None,
        device: str = "cpu",
        seed: int | None = None,
        *,
        class_names: Sequence[str] | None = None,
    ) -> None:
        """Make a model with fresh weights.

        Args:
            config: The configuration; None stands for ``ModelConfig()``.
            device: Where the model computes; see `mnistburn.devices`.
            seed: The seed of the weights and of dropout; None draws one.
            class_names: The names of the classes, one for each; None where they have none.

        Raises:
            ConfigError: The configuration is of another type, or the seed breaks its rule.
            DataError: There are not as many class names as classes, or they are no names.
            DeviceError: There is no such device, or it cannot be used.
        """
        config = ModelConfig() if config is None else config
        check_network("config", config)
        place = resolve_device(device)
        number = (
            int.from_bytes(os.urandom(8)) >> 1
            if seed is None
            else as_integer(seed, "seed", ConfigError, maximum=LARGEST_SEED)
        )
        names = None if class_names is None else list(as_class_names(class_names))
        if names is not None and len(names) != config.num_classes:
            message = (
                f"class_names must name each of the {config.num_classes} classes of the "
                f"configuration, got {len(names)} names; set num_classes={len(names)} there"
            )
            raise DataError(message)
        self._native = _native.Model(config.to_json(), place, number, names)
        self._fill(config)

    @classmethod
    def _wrap(cls, native: _native.Model) -> Self:
        model = cls.__new__(cls)
        model._native = native  # noqa: SLF001  a way to make one besides __init__
        model._fill(network_from_json(native.config))  # noqa: SLF001
        return model

    def _with(self, native: _native.Model) -> Self:
        """Return the model with other parameters; what was told of images is not told again."""
        model = self.__class__.__new__(self.__class__)
        model.__dict__.update(self.__dict__, _native=native)
        return model

    def _fill(self, config: NetworkConfig) -> None:
        about = json.loads(self._native.about)
        names, statistics = about["class_names"], about["statistics"]
        self._config = config
        self._class_names = None if names is None else tuple(names)
        self._preprocessing = Preprocessing(**about["preprocessing"])
        self._statistics = None if statistics is None else ImageStatistics(**statistics)
        # What was told of images unlike those of the training, which is told once.
        self._told: dict[str, object] = {}

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        device: str = "cpu",
        *,
        image_size: tuple[int, int] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> Self:
        """Read a model from a file of any of Burn's recorders, or from another program's.

        Those are safetensors, NumPy's ``.npz`` and PyTorch's ``.pt`` and ``.pth``, with the names
        of `state_dict` and linear weights ``[in, out]`` or, as in PyTorch, ``[out, in]``, which
        the shapes tell; nothing in a file is executed. Their names say the
        format, else the content does, as it does for Burn's. Precision, classes, hidden size and
        channels are read from the file. What weights do not say, dropout, the height and width of
        images, class names and preprocessing, comes from the files that `export` writes
        themselves; for another file from ``<its name>.meta.json``, which `save` writes beside it,
        else from the ``config.json`` of a run beside it (or above it, for a checkpoint). A model
        of whose images the size is not known can be saved, and nothing else until it is given.

        Args:
            path: The model file.
            device: Where the model computes.
            image_size: Height and width of the images, where no file says them: those that a
                program of Burn or PyTorch wrote do not.
            class_names: The names of the classes, one for each, where no file says them.

        Returns:
            The model.

        Raises:
            RecordError: The file is damaged, or of another model, or what lies beside it is; or
                image_size or class_names are not those of the model.
            DataError: image_size is no size of images, or class_names are no names.
            DeviceError: There is no such device, or it cannot be used.
            OSError: The file cannot be read.
        """
        source = as_path(path, "path", RecordError)
        size = None if image_size is None else as_image_size(image_size)
        names = None if class_names is None else list(as_class_names(class_names))
        return cls._wrap(_native.Model.load(str(source), resolve_device(device), size, names))

    def save(
        self,
        path: str | os.PathLike[str],
        recorder: Recorder = "compact",
        precision: Precision | None = None,
    ) -> Path:
        """Write the model to a file atomically.

        What the formats of Burn have no room for, the configuration, class names and preprocessing,
        is written beside it, to ``<its name>.meta.json``; move both together.

        Args:
            path: The file. The recorder's extension is appended unless the path ends in it; an
                existing file is replaced.
            recorder: The format. All are read by Burn; ``"default"`` keeps every bit, ``"compact"``
                takes half the room, ``"bin"`` has no names in it.
            precision: The width of the numbers; None stands for ``"half"`` with ``"compact"`` and
                ``"full"`` with the others. ``"half"`` rounds, the wider ones keep every bit.

        Returns:
            The path written.

        Raises:
            ConfigError: There is no such recorder or precision.
            RecordError: The path is none, or ends in the extension of another format.
            OSError: The file cannot be written.
        """
        return model_files.save(self._native, path, recorder, precision)

    def export(
        self,
        path: str | os.PathLike[str],
        format: ExportFormat | None = None,  # noqa: A002  the word that users look for
        *,
        normalise: bool = True,
    ) -> Path:
        """Write the model for another program atomically.

        Names and shapes of the weights are those of `state_dict`, linear weights ``[in, out]``; in
        an ONNX graph they are ``[out, in]``. The numbers are float32. Configuration, class names
        and preprocessing are in the file, as JSON under the key ``mnistburn`` of its metadata.

        Args:
            path: The file. The format's extension is appended unless the path ends in it; an
                existing file is replaced.
            format: The format; None for the one that the path's extension says.
            normalise: What an ONNX graph takes: raw pixels, uint8 of shape ``[batch, 28, 28]`` (or
                ``[batch, height, width, channels]``), which it normalises itself, or, with False,
                ``(pixels / 255 - 0.1307) / 0.3081``, float32 of shape
                ``[batch, channels, height, width]``. It gives logits, ``[batch, num_classes]``.

        Returns:
            The path written.

        Raises:
            ConfigError: There is no such format, or normalise is False for another than ONNX.
            RecordError: The path is none, or ends in no extension of the format.
            DataError: The size of the images is not known.
            OSError: The file cannot be written.
        """
        return model_files.export(self._native, path, format, normalise=normalise)

    @property
    def config(self) -> NetworkConfig:
        """The configuration."""
        return self._config

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of the classes, by their numbers; None where they are not known."""
        return self._class_names

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures become images for it, as they did when it was trained."""
        return self._preprocessing

    @property
    def statistics(self) -> ImageStatistics | None:
        """What the images looked like that it was trained with; None where that is not known."""
        return self._statistics

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Height and width of its images; None where they are not known, see `load`."""
        return self._native.image_size

    def _image_shape(self) -> ImageShape:
        """Return the shape of its images, or refuse where their size is not known."""
        self._native.check_image_size()
        return self._config.image_shape

    @property
    def device(self) -> str:
        """Where the model computes, for example ``"cpu"``."""
        return self._native.device

    @property
    def num_params(self) -> int:
        """The number of parameters."""
        return self._native.num_params

    @property
    def seed(self) -> int:
        """The seed of the weights and of dropout."""
        return self._native.seed

    def to(self, device: str) -> "Model":
        """Return the model on another device.

        Args:
            device: Where to.

        Returns:
            A model with the same weights; this one stays where it is.

        Raises:
            DeviceError: There is no such device, or it cannot be used.
        """
        return self._wrap(self._native.to(resolve_device(device)))

    def forward(self, images: ArrayLike) -> NDArray[numpy.float32]:
        """Compute the logits, without dropout.

        Args:
            images: The images, in one of the shapes above.

        Returns:
            The logits, float32 of shape ``[batch, num_classes]``.

        Raises:
            DataError: The images have another shape, type or values, or the size of the model's is
                not known.
        """
        pixels, count = as_images(images, self._image_shape())
        return self._logits(pixels, count)

    def _logits(self, pixels: Images, count: int) -> NDArray[numpy.float32]:
        shape = (count, self._config.num_classes)
        if count == 0:
            return numpy.zeros(shape, dtype=numpy.float32)
        return numpy.frombuffer(self._native.forward(pixels), dtype="<f4").reshape(shape)

    def __call__(self, images: ArrayLike) -> NDArray[numpy.float32]:
        """Do the same as `forward`.

        Args:
            images: The images, in one of the shapes above.

        Returns:
            The logits, float32 of shape ``[batch, num_classes]``.
        """
        return self.forward(images)

    def predict(self, images: Pictures, *, augment: Augment = False) -> NDArray[numpy.int64]:
        """Tell the class of each image.

        Args:
            images: The images, in one of the shapes above; or a picture of any size, as
                `mnistburn.read_picture` takes it (a path, an open file, an image of Pillow), or a
                list of such. It is made to the model's images as those of its training were.
            augment: Which views of each image are averaged over, as `predict_proba` has it.

        Returns:
            The class numbers, int64 of shape ``[batch]``.

        Raises:
            DataError: The images have another shape, type or values, or a picture is none.
            ConfigError: There are no such views.
            OSError: A file cannot be read.
        """
        scores = self._scores(images, augment)
        labels: NDArray[numpy.int64] = scores.argmax(axis=1).astype(numpy.int64)
        return labels

    def predict_names(self, images: Pictures, *, augment: Augment = False) -> list[str]:
        """Tell the name of the class of each image.

        Args:
            images: What `predict` takes.
            augment: Which views of each image are averaged over, as `predict_proba` has it.

        Returns:
            The names. A class beyond the names, as where a model has more classes than its training
            data, is called by its number.

        Raises:
            DataError: The model has no class names, or `predict` refuses the images.
            ConfigError: There are no such views.
        """
        names = self._class_names
        if names is None:
            message = (
                "the class names of this model are not known; predict gives the numbers, and "
                "Model.load(path, class_names=[...]) gives names to a model in a file"
            )
            raise DataError(message)
        numbers = self.predict(images, augment=augment).tolist()
        return [names[number] if number < len(names) else str(number) for number in numbers]

    def predict_proba(
        self, images: Pictures, *, augment: Augment = False
    ) -> NDArray[numpy.float32]:
        """Tell the probability of each class for each image.

        Args:
            images: Images or pictures, as `predict` takes them.
            augment: Which views of each image are averaged over (test-time augmentation):
                ``"shift"`` for the image and its shifts by one pixel up, down, left and right,
                where it goes on mirrored; ``"flip"`` for each view and its mirror image; both in a
                list; True for those of these that the model was trained with.

        Returns:
            The softmax of the logits, or the mean of those of the views, float32 of shape
            ``[batch, num_classes]``; rows sum to 1.

        Raises:
            DataError: The images have another shape, type or values, or a picture is none.
            ConfigError: There are no such views, or the model was trained without.
            OSError: A file cannot be read.
        """
        logits = self._scores(images, augment)
        # Without the largest subtracted, exp overflows at logits above 88.
        exponentials = numpy.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: NDArray[numpy.float32] = exponentials / exponentials.sum(
            axis=1, keepdims=True
        )
        return probabilities

    def _scores(self, images: Pictures, augment: Augment) -> NDArray[numpy.float32]:
        """Return the logits, or what has the mean probabilities over views as its softmax."""
        views = as_views(augment)
        pixels, count = self._images(images)
        if views is None or count == 0:
            return self._logits(pixels, count)
        values = numpy.frombuffer(self._native.log_probabilities(pixels, views), dtype="<f4")
        return values.reshape(count, self._config.num_classes)

    def _images(self, images: Pictures) -> tuple[Images, int]:
        """Return arrays or pictures as images of the model's shape; warn of unlike ones once."""
        shape = self._image_shape()
        read = read_pictures(images, shape, self.preprocessing)
        pixels, count = as_images(images if read is None else read, shape)
        warn_of_unlike(self._statistics, pixels, shape, pictures=read is not None, told=self._told)
        return pixels, count

    def forward_classification(
        self,
        images: ArrayLike,
        targets: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        dropout: DropoutKey | None = None,
    ) -> ClassificationOutput:
        """Compute logits and cross-entropy as a training step does: with dropout, and a tape.

        Args:
            images: The images, in one of the shapes above.
            targets: The class numbers, integers of shape ``[batch]``.
            weights: What each image counts in the mean loss, numbers of at least 0 of shape
                ``[batch]``; None for all alike. The loss is ``sum(weights * losses) /
                sum(weights)``.
            dropout: What the dropout masks follow from, ``batch.dropout`` of a `DataLoader` for the
                masks of `train`; None for masks of the model's own, others at each call.

        Returns:
            Loss, logits and targets.

        Raises:
            DataError: The images, the targets or the weights have another shape, type or values, or
                there are none, or the size of the model's images is not known.
        """
        pixels, count = as_images(images, self._image_shape())
        classes = as_targets(targets, count, self._config.num_classes)
        check_count(count)
        out = self._native.forward_classification(
            pixels, classes, as_weights(weights), as_dropout_key(dropout)
        )
        return ClassificationOutput(
            loss=Loss(out.loss),
            losses=numpy.frombuffer(out.losses, dtype="<f4"),
            output=self._rows(out.output),
            targets=classes,
        )

    def forward_regression(
        self,
        images: ArrayLike,
        targets: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        dropout: DropoutKey | None = None,
    ) -> RegressionOutput:
        """Compute outputs and mean squared error as a training step does: with dropout, and a tape.

        Args:
            images: The images, in one of the shapes above.
            targets: The numbers that the outputs should be, of shape ``[batch, num_classes]``.
            weights: What each image counts in the mean loss, as `forward_classification` has it.
            dropout: What the dropout masks follow from, as `forward_classification` has it.

        Returns:
            Loss, outputs and targets.

        Raises:
            DataError: The images, the targets or the weights have another shape, type or values, or
                there are none, or the size of the model's images is not known.

        Example:
            >>> import numpy, mnistburn
            >>> model = mnistburn.Model(mnistburn.ModelConfig(num_classes=2), seed=1)
            >>> images = mnistburn.datasets.load("mnist", split="test").images[:4]
            >>> out = model.forward_regression(images, numpy.zeros((4, 2)))
            >>> out.losses.shape
            (4,)
            >>> gradients = out.loss.backward()
        """
        pixels, count = as_images(images, self._image_shape())
        check_count(count)
        values = as_values(targets, count, self._config.num_classes)
        out = self._native.forward_regression(
            pixels, values, as_weights(weights), as_dropout_key(dropout)
        )
        return RegressionOutput(
            loss=Loss(out.loss),
            losses=numpy.frombuffer(out.losses, dtype="<f4"),
            output=self._rows(out.output),
            targets=values,
        )

    def _rows(self, values: bytearray) -> NDArray[numpy.float32]:
        return numpy.frombuffer(values, dtype="<f4").reshape(-1, self._config.num_classes)

    def evaluate(
        self,
        dataset: Dataset,
        batch_size: int = 256,
        *,
        by_number: bool = False,
        augment: Augment = False,
        metrics: Sequence[Metric] = (),
    ) -> Evaluation:
        """Measure the model on a data set, without dropout.

        All that an `Evaluation` has follows from one pass over the images, whose logits it keeps:
        4 bytes for each image and class. The logger ``mnistburn`` warns once of images that are
        unlike those of the training. Classes are found by their names where model and data set have
        such, in whatever order.

        Args:
            dataset: The images and their classes.
            batch_size: The number of images computed at a time.
            by_number: Whether classes are found by their numbers, whatever their names.
            augment: Which views of each image are averaged over (test-time augmentation), as
                `predict_proba` has it.
            metrics: What else is measured: names, as `TrainingConfig` has them, and functions of
                ``(logits, targets)``, of shapes ``[n, num_classes]`` and ``[n]``, which give a
                number. With `augment` the logits are logarithms of the mean probabilities.

        Returns:
            Loss, accuracy and the metrics, and from the logits what else an `Evaluation` tells.

        Raises:
            DataError: The data set is of another type, empty, or has other classes than the model;
                or the size of the model's images is not known.
            ConfigError: The batch size breaks its rule, there are no such views, or the model was
                trained without; or there is no such metric, or the images can't have it.
        """
        return measure(
            Measured(
                native=self._native,
                shape=self._image_shape(),
                class_names=self._class_names,
                num_classes=self._config.num_classes,
                preprocessing=self._preprocessing,
                statistics=self._statistics,
                told=self._told,
            ),
            dataset,
            batch_size,
            by_number=by_number,
            augment=augment,
            metrics=metrics,
        )

    def state_dict(self) -> dict[str, NDArray[numpy.float32]]:
        """Return the parameters by name.

        Linear weights have Burn's layout, ``[in, out]``.

        Returns:
            Copies, float32.
        """
        return {
            name: numpy.frombuffer(values, dtype="<f4").reshape(shape)
            for name, shape, values in self._native.state_dict()
        }

    def load_state_dict(self, state: Mapping[str, ArrayLike]) -> None:
        """Replace all parameters, or none when one does not fit.

        Args:
            state: The parameters by name, of the shapes that `state_dict` gives.

        Raises:
            RecordError: A name is missing or unknown, or a value has another shape or no numbers.
        """
        if not isinstance(state, Mapping):
            message = f"state must be a dict of arrays, as state_dict() gives, got {shown(state)}"
            raise RecordError(message)
        arrays = {name: _as_parameter(name, value) for name, value in state.items()}
        self._native.load_state_dict(
            [(name, list(array.shape), array) for name, array in arrays.items()]
        )

    def plot_filters(self, layer: str | None = None, *, ax: "Axes | None" = None) -> "Axes":
        """Draw the filters of a convolution.

        Filters of grey images are blue where a weight is below 0 and red where it is above, in one
        scale for all. Those of colour images are colours, each from its smallest to its largest
        weight. Of a deeper layer each row is a filter, with a kernel for each of its channels; of
        both the first 16.

        Args:
            layer: The name of its weights, as in ``"conv2.weight"``; None for the first one.
            ax: The Axes to draw into; None for a figure of its own.

        Returns:
            The Axes.

        Raises:
            ConfigError: There is no such convolution, matplotlib is not installed, or ax is no
                Axes.
        """
        state = self.state_dict()
        filters = [name for name, values in state.items() if values.ndim == plots.FILTER_DIMENSIONS]
        if layer is None:
            layer = filters[0]
        if layer not in filters:
            message = f"layer must be one of {', '.join(filters)}, got {shown(layer)}"
            raise ConfigError(message)
        return plots.draw_filters(state[layer], ax=ax)

    def summary(self) -> str:
        """Return a table of the layers, their shapes and parameter counts.

        Returns:
            The text.

        Raises:
            DataError: The size of the images is not known.
        """
        self._native.check_image_size()
        return self._native.summary()

    def __repr__(self) -> str:
        """Return configuration, device and number of parameters."""
        return (
            f"Model({self._config._sizes()}, "  # noqa: SLF001
            f"device={self.device!r}, num_params={self.num_params})"
        )

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        names = self._class_names or ()
        more = ", ..." if len(names) > _NAMED else ""
        named = f": {', '.join(names[:_NAMED])}{more}" if names else ""
        size = self._native.image_size
        rows = [
            ("model", self._config._sizes()),  # noqa: SLF001  of this package
            ("images", "size not known" if size is None else str(self._config.image_shape)),
            ("classes", f"{self._config.num_classes:,}{named}"),
            ("parameters", f"{self.num_params:,}"),
            ("device", self.device),
        ]
        return notebook.model_html(rows, None if size is None else self.summary())

    def __reduce__(self) -> tuple[Callable[..., "Model"], tuple[object, ...]]:
        """Take part in pickling and copying: a copy has the same bits, and goes on alike."""
        native = self._native
        return _restored, (
            native.state_bytes(),
            native.about,
            native.device,
            native.seed,
            native.forwards,
        )


def _restored(state: bytes, about: str, device: str, seed: int, forwards: int) -> Model:
    """Make a model of what its `__reduce__` gave; the bytes are parsed, and nothing is run."""
    place = resolve_device(device)
    return Model._wrap(_native.Model.restore(state, about, place, seed, forwards))  # noqa: SLF001


def _as_parameter(name: object, value: ArrayLike) -> NDArray[numpy.float32]:
    # A lone surrogate, which no Rust string can hold, is not printable either.
    if not isinstance(name, str) or not name.isprintable():
        message = f"the names of a state are those that state_dict() gives, got {shown(name)}"
        raise RecordError(message)
    return as_float32(value, name, RecordError)
