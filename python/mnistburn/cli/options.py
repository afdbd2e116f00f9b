"""What several commands share: options, types of arguments, tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

import mnistburn

__all__ = [
    "INTERRUPTED",
    "PATH",
    "data_option",
    "device_option",
    "load_model",
    "print_table",
]

INTERRUPTED: Final = 130
"""The exit status of a command that Ctrl-C ended, as shells have it."""


# As in Python: to compile kernels for a GPU takes longer than a few images on the CPU.
device_option = click.option(
    "--device", default="cpu", show_default=True, help="Where to compute; see `devices`."
)


data_option = click.option(
    "--data",
    default="mnist",
    show_default=True,
    metavar="DATA",
    help="The name of a data set, fetched where it is not there yet (see `data list`), or a folder "
    "of pictures with a sub-folder for each class.",
)


class PathType(click.Path):
    """A path that is not empty: pathlib takes an empty one for the current directory."""

    def convert(
        self,
        value: Any,  # noqa: ANN401  click's own signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401
        if value == "":
            self.fail("a path must not be empty; use '.' for the current directory", param, ctx)
        return super().convert(value, param, ctx)


PATH: Final = PathType(path_type=Path)


def load_model(path: Path, device: str) -> tuple[mnistburn.Model, tuple[str, ...] | None]:
    """Return the model of a run's directory, or of a model file, and the names of its classes."""
    if path.is_dir():
        run = mnistburn.load_run(path, device)
        return run.model, run.class_names
    return mnistburn.Model.load(path, device), None


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows with columns of equal widths; the last one is as long as it is."""
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    for *cells, last in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        click.echo("  ".join([*padded, last]))
