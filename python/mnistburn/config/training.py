"""The training."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

from mnistburn.arguments import shown
from mnistburn.config.augmentation import AugmentationConfig
from mnistburn.config.optimizers import (
    AdamConfig,
    OptimizerConfig,
    optimizer_from,
)
from mnistburn.config.schedules import (
    SCHEDULES,
    LearningRateSchedule,
    Schedule,
    schedule_from,
)
from mnistburn.errors import ConfigError
from mnistburn.networks import NetworkConfig, check_network, network_from
from mnistburn.optimizer import check_optimizer
from mnistburn.settings import File, check_type, json_fields, json_value

__all__ = ["TrainingConfig"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(File):
    """A training, with the defaults of the Burn book.

    Attributes:
        model: The model; None for one that `train` fits to the shape and the classes of the data.
        optimizer: The optimizer.
        num_epochs: How often the training images are gone through.
        batch_size: The number of images of a batch.
        grads_accumulation: The number of batches whose gradients make one step of the optimizer, as
            one batch of all their images would. An epoch's last step may have fewer. The schedule
            and the history count steps.
        limit_batches: The number of batches at most that an epoch trains on, and validates on, to
            try a run; None for all.
        max_seconds: The seconds after which the run stops, with a checkpoint; None for no limit.
            ``train(..., resume=True)`` goes on, for as long again. At least one step is made.
        num_workers: The number of threads that prepare batches; the result does not depend on it.
        threads: The number of threads that compute on the CPU, in all where several devices are the
            CPU; None takes those of the environment variable RAYON_NUM_THREADS, else one for each
            core. The result does not depend on it.
        seed: The seed of the weights, the order of the images, dropout and augmentation.
        learning_rate: The learning rate, or where the schedule starts.
        lr_scheduler: The learning-rate schedule, or None for a constant rate. One without a length
            gets that of the run, which the configuration of the run has. A schedule that ends
            before the run does is told by a warning at its start.
        augmentation: How the training images are changed at random, or None to leave them as they
            are. One whose strengths are all 0 becomes None.
        label_smoothing: The share of each target that is spread over all classes (Szegedy et al.,
            2016), from 0 to below 1. Validation measures the plain cross-entropy.
        class_weights: How much the images of each class count in the loss of training: a number
            for each class; ``"balanced"`` for all classes alike, whatever the number of their
            images, as in scikit-learn; None for all images alike. The loss of a batch is the
            weighted mean, ``sum(weights * losses) / sum(weights)``, as in PyTorch.
        average_decay: The decay of an exponential moving average of the weights, such as 0.999;
            None for no average. The run validates, saves and returns the average. At step t the
            decay is at most ``(1 + t) / (10 + t)``, so that short runs have an average too.
        freeze: The parameters that training leaves as they are: their names, as in
            ``"conv1.weight"``, or what the names begin with, as in ``"conv1"`` or ``"blocks.0"``.
        metrics: What is measured on the validation images after each epoch beside loss and
            accuracy: ``"top_3_accuracy"``, ``"f1_macro"``, ``"recall_per_class"``,
            ``"auroc_macro"``, ``"confusion"`` and the like; ``docs/callbacks.md`` has all names.
        recorder: The format of the checkpoints, one of the names that `Model.save` takes.
        checkpoint_every: The seconds between two checkpoints within an epoch, or None to save one
            at the end of each epoch alone. Where saving takes long, they are further apart: at
            least twenty times what the last one took. The result does not depend on it.

    Example:
        >>> import mnistburn
        >>> config = mnistburn.TrainingConfig(
        ...     model=mnistburn.ModelConfig(hidden_size=128),
        ...     lr_scheduler=mnistburn.CosineAnnealingLrSchedulerConfig(num_iters=938),
        ... )
        >>> config.learning_rate
        0.0001
    """

    _kind: ClassVar[str] = "training"

    model: NetworkConfig | None = None
    optimizer: OptimizerConfig = field(default_factory=AdamConfig)
    num_epochs: int = 10
    batch_size: int = 64
    grads_accumulation: int = 1
    limit_batches: int | None = None
    max_seconds: float | None = None
    num_workers: int = 4
    threads: int | None = None
    seed: int = 42
    learning_rate: float = 1e-4
    lr_scheduler: LearningRateSchedule | None = None
    augmentation: AugmentationConfig | None = None
    label_smoothing: float = 0.0
    class_weights: Sequence[float] | Literal["balanced"] | None = None
    average_decay: float | None = None
    freeze: Sequence[str] = ()
    metrics: Sequence[str] = ()
    recorder: str = "default"
    checkpoint_every: float | None = 60.0

    def __post_init__(self) -> None:
        """Check the values."""
        if self.model is not None:
            check_network("model", self.model)
        check_optimizer("optimizer", self.optimizer)
        if self.lr_scheduler is not None and not isinstance(self.lr_scheduler, Schedule):
            names = ", ".join(schedule.__name__ for schedule in SCHEDULES.values())
            message = (
                f"lr_scheduler must be None or one of {names}, got {shown(self.lr_scheduler)}; "
                "a constant rate goes into learning_rate"
            )
            raise ConfigError(message)
        if self.augmentation is not None:
            check_type("augmentation", self.augmentation, AugmentationConfig)
        checked = self._complete()
        if checked["augmentation"] is None:
            object.__setattr__(self, "augmentation", None)
        plain = (
            "num_epochs",
            "batch_size",
            "grads_accumulation",
            "limit_batches",
            "max_seconds",
            "num_workers",
            "threads",
            "seed",
            "learning_rate",
            "label_smoothing",
            "class_weights",
            "average_decay",
            "freeze",
            "metrics",
            "recorder",
            "checkpoint_every",
        )
        for name in ("freeze", "metrics"):
            checked[name] = tuple(checked[name])
        if isinstance(checked["class_weights"], list):
            checked["class_weights"] = tuple(checked["class_weights"])
        self._keep(checked, plain)

    def _json_object(self) -> dict[str, object]:
        values = {
            **json_fields(self),
            "class_weights": _listed(self.class_weights),
            "freeze": _listed(self.freeze),
            "metrics": _listed(self.metrics),
            "optimizer": self.optimizer._tagged(),  # noqa: SLF001
        }
        if self.model is None:
            # The core fills in the book's.
            del values["model"]
        return values

    def to_json(self) -> str:
        """Return the configuration as the pretty JSON of the Burn `Config` of this name.

        Keys that Burn's type lacks are left out while they hold their defaults. A configuration
        without a model has no key ``model``, which Burn's type requires; that of a run has one.

        Returns:
            The JSON text, without a final line break.
        """
        text = super().to_json()
        if self.model is not None:
            return text
        values = json.loads(text)
        del values["model"]
        return json.dumps(values, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Build a configuration from JSON, as this package or Burn writes it.

        Args:
            text: The JSON text. Missing keys take their defaults; without the key ``model`` there
                is no model.

        Returns:
            The configuration.

        Raises:
            ConfigError: The text is no JSON, a key is unknown, or a value breaks its rule.
        """
        config = super().from_json(text)
        return config if "model" in json.loads(text) else replace(config, model=None)

    @classmethod
    def _from_checked(cls, checked: dict[str, Any]) -> Self:
        augmentation = checked["augmentation"]
        if augmentation is not None:
            augmentation = AugmentationConfig(**augmentation)
        return cls(
            **{
                **checked,
                "model": network_from(checked["model"]),
                "optimizer": optimizer_from(checked["optimizer"]),
                "lr_scheduler": schedule_from(checked["lr_scheduler"]),
                "augmentation": augmentation,
            }
        )


def _listed(value: object) -> object:
    """Return a sequence of any type as JSON has it; the core refuses what is none."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [json_value(item) for item in value]
    return json_value(value)
