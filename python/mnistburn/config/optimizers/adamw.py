"""AdamW."""

from dataclasses import dataclass
from typing import ClassVar

from mnistburn.config.optimizers.clipping import ClippedOptimizer, GradientClippingConfig

__all__ = ["AdamWConfig"]


@dataclass(frozen=True, kw_only=True)
class AdamWConfig(ClippedOptimizer):
    """The AdamW optimizer, with the defaults of Burn: Adam, and a decay beside the gradient.

    Attributes:
        beta_1: The decay of the mean of the gradients.
        beta_2: The decay of the mean of their squares.
        epsilon: What is added to the denominator, against division by zero.
        weight_decay: The share of each parameter, times the learning rate, that a step takes away.
        cautious_weight_decay: Whether only those parameters decay whose sign is that of the mean
            of their gradients.
        amsgrad: Whether the largest mean of squares so far is used.
        grad_clipping: How gradients are limited, or None.

    Example:
        >>> import mnistburn
        >>> config = mnistburn.TrainingConfig(optimizer=mnistburn.AdamWConfig(weight_decay=0.01))
        >>> config.optimizer.cautious_weight_decay
        False
    """

    _kind: ClassVar[str] = "adamw"
    _tag: ClassVar[str] = "AdamW"

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-5
    weight_decay: float = 1e-4
    cautious_weight_decay: bool = False
    amsgrad: bool = False
    grad_clipping: GradientClippingConfig | None = None
