"""The main job: train a model, keep everything about it in a directory.

Example:
    >>> import mnistburn
    >>> dataset = mnistburn.datasets.load("mnist", split="test")
    >>> config = mnistburn.TrainingConfig(num_epochs=2, model=mnistburn.ModelConfig(hidden_size=16))
    >>> data = (dataset[:128], dataset[128:192])
    >>> run = mnistburn.train("artifacts/quick", config, "cpu", data=data, progress=False)
    >>> run.history.num_epochs, run.interrupted
    (2, False)
    >>> (run.artifact_dir / "model.mpk").is_file()
    True
"""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mnistburn import _native
from mnistburn.arguments import as_path, shown
from mnistburn.callbacks import CallbackLike, RunView
from mnistburn.callbacks.dispatch import CallbackList
from mnistburn.config import NetworkConfig, TrainingConfig
from mnistburn.dataset import Dataset
from mnistburn.device import resolve_devices
from mnistburn.distributed import Distributed, Ranks, as_ranks
from mnistburn.errors import ArtifactError, ConfigError
from mnistburn.live_file import LiveFile
from mnistburn.live_metrics import LiveMetrics
from mnistburn.metrics import Metric, split_metrics
from mnistburn.model import Model
from mnistburn.progress import start_progress
from mnistburn.results import TrainingResult, read_result, stored_config
from mnistburn.run_data import RunData
from mnistburn.start import Start, as_start
from mnistburn.training_data import start_network, training_data
from mnistburn.training_observer import TrainingObserver

__all__ = ["train"]


def train(
    artifact_dir: str | os.PathLike[str],
    config: TrainingConfig | None = None,
    device: str | Sequence[str] = "auto",
    *,
    data: str | os.PathLike[str] | tuple[Dataset, Dataset] | None = None,
    start: Start | None = None,
    freeze: Sequence[str] | None = None,
    resume: bool = False,
    overwrite: bool = True,
    callbacks: Sequence[CallbackLike] = (),
    metrics: Sequence[Metric] = (),
    distributed: Distributed | None = None,
    progress: bool = True,
) -> TrainingResult:
    """Train a model and keep it, its checkpoints and its history in a directory.

    The same configuration and data give the same bits on the CPU, whatever the number of workers
    and threads, and also after a resume. Ctrl-C stops after the current batch, keeps the work and
    returns with ``interrupted`` set. A second one raises `KeyboardInterrupt`, as does one that
    comes after the last step; the run is complete then.

    A run that the directory holds already stays as it is until the new one has its first
    checkpoint. A new run that fails, is killed or is interrupted before that leaves nothing.

    Args:
        artifact_dir: The directory. It is made; where it holds an earlier run of this function, the
            new one takes its place. Files of others are never touched.
        config: The configuration; without a ``model`` it gets one that fits the images and the
            classes of the data. None stands for ``TrainingConfig()``, or with ``resume`` for the
            stored one.
        device: Where to compute: ``"cpu"``, another of `mnistburn.devices`, or ``"auto"``, the
            fastest that works here. Several devices of one kind, as in ``["cuda:0", "cuda:1"]``,
            share each step: every one computes its part of the batch, and the gradients are
            averaged; equal bits are promised for a single device only.
        data: A pair ``(train, valid)``; the name of a data set, of which the training images are
            trained with and the test images are the validation, as in the Burn book; a folder of
            pictures, with the folders ``train`` and ``valid`` (or ``test``), or without them, then
            a tenth of the images is set aside; a ``.npz`` or ``.csv`` file; or IDX files. None
            stands for ``"mnist"``.
        start: A trained model whose weights the run begins with, in place of random ones: a
            `Model`, the result of a training, a model file that `Model.load` reads, or the
            directory of a run. Without a ``model`` in the configuration the run has its network,
            with the classes of the data. Where these are others, in number or by name, the output
            layer is initialised anew. A resumed run needs no start.
        freeze: Parameters that stay as they are, in place of ``freeze`` of the configuration.
        resume: Whether to go on with the run in the directory where it stopped.
        overwrite: Whether a new run may take the place of one that the directory holds; otherwise
            such a directory is an error.
        callbacks: Objects that are called during the training, and `EarlyStopping`; see
            `mnistburn.callbacks`.
        metrics: What is measured on the validation images after each epoch beside loss and
            accuracy: names, in place of ``metrics`` of the configuration, and functions of
            ``(logits, targets)``, of shapes ``[n, num_classes]`` and ``[n]``, which give a number
            and become columns by their names, as in ``valid_my_metric``. A resumed run needs its
            functions again.
        distributed: ``"mpi"``, or an `Mpi` with settings, where MPI started several processes that
            share the run: each computes its part of every batch. Rank 0 keeps the run, shows
            progress and calls the callbacks; all ranks return the model.
        progress: Whether a progress bar is shown, or lines where there is no terminal; for
            fetching data too.

    Returns:
        The model, its history and what else there is to know.

    Raises:
        ConfigError: An argument or the configuration breaks a rule, or start is a model of another
            network.
        DeviceError: There is no such device, or it cannot be used.
        DataError: The data have another type, do not fit the model or cannot be fetched.
        ArtifactError: The directory holds files of others, nothing to resume, or a run that must
            not be overwritten.
        TrainingError: The training cannot go on, for example because the loss is not finite, or
            another rank has failed.
        OSError: A file cannot be written.
        KeyboardInterrupt: Ctrl-C was pressed twice, or before the first step of a run that would
            have taken the place of another.
    """
    directory = as_path(artifact_dir, "artifact_dir", ArtifactError)
    if config is not None and not isinstance(config, TrainingConfig):
        message = f"config must be a TrainingConfig, got {shown(config)}; pass TrainingConfig(...)"
        raise ConfigError(message)
    for argument, value in (
        ("resume", resume),
        ("overwrite", overwrite),
        ("progress", progress),
    ):
        if not isinstance(value, bool):
            message = f"{argument} must be True or False, got {shown(value)}"
            raise ConfigError(message)
    request = _Request(
        config=config,
        device=device,
        data=data,
        start=start,
        freeze=freeze,
        resume=resume,
        overwrite=overwrite,
        callbacks=callbacks,
        metrics=metrics,
        progress=progress,
    )
    ranks = as_ranks(distributed)
    if ranks is None:
        return _train(directory, request)
    try:
        with ranks.directory(directory, resume=resume) as own:
            with ranks.together():
                result = _train(own, request, ranks)
            return result if own == directory else result._moved(directory)  # noqa: SLF001
    finally:
        if ranks is not distributed:
            ranks.close()


class _Request(NamedTuple):
    """The arguments of `train`."""

    config: TrainingConfig | None
    device: str | Sequence[str]
    data: str | os.PathLike[str] | tuple[Dataset, Dataset] | None
    start: Start | None
    freeze: Sequence[str] | None
    resume: bool
    overwrite: bool
    callbacks: Sequence[CallbackLike]
    metrics: Sequence[Metric]
    progress: bool


def _train(directory: Path, request: _Request, ranks: Ranks | None = None) -> TrainingResult:
    """Train in a directory of this process, which may be one of several ranks."""
    shows = ranks is None or ranks.rank == 0
    resume, config = request.resume, request.config
    places = resolve_devices(request.device)
    begin = None if request.start is None else as_start(request.start)
    stored = stored_config(directory) if resume else None
    used = config or stored or TrainingConfig()
    if request.freeze is not None:
        used = replace(used, freeze=request.freeze)
    names, functions = split_metrics(request.metrics)
    if names:
        used = replace(used, metrics=names)
    if used.model is None and stored is not None:
        used = replace(used, model=stored.model)
    like: NetworkConfig | None = None
    if used.model is None and begin is not None:
        like = start_network(begin)
    hooks = CallbackList(request.callbacks)
    if not shows:
        hooks = hooks.of_core()
    resumed = RunData.read(directory) if resume else None
    progress = request.progress and shows
    found = training_data(used, request.data, resumed, like=like, resume=resume, progress=progress)
    used = replace(used, model=found.network)

    live = LiveMetrics(used.batch_size)
    observer = TrainingObserver(
        RunView(directory, used, found.train, found.valid),
        hooks,
        functions,
        live,
        (start_progress(progress, live), LiveFile(directory, live, resume=resume)),
        logs=shows,
    )
    if ranks is not None:
        ranks.native.settle(None)
    try:
        native = _native.train(
            str(directory),
            used.to_json(),
            places,
            found.train._native(),  # noqa: SLF001
            found.valid._native(),  # noqa: SLF001
            None if begin is None else begin.model._native,  # noqa: SLF001
            None if begin is None or begin.path is None else str(begin.path),
            resume,
            request.overwrite,
            None if hooks.early_stopping is None else hooks.early_stopping.to_json(),
            None if hooks.checkpoint is None else hooks.checkpoint.to_json(),
            list(functions),
            config is not None or request.freeze is not None or bool(names),
            json.dumps(found.source.to_json_object()),
            observer,
            hooks.every,
            hooks.wants_all,
            None if ranks is None else ranks.native,
        )
    except BaseException as error:
        observer.fail(error)
        raise
    finally:
        observer.close()
    model = Model._wrap(native)  # noqa: SLF001
    # They have what follows from the data: the mean and the deviation of the images where the
    # network has places for them, and the length of the run where the schedule has none.
    schedule = (stored_config(directory) or used).lr_scheduler
    used = replace(used, model=model.config, lr_scheduler=schedule)
    return read_result(directory, model, used)
