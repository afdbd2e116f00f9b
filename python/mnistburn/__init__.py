"""Train, keep and use small image classifiers with the Burn deep-learning framework.

>>> import mnistburn
>>> model = mnistburn.Model(mnistburn.ModelConfig(hidden_size=64), seed=1)
>>> model.predict(mnistburn.datasets.load("mnist", split="test").images[:5]).shape
(5,)

`train` is the main job, `load_run` reads its results back, and `Model` is what they hold.
"""

from mnistburn import callbacks, datasets, errors
from mnistburn._native import VERSION as __version__  # noqa: N811  the name the field expects
from mnistburn._native import build_info
from mnistburn.callbacks import Callback
from mnistburn.config import (
    AdamConfig,
    AdamWConfig,
    AugmentationConfig,
    CosineAnnealingLrSchedulerConfig,
    ExponentialLrSchedulerConfig,
    GradientClippingConfig,
    LinearLrSchedulerConfig,
    ModelConfig,
    MomentumConfig,
    NoamLrSchedulerConfig,
    SgdConfig,
    StepLrSchedulerConfig,
    TrainingConfig,
)
from mnistburn.data_loader import Batch, DataLoader
from mnistburn.dataset import BrokenPicture, Dataset
from mnistburn.dataset_description import DatasetDescription, Finding
from mnistburn.description import FileDescription, StoredTensor, describe
from mnistburn.device import Device, devices
from mnistburn.gradients import Gradients, Loss
from mnistburn.image_statistics import ImageStatistics
from mnistburn.model import ClassificationOutput, Evaluation, Model
from mnistburn.optimizer import Optimizer
from mnistburn.pictures import read_picture
from mnistburn.results import History, TrainingResult, load_run
from mnistburn.training import train

__all__ = [
    "AdamConfig",
    "AdamWConfig",
    "AugmentationConfig",
    "Batch",
    "BrokenPicture",
    "Callback",
    "ClassificationOutput",
    "CosineAnnealingLrSchedulerConfig",
    "DataLoader",
    "Dataset",
    "DatasetDescription",
    "Device",
    "Evaluation",
    "ExponentialLrSchedulerConfig",
    "FileDescription",
    "Finding",
    "GradientClippingConfig",
    "Gradients",
    "History",
    "ImageStatistics",
    "LinearLrSchedulerConfig",
    "Loss",
    "Model",
    "ModelConfig",
    "MomentumConfig",
    "NoamLrSchedulerConfig",
    "Optimizer",
    "SgdConfig",
    "StepLrSchedulerConfig",
    "StoredTensor",
    "TrainingConfig",
    "TrainingResult",
    "__version__",
    "build_info",
    "callbacks",
    "datasets",
    "describe",
    "devices",
    "errors",
    "load_run",
    "read_picture",
    "train",
]

if build_info()["profile"] == "debug":
    import warnings

    warnings.warn(
        "mnistburn was built without optimisation and is many times slower than it should be; "
        "build it with `maturin develop --release`",
        RuntimeWarning,
        stacklevel=2,
    )
