"""Train a run again, and compare the weights."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy
from numpy.typing import NDArray

from mnistburn._native import VERSION
from mnistburn.arguments import as_path, shown
from mnistburn.callbacks import Callback, StepEnd
from mnistburn.dataset import Dataset
from mnistburn.device import resolve_devices
from mnistburn.errors import ArtifactError, ConfigError, DataError, DeviceError
from mnistburn.model import Model
from mnistburn.results import MODEL_FILE, History, TrainingResult, load_run
from mnistburn.run_data import RunData
from mnistburn.run_provenance import LOG_FILE, RunProvenance
from mnistburn.run_start import START_MODEL_FILE
from mnistburn.training import train
from mnistburn.training_data import TrainingData, training_data
from mnistburn.verification.difference import Part, first_difference
from mnistburn.verification.verification import Verification
from mnistburn.verification.weights_hash import sha256_of

__all__ = ["verify"]


def verify(
    run: TrainingResult | str | os.PathLike[str],
    *,
    data: str | os.PathLike[str] | tuple[Dataset, Dataset] | None = None,
    device: str | Sequence[str] | None = None,
    progress: bool = True,
) -> Verification:
    """Train a run again, and compare the weights.

    The run is trained anew in a temporary directory from what it keeps: its configuration, its data
    and the model that it started from. A run that ended before its last epoch is trained for as
    many steps as it has.

    Args:
        run: The result of a training, or its artifact directory. Its files are only read.
        data: The data, as `train` takes them; None for those of the run. A run on arrays, which it
            does not keep, needs them.
        device: Where to train; None for where the run was trained.
        progress: Whether progress is shown.

    Returns:
        Whether the weights are the same, where the histories part, and why they may.

    Raises:
        ArtifactError: The directory holds no run, or one without a step or without the model after
            its last one.
        DataError: The data no longer exist, or do not fit the model.
        DeviceError: The device cannot be used here.
        OSError: A file cannot be read, or the temporary directory cannot be written.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    if isinstance(run, TrainingResult):
        directory = run.artifact_dir
    else:
        directory = as_path(run, "run", ArtifactError)
    if not isinstance(progress, bool):
        message = f"progress must be True or False, got {shown(progress)}"
        raise ConfigError(message)
    kept = load_run(directory)
    if isinstance(run, TrainingResult) and run._run != kept._run:  # noqa: SLF001  of this package
        message = f"{directory} holds another run by now; give each run a directory of its own"
        raise ArtifactError(message)
    if kept.data is None and data is None:
        message = (
            f"{directory} does not say what its run was trained on, as an earlier version made it; "
            "pass the data with data= or --data"
        )
        raise DataError(message)
    extent = _Extent.of(kept.history)
    stored = _after_last_step(kept)
    found = training_data(stored.config, data, stored.data, resume=True, progress=progress)
    provenance = RunProvenance.read(directory)
    places = _places(device, provenance)
    reasons = [*_reasons(stored, provenance, places)]
    changed = _changed(found, stored.data)
    notes = [*_notes(kept, changed)]
    if "train" in changed:
        reasons.append("the training images are others than those of the run")
        return _untrained(stored, extent, reasons, notes)
    with tempfile.TemporaryDirectory(prefix="mnistburn-") as temporary:
        again = _retrained(
            Path(temporary) / "run", stored, found, extent, places, progress=progress
        )
    if again.interrupted:
        raise KeyboardInterrupt
    return _compared(stored, again, extent, reasons, notes)


def _places(device: str | Sequence[str] | None, provenance: RunProvenance) -> list[str]:
    """Return where to train: what was asked for, or where the run was trained."""
    if device is not None:
        return resolve_devices(device)
    try:
        return resolve_devices(provenance.devices[-1] if provenance.devices else "cpu")
    except DeviceError as error:
        message = f'{error}; the run was computed there: device="cpu" trains it on the processor'
        raise DeviceError(message) from None


def _after_last_step(run: TrainingResult) -> TrainingResult:
    """Return a run with the model after its last step."""
    last = run.history.train_steps["epoch"][-1:]
    return run if last == [run.model_epoch] else load_run(run.artifact_dir, epoch="last")


class _Extent(NamedTuple):
    """How far a run went.

    Attributes:
        steps: Its training steps.
        epoch: The epoch of the last one.
        step: The last one in that epoch.
        epochs: Its whole epochs.
    """

    steps: int
    epoch: int
    step: int
    epochs: int

    @classmethod
    def of(cls, history: History) -> "_Extent":
        steps = history.train_steps["step"]
        if not steps:
            message = "the run has no step yet, so there is nothing to verify"
            raise ArtifactError(message)
        return cls(
            len(steps), int(history.train_steps["epoch"][-1]), int(steps[-1]), history.num_epochs
        )


class _StopAfter(Callback):
    """Stops a training after so many steps."""

    def __init__(self, steps: int) -> None:
        self.every = steps

    def on_step_end(self, event: StepEnd) -> bool:  # noqa: ARG002
        return True


def _retrained(
    directory: Path,
    stored: TrainingResult,
    found: TrainingData,
    extent: _Extent,
    places: list[str],
    *,
    progress: bool,
) -> TrainingResult:
    # How long it takes must not end it.
    config = replace(stored.config, checkpoint_every=None, max_seconds=None)
    callbacks = []
    if extent.epoch == extent.epochs:
        config = replace(config, num_epochs=extent.epochs)
    else:
        callbacks.append(_StopAfter(extent.steps))
    start = None
    if stored.start is not None:
        start = Model.load(
            stored.artifact_dir / START_MODEL_FILE, class_names=found.train.class_names
        )
    return train(
        directory,
        config,
        places,
        data=(found.train, found.valid),
        start=start,
        callbacks=callbacks,
        progress=progress,
    )


def _reasons(
    stored: TrainingResult,
    provenance: RunProvenance,
    places: list[str],
) -> Iterator[str]:
    """Yield why equal bits are not promised."""
    others = sorted({", ".join(names) for names in provenance.devices} - {"cpu"})
    if others:
        yield f"the run was computed on {' and '.join(others)}, and they are for one CPU alone"
    if provenance.ranks:
        yield "the run was shared by several processes, and it was retrained by one"
    if not provenance.devices:
        yield f"{LOG_FILE} does not say where the run was computed"
    if places != ["cpu"]:
        yield f"it was retrained on {', '.join(places)}, and they are for one CPU alone"
    version = provenance.version
    if version != VERSION:
        known = "an unknown version" if version is None else f"mnistburn {version}"
        yield f"the run was made by {known}, and this is mnistburn {VERSION}"
    rates = set(stored.history.train_steps["learning_rate"])
    if stored.config.lr_scheduler is None and len(rates) > 1:
        listed = ", ".join(f"{rate:g}" for rate in sorted(rates, reverse=True))
        yield f"the run was resumed with another learning rate ({listed})"
    if stored.data is None:
        yield "the run does not say what it was trained on"


def _changed(found: TrainingData, data: RunData | None) -> set[Part]:
    """Return which parts of the data are others than those of the run."""
    if data is None:
        return set()
    changed: set[Part] = set()
    if not found.train._native().has_fingerprint(data.train.sha256):  # noqa: SLF001  of this package
        changed.add("train")
    if not found.valid._native().has_fingerprint(data.valid.sha256):  # noqa: SLF001
        changed.add("valid")
    return changed


_ENDED: Final = {
    "stopped": "a callback or its time limit stopped the run",
    "stopped_early": "the run was stopped early",
    "interrupted": "the run was interrupted",
}


def _notes(kept: TrainingResult, changed: set[Part]) -> Iterator[str]:
    history = kept.history
    if kept.ended in _ENDED:
        steps = history.train_steps
        yield (
            f"{_ENDED[kept.ended]} after step {int(steps['step'][-1])} of epoch "
            f"{int(steps['epoch'][-1])}, and it was retrained for as many steps"
        )
    if "valid" in changed:
        yield (
            "the validation images are others than those of the run, which changes what was "
            "measured on them, and weights only where the learning rate follows from that"
        )
    if history.train_steps["epoch"][-1:] != [kept.model_epoch]:
        yield (
            f"{MODEL_FILE} has the model of epoch {kept.model_epoch}; what was compared is the "
            "model after the last step"
        )


def _untrained(
    stored: TrainingResult, extent: _Extent, reasons: list[str], notes: list[str]
) -> Verification:
    return Verification(
        artifact_dir=stored.artifact_dir,
        same=False,
        sha256=sha256_of(stored.model.state_dict()),
        retrained_sha256=None,
        precision="full",
        largest_difference=None,
        first_difference=None,
        steps=extent.steps,
        reasons=tuple(reasons),
        notes=tuple(notes),
        seconds=0.0,
    )


def _compared(
    stored: TrainingResult,
    again: TrainingResult,
    extent: _Extent,
    reasons: list[str],
    notes: list[str],
) -> Verification:
    of_run, of_retraining = stored.model.state_dict(), again.model.state_dict()
    precision: Literal["full", "half"] = "full"
    halved = {name: _halved(values) for name, values in of_run.items()}
    if sha256_of(of_run) != sha256_of(of_retraining) and sha256_of(halved) == sha256_of(of_run):
        # No bit of the run is beyond half precision: it keeps no more.
        precision = "half"
        of_retraining = {name: _halved(values) for name, values in of_retraining.items()}
        notes.append("the run keeps its weights in half precision, in which they were compared")
    sha256, retrained = sha256_of(of_run), sha256_of(of_retraining)
    largest = max(
        float(numpy.abs(values.astype(numpy.float64) - of_retraining[name]).max(initial=0.0))
        for name, values in of_run.items()
    )
    return Verification(
        artifact_dir=stored.artifact_dir,
        same=sha256 == retrained,
        sha256=sha256,
        retrained_sha256=retrained,
        precision=precision,
        largest_difference=largest,
        first_difference=first_difference(stored.history, again.history),
        steps=extent.steps,
        reasons=tuple(reasons),
        notes=tuple(notes),
        seconds=again.seconds,
    )


def _halved(values: NDArray[numpy.float32]) -> NDArray[numpy.float32]:
    with numpy.errstate(over="ignore"):
        return values.astype(numpy.float16).astype(numpy.float32)
