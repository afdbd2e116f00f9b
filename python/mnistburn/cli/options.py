"""What several commands share: options, types of arguments, tables."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import click
from click.shell_completion import CompletionItem

import mnistburn
from mnistburn.results import TrainingResult
from mnistburn.views import View

__all__ = [
    "INTERRUPTED",
    "PATH",
    "augment_option",
    "best_of",
    "data_option",
    "device_option",
    "epoch_option",
    "error_text",
    "expand_home",
    "image_size_option",
    "no_prepare_option",
    "print_table",
    "printable",
    "split_option",
    "view_option",
]

_Command = TypeVar("_Command", bound=Callable[..., object])

INTERRUPTED: Final = 130
"""The exit status of a command that Ctrl-C ended, as shells have it."""


# As in Python: to compile kernels for a GPU takes longer than a few images on the CPU.
device_option = click.option(
    "--device", default="cpu", show_default=True, help="Where to compute; see `devices`."
)


def _complete_data(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    names = [name for name in mnistburn.datasets.names() if name.startswith(incomplete)]
    # A shell takes either.
    return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]


def data_option(otherwise: str) -> Callable[[_Command], _Command]:
    """Return the decorator that gives a command the option for its data.

    Args:
        otherwise: What is taken where it is not given.

    Returns:
        The decorator.
    """
    return click.option(
        "--data",
        metavar="DATA",
        shell_complete=_complete_data,
        help="The name of a data set, fetched where it is not there yet (see `data list`), a "
        "folder of pictures with a sub-folder for each class, or a .npz, .csv or IDX file; "
        f"{otherwise} unless given.",
    )


split_option = click.option(
    "--split",
    type=click.Choice(["train", "valid", "test"]),
    help="Which part of the data; test unless given, or valid where there is no test.",
)


epoch_option = click.option(
    "--epoch",
    metavar="EPOCH",
    help="The model of which epoch of a run: last, best (of lowest validation loss) or a number; "
    "that which the run ended with unless given: the last, or with early stopping the best.",
)


class _ImageSize(click.ParamType):  # type: ignore[type-arg]  # generic in click 8.4 alone
    """Height and width, as in 32x48; one number for both."""

    name = "HEIGHTxWIDTH"

    def convert(
        self,
        value: Any,  # noqa: ANN401  click's own signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> tuple[int, int]:
        try:
            sides = [int(side) for side in str(value).lower().split("x")]
        except ValueError:
            sides = []
        match sides:
            case [side]:
                return side, side
            case [height, width]:
                return height, width
        message = f"{value!r} must be height and width in pixels, as in 32x48"
        raise click.BadParameter(message, ctx, param)


no_prepare_option = click.option(
    "--no-prepare",
    is_flag=True,
    help="Take pictures of digits as they are; otherwise they are made as MNIST was.",
)


augment_option = click.option(
    "--augment",
    is_flag=True,
    help="Average the probabilities over views of each image: those that the model was trained "
    "with, mirrored where it was with flip, shifted by a pixel where it was with shift or crop.",
)


view_option = click.option(
    "--view",
    "views",
    multiple=True,
    type=click.Choice(get_args(View)),
    help="Average over these views, whatever the model was trained with; may be given twice.",
)


image_size_option = click.option(
    "--image-size",
    type=_ImageSize(),
    metavar=_ImageSize.name,
    help="Height and width of the images, for a model file that does not say them.",
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
        if isinstance(value, str) and value.startswith("~"):
            # A shell leaves it in --option=~/file.
            try:
                value = str(Path(value).expanduser())
            except RuntimeError:
                self.fail(f"the home directory {value!r} is not known", param, ctx)
        return super().convert(value, param, ctx)


PATH: Final = PathType(path_type=Path)


def error_text(error: Exception) -> str:
    """Return what an error says, with the file and what was tried with it."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        name = click.format_filename(error.filename)
        # What the core tried stands before the system's words; Python's own errors come of opening.
        tried, _, reason = error.strerror.rpartition(": ")
        return f"{tried or 'could not open'} {name}: {reason}"
    return str(error)


def best_of(run: TrainingResult) -> str:
    """Return what the best epoch of a run is best by, as in ``lowest validation loss``."""
    known = {
        "valid_loss": "lowest validation loss",
        "valid_accuracy": "highest validation accuracy",
    }
    return known.get(run.best_metric, f"best {run.best_metric}")


def expand_home(
    _context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    """Return paths with a leading ~ expanded, which a shell leaves when it is quoted."""
    return tuple(os.path.expanduser(path) for path in value)  # noqa: PTH111  that raises


def printable(text: str) -> str:
    """Return text of a stranger as one short line that a terminal can show."""
    shown = "".join(character if character.isprintable() else "?" for character in text[:300])
    return shown + "..." * (len(text) > len(shown))


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows with columns of equal widths; the last one is as long as it is."""
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    for *cells, last in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        click.echo("  ".join([*padded, last]))
