"""Weight decay as a part of the gradient."""

from typing import Any, Self

from mnistburn.config.optimizers.clipping import ClippedOptimizer
from mnistburn.settings import json_fields

__all__ = ["PenaltyOptimizer"]


class PenaltyOptimizer(ClippedOptimizer):
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
