"""The loss of a training step, and the gradients that follow from it."""

from collections.abc import Iterator

import numpy
from numpy.typing import NDArray

from mnistburn import _native
from mnistburn.arguments import nearest, shown

__all__ = ["Gradients", "Loss"]


class Gradients:
    """The gradients of one step, as values: they are not kept on the parameters.

    Example:
        >>> import mnistburn
        >>> model = mnistburn.Model(mnistburn.ModelConfig(hidden_size=16), seed=1)
        >>> batch = mnistburn.datasets.load("mnist", split="test")[:8]
        >>> gradients = model.forward_classification(batch.images, batch.targets).loss.backward()
        >>> gradients["linear1.weight"].shape
        (1024, 16)
    """

    def __init__(self, native: _native.Gradients) -> None:
        """Wrap what the Rust core computed; `Loss.backward` makes these objects."""
        self._native = native

    def names(self) -> list[str]:
        """Return the names of the parameters that have a gradient, as in the state dictionary."""
        return self._native.names()

    def norm(self) -> float:
        """Return the L2 norm of all gradients together."""
        return self._native.norm()

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
    """The mean cross-entropy of a batch; ``float(loss)`` is its number."""

    def __init__(self, native: _native.Loss) -> None:
        """Wrap what the Rust core computed; `Model.forward_classification` makes these objects."""
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
        return Gradients(self._native.backward())

    def __repr__(self) -> str:
        """Return the number."""
        return f"Loss({float(self):.6g})"
