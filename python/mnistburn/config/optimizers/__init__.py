"""The optimizers."""

from typing import Any, Final

from mnistburn.config.optimizers.adagrad import AdaGradConfig
from mnistburn.config.optimizers.adam import AdamConfig
from mnistburn.config.optimizers.adamw import AdamWConfig
from mnistburn.config.optimizers.clipping import GradientClippingConfig
from mnistburn.config.optimizers.muon import MuonConfig
from mnistburn.config.optimizers.rmsprop import RmsPropConfig
from mnistburn.config.optimizers.sgd import MomentumConfig, SgdConfig

__all__ = [
    "OPTIMIZERS",
    "AdaGradConfig",
    "AdamConfig",
    "AdamWConfig",
    "GradientClippingConfig",
    "MomentumConfig",
    "MuonConfig",
    "OptimizerConfig",
    "RmsPropConfig",
    "SgdConfig",
    "optimizer_from",
]

OptimizerConfig = AdamConfig | AdamWConfig | SgdConfig | RmsPropConfig | AdaGradConfig | MuonConfig
"""Any optimizer."""

OPTIMIZERS: Final[dict[str, type[OptimizerConfig]]] = {
    config._tag: config  # noqa: SLF001
    for config in (AdamConfig, AdamWConfig, SgdConfig, RmsPropConfig, AdaGradConfig, MuonConfig)
}
"""The configurations by the names of their kinds in JSON."""


def optimizer_from(checked: dict[str, Any]) -> OptimizerConfig:
    """Build the configuration from the JSON object of a training's optimizer."""
    for tag, config in OPTIMIZERS.items():
        if tag in checked:
            return config._from_checked(checked[tag])  # noqa: SLF001
    # As in the Burn book.
    return AdamConfig._from_checked(checked)  # noqa: SLF001
