"""Train, keep and use small image classifiers with the Burn deep-learning framework.

>>> import mnistburn
>>> model = mnistburn.Model(mnistburn.ModelConfig(hidden_size=64), seed=1)
>>> model.predict(mnistburn.datasets.load("mnist", split="test").images[:5]).shape
(5,)

`train` is the main job, `load_run` reads its results back, and `Model` is what they hold.
"""

import importlib
from typing import TYPE_CHECKING, Any, Final

from mnistburn._native import VERSION as __version__  # noqa: N811  the name the field expects
from mnistburn._native import build_info

if TYPE_CHECKING:
    from mnistburn import callbacks, datasets, errors
    from mnistburn.callbacks import (
        Callback,
        Checkpoint,
        CsvLogger,
        EarlyStopping,
        JsonLinesLogger,
        LivePlot,
        Mlflow,
        OptunaPruning,
        TensorBoard,
    )
    from mnistburn.comparison import Comparison, PairTest, compare
    from mnistburn.config import (
        AdaGradConfig,
        AdamConfig,
        AdamWConfig,
        AugmentationConfig,
        ConvBlock,
        ConvNetConfig,
        CosineAnnealingLrSchedulerConfig,
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
    from mnistburn.data_loader import Batch, DataLoader
    from mnistburn.dataset import Dataset
    from mnistburn.dataset_description import DatasetDescription, Finding
    from mnistburn.demo.export import export_page
    from mnistburn.description import FileDescription, StoredTensor, describe
    from mnistburn.device import Device, devices
    from mnistburn.distributed import Mpi
    from mnistburn.dropout import DropoutKey
    from mnistburn.evaluation import (
        Calibration,
        ClassScores,
        ConfusedPair,
        Evaluation,
        McNemarTest,
        WorstImage,
    )
    from mnistburn.gradients import Gradients, Loss
    from mnistburn.image_statistics import ImageStatistics
    from mnistburn.lr_scheduler import LrScheduler
    from mnistburn.model import Model
    from mnistburn.optimizer import Optimizer
    from mnistburn.picture_folders import BrokenPicture
    from mnistburn.pictures import read_picture
    from mnistburn.rate_finder import RateCurve, find_rate
    from mnistburn.recipes import Recipe, recipe
    from mnistburn.results import History, TrainingResult, load_run
    from mnistburn.sweeps import (
        SuccessiveHalving,
        SweepResult,
        Trial,
        integers,
        load_sweep,
        log_uniform,
        sweep,
        uniform,
    )
    from mnistburn.training import train
    from mnistburn.training_forward import ClassificationOutput, RegressionOutput
    from mnistburn.verification import (
        ReferenceRun,
        Verification,
        verify,
        verify_reference,
    )

__all__ = [
    "AdaGradConfig",
    "AdamConfig",
    "AdamWConfig",
    "AugmentationConfig",
    "Batch",
    "BrokenPicture",
    "Calibration",
    "Callback",
    "Checkpoint",
    "ClassScores",
    "ClassificationOutput",
    "Comparison",
    "ConfusedPair",
    "ConvBlock",
    "ConvNetConfig",
    "CosineAnnealingLrSchedulerConfig",
    "CsvLogger",
    "DataLoader",
    "Dataset",
    "DatasetDescription",
    "Device",
    "DropoutKey",
    "EarlyStopping",
    "Evaluation",
    "ExponentialLrSchedulerConfig",
    "FileDescription",
    "Finding",
    "GradientClippingConfig",
    "Gradients",
    "History",
    "ImageStatistics",
    "JsonLinesLogger",
    "LinearLrSchedulerConfig",
    "LivePlot",
    "Loss",
    "LrScheduler",
    "McNemarTest",
    "Mlflow",
    "Model",
    "ModelConfig",
    "MomentumConfig",
    "Mpi",
    "MuonConfig",
    "NoamLrSchedulerConfig",
    "OneCycleLrSchedulerConfig",
    "Optimizer",
    "OptunaPruning",
    "PairTest",
    "RateCurve",
    "Recipe",
    "ReduceOnPlateauLrSchedulerConfig",
    "ReferenceRun",
    "RegressionOutput",
    "RmsPropConfig",
    "SequentialLrSchedulerConfig",
    "SgdConfig",
    "StepLrSchedulerConfig",
    "StoredTensor",
    "SuccessiveHalving",
    "SweepResult",
    "TensorBoard",
    "TrainingConfig",
    "TrainingResult",
    "Trial",
    "Verification",
    "WarmUpLrSchedulerConfig",
    "WorstImage",
    "__version__",
    "build_info",
    "callbacks",
    "compare",
    "datasets",
    "describe",
    "devices",
    "errors",
    "export_page",
    "find_rate",
    "integers",
    "load_run",
    "load_sweep",
    "log_uniform",
    "read_picture",
    "recipe",
    "sweep",
    "train",
    "uniform",
    "verify",
    "verify_reference",
]

# Each name is imported from its module when it is first used: no script waits for what it leaves.
_HOMES: Final = {
    "callbacks": (
        "Callback",
        "Checkpoint",
        "CsvLogger",
        "EarlyStopping",
        "JsonLinesLogger",
        "LivePlot",
        "Mlflow",
        "OptunaPruning",
        "TensorBoard",
    ),
    "comparison": ("Comparison", "PairTest", "compare"),
    "config": (
        "AdaGradConfig",
        "AdamConfig",
        "AdamWConfig",
        "AugmentationConfig",
        "ConvBlock",
        "ConvNetConfig",
        "CosineAnnealingLrSchedulerConfig",
        "ExponentialLrSchedulerConfig",
        "GradientClippingConfig",
        "LinearLrSchedulerConfig",
        "ModelConfig",
        "MomentumConfig",
        "MuonConfig",
        "NoamLrSchedulerConfig",
        "OneCycleLrSchedulerConfig",
        "ReduceOnPlateauLrSchedulerConfig",
        "RmsPropConfig",
        "SequentialLrSchedulerConfig",
        "SgdConfig",
        "StepLrSchedulerConfig",
        "TrainingConfig",
        "WarmUpLrSchedulerConfig",
    ),
    "data_loader": ("Batch", "DataLoader"),
    "dataset": ("Dataset",),
    "dataset_description": ("DatasetDescription", "Finding"),
    "demo.export": ("export_page",),
    "description": ("FileDescription", "StoredTensor", "describe"),
    "device": ("Device", "devices"),
    "distributed": ("Mpi",),
    "dropout": ("DropoutKey",),
    "evaluation": (
        "Calibration",
        "ClassScores",
        "ConfusedPair",
        "Evaluation",
        "McNemarTest",
        "WorstImage",
    ),
    "gradients": ("Gradients", "Loss"),
    "image_statistics": ("ImageStatistics",),
    "lr_scheduler": ("LrScheduler",),
    "model": ("Model",),
    "optimizer": ("Optimizer",),
    "picture_folders": ("BrokenPicture",),
    "pictures": ("read_picture",),
    "rate_finder": ("RateCurve", "find_rate"),
    "recipes": ("Recipe", "recipe"),
    "results": ("History", "TrainingResult", "load_run"),
    "sweeps": (
        "SuccessiveHalving",
        "SweepResult",
        "Trial",
        "integers",
        "load_sweep",
        "log_uniform",
        "sweep",
        "uniform",
    ),
    "training": ("train",),
    "training_forward": ("ClassificationOutput", "RegressionOutput"),
    "verification": ("ReferenceRun", "Verification", "verify", "verify_reference"),
}
_MODULE_OF: Final = {name: module for module, names in _HOMES.items() for name in names}
_MODULES: Final = ("callbacks", "datasets", "errors")


def __getattr__(name: str) -> Any:  # noqa: ANN401  whatever has the name
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _MODULE_OF:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if build_info()["profile"] == "debug":
    import warnings

    warnings.warn(
        "mnistburn was built without optimisation and is many times slower than it should be; "
        "build it with `maturin develop --release`",
        RuntimeWarning,
        stacklevel=2,
    )
