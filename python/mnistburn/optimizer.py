"""The optimizer of a custom training loop.

Example:
    >>> import mnistburn
    >>> model = mnistburn.Model(mnistburn.ModelConfig(hidden_size=16), seed=1)
    >>> optimizer = mnistburn.AdamConfig().init()
    >>> dataset = mnistburn.datasets.load("mnist", split="test")[:128]
    >>> for batch in mnistburn.DataLoader(dataset, batch_size=64, shuffle=42):
    ...     out = model.forward_classification(batch.images, batch.targets)
    ...     model = optimizer.step(1e-3, model, out.loss.backward())
"""

import json
from collections.abc import Callable
from typing import ClassVar

from mnistburn import _native
from mnistburn.arguments import as_number, shown
from mnistburn.device import resolve_device
from mnistburn.errors import ConfigError
from mnistburn.gradients import Gradients
from mnistburn.model import Model
from mnistburn.settings import File

__all__ = ["Optimizer", "OptimizerSettings", "check_optimizer"]


class OptimizerSettings(File):
    """A configuration that an optimizer is made from, such as `AdamConfig`."""

    _tag: ClassVar[str]

    def init(self) -> "Optimizer":
        """Make an optimizer, its state empty.

        Returns:
            The optimizer.
        """
        return Optimizer(self)

    def _tagged(self) -> dict[str, object]:
        """Return the JSON object that says also which optimizer it is."""
        return {self._tag: self._json_object()}


class Optimizer:
    """An optimizer with its state, such as the running means of the gradients."""

    def __init__(self, config: OptimizerSettings) -> None:
        """Make an optimizer, its state empty; the same as ``config.init()``.

        Args:
            config: The configuration.

        Raises:
            ConfigError: The configuration is of another type.
        """
        check_optimizer("config", config)
        self._config = config
        self._native = _native.Optimizer(json.dumps(config._tagged()))  # noqa: SLF001

    @property
    def config(self) -> OptimizerSettings:
        """The configuration."""
        return self._config

    def step(self, learning_rate: float, model: Model, gradients: Gradients) -> Model:
        """Take one step against the gradients.

        Args:
            learning_rate: The size of the step, at least 0.
            model: The model the gradients are of.
            gradients: What ``loss.backward()`` gave.

        Returns:
            The updated model. The one passed in stays as it was.

        Raises:
            ConfigError: The learning rate is negative or not finite, or an argument is of another
                type.
            TrainingError: The gradients do not fit the model.
        """
        rule = "learning_rate must be a finite number of at least 0"
        rate = as_number(learning_rate, rule, ConfigError)
        if rate < 0.0:
            message = f"{rule}, got {shown(learning_rate)}"
            raise ConfigError(message)
        if not isinstance(model, Model):
            message = (
                f"model must be a Model, got {shown(model)}; the order is (rate, model, grads)"
            )
            raise ConfigError(message)
        if not isinstance(gradients, Gradients):
            message = f"gradients must be Gradients, got {shown(gradients)}; call loss.backward()"
            raise ConfigError(message)
        return model._with(self._native.step(rate, model._native, gradients._native))  # noqa: SLF001

    def __reduce__(self) -> tuple[Callable[..., "Optimizer"], tuple[object, ...]]:
        """Take part in pickling and copying: a copy has the same state, of its own."""
        return _restored, (self._config, self._native.state())

    def __repr__(self) -> str:
        """Return the configuration."""
        return f"Optimizer({self._config!r})"


def _restored(config: OptimizerSettings, state: tuple[bytes, str, str] | None) -> Optimizer:
    """Make an optimizer of what its `__reduce__` gave; the bytes are parsed, and nothing is run."""
    optimizer = Optimizer(config)
    if state is not None:
        content, model, device = state
        tagged = json.dumps(config._tagged())  # noqa: SLF001
        native = _native.Optimizer.restore(tagged, (content, model, resolve_device(device)))
        optimizer._native = native  # noqa: SLF001
    return optimizer


def check_optimizer(name: str, value: object) -> None:
    """Refuse what is no configuration of an optimizer."""
    if not isinstance(value, OptimizerSettings):
        message = (
            f"{name} must be the configuration of an optimizer, got {shown(value)}; "
            "pass AdamConfig(), SgdConfig() or another of mnistburn.config"
        )
        raise ConfigError(message)
