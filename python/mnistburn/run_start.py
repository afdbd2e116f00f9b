"""Where a run started, from its ``start.json``."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self, get_args

from mnistburn.errors import ArtifactError

__all__ = ["START_FILE", "START_MODEL_FILE", "RunStart"]

START_FILE: Final = "start.json"
START_MODEL_FILE: Final = "start.mpk"

OutputLayer = Literal["kept", "initialised"]


@dataclass(frozen=True)
class RunStart:
    """The model that a run started from.

    Attributes:
        path: The model file or the run that it came from; None where it was a `Model` in memory.
        sha256: The SHA-256 of its parameters: their float32 numbers, little-endian, in the order of
            `Model.state_dict`.
        output_layer: What became of its output layer: ``"kept"``, or ``"initialised"`` anew, as the
            run has other classes.
    """

    path: Path | None
    sha256: str
    output_layer: OutputLayer

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """Read where the run in an artifact directory started.

        Args:
            directory: The artifact directory.

        Returns:
            The start; None for a run that began with random parameters.

        Raises:
            ArtifactError: The file is damaged.
        """
        file = directory / START_FILE
        if not file.is_file():
            return None
        try:
            value = json.loads(file.read_text("utf-8"))
            path, sha256 = value["path"], str(value["sha256"])
            layer = _output_layer(value["output_layer"])
            return cls(None if path is None else Path(path), sha256, layer)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            reason = f"the key {error} is missing" if isinstance(error, KeyError) else error
            message = f"{file} is damaged: {reason}"
            raise ArtifactError(message) from None

    def to_json_object(self) -> dict[str, str | None]:
        """Return the start as what JSON can hold."""
        path = None if self.path is None else str(self.path)
        return {"path": path, "sha256": self.sha256, "output_layer": self.output_layer}

    def __str__(self) -> str:
        """Return where the run started, and what became of the output layer."""
        source = "a model in memory" if self.path is None else str(self.path)
        if self.output_layer == "kept":
            return f"{source}, all its parameters"
        return f"{source}, the output layer initialised anew for other classes"


def _output_layer(value: object) -> OutputLayer:
    for known in get_args(OutputLayer):
        if value == known:
            layer: OutputLayer = known
            return layer
    message = f"output_layer must be one of {get_args(OutputLayer)}, got {value!r}"
    raise ValueError(message)
