"""Stochastic gradient descent."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from mnistburn import _native
from mnistburn.config.optimizers.clipping import GradientClippingConfig
from mnistburn.config.optimizers.penalty import PenaltyOptimizer
from mnistburn.settings import Part, check_type

__all__ = ["MomentumConfig", "SgdConfig"]


@dataclass(frozen=True, kw_only=True)
class MomentumConfig(Part):
    """How earlier gradients go on to count in a step of SGD, with the defaults of Burn.

    Attributes:
        momentum: What is kept of the sum of gradients at each step, at least 0 and below 1.
        dampening: The share of a gradient that is left out of the sum, from 0 to 1. The first
            gradient counts in full.
        nesterov: Whether a step looks ahead, and adds the gradient once more.

    Example:
        >>> import mnistburn
        >>> mnistburn.MomentumConfig(nesterov=True)
        MomentumConfig(momentum=0.9, dampening=0.1, nesterov=True)
    """

    momentum: float = 0.9
    dampening: float = 0.1
    nesterov: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        text = json.dumps({"momentum": self._json_object()})
        checked = json.loads(_native.complete_config("sgd", text))["momentum"]
        self._keep(checked, tuple(checked))


@dataclass(frozen=True, kw_only=True)
class SgdConfig(PenaltyOptimizer):
    """Stochastic gradient descent, with the defaults of Burn.

    Its steps are as long as the gradients, so it takes learning rates far above those of Adam.

    Attributes:
        weight_decay: The penalty times which each parameter is added to its gradient, or None.
        momentum: How earlier gradients go on to count, or None.
        gradient_clipping: How gradients are limited, or None.

    Example:
        >>> import mnistburn
        >>> momentum = mnistburn.MomentumConfig(dampening=0.0)
        >>> mnistburn.SgdConfig(momentum=momentum).init()
        Optimizer(SgdConfig(weight_decay=None, momentum=MomentumConfig(momentum=0.9, \
dampening=0.0, nesterov=False), gradient_clipping=None))
    """

    _kind: ClassVar[str] = "sgd"
    _tag: ClassVar[str] = "Sgd"
    _clipping: ClassVar[str] = "gradient_clipping"

    weight_decay: float | None = None
    momentum: MomentumConfig | None = None
    gradient_clipping: GradientClippingConfig | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        if self.momentum is not None:
            check_type("momentum", self.momentum, MomentumConfig)
        super().__post_init__()

    def _take(self, checked: dict[str, Any]) -> None:
        super()._take({name: value for name, value in checked.items() if name != "momentum"})

    @classmethod
    def _from_checked(cls, checked: dict[str, Any]) -> Self:
        momentum = checked["momentum"]
        if momentum is not None:
            momentum = MomentumConfig(**momentum)
        return super()._from_checked({**checked, "momentum": momentum})
