"""The configurations: what a model, an optimizer and a training are made from.

They mirror the Burn `Config` types of the same names: same fields, same defaults, and a JSON that
Burn reads and writes. The rules are kept in one place, the Rust core; a configuration asks it when
it is built, so that one that exists is valid.

Example:
    >>> import dataclasses, mnistburn
    >>> config = mnistburn.TrainingConfig(num_epochs=2, learning_rate=3e-4)
    >>> config.batch_size, config.model.hidden_size
    (64, 512)
    >>> longer = dataclasses.replace(config, num_epochs=5)
    >>> mnistburn.TrainingConfig.from_json(longer.to_json()) == longer
    True
"""

import contextlib
import errno
import json
import math
import os
import threading
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy

from mnistburn import _native
from mnistburn.arguments import as_path, shown
from mnistburn.errors import ConfigError

if TYPE_CHECKING:
    from mnistburn.optimizer import Optimizer

__all__ = [
    "AdamConfig",
    "CosineAnnealingLrSchedulerConfig",
    "ExponentialLrSchedulerConfig",
    "GradientClippingConfig",
    "LearningRateSchedule",
    "LinearLrSchedulerConfig",
    "ModelConfig",
    "NoamLrSchedulerConfig",
    "StepLrSchedulerConfig",
    "TrainingConfig",
]

# A configuration takes about a kilobyte: a larger file is something else.
_LARGEST_FILE: Final = 1 << 20
# Wider integers are beyond what a JSON reader keeps exactly.
_WIDEST_INTEGER: Final = 64


def _json_value(value: object) -> object:
    """Return the value as JSON can hold it.

    What JSON cannot hold is sent as text, so that the rule's own message names the value.
    """
    if isinstance(value, numpy.generic):
        value = value.item()
    if isinstance(value, int) and value.bit_length() > _WIDEST_INTEGER:
        return shown(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        # A lone surrogate is no valid JSON.
        return value.encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, bool | int | float):
        return value
    return shown(value)


def _json_fields(config: Any) -> dict[str, object]:  # noqa: ANN401  any of the dataclasses below
    """Return the fields of a configuration as JSON values, nested ones as objects."""
    return {
        item.name: value._json_object() if isinstance(value, _Part) else _json_value(value)  # noqa: SLF001
        for item in fields(config)
        for value in [getattr(config, item.name)]
    }


def _check_type(name: str, value: object, expected: type, *, article: str = "a") -> None:
    if not isinstance(value, expected):
        message = (
            f"{name} must be {article} {expected.__name__}, got {shown(value)}; "
            f"pass {expected.__name__}(...)"
        )
        raise ConfigError(message)


class _Part:
    """What can be a part of a configuration's JSON."""

    def _json_object(self) -> dict[str, object]:
        return _json_fields(self)

    def _keep(self, checked: dict[str, Any], names: tuple[str, ...]) -> None:
        """Take over the checked values: a NumPy number becomes a plain one, 1 becomes 1.0."""
        for name in names:
            object.__setattr__(self, name, checked[name])


class _File(_Part):
    """A configuration with a JSON text and a file of its own."""

    _kind: ClassVar[str]

    def _complete(self) -> dict[str, Any]:
        """Return the configuration as the Rust core understands it, every key present."""
        text = _native.complete_config(self._kind, json.dumps(self._json_object()))
        checked: dict[str, Any] = json.loads(text)
        return checked

    @classmethod
    def _from_checked(cls, checked: dict[str, Any]) -> Self:
        """Build the configuration from JSON that has every key."""
        return cls(**checked)

    def to_json(self) -> str:
        """Return the configuration as the pretty JSON of the Burn `Config` of this name.

        Keys that Burn's type lacks are left out while they hold their defaults.

        Returns:
            The JSON text, without a final line break.
        """
        return _native.burn_config(self._kind, json.dumps(self._json_object()))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Build a configuration from JSON, as this package or Burn writes it.

        Args:
            text: The JSON text. Missing keys take their defaults.

        Returns:
            The configuration.

        Raises:
            ConfigError: The text is no JSON, a key is unknown, or a value breaks its rule.
        """
        if not isinstance(text, str):
            message = f"text must be a str that holds JSON, got {shown(text)}"
            raise ConfigError(message)
        try:
            text.encode()
        except UnicodeEncodeError as error:
            message = f"text must be Unicode text without lone surrogates: {error}"
            raise ConfigError(message) from None
        return cls._from_checked(json.loads(_native.complete_config(cls._kind, text)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the configuration to a JSON file, whole or not at all.

        Args:
            path: The file; an existing one is replaced.

        Raises:
            ConfigError: The path is none, or is a device, a pipe or a socket.
            OSError: The file cannot be written.
        """
        target = as_path(path, "path", ConfigError)
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        if target.exists() and not target.is_file():
            # The file would take its place.
            message = f"{target} is not a regular file; save to another path"
            raise ConfigError(message)
        temporary = target.with_name(f".mnistburn-{os.getpid()}-{threading.get_ident()}.tmp")
        text = self.to_json() + "\n"
        try:
            with temporary.open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except OSError as error:
            # The caller knows the target, not the temporary file.
            raise type(error)(error.errno, error.strerror, str(target)) from None
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a configuration from a JSON file.

        Args:
            path: The file, for example the ``config.json`` of an artifact directory.

        Returns:
            The configuration.

        Raises:
            ConfigError: The file holds no valid configuration; the message names the file.
            OSError: The file cannot be read.
        """
        source = as_path(path, "path", ConfigError)
        if source.exists() and not source.is_file() and not source.is_dir():
            message = f"{source} is not a regular file"
            raise ConfigError(message)
        with source.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            message = f"{source} is larger than {_LARGEST_FILE} bytes: this is no configuration"
            raise ConfigError(message)
        try:
            return cls.from_json(content.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            message = f"{source} is not UTF-8 text: {error}"
            raise ConfigError(message) from None
        except ConfigError as error:
            message = f"{source}: {error}"
            raise ConfigError(message) from None


@dataclass(frozen=True, kw_only=True)
class ModelConfig(_File):
    """The guide model of the Burn book: two convolutions, pooling, two linear layers.

    Attributes:
        num_classes: The number of classes, the length of the logits.
        hidden_size: The number of features between the two linear layers.
        dropout: The share of values set to zero in training, at least 0 and below 1.

    Example:
        >>> import mnistburn
        >>> mnistburn.ModelConfig(hidden_size=64)
        ModelConfig(num_classes=10, hidden_size=64, dropout=0.5)
    """

    _kind: ClassVar[str] = "model"

    num_classes: int = 10
    hidden_size: int = 512
    dropout: float = 0.5

    def __post_init__(self) -> None:
        """Check the values."""
        self._keep(self._complete(), ("num_classes", "hidden_size", "dropout"))


@dataclass(frozen=True, kw_only=True)
class GradientClippingConfig(_Part):
    """How gradients are limited before a step: give exactly one of the two.

    Attributes:
        value: The largest magnitude of a single element; larger ones are cut.
        norm: The largest L2 norm of a parameter's gradient; a longer one is scaled down.

    Example:
        >>> import mnistburn
        >>> mnistburn.GradientClippingConfig(norm=1.0)
        GradientClippingConfig(value=None, norm=1.0)
    """

    value: float | None = None
    norm: float | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if (self.value is None) == (self.norm is None):
            message = (
                "GradientClippingConfig takes exactly one of value and norm, "
                f"got value={shown(self.value)} and norm={shown(self.norm)}"
            )
            raise ConfigError(message)
        text = json.dumps({"grad_clipping": self._json_object()})
        checked = json.loads(_native.complete_config("adam", text))["grad_clipping"]
        object.__setattr__(self, "value", checked.get("Value"))
        object.__setattr__(self, "norm", checked.get("Norm"))

    def _json_object(self) -> dict[str, object]:
        if self.norm is None:
            return {"Value": _json_value(self.value)}
        return {"Norm": _json_value(self.norm)}


@dataclass(frozen=True, kw_only=True)
class AdamConfig(_File):
    """The Adam optimizer, with the defaults of Burn.

    Attributes:
        beta_1: The decay of the mean of the gradients.
        beta_2: The decay of the mean of their squares.
        epsilon: What is added to the denominator, against division by zero.
        amsgrad: Whether the largest mean of squares so far is used.
        weight_decay: The penalty times which each parameter is added to its gradient, or None.
        grad_clipping: How gradients are limited, or None.

    Example:
        >>> import mnistburn
        >>> mnistburn.AdamConfig(weight_decay=5e-5).init()
        Optimizer(AdamConfig(beta_1=0.9, beta_2=0.999, epsilon=1e-05, amsgrad=False, \
weight_decay=5e-05, grad_clipping=None))
    """

    _kind: ClassVar[str] = "adam"

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-5
    amsgrad: bool = False
    weight_decay: float | None = None
    grad_clipping: GradientClippingConfig | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if self.grad_clipping is not None:
            _check_type("grad_clipping", self.grad_clipping, GradientClippingConfig)
        checked = self._complete()
        self._keep(checked, ("beta_1", "beta_2", "epsilon", "amsgrad"))
        object.__setattr__(self, "weight_decay", _penalty(checked["weight_decay"]))

    def _json_object(self) -> dict[str, object]:
        content = _json_fields(self)
        if self.weight_decay is not None:
            content["weight_decay"] = {"penalty": content["weight_decay"]}
        return content

    @classmethod
    def _from_checked(cls, checked: dict[str, Any]) -> Self:
        clipping = checked["grad_clipping"]
        if clipping is not None:
            clipping = GradientClippingConfig(
                value=clipping.get("Value"), norm=clipping.get("Norm")
            )
        decay = _penalty(checked["weight_decay"])
        return cls(**{**checked, "weight_decay": decay, "grad_clipping": clipping})

    def init(self) -> "Optimizer":
        """Make an optimizer, its state empty.

        Returns:
            The optimizer.
        """
        from mnistburn.optimizer import Optimizer  # noqa: PLC0415  it imports this module

        return Optimizer(self)


def _penalty(checked: dict[str, float] | None) -> float | None:
    return None if checked is None else checked["penalty"]


class _Schedule(_Part):
    """A learning-rate schedule; in JSON, an object under the schedule's name."""

    _tag: ClassVar[str]

    def __post_init__(self) -> None:
        """Check the values."""
        # The largest learning rate there is: whether the schedule fits under the one that will be
        # used is seen when it becomes part of a TrainingConfig.
        text = json.dumps({"learning_rate": 1.0, "lr_scheduler": self._json_object()})
        checked = json.loads(_native.complete_config("training", text))["lr_scheduler"]
        self._keep(checked[self._tag], tuple(checked[self._tag]))

    def _json_object(self) -> dict[str, object]:
        return {self._tag: _json_fields(self)}


@dataclass(frozen=True, kw_only=True)
class ExponentialLrSchedulerConfig(_Schedule):
    """The learning rate is multiplied by gamma after each step.

    Attributes:
        gamma: The factor of a step, above 0 and at most 1.
    """

    _tag: ClassVar[str] = "Exponential"

    gamma: float


@dataclass(frozen=True, kw_only=True)
class CosineAnnealingLrSchedulerConfig(_Schedule):
    """The learning rate follows a half cosine down to min_lr, then starts again.

    Attributes:
        num_iters: The number of steps of one descent.
        min_lr: The learning rate at its end.
    """

    _tag: ClassVar[str] = "CosineAnnealing"

    num_iters: int
    min_lr: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LinearLrSchedulerConfig(_Schedule):
    """The learning rate goes to final_lr in a straight line, then stays there.

    Attributes:
        final_lr: The learning rate at the end.
        num_iters: The number of steps on the way.
    """

    _tag: ClassVar[str] = "Linear"

    final_lr: float
    num_iters: int


@dataclass(frozen=True, kw_only=True)
class NoamLrSchedulerConfig(_Schedule):
    """The schedule of "Attention is all you need": a linear rise, then an inverse square root.

    The training's learning rate is the factor of the curve, not its start.

    Attributes:
        warmup_steps: The number of steps of the rise.
        model_size: The width by whose square root the curve is divided.
    """

    _tag: ClassVar[str] = "Noam"

    warmup_steps: int = 4000
    model_size: int = 512


@dataclass(frozen=True, kw_only=True)
class StepLrSchedulerConfig(_Schedule):
    """The learning rate is multiplied by gamma after every step_size steps.

    Attributes:
        step_size: The number of steps with the same learning rate.
        gamma: The factor.
    """

    _tag: ClassVar[str] = "Step"

    step_size: int
    gamma: float = 0.1


LearningRateSchedule = (
    ExponentialLrSchedulerConfig
    | CosineAnnealingLrSchedulerConfig
    | LinearLrSchedulerConfig
    | NoamLrSchedulerConfig
    | StepLrSchedulerConfig
)
"""Any schedule. Each starts from `TrainingConfig.learning_rate`."""

_SCHEDULES: Final[dict[str, type[Any]]] = {
    "Exponential": ExponentialLrSchedulerConfig,
    "CosineAnnealing": CosineAnnealingLrSchedulerConfig,
    "Linear": LinearLrSchedulerConfig,
    "Noam": NoamLrSchedulerConfig,
    "Step": StepLrSchedulerConfig,
}


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(_File):
    """A training, with the defaults of the Burn book.

    Attributes:
        model: The model.
        optimizer: The optimizer.
        num_epochs: How often the training images are gone through.
        batch_size: The number of images of a step.
        num_workers: The number of threads that prepare batches; the result does not depend on it.
        threads: The number of threads that compute on the CPU; None takes those of the environment
            variable RAYON_NUM_THREADS, else one for each core. The result does not depend on it.
        seed: The seed of the weights, the order of the images and dropout.
        learning_rate: The learning rate, or where the schedule starts.
        lr_scheduler: The learning-rate schedule, or None for a constant rate.
        recorder: The format of the checkpoints, one of the names that `Model.save` takes.

    Example:
        >>> import mnistburn
        >>> config = mnistburn.TrainingConfig(
        ...     model=mnistburn.ModelConfig(hidden_size=128),
        ...     lr_scheduler=mnistburn.CosineAnnealingLrSchedulerConfig(num_iters=938),
        ... )
        >>> config.learning_rate
        0.0001
    """

    _kind: ClassVar[str] = "training"

    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: AdamConfig = field(default_factory=AdamConfig)
    num_epochs: int = 10
    batch_size: int = 64
    num_workers: int = 4
    threads: int | None = None
    seed: int = 42
    learning_rate: float = 1e-4
    lr_scheduler: LearningRateSchedule | None = None
    recorder: str = "default"

    def __post_init__(self) -> None:
        """Check the values."""
        _check_type("model", self.model, ModelConfig)
        _check_type("optimizer", self.optimizer, AdamConfig, article="an")
        if self.lr_scheduler is not None and not isinstance(self.lr_scheduler, _Schedule):
            names = ", ".join(schedule.__name__ for schedule in _SCHEDULES.values())
            message = (
                f"lr_scheduler must be None or one of {names}, got {shown(self.lr_scheduler)}; "
                "a constant rate goes into learning_rate"
            )
            raise ConfigError(message)
        plain = (
            "num_epochs",
            "batch_size",
            "num_workers",
            "threads",
            "seed",
            "learning_rate",
            "recorder",
        )
        self._keep(self._complete(), plain)

    @classmethod
    def _from_checked(cls, checked: dict[str, Any]) -> Self:
        schedule = checked["lr_scheduler"]
        if schedule is not None:
            ((tag, content),) = schedule.items()
            schedule = _SCHEDULES[tag](**content)
        return cls(
            **{
                **checked,
                "model": ModelConfig._from_checked(checked["model"]),  # noqa: SLF001
                "optimizer": AdamConfig._from_checked(checked["optimizer"]),  # noqa: SLF001
                "lr_scheduler": schedule,
            }
        )
