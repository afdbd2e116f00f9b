"""The data of a training: taken or loaded, and checked against its network."""

import os
from dataclasses import replace
from typing import Final, NamedTuple

import numpy

from mnistburn.arguments import shown
from mnistburn.arrays import as_targets
from mnistburn.classes import match_classes
from mnistburn.config import ModelConfig, NetworkConfig, TrainingConfig
from mnistburn.dataset import Dataset
from mnistburn.datasets.loading import LoadedPair, load_pair
from mnistburn.datasets.picture_options import PictureOptions
from mnistburn.datasets.source import DataSource
from mnistburn.errors import DataError
from mnistburn.hints import data_hint, folder_hint, renumbering_hint
from mnistburn.run_data import RunData
from mnistburn.run_log import log
from mnistburn.start import StartModel

__all__ = [
    "DEFAULT_DATA",
    "TrainingData",
    "data_pair",
    "fitting_model",
    "start_network",
    "training_data",
]

DEFAULT_DATA: Final = "mnist"
"""What is trained on unless something else is asked for."""


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
            log("info", line)
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
            log("warning", text + hint)
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
        log(
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
