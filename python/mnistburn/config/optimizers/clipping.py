"""How gradients are limited before a step."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from mnistburn import _native
from mnistburn.arguments import shown
from mnistburn.errors import ConfigError
from mnistburn.optimizer import OptimizerSettings
from mnistburn.settings import Part, check_type, json_value

__all__ = ["ClippedOptimizer", "GradientClippingConfig"]


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


class ClippedOptimizer(OptimizerSettings):
    """An optimizer whose gradients can be clipped."""

    # Burn's optimizers do not all call it the same.
    _clipping: ClassVar[str] = "grad_clipping"

    def __post_init__(self) -> None:
        """Check the values."""
        clipping = getattr(self, self._clipping)
        if clipping is not None:
            check_type(self._clipping, clipping, GradientClippingConfig)
        self._take(self._complete())

    def _take(self, checked: dict[str, Any]) -> None:
        """Take over the checked values but for those that have a type of their own."""
        self._keep(checked, tuple(name for name in checked if name != self._clipping))

    @classmethod
    def _from_checked(cls, checked: dict[str, Any]) -> Self:
        clipping = checked[cls._clipping]
        if clipping is not None:
            clipping = GradientClippingConfig(
                value=clipping.get("Value"), norm=clipping.get("Norm")
            )
        return cls(**{**checked, cls._clipping: clipping})
