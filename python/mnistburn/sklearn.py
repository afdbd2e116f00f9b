"""A classifier for scikit-learn; the extra ``mnistburn[sklearn]`` brings what it needs.

Example:
    >>> from mnistburn.sklearn import BurnClassifier
    >>> from sklearn.datasets import load_digits
    >>> images, labels = load_digits(return_X_y=True)  # 8 x 8 pixels, 0 to 16
    >>> classifier = BurnClassifier(num_epochs=3, random_state=1).fit(images, labels)
    >>> classifier.image_shape_, classifier.pixel_range_
    (ImageShape(height=8, width=8, channels=1), (0.0, 16.0))
"""

import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy
from numpy.typing import ArrayLike, NDArray

import mnistburn
from mnistburn.arrays import ImageShape
from mnistburn.callbacks import EarlyStopping
from mnistburn.config import TrainingConfig
from mnistburn.data_loader import DataLoader
from mnistburn.dataset import Dataset
from mnistburn.flat_images import flat_images, pixels_of, range_of, shape_of_flat
from mnistburn.model import Model
from mnistburn.recipes import recipe
from mnistburn.training_data import fitting_model

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state, compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    message = (
        f"mnistburn.sklearn needs scikit-learn 1.6 or newer: pip install 'mnistburn[sklearn]' "
        f"({error})"
    )
    raise ImportError(message) from error

if TYPE_CHECKING:
    from mnistburn.callbacks import CallbackLike
    from mnistburn.optimizer import Optimizer

__all__ = ["BurnClassifier"]

# A folder in memory that holds less may be too small for the checkpoints.
_ROOM: Final = 2 << 30
# Fields of a configuration that `partial_fit` can't follow.
_OF_FIT: Final = (
    "freeze",
    "label_smoothing",
    "class_weights",
    "average_decay",
    "grads_accumulation",
    "limit_batches",
)


class BurnClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # it has no types
    """A network of this package as a classifier of scikit-learn.

    What it is given are images: flat ones of shape ``[n, features]``, of which ``image_shape`` says
    how they lie, or arrays of shape ``[n, height, width]`` or ``[n, height, width, channels]``. The
    network sees pixels of 256 levels, so values are scaled from ``pixel_range`` to 0..255 and
    rounded:

    - ``uint8`` is raw pixels, 0..255;
    - other values that all lie in 0..1 are of that range;
    - of all others the smallest and the largest of the training images are black and white, as 0
      and 16 of scikit-learn's digits; the log says so, and ``pixel_range_`` has them.

    What leaves this range later is cut, with a warning where it is far outside. A ``pixel_range``
    that is given is a rule: what leaves it is an error.

    Args:
        config: The name of a recipe (see `mnistburn.recipe`), or a `TrainingConfig`, whose model,
            if it has one, gets the images and the classes of the data.
        num_epochs: How often the training images are gone through, in place of the configuration's.
        batch_size: The number of images of a step, likewise.
        learning_rate: The learning rate, likewise.
        image_shape: Height and width, and 3 channels for colours, of flat images. None takes a
            square number of features for grey squares. ``"pad"`` takes any number: they fill the
            smallest square of 5 by 5 pixels or more row by row, and the rest is black.
        pixel_range: The values of black and white; None for the rule above.
        class_weight: How much the images of each class count in the loss: a number by label, 1 for
            those that are left out; ``"balanced"`` for all classes alike, whatever the number of
            their images; None for all images alike.
        validation_fraction: The share of the images that is not trained with, and on which each
            epoch is measured for ``history_``; None trains with all of them.
        callbacks: Callbacks of the training, as `mnistburn.train` takes them. What looks at the
            validation, as `EarlyStopping` does, needs ``validation_fraction``.
        device: Where to compute.
        threads: The number of threads that train on the CPU. None takes OMP_NUM_THREADS, which
            joblib sets in the processes of ``n_jobs``, so that they share the cores; else that of
            the configuration. The result does not depend on it.
        random_state: What the seed of the training comes from, as elsewhere in scikit-learn: the
            same integer gives the same bits on the CPU.
        verbose: Whether progress is shown.

    Attributes:
        classes_: The labels, sorted.
        model_: The `Model`, to save or to export.
        config_: The `TrainingConfig` that was trained with.
        history_: The metrics of each epoch, by name; those of `fit` alone.
        image_shape_: The height, the width and the channels of the images.
        pixel_range_: The values of black and white.
        n_features_in_: The number of values of an image.
        feature_names_in_: The names of the columns, where X is a data frame.

    Example:
        >>> from mnistburn.sklearn import BurnClassifier
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.model_selection import train_test_split
        >>> images, labels = load_digits(return_X_y=True)
        >>> parts = train_test_split(images, labels, stratify=labels, random_state=0)
        >>> classifier = BurnClassifier(random_state=0).fit(parts[0], parts[2])
        >>> classifier.score(parts[1], parts[3]) > 0.97
        True
    """

    model_: Model
    config_: TrainingConfig
    classes_: NDArray[Any]
    image_shape_: ImageShape
    pixel_range_: tuple[float, float]

    def __init__(
        self,
        config: str | TrainingConfig = "fast",
        *,
        num_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        image_shape: tuple[int, ...] | Literal["pad"] | None = None,
        pixel_range: tuple[float, float] | None = None,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        validation_fraction: float | None = None,
        callbacks: Sequence["CallbackLike"] = (),
        device: str | Sequence[str] = "cpu",
        threads: int | None = None,
        random_state: int | numpy.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.config = config
        self.num_epochs = num_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.image_shape = image_shape
        self.pixel_range = pixel_range
        self.class_weight = class_weight
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.device = device
        self.threads = threads
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: ArrayLike,  # noqa: N803  as scikit-learn has it
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train a network anew.

        Args:
            X: The images.
            y: Their labels, of any type.
            sample_weight: How much each image counts in the loss, of shape ``[n]``; None for all
                alike. Those of weight 0 are left out.

        Returns:
            The classifier itself.

        Raises:
            ValueError: The images, the labels or a parameter break a rule.
            TrainingError: The training cannot go on.
            KeyboardInterrupt: Ctrl-C was pressed.
        """
        images, labels = self._begin(X, y)
        classes, targets = numpy.unique(labels, return_inverse=True)
        weights = self._weights(sample_weight, images, labels)
        data = self._dataset(images, targets, self._set_classes(classes), weights)
        seed = self._seed()
        train, valid = data, _one_of_each(data)
        if self.validation_fraction is None:
            self._check_callbacks()
        else:
            train, valid = data.split(self.validation_fraction, seed)
        config = self._config(train, seed)
        with _scratch_folder() as folder, _quiet_about_validation(self.validation_fraction is None):
            run = mnistburn.train(
                folder / "run",
                config,
                self.device,
                data=(train, valid),
                callbacks=self.callbacks,
                progress=bool(self.verbose),
            )
        if run.interrupted:
            raise KeyboardInterrupt
        self.model_ = run.model
        self.config_ = run.config
        self.history_ = {
            name: list(column)
            for name, column in run.history.items()
            # Without a share for it, what the training validates on has been trained with.
            if self.validation_fraction is not None or not name.startswith("valid_")
        }
        self._optimizer: Optimizer | None = None
        self._num_passes = 0
        return self

    def partial_fit(
        self,
        X: ArrayLike,  # noqa: N803  as scikit-learn has it
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Go through the images once, and go on with the network there is.

        The learning rate is the parameter ``learning_rate`` as it is at the call, else that of the
        configuration, whose schedule is for a whole training; the optimizer keeps its state from
        call to call. The first call without `fit` before it
        settles the shape of the images, their range and the classes.

        Args:
            X: The images.
            y: Their labels.
            classes: All labels that there will be; needed for the first call alone.
            sample_weight: How much each image counts in the loss, as in `fit`.

        Returns:
            The classifier itself.

        Raises:
            ValueError: The images, the labels or a parameter break a rule.
        """
        if self.class_weight == "balanced":
            message = (
                "class_weight='balanced' needs all images at once, and partial_fit has a part; "
                "pass a number by label, or use fit"
            )
            raise ValueError(message)
        first = not hasattr(self, "model_")
        images, labels = self._begin(X, y) if first else self._next(X, y)
        if first:
            if classes is None:
                message = "classes must be passed on the first call to partial_fit: all labels"
                raise ValueError(message)
            names = self._set_classes(numpy.unique(numpy.asarray(classes)))
        elif classes is not None and not numpy.array_equal(self.classes_, numpy.unique(classes)):
            message = f"classes must be those of the first call, {self.classes_}, got {classes}"
            raise ValueError(message)
        else:
            names = list(self.model_.class_names) if self.model_.class_names else None
        strangers = numpy.setdiff1d(labels, self.classes_)
        if len(strangers):
            message = f"y has labels that are not in classes: {strangers[:5]}"
            raise ValueError(message)
        weights = self._weights(sample_weight, images, labels)
        targets = numpy.searchsorted(self.classes_, labels)
        data = self._dataset(images, targets, names, weights)
        if first:
            self.config_ = self._config(data, self._seed())
            # Several devices share the steps of a training alone.
            device = self.device if isinstance(self.device, str) else self.device[0]
            self.model_ = Model(self.config_.model, device, self.config_.seed, class_names=names)
            self._optimizer, self._num_passes = None, 0
        self._pass(data)
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803  as scikit-learn has it
        """Tell the label of each image.

        Args:
            X: The images.

        Returns:
            The labels, of shape ``[n]``.
        """
        check_is_fitted(self)
        labels: NDArray[Any] = self.classes_[self.model_.predict(self._pixels(X))]
        return labels

    def predict_proba(self, X: ArrayLike) -> NDArray[numpy.float64]:  # noqa: N803
        """Tell the probability of each class for each image.

        Args:
            X: The images.

        Returns:
            The probabilities, of shape ``[n, classes]``; rows sum to 1.
        """
        check_is_fitted(self)
        values = self.model_.predict_proba(self._pixels(X)).astype(numpy.float64)
        probabilities: NDArray[numpy.float64] = values / values.sum(axis=1, keepdims=True)
        return probabilities

    def decision_function(self, X: ArrayLike) -> NDArray[numpy.float64]:  # noqa: N803
        """Tell the logits of each image.

        Args:
            X: The images.

        Returns:
            The logits, of shape ``[n, classes]``; with two classes by how much the logit of the
            second is above that of the first, of shape ``[n]``.
        """
        check_is_fitted(self)
        logits = self.model_.forward(self._pixels(X)).astype(numpy.float64)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits  # noqa: PLR2004

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401  scikit-learn's own
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _begin(self, X: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: N803
        """Return the images of a first fit and their labels, and settle shape and range."""
        flat, shape = flat_images(X)
        values, labels = validate_data(self, flat, y)
        check_classification_targets(labels)
        self.image_shape_ = shape_of_flat(self.image_shape, values.shape[1], shape)
        self.pixel_range_ = range_of(self.pixel_range, values)
        return values, labels

    def _next(self, X: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:  # noqa: N803
        """Return further images and their labels."""
        flat, shape = flat_images(X)
        values, labels = validate_data(self, flat, y, reset=False)
        self._check_shape(shape)
        return values, labels

    def _check_shape(self, shape: ImageShape | None) -> None:
        if shape is not None and shape != self.image_shape_:
            message = (
                f"X has images of {shape}, but BurnClassifier is expecting {self.image_shape_}"
            )
            raise ValueError(message)

    def _set_classes(self, classes: NDArray[Any]) -> list[str] | None:
        """Take the labels, and return their names for the model, or None where they have none."""
        if len(classes) < 2:  # noqa: PLR2004  one class is no classification
            message = f"y must have labels of two classes or more, got 1 class: {classes}"
            raise ValueError(message)
        self.classes_ = classes
        names = [str(label) for label in classes]
        return names if all(names) and len(set(names)) == len(names) else None

    def _pixels(self, X: ArrayLike) -> NDArray[numpy.uint8]:  # noqa: N803
        """Return images as raw pixels."""
        flat, shape = flat_images(X)
        values = validate_data(self, flat, reset=False)
        self._check_shape(shape)
        return self._scaled(values)

    def _scaled(self, values: NDArray[Any]) -> NDArray[numpy.uint8]:
        return pixels_of(
            values, self.image_shape_, self.pixel_range_, exact=self.pixel_range is not None
        )

    def _weights(
        self, sample_weight: ArrayLike | None, images: NDArray[Any], labels: NDArray[Any]
    ) -> NDArray[numpy.float64] | None:
        """Return how much each image counts; None for all alike."""
        if sample_weight is None and self.class_weight is None:
            return None
        weights: NDArray[numpy.float64] = _check_sample_weight(
            sample_weight, images, dtype=numpy.float64, ensure_non_negative=True
        )
        if self.class_weight is not None:
            weights = weights * compute_sample_weight(self.class_weight, labels)
        if not weights.any():
            message = "class_weight must leave images to train with, and all weights are 0"
            raise ValueError(message)
        return weights

    def _dataset(
        self,
        values: NDArray[Any],
        targets: NDArray[Any],
        names: Sequence[str] | None,
        weights: NDArray[numpy.float64] | None,
    ) -> Dataset:
        if weights is not None and not weights.all():
            counted = weights > 0
            values, targets, weights = values[counted], targets[counted], weights[counted]
        return Dataset(self._scaled(values), targets, names, weights)

    def _seed(self) -> int:
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _check_callbacks(self) -> None:
        early = [callback for callback in self.callbacks if isinstance(callback, EarlyStopping)]
        if early:
            message = (
                f"callbacks has {early[0]}, which needs images that are not trained with; set a "
                "share aside with validation_fraction=0.1"
            )
            raise ValueError(message)

    def _config(self, data: Dataset, seed: int) -> TrainingConfig:
        """Return what is trained with."""
        if isinstance(self.config, TrainingConfig):
            config = self.config
        else:
            config = recipe(
                self.config, data, num_epochs=self.num_epochs, batch_size=self.batch_size
            )
        values: dict[str, Any] = {
            "num_epochs": self.num_epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "threads": _allowed_threads() if self.threads is None else self.threads,
        }
        height, width, channels = data.image_shape
        model = config.model
        if model is None:
            model = fitting_model(data, data)
        model = replace(
            model,
            num_classes=len(self.classes_),
            image_height=height,
            image_width=width,
            image_channels=channels,
        )
        given = {name: value for name, value in values.items() if value is not None}
        return replace(config, model=model, seed=seed, **given)

    def _pass(self, data: Dataset) -> None:
        """Take the steps of one epoch."""
        config = self.config_
        plain = TrainingConfig()
        ignored = [name for name in _OF_FIT if getattr(config, name) != getattr(plain, name)]
        if ignored:
            message = (
                f"partial_fit takes plain steps, and the configuration has {ignored[0]}="
                f"{getattr(config, ignored[0])!r}; use fit, or a configuration without it"
            )
            raise ValueError(message)
        if self._optimizer is None:
            self._optimizer = config.optimizer.init()
        self._num_passes += 1
        if config.augmentation is not None:
            images = config.augmentation.apply(
                data.images, seed=config.seed, epoch=self._num_passes
            )
            data = Dataset(images, data.targets, data.class_names, data.weights)
        order = (config.seed + self._num_passes) % 2**32
        rate = config.learning_rate
        if self.learning_rate is not None:
            # It may have changed since the first call.
            rate = replace(config, learning_rate=self.learning_rate).learning_rate
        for batch in DataLoader(data, config.batch_size, shuffle=order):
            out = self.model_.forward_classification(
                batch.images, batch.targets, weights=batch.weights
            )
            self.model_ = self._optimizer.step(rate, self.model_, out.loss.backward())


def _one_of_each(data: Dataset) -> Dataset:
    """Return an image of each class: what to validate on where nothing is set aside for it."""
    return data.subset(numpy.unique(data.targets, return_index=True)[1])


def _allowed_threads() -> int | None:
    text = os.environ.get("OMP_NUM_THREADS", "")
    return int(text) if text.isdecimal() and int(text) > 0 else None


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    """Yield a folder that goes away: in memory where there is room, as joblib has it."""
    place = "/dev/shm"  # noqa: S108  the folder within is made by tempfile
    try:
        in_memory = shutil.disk_usage(place).free >= _ROOM and os.access(place, os.W_OK)
    except OSError:
        in_memory = False
    explicit = any(name in os.environ for name in ("TMPDIR", "TEMP", "TMP"))
    with tempfile.TemporaryDirectory(
        prefix="mnistburn-", dir=place if in_memory and not explicit else None
    ) as folder:
        yield Path(folder)


@contextmanager
def _quiet_about_validation(quiet: bool) -> Iterator[None]:  # noqa: FBT001  a condition
    """Keep back what the training says of images to validate on that nobody set aside."""
    thread = threading.get_ident()

    def passes(record: logging.LogRecord) -> bool:
        return record.thread != thread or "validation images" not in record.getMessage()

    logger = logging.getLogger("mnistburn")
    if quiet:
        logger.addFilter(passes)
    try:
        yield
    finally:
        logger.removeFilter(passes)
