"""The configurations: what a model, an optimizer and a training are made from.

They mirror the Burn `Config` types of the same names: same fields, same defaults, and a JSON that
Burn reads and writes. The rules are kept in one place, the Rust core; a configuration asks it when
it is built, so that one that exists is valid.

Example:
    >>> import dataclasses, mnistburn
    >>> model = mnistburn.ModelConfig(hidden_size=128)
    >>> config = mnistburn.TrainingConfig(model=model, num_epochs=2, learning_rate=3e-4)
    >>> config.batch_size, config.model.dropout
    (64, 0.5)
    >>> longer = dataclasses.replace(config, num_epochs=5)
    >>> mnistburn.TrainingConfig.from_json(longer.to_json()) == longer
    True
"""

from mnistburn.config.augmentation import AugmentationConfig
from mnistburn.config.optimizers import (
    AdaGradConfig,
    AdamConfig,
    AdamWConfig,
    GradientClippingConfig,
    MomentumConfig,
    MuonConfig,
    OptimizerConfig,
    RmsPropConfig,
    SgdConfig,
)
from mnistburn.config.schedules import (
    CosineAnnealingLrSchedulerConfig,
    ExponentialLrSchedulerConfig,
    LearningRateSchedule,
    LinearLrSchedulerConfig,
    NoamLrSchedulerConfig,
    OneCycleLrSchedulerConfig,
    ReduceOnPlateauLrSchedulerConfig,
    SequentialLrSchedulerConfig,
    StepLrSchedulerConfig,
    WarmUpLrSchedulerConfig,
)
from mnistburn.config.training import TrainingConfig
from mnistburn.networks import ConvBlock, ConvNetConfig, ModelConfig, NetworkConfig

__all__ = [
    "AdaGradConfig",
    "AdamConfig",
    "AdamWConfig",
    "AugmentationConfig",
    "ConvBlock",
    "ConvNetConfig",
    "CosineAnnealingLrSchedulerConfig",
    "ExponentialLrSchedulerConfig",
    "GradientClippingConfig",
    "LearningRateSchedule",
    "LinearLrSchedulerConfig",
    "ModelConfig",
    "MomentumConfig",
    "MuonConfig",
    "NetworkConfig",
    "NoamLrSchedulerConfig",
    "OneCycleLrSchedulerConfig",
    "OptimizerConfig",
    "ReduceOnPlateauLrSchedulerConfig",
    "RmsPropConfig",
    "SequentialLrSchedulerConfig",
    "SgdConfig",
    "StepLrSchedulerConfig",
    "TrainingConfig",
    "WarmUpLrSchedulerConfig",
]
