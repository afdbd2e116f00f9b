"""``mnistburn export``."""

from pathlib import Path
from typing import get_args

import click

from mnistburn.cli.help_text import Command
from mnistburn.cli.options import PATH, epoch_option, image_size_option
from mnistburn.cli.trained import Trained
from mnistburn.model import ExportFormat

__all__ = ["export"]


@click.command(cls=Command)
@click.argument("path", type=PATH, metavar="MODEL")
@click.argument("out", type=PATH)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(get_args(ExportFormat)),
    help="The format; what the extension of OUT says unless given.",
)
@click.option(
    "--normalised",
    is_flag=True,
    help="ONNX: take float32 images that are normalised, not raw uint8 pixels.",
)
@epoch_option
@image_size_option
def export(
    *,
    path: Path,
    out: Path,
    format_name: ExportFormat | None,
    normalised: bool,
    epoch: str | None,
    image_size: tuple[int, int] | None,
) -> None:
    """Write MODEL to the file OUT for another program.

    MODEL is a run's directory or a model file.
    """
    model = Trained.load(path, "cpu", epoch=epoch, image_size=image_size).model
    written = model.export(out, format_name, normalise=not normalised)
    click.echo(click.format_filename(written))
