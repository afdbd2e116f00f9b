"""Muon."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from mnistburn.config.optimizers.adamw import AdamWConfig
from mnistburn.config.optimizers.sgd import MomentumConfig
from mnistburn.optimizer import OptimizerSettings
from mnistburn.settings import check_type, json_fields, json_value

__all__ = ["MuonConfig"]


def _momentum() -> MomentumConfig:
    return MomentumConfig(momentum=0.95, dampening=0.0, nesterov=True)


@dataclass(frozen=True, kw_only=True)
class MuonConfig(OptimizerSettings):
    """The Muon optimizer (Jordan et al., 2024), with the defaults of Burn, and AdamW beside it.

    Muon takes steps that are orthogonal matrices, nearly. Here the matrices are the parameters of
    two dimensions or more: the weights of linear layers and those of convolutions, which have a
    row for each output. Biases, scales and shifts take the steps of AdamW, at the same learning
    rate.

    The orthogonal matrix costs some ten products of each weight with itself at every step. That is
    most of the time of a step of the networks here.

    Attributes:
        weight_decay: The share of each matrix, times the learning rate, that a step takes away, or
            None.
        momentum: How earlier gradients go on to count.
        ns_coefficients: The three coefficients of the Newton-Schulz iteration; kept as a tuple.
        epsilon: The least norm that a gradient is divided by.
        ns_steps: The number of Newton-Schulz iterations.
        adjust_lr_fn: What the learning rate of a matrix is multiplied by: with ``"Original"`` the
            root of outputs over inputs, at least 1; with ``"MatchRmsAdamW"`` (Liu et al., 2025) a
            fifth of the root of the larger of the two, for learning rates of AdamW.
        adamw: What steps the parameters that are no matrices.

    Example:
        >>> import mnistburn
        >>> muon = mnistburn.MuonConfig(adjust_lr_fn="MatchRmsAdamW", weight_decay=0.1)
        >>> config = mnistburn.TrainingConfig(optimizer=muon, learning_rate=1e-3)
    """

    _kind: ClassVar[str] = "muon"
    _tag: ClassVar[str] = "Muon"

    weight_decay: float | None = None
    momentum: MomentumConfig = field(default_factory=_momentum)
    ns_coefficients: Sequence[float] = (3.4445, -4.775, 2.0315)
    epsilon: float = 1e-7
    ns_steps: int = 5
    adjust_lr_fn: Literal["Original", "MatchRmsAdamW"] = "Original"
    adamw: AdamWConfig = field(default_factory=AdamWConfig)

    def __post_init__(self) -> None:
        """Check the values."""
        check_type("momentum", self.momentum, MomentumConfig)
        check_type("adamw", self.adamw, AdamWConfig)
        checked = self._complete()
        penalty = checked["weight_decay"]
        object.__setattr__(self, "weight_decay", penalty and penalty["penalty"])
        object.__setattr__(self, "ns_coefficients", tuple(checked["ns_coefficients"]))
        self._keep(checked, ("epsilon", "ns_steps", "adjust_lr_fn"))

    def _json_object(self) -> dict[str, object]:
        content = json_fields(self)
        if self.weight_decay is not None:
            content["weight_decay"] = {"penalty": content["weight_decay"]}
        if isinstance(self.ns_coefficients, list | tuple):
            content["ns_coefficients"] = [json_value(number) for number in self.ns_coefficients]
        return content

    @classmethod
    def _from_checked(cls, checked: dict[str, Any]) -> Self:
        penalty = checked["weight_decay"]
        return cls(
            **{
                **checked,
                "weight_decay": penalty and penalty["penalty"],
                "momentum": MomentumConfig(**checked["momentum"]),
                "adamw": AdamWConfig._from_checked(checked["adamw"]),  # noqa: SLF001
            }
        )
