"""The optimizers."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from mnistburn import _native
from mnistburn.arguments import shown
from mnistburn.errors import ConfigError
from mnistburn.optimizer import OptimizerSettings
from mnistburn.settings import Part, check_type, json_fields, json_value

__all__ = [
    "OPTIMIZERS",
    "AdamConfig",
    "AdamWConfig",
    "GradientClippingConfig",
    "MomentumConfig",
    "OptimizerConfig",
    "SgdConfig",
    "optimizer_from",
]


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


class _Optimizer(OptimizerSettings):
    """What the configurations of optimizers have in common."""

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


class _PenaltyOptimizer(_Optimizer):
    """One whose weight decay is Burn's `WeightDecayConfig`: an object, and None without decay."""

    weight_decay: float | None

    def _take(self, checked: dict[str, Any]) -> None:
        super()._take({**checked, "weight_decay": _penalty(checked["weight_decay"])})

    def _json_object(self) -> dict[str, object]:
        content = json_fields(self)
        if self.weight_decay is not None:
            content["weight_decay"] = {"penalty": content["weight_decay"]}
        return content

    @classmethod
    def _from_checked(cls, checked: dict[str, Any]) -> Self:
        decay = _penalty(checked["weight_decay"])
        return super()._from_checked({**checked, "weight_decay": decay})


def _penalty(checked: dict[str, float] | None) -> float | None:
    return None if checked is None else checked["penalty"]


@dataclass(frozen=True, kw_only=True)
class AdamConfig(_PenaltyOptimizer):
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


@dataclass(frozen=True, kw_only=True)
class AdamWConfig(_Optimizer):
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
class SgdConfig(_PenaltyOptimizer):
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


OptimizerConfig = AdamConfig | AdamWConfig | SgdConfig
"""Any optimizer."""

OPTIMIZERS: Final[dict[str, type[OptimizerConfig]]] = {
    "Adam": AdamConfig,
    "AdamW": AdamWConfig,
    "Sgd": SgdConfig,
}


def optimizer_from(checked: dict[str, Any]) -> OptimizerConfig:
    """Build the configuration from the JSON object of a training's optimizer."""
    for tag, config in OPTIMIZERS.items():
        if tag in checked:
            return config._from_checked(checked[tag])  # noqa: SLF001
    # As in the Burn book.
    return AdamConfig._from_checked(checked)  # noqa: SLF001
