"""RMSprop."""

from dataclasses import dataclass
from typing import ClassVar

from mnistburn.config.optimizers.clipping import GradientClippingConfig
from mnistburn.config.optimizers.penalty import PenaltyOptimizer

__all__ = ["RmsPropConfig"]


@dataclass(frozen=True, kw_only=True)
class RmsPropConfig(PenaltyOptimizer):
    """The RMSprop optimizer (Tieleman and Hinton, 2012), with the defaults of Burn.

    Its steps are those of PyTorch's ``RMSprop``, whose defaults are another epsilon, 1e-8, and no
    momentum.

    Attributes:
        alpha: The decay of the mean of the squared gradients.
        momentum: What is kept of the sum of steps at each step, at least 0 and below 1; 0 forgets
            them.
        epsilon: What is added to the denominator, against division by zero.
        centered: Whether the denominator is the deviation of the gradients (Graves, 2013), and not
            the root of the mean of their squares.
        weight_decay: The penalty times which each parameter is added to its gradient, or None.
        grad_clipping: How gradients are limited, or None.

    Example:
        >>> import mnistburn
        >>> mnistburn.RmsPropConfig(momentum=0.0).init()
        Optimizer(RmsPropConfig(alpha=0.99, momentum=0.0, epsilon=1e-05, centered=False, \
weight_decay=None, grad_clipping=None))
    """

    _kind: ClassVar[str] = "rmsprop"
    _tag: ClassVar[str] = "RmsProp"

    alpha: float = 0.99
    momentum: float = 0.9
    epsilon: float = 1e-5
    centered: bool = False
    weight_decay: float | None = None
    grad_clipping: GradientClippingConfig | None = None
