"""Says which checkpoints of a run are kept."""

import json
from dataclasses import dataclass

from mnistburn import _native
from mnistburn.callbacks.callback import Callback
from mnistburn.settings import Part, json_fields

__all__ = ["Checkpoint"]


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Part, Callback):
    """Keeps more or fewer checkpoints of a run than the last two and the best.

    A run saves a checkpoint at the end of each epoch, and within long ones as
    ``TrainingConfig.checkpoint_every`` has it. ``load_run(artifact_dir, epoch=3)`` gives the model
    of an epoch whose checkpoint is kept. A resumed run keeps what it kept before unless it is told
    otherwise.

    Attributes:
        keep_last: The number of the last checkpoints that are kept; None keeps all of them.
        keep_best: The number of epochs whose checkpoints are kept because they are the best, by
            validation loss or by the metric of `EarlyStopping`.

    Example:
        >>> import mnistburn
        >>> mnistburn.Checkpoint(keep_last=None)
        Checkpoint(keep_last=None, keep_best=1)
    """

    keep_last: int | None = 2
    keep_best: int = 1

    def __post_init__(self) -> None:
        """Check the values."""
        checked = json.loads(_native.complete_config("checkpoint", self.to_json()))
        self._keep(checked, tuple(checked))

    def to_json(self) -> str:
        """Return the rule as JSON, for the core."""
        return json.dumps(json_fields(self))
