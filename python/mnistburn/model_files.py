"""Models as files: what they are called in Python, and how they are written."""

import os
from pathlib import Path
from typing import Literal

from mnistburn import _native
from mnistburn.arguments import as_path, shown
from mnistburn.errors import ConfigError, RecordError

__all__ = ["ExportFormat", "Precision", "Recorder", "export", "save"]

Recorder = Literal[
    "compact", "default", "named-mpk", "named-mpk-gz", "bin", "bin-gz", "json", "json-gz"
]
"""The formats of model files, named after Burn's recorders."""

Precision = Literal["half", "full", "double"]
"""The width of the numbers in a model file: 16, 32 or 64 bits."""

ExportFormat = Literal["onnx", "safetensors", "npz"]
"""The formats that `Model.export` writes."""


def save(
    model: _native.Model,
    path: str | os.PathLike[str],
    recorder: Recorder,
    precision: Precision | None,
) -> Path:
    """Write a model to a file of one of Burn's recorders.

    Args:
        model: The model.
        path: The file.
        recorder: The format.
        precision: The width of the numbers; None for the recorder's own.

    Returns:
        The path written.

    Raises:
        ConfigError: There is no such recorder or precision.
        RecordError: The path is none, or ends in the extension of another format.
        OSError: The file cannot be written.
    """
    target = as_path(path, "path", RecordError)
    for argument, value in (("recorder", recorder), ("precision", precision or "")):
        if not isinstance(value, str):
            message = f"{argument} must be the name of one, a str, got {shown(value)}"
            raise ConfigError(message)
    return Path(model.save(str(target), recorder, precision))


def export(
    model: _native.Model,
    path: str | os.PathLike[str],
    format: ExportFormat | None,  # noqa: A002  the word that users look for
    *,
    normalise: bool,
) -> Path:
    """Write a model for another program.

    Args:
        model: The model.
        path: The file.
        format: The format; None for the one that the path's extension says.
        normalise: Whether an ONNX graph takes raw pixels.

    Returns:
        The path written.

    Raises:
        ConfigError: There is no such format, or normalise is False for another than ONNX.
        RecordError: The path is none, or ends in no extension of the format.
        DataError: The size of the images is not known.
        OSError: The file cannot be written.
    """
    target = as_path(path, "path", RecordError)
    if format is not None and not isinstance(format, str):
        message = f"format must be the name of one, a str, or None, got {shown(format)}"
        raise ConfigError(message)
    if not isinstance(normalise, bool):
        message = f"normalise must be True or False, got {shown(normalise)}"
        raise ConfigError(message)
    return Path(model.export(str(target), format, normalise))
