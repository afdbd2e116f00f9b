"""The optimizers."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from mnistburn import _native
from mnistburn.arguments import shown
from mnistburn.config.base import File, Part, check_type, json_fields, json_value
from mnistburn.errors import ConfigError

if TYPE_CHECKING:
    from mnistburn.optimizer import Optimizer

__all__ = ["AdamConfig", "GradientClippingConfig"]


@dataclass(frozen=True, kw_only=True)
class GradientClippingConfig(Part):
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
            return {"Value": json_value(self.value)}
        return {"Norm": json_value(self.norm)}


@dataclass(frozen=True, kw_only=True)
class AdamConfig(File):
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
            check_type("grad_clipping", self.grad_clipping, GradientClippingConfig)
        checked = self._complete()
        self._keep(checked, ("beta_1", "beta_2", "epsilon", "amsgrad"))
        object.__setattr__(self, "weight_decay", _penalty(checked["weight_decay"]))

    def _json_object(self) -> dict[str, object]:
        content = json_fields(self)
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
