"""Adam."""

from dataclasses import dataclass
from typing import ClassVar

from mnistburn.config.optimizers.clipping import GradientClippingConfig
from mnistburn.config.optimizers.penalty import PenaltyOptimizer

__all__ = ["AdamConfig"]


@dataclass(frozen=True, kw_only=True)
class AdamConfig(PenaltyOptimizer):
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
    _tag: ClassVar[str] = "Adam"

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-5
    amsgrad: bool = False
    weight_decay: float | None = None
    grad_clipping: GradientClippingConfig | None = None
