"""AdaGrad."""

from dataclasses import dataclass
from typing import ClassVar

from mnistburn.config.optimizers.clipping import GradientClippingConfig
from mnistburn.config.optimizers.penalty import PenaltyOptimizer

__all__ = ["AdaGradConfig"]


@dataclass(frozen=True, kw_only=True)
class AdaGradConfig(PenaltyOptimizer):
    """The AdaGrad optimizer (Duchi, Hazan and Singer, 2011), with the defaults of Burn.

    Its steps are those of PyTorch's ``Adagrad``, whose default is another epsilon, 1e-10. They get
    shorter from step to step, so it takes learning rates above those of Adam.

    Attributes:
        lr_decay: How the learning rate falls: step t, from 1, divides it by
            ``1 + (t - 1) * lr_decay``.
        epsilon: What is added to the denominator, against division by zero.
        weight_decay: The penalty times which each parameter is added to its gradient, or None.
        grad_clipping: How gradients are limited, or None.

    Example:
        >>> import mnistburn
        >>> mnistburn.AdaGradConfig(weight_decay=1e-4).init()
        Optimizer(AdaGradConfig(lr_decay=0.0, epsilon=1e-05, weight_decay=0.0001, \
grad_clipping=None))
    """

    _kind: ClassVar[str] = "adagrad"
    _tag: ClassVar[str] = "AdaGrad"

    lr_decay: float = 0.0
    epsilon: float = 1e-5
    weight_decay: float | None = None
    grad_clipping: GradientClippingConfig | None = None
