"""The model that a run starts from."""

import os
from pathlib import Path
from typing import NamedTuple

from mnistburn.arguments import as_path, shown
from mnistburn.errors import ConfigError
from mnistburn.model import Model
from mnistburn.results import TrainingResult, load_run

__all__ = ["Start", "StartModel", "as_start"]

Start = Model | TrainingResult | str | os.PathLike[str]
"""What a run can start from."""


class StartModel(NamedTuple):
    """A model to start from, and where it came from.

    Attributes:
        model: The model.
        path: The model file or the artifact directory; None for a model in memory.
    """

    model: Model
    path: Path | None


def as_start(start: object) -> StartModel:
    """Take or load the model that a run starts from.

    Args:
        start: The model, the result of a training, a model file, or the directory of a run.

    Returns:
        The model.

    Raises:
        ConfigError: It is none of these.
        ArtifactError: The directory holds no run.
        RecordError: The file is damaged, or no model.
        OSError: The file cannot be read.
    """
    match start:
        case StartModel():
            return start
        case Model():
            return StartModel(start, None)
        case TrainingResult():
            return StartModel(start.model, start.artifact_dir.absolute())
        case str() | os.PathLike():
            path = as_path(start, "start", ConfigError)
            model = load_run(path).model if path.is_dir() else Model.load(path)
            return StartModel(model, path.absolute())
    message = (
        "start must be a Model, the result of a training, a model file or the directory of a run, "
        f"got {shown(start)}"
    )
    raise ConfigError(message)
