"""Callbacks that end a training before its time, as tests need them."""

import shutil
from pathlib import Path

from mnistburn import Callback
from mnistburn.callbacks import EpochEnd, StepEnd


class StopAt(Callback):
    """Stops after a step of an epoch."""

    def __init__(self, epoch: int, step: int) -> None:
        self.at = (epoch, step)

    def on_step_end(self, event: StepEnd) -> bool:
        return (event.epoch, event.step) == self.at


class CopyAt(Callback):
    """Copies the directory of a run after an epoch: what is left of one that is killed there."""

    def __init__(self, epoch: int, target: Path) -> None:
        self.epoch, self.target = epoch, target

    def on_epoch_end(self, event: EpochEnd) -> None:
        if event.epoch == self.epoch:
            shutil.copytree(event.run.artifact_dir, self.target)
