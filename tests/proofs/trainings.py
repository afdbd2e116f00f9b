"""A short training for each network, optimizer, schedule, loss and augmentation."""

import dataclasses
from functools import cache
from typing import Final

import numpy

from mnistburn import (
    AdaGradConfig,
    AdamConfig,
    AdamWConfig,
    AugmentationConfig,
    ConvBlock,
    ConvNetConfig,
    CosineAnnealingLrSchedulerConfig,
    Dataset,
    ExponentialLrSchedulerConfig,
    GradientClippingConfig,
    LinearLrSchedulerConfig,
    ModelConfig,
    MomentumConfig,
    MuonConfig,
    NoamLrSchedulerConfig,
    OneCycleLrSchedulerConfig,
    ReduceOnPlateauLrSchedulerConfig,
    RmsPropConfig,
    SequentialLrSchedulerConfig,
    SgdConfig,
    StepLrSchedulerConfig,
    TrainingConfig,
    WarmUpLrSchedulerConfig,
)
from proofs import runs

__all__ = ["TRAININGS", "data", "network", "training"]

_GUIDE: Final = ModelConfig(hidden_size=16)
_FIVE_BY_FIVE: Final = ConvBlock(channels=8, kernel_size=5, padding=False, pool=True)
_CONV_NET: Final = ConvNetConfig(blocks=[_FIVE_BY_FIVE, ConvBlock(channels=8)])
_COLOUR: Final = dataclasses.replace(_CONV_NET, image_channels=3)


def _blocks(**settings: object) -> ConvNetConfig:
    """Return a network whose second block has these settings."""
    second = ConvBlock(channels=8, **settings)  # type: ignore[arg-type]
    return dataclasses.replace(_CONV_NET, blocks=[_FIVE_BY_FIVE, second])


_NETWORKS: Final[dict[str, ModelConfig | ConvNetConfig]] = {
    "guide with Adam": _GUIDE,
    "ConvNet": _CONV_NET,
    "ConvNet of colour images": _COLOUR,
    "ConvNet with hidden layers and dropout": dataclasses.replace(
        _CONV_NET, average=False, hidden_sizes=(16,), dropout=0.3
    ),
    "ConvNet with batch norm": _blocks(norm="batch"),
    "ConvNet with group norm": _blocks(norm="group"),
    "ConvNet with a residual block": _blocks(norm="batch", residual=1),
    "ConvNet with 5 x 5 kernels and padding": _blocks(kernel_size=5, pool=True),
}

_NESTEROV: Final = MomentumConfig(momentum=0.9, dampening=0.0, nesterov=True)
_OPTIMIZERS: Final = {
    "AMSGrad with weight decay": AdamConfig(amsgrad=True, weight_decay=1e-3),
    "AdamW": AdamWConfig(weight_decay=1e-2),
    "AdamW, cautious": AdamWConfig(weight_decay=1e-2, cautious_weight_decay=True, amsgrad=True),
    "AdaGrad": AdaGradConfig(lr_decay=1e-3, weight_decay=1e-3),
    "RMSprop": RmsPropConfig(),
    "RMSprop, centered": RmsPropConfig(centered=True, momentum=0.0, weight_decay=1e-3),
    "SGD": SgdConfig(weight_decay=1e-3),
    "SGD with momentum": SgdConfig(momentum=MomentumConfig()),
    "SGD with Nesterov momentum": SgdConfig(momentum=_NESTEROV),
    "Muon": MuonConfig(weight_decay=1e-2),
    "Adam, gradients clipped by norm": AdamConfig(grad_clipping=GradientClippingConfig(norm=0.5)),
    "Adam, gradients clipped by value": AdamConfig(
        grad_clipping=GradientClippingConfig(value=0.01)
    ),
}

_SCHEDULES: Final = {
    "cosine": CosineAnnealingLrSchedulerConfig(),
    "exponential": ExponentialLrSchedulerConfig(gamma=0.95),
    "linear": LinearLrSchedulerConfig(final_lr=1e-5),
    "Noam": NoamLrSchedulerConfig(warmup_steps=10, model_size=16),
    "one cycle": OneCycleLrSchedulerConfig(),
    "plateau": ReduceOnPlateauLrSchedulerConfig(metric="train_loss", patience=1),
    "sequential": SequentialLrSchedulerConfig(
        schedules=[None, CosineAnnealingLrSchedulerConfig()], milestones=[8]
    ),
    "step": StepLrSchedulerConfig(step_size=5),
    "warm-up": WarmUpLrSchedulerConfig(num_iters=8),
}

_AUGMENTATIONS: Final[dict[str, object]] = {
    "flip": True,
    "crop": 3,
    "shift": 0.1,
    "rotate": 15.0,
    "scale": 0.1,
    "shear": 10.0,
    "elastic": 20.0,
    "brightness": 0.2,
    "contrast": 0.2,
    "saturation": 0.3,
    "noise": 0.05,
    "cutout": 0.3,
}

_OTHERS: Final[dict[str, dict[str, object]]] = {
    "label smoothing": {"label_smoothing": 0.1},
    "class weights": {"class_weights": "balanced"},
    "moving average of the weights": {"average_decay": 0.9},
    "accumulated gradients": {"grads_accumulation": 2},
    "frozen layers": {"freeze": ("conv1",)},
}


def _of(model: ModelConfig | ConvNetConfig = _GUIDE, **settings: object) -> TrainingConfig:
    given: dict[str, object] = {
        "model": model,
        "optimizer": AdamConfig(),
        "learning_rate": 1e-3,
        "num_epochs": 2,
        "checkpoint_every": None,
    }
    return TrainingConfig(**(given | settings))  # type: ignore[arg-type]


TRAININGS: Final = {
    **{name: _of(network) for name, network in _NETWORKS.items()},
    **{name: _of(optimizer=optimizer) for name, optimizer in _OPTIMIZERS.items()},
    **{name: _of(lr_scheduler=schedule) for name, schedule in _SCHEDULES.items()},
    **{
        name: _of(_COLOUR, augmentation=AugmentationConfig(**{name: value}))  # type: ignore[arg-type]
        for name, value in _AUGMENTATIONS.items()
    },
    "all augmentations": _of(
        _COLOUR,
        augmentation=AugmentationConfig(**_AUGMENTATIONS),  # type: ignore[arg-type]
    ),
    **{name: _of(**settings) for name, settings in _OTHERS.items()},  # type: ignore[arg-type]
}
"""The trainings, by what they try."""


def training(name: str, **changes: object) -> TrainingConfig:
    """Return one of `TRAININGS`."""
    return dataclasses.replace(TRAININGS[name], **changes)  # type: ignore[arg-type]


def network(name: str) -> ModelConfig | ConvNetConfig:
    """Return the network that it trains."""
    model = TRAININGS[name].model
    assert model is not None
    return model


@cache
def data(channels: int) -> tuple[Dataset, Dataset]:
    """Return 600 images to train on and 100 to validate on, grey or in colour."""
    train, valid = runs.data()
    return _coloured(train[:600], channels), _coloured(valid[:100], channels)


def _coloured(images: Dataset, channels: int) -> Dataset:
    if channels == 1:
        return images
    # Each channel is darker than the one before it.
    planes = [images.images // (1 + channel) for channel in range(channels)]
    return Dataset.from_numpy(numpy.stack(planes, axis=-1), images.targets)
