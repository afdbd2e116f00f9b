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
from typing import Any, Final, NamedTuple

import numpy

from mnistburn import _native
from mnistburn.arguments import as_path, shown
from mnistburn.arrays import as_targets
from mnistburn.callbacks import CallbackLike, RunView
from mnistburn.callbacks.dispatch import CallbackList
from mnistburn.classes import match_classes
from mnistburn.config import ModelConfig, NetworkConfig, TrainingConfig
from mnistburn.dataset import Dataset
from mnistburn.datasets.loading import LoadedPair, load_pair
from mnistburn.datasets.picture_options import PictureOptions
from mnistburn.datasets.source import DataSource
from mnistburn.device import resolve_devices
from mnistburn.distributed import Distributed, Ranks, as_ranks
from mnistburn.errors import ArtifactError, ConfigError, DataError
from mnistburn.hints import data_hint, folder_hint, renumbering_hint
from mnistburn.live_file import LiveFile
from mnistburn.live_metrics import LiveMetrics
from mnistburn.metrics import Metric, MetricFunction, own_value, split_metrics
from mnistburn.model import Model
from mnistburn.progress import Progress, epoch_line, start_progress
from mnistburn.results import TrainingResult, read_result, stored_config
from mnistburn.run_data import RunData
from mnistburn.start import Start, StartModel, as_start

__all__ = ["DEFAULT_DATA", "data_pair", "fitting_model", "start_network", "train", "training_data"]

DEFAULT_DATA: Final = "mnist"
"""What is trained on unless something else is asked for."""


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
    returns with ``interrupted`` set; a second one raises `KeyboardInterrupt`.

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
        config, device, data, start, freeze, resume, overwrite, callbacks, metrics, progress
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
    observer = _Observer(
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


class TrainingData(NamedTuple):
    """What a run learns from, and the network for it.

    Attributes:
        train: The images to train with.
        valid: Those to validate on, with the classes of the others.
        network: The network of the configuration, or one that fits them.
        source: Where they come from.
    """

    train: Dataset
    valid: Dataset
    network: NetworkConfig
    source: DataSource


def training_data(
    config: TrainingConfig,
    data: object,
    resumed: RunData | None = None,
    *,
    like: NetworkConfig | None = None,
    resume: bool = False,
    progress: bool,
) -> TrainingData:
    """Take or load the data of a training, and check that they fit its network.

    Args:
        config: The configuration.
        data: The data, as `train` has them.
        resumed: The data of the run that is resumed, where they are known.
        like: The network of the model to start from, where that decides.
        resume: Whether a run is resumed.
        progress: Whether progress is shown while data are fetched.

    Returns:
        The data and the network.

    Raises:
        DataError: The data have another type, do not fit the network or cannot be fetched.
    """
    pair = data_pair(data, replace(config, model=config.model or like), resumed, progress=progress)
    for line in pair.told:
        # That one was told when the folder was read.
        if line != pair.train.shape_rule:
            _log("info", line)
    train_data = pair.train
    if config.model is not None and not resume and pair.source.kind == "folder":
        _tell_of_other_pictures(config.model, train_data)
    network = config.model or fitting_model(train_data, pair.valid, like or ModelConfig)
    valid_data = match_classes(
        pair.valid,
        train_data.class_names,
        network.num_classes,
        what="the validation data",
        of="training data",
    )
    _check_data(train_data, network, "training", of_start=like is not None)
    _check_data(valid_data, network, "validation", like=train_data)
    return TrainingData(train_data, valid_data, network, pair.source)


def data_pair(
    data: object, config: TrainingConfig, resumed: RunData | None, *, progress: bool
) -> LoadedPair:
    """Take or load the images of a training.

    Args:
        data: The data, as `train` has them.
        config: The configuration, whose model says what pictures are made to.
        resumed: The data of the run that is resumed, where they are known.
        progress: Whether progress is shown while data are fetched.

    Returns:
        The images.

    Raises:
        DataError: The data have another type, or cannot be fetched.
    """
    if data is None and resumed is not None:
        return resumed.load_pair(progress=progress)
    if data is None:
        data = DEFAULT_DATA
    match data:
        case LoadedPair():
            return data
        case str() | os.PathLike():
            model = config.model
            options = PictureOptions() if model is None else PictureOptions.of(model.image_shape)
            share = None
            if resumed is not None:
                # A resumed run needs the images it began with.
                options = PictureOptions.of(resumed.image_shape, resumed.preprocessing)
                share = None if resumed.source is None else resumed.source.validation
            return load_pair(
                data, validation=share, seed=config.seed, options=options, progress=progress
            )
        case (Dataset() as train_data, Dataset() as valid_data):
            return LoadedPair(train_data, valid_data, DataSource.of_arrays(), ())
    message = (
        "data must be None, the name of a data set, a folder of pictures, a file (.npz, .csv or "
        f"IDX), or a pair (train, valid) of Dataset, got {shown(data)}"
    )
    if isinstance(data, Dataset):
        message += "; set a share aside with data=data.split(0.1)"
    else:
        message += data_hint(data)
    raise DataError(message)


def start_network(start: StartModel) -> NetworkConfig:
    """Return the network of a model to start from, or refuse where its images are not known."""
    start.model._native.check_image_size()  # noqa: SLF001  of this package
    return start.model.config


def fitting_model(
    train: Dataset, valid: Dataset, network: type[NetworkConfig] | NetworkConfig = ModelConfig
) -> NetworkConfig:
    """Return the model for the classes of data, and of default sizes for their images.

    The log tells where labels leave classes out, which the model has all the same.

    Args:
        train: The images to train with.
        valid: Those to validate on; without names they may have classes that the others lack.
        network: The kind of network; or a network, which keeps its images and its sizes.

    Returns:
        The configuration of the model.
    """
    num_classes = train.num_classes
    if train.class_names is None and len(train):
        targets = train.targets
        if valid.class_names is None:
            targets = numpy.concatenate([targets, valid.targets])
        num_classes = int(targets.max()) + 1
        hint = renumbering_hint(targets)
        if hint:
            text = f"the labels go up to {num_classes - 1}, so the model gets {num_classes} classes"
            _log("warning", text + hint)
    num_classes = max(2, num_classes)
    if isinstance(network, type):
        return network.for_data(train, num_classes=num_classes)
    return replace(network, num_classes=num_classes)


def _tell_of_other_pictures(model: NetworkConfig, train: Dataset) -> None:
    """Tell where a configuration for digits seems to be taken for other pictures."""
    default = ModelConfig()
    if (model.image_shape, model.num_classes) != (default.image_shape, default.num_classes):
        return
    if train.num_classes != default.num_classes:
        _log(
            "warning",
            f"the pictures have {train.num_classes} classes, and the model of the configuration "
            f"has {model.num_classes} and takes grey images of {model.image_shape}, as for MNIST; "
            "leave model out of TrainingConfig, and classes, size and channels follow the "
            "pictures, or set num_classes, image_height, image_width and image_channels",
        )


def _check_data(
    data: Dataset,
    model: NetworkConfig,
    name: str,
    *,
    like: Dataset | None = None,
    of_start: bool = False,
) -> None:
    if not len(data):
        message = f"the {name} data must not be empty"
        raise DataError(message)
    shape = model.image_shape
    if data.image_shape != shape:
        message = f"the {name} images of {data.image_shape} do not fit the model, which takes "
        if like is None:
            height, width, channels = data.image_shape
            fitting = replace(
                model, image_height=height, image_width=width, image_channels=channels
            )
            way_out = "leave model out of TrainingConfig"
            if of_start:
                way_out = (
                    "it is that of start: resize the images, start from a model of such images"
                )
            message += f"images of {shape}; {way_out}, or pass model={fitting}"
        else:
            # The training images do: a model that fits these would not fit those.
            message += f"images of {shape}, as the training images are"
            message += folder_hint(shape, like.preprocessing)
        raise DataError(message)
    try:
        as_targets(data.targets, len(data), model.num_classes)
    except DataError as error:
        message = f"the {name} data do not fit the model: {error}"
        raise DataError(message) from None


class _Observer:
    """Takes the events of a training to callbacks, progress and the log.

    A true return value asks the training to stop after the current batch.
    """

    def __init__(
        self,
        run: RunView,
        hooks: CallbackList,
        functions: dict[str, MetricFunction],
        live: LiveMetrics,
        shows: tuple[Progress | None, ...],
        *,
        logs: bool,
    ) -> None:
        self._run = run
        self._hooks = hooks
        self._functions = functions
        self._live = live
        self._shows = [show for show in shows if show is not None]
        self._logs = logs

    def __call__(self, events: str, view: _native.RunView) -> bool:
        # All of them, one by one: a wish to stop must not swallow the events after it.
        wishes = [self._handle(event, self._run._at(view)) for event in json.loads(events)]  # noqa: SLF001
        return any(wishes)

    def measure(self, logits: bytearray, targets: bytearray, num_classes: int) -> list[float]:
        """Return the values of the metrics that are functions."""
        rows = numpy.frombuffer(logits, dtype="<f8").reshape(-1, num_classes)
        classes = numpy.frombuffer(targets, dtype="<i8")
        return [
            own_value(name, function, rows.copy(), classes.copy())
            for name, function in self._functions.items()
        ]

    def fail(self, error: BaseException) -> None:
        self._hooks.exception(error, self._run)

    def close(self) -> None:
        for show in self._shows:
            show.close()

    def _handle(self, event: dict[str, Any], run: RunView) -> bool:
        self._live.take(event)
        for show in self._shows:
            show.show(event)
        if event["kind"] == "log" and self._logs:
            _log(event["level"], event["message"])
        return self._tell(event, run)

    def _tell(self, event: dict[str, Any], run: RunView) -> bool:
        match event["kind"]:
            case "start":
                self._hooks.train_begin(event, run.artifact_dir, run.config, run)
            case "epoch_start":
                self._hooks.epoch_begin(event, run)
            case "train_step":
                return self._hooks.step_end(event, run)
            case "step_start":
                self._hooks.step_begin(event, run)
            case "valid_start":
                self._hooks.validation_begin(event, run)
            case "valid_end":
                self._hooks.validation_end(event, run)
            case "epoch_end":
                if self._logs:
                    _log("info", epoch_line(event, run.config.num_epochs))
                return self._hooks.epoch_end(event, run)
            case "end":
                self._hooks.train_end(event, run)
        return False


def _log(level: str, message: str) -> None:
    import logging  # noqa: PLC0415  only a training logs

    logging.getLogger("mnistburn").log(
        logging.WARNING if level == "warning" else logging.INFO, "%s", message
    )
