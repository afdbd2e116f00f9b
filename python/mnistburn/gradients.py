"""The loss of a training step, and the gradients that follow from it."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy
from numpy.typing import ArrayLike, NDArray

from mnistburn import _native
from mnistburn.arguments import as_number, nearest, shown
from mnistburn.arrays import as_float32
from mnistburn.errors import ConfigError, TrainingError

__all__ = ["Gradients", "Loss"]

Number = float | numpy.integer[Any] | numpy.floating[Any]
"""A number of Python or NumPy."""


class Gradients:
    """The gradients of a loss, as values: they are not kept on the parameters, and never change.

    What changes gradients gives new ones: the sum of two (``a + b``, also ``sum(list)``), multiples
    (``0.5 * a``, ``a / 4``), `clip_by_norm`, `clip_by_value` and `replace`.

    Example:
        >>> import mnistburn
        >>> model = mnistburn.Model(mnistburn.ModelConfig(hidden_size=16), seed=1)
        >>> batch = mnistburn.datasets.load("mnist", split="test")[:8]
        >>> gradients = model.forward_classification(batch.images, batch.targets).loss.backward()
        >>> gradients["linear1.weight"].shape
        (1024, 16)
        >>> round(gradients.clip_by_norm(1.0).norm(), 3)
        1.0
    """

    def __init__(self, gradients: Mapping[str, ArrayLike]) -> None:
        """Make gradients of arrays.

        Args:
            gradients: The gradient of each parameter of a model by its name, of the shape that
                `Model.state_dict` gives it. Whether they are those of a model is seen by
                `Optimizer.step`.

        Raises:
            TrainingError: A value is no array of finite numbers.
        """
        self._native = _native.Gradients(_as_native(gradients))

    @classmethod
    def _wrap(cls, native: _native.Gradients) -> Self:
        gradients = cls.__new__(cls)
        gradients._native = native  # noqa: SLF001  a way to make one besides __init__
        return gradients

    def names(self) -> list[str]:
        """Return the names of the parameters that have a gradient, as in the state dictionary."""
        return self._native.names()

    def norm(self) -> float:
        """Return the L2 norm of all gradients together."""
        return self._native.norm()

    def clip_by_norm(self, max_norm: float) -> Self:
        """Scale all gradients down where their norm together is larger than a bound.

        It is PyTorch's ``clip_grad_norm_``: one factor, ``max_norm / (norm + 1e-6)``, for all
        parameters, so that the direction stays. ``GradientClippingConfig(norm=...)`` of an
        optimizer bounds the norm of each parameter by itself, as Burn does.

        Args:
            max_norm: The bound, above 0.

        Returns:
            The clipped gradients; these stay as they are.

        Raises:
            ConfigError: The bound is no number above 0.
            TrainingError: A gradient is not finite.
        """
        bound = as_number(max_norm, "max_norm must be a finite number above 0", ConfigError)
        return self._wrap(self._native.clip_by_norm(bound))

    def clip_by_value(self, max_value: float) -> Self:
        """Bound every element, as PyTorch's ``clip_grad_value_`` does.

        Args:
            max_value: The largest magnitude, above 0.

        Returns:
            The clipped gradients; these stay as they are.

        Raises:
            ConfigError: The bound is no number above 0.
            TrainingError: A gradient is not finite.
        """
        bound = as_number(max_value, "max_value must be a finite number above 0", ConfigError)
        return self._wrap(self._native.clip_by_value(bound))

    def replace(self, gradients: Mapping[str, ArrayLike]) -> Self:
        """Take other values for some of the parameters.

        Args:
            gradients: The new gradients by the names of their parameters.

        Returns:
            Gradients with these values; the ones called upon stay as they are.

        Raises:
            TrainingError: There is no such parameter, or a value has another shape or is no array
                of finite numbers.

        Example:
            >>> import numpy, mnistburn
            >>> gradients = mnistburn.Gradients({"bias": [3.0, 4.0], "weight": [[0.5]]})
            >>> gradients.replace({"weight": numpy.zeros((1, 1))}).norm()
            5.0
        """
        return self._wrap(self._native.replace(_as_native(gradients)))

    def __add__(self, other: "Gradients") -> Self:
        """Return the sum with the gradients of the same parameters.

        Raises:
            TrainingError: They are of other parameters.
        """
        if not isinstance(other, Gradients):
            return NotImplemented
        return self._wrap(self._native.add(other._native))

    def __radd__(self, other: object) -> Self:
        """Return the gradients where 0 stands before them, as `sum` begins."""
        if isinstance(other, int) and other == 0:
            return self
        return NotImplemented

    def __mul__(self, factor: Number) -> Self:
        """Return the gradients times a finite number.

        Raises:
            ConfigError: The number is not finite.
        """
        if isinstance(factor, Gradients):
            return NotImplemented
        return self._scale(factor)

    __rmul__ = __mul__

    def __truediv__(self, divisor: Number) -> Self:
        """Return the gradients divided by a number other than 0.

        Raises:
            ConfigError: The number is 0 or not finite.
        """
        rule = "gradients are divided by a finite number other than 0"
        number = as_number(divisor, rule, ConfigError)
        if number == 0.0:
            message = f"{rule}, got {shown(divisor)}"
            raise ConfigError(message)
        return self._wrap(self._native.scale(1.0 / number))

    def _scale(self, factor: Number) -> Self:
        number = as_number(factor, "gradients are scaled by a finite number", ConfigError)
        return self._wrap(self._native.scale(number))

    # NumPy would multiply element by element otherwise.
    __array_ufunc__ = None

    def __getitem__(self, name: str) -> NDArray[numpy.float32]:
        """Return the gradient of a parameter.

        Args:
            name: The parameter, for example ``"linear1.weight"``.

        Returns:
            A new float32 array of the parameter's shape.

        Raises:
            KeyError: There is no such parameter; the message proposes the nearest.
        """
        if name not in self:
            message = f"there is no gradient {shown(name)}{nearest(str(name), self.names())}"
            raise KeyError(message)
        shape, values = self._native.get(name)
        return numpy.frombuffer(values, dtype="<f4").reshape(shape)

    def __contains__(self, name: object) -> bool:
        """Return whether the parameter has a gradient."""
        return name in self.names()

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self.names())

    def __len__(self) -> int:
        """Return the number of gradients."""
        return len(self.names())

    def __repr__(self) -> str:
        """Return the number of gradients and their norm."""
        return f"Gradients({len(self)} parameters, norm={self.norm():.6g})"


class Loss:
    """The mean loss of a batch; ``float(loss)`` is its number."""

    def __init__(self, native: _native.Loss) -> None:
        """Wrap what the Rust core computed; `Model.forward_classification` makes these."""
        self._native = native

    def __float__(self) -> float:
        """Return the number."""
        return float(self._native)

    def backward(self) -> Gradients:
        """Compute the gradients of all parameters. The tape is used up by it.

        Returns:
            The gradients.

        Raises:
            TrainingError: The loss was already gone back from.
        """
        return Gradients._wrap(self._native.backward())  # noqa: SLF001

    def __repr__(self) -> str:
        """Return the number."""
        return f"Loss({float(self):.6g})"


def _as_native(gradients: object) -> list[tuple[str, list[int], NDArray[numpy.float32]]]:
    """Return gradients by name as the Rust core takes them."""
    if not isinstance(gradients, Mapping):
        message = f"gradients must be a dict of arrays by name, got {shown(gradients)}"
        raise TrainingError(message)
    arrays = {name: _as_gradient(name, value) for name, value in gradients.items()}
    return [(name, list(array.shape), array) for name, array in arrays.items()]


def _as_gradient(name: object, value: ArrayLike) -> NDArray[numpy.float32]:
    # A lone surrogate, which no Rust string can hold, is not printable either.
    if not isinstance(name, str) or not name.isprintable():
        message = f"the names of gradients are those that state_dict() gives, got {shown(name)}"
        raise TrainingError(message)
    return as_float32(value, f"the gradient of {name}", TrainingError)
