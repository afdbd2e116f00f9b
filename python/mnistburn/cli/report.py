"""``mnistburn report``."""

from pathlib import Path
from typing import Final

import click

import mnistburn
from mnistburn.cli.help_text import Command
from mnistburn.cli.options import PATH, data_option, device_option, epoch_option, split_option
from mnistburn.cli.trained import as_epoch
from mnistburn.datasets.parts import Split
from mnistburn.report import REPORT_FORMATS, ReportFormat, report_text

__all__ = ["report"]

_ENDINGS: Final[dict[ReportFormat, str]] = {
    "html": "-report.html",
    "markdown": "-model-card.md",
}
_STANDARD_OUTPUT: Final = Path("-")


@click.command(cls=Command)
@click.argument("directory", metavar="RUN", type=PATH)
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="FILE",
    help="Where to write; beside RUN unless given, as in runs/digits-report.html. - prints it.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(REPORT_FORMATS),
    help="One page of HTML, or a model card in Markdown; what FILE says, else html, unless given.",
)
@data_option("what the run was trained on")
@split_option
@epoch_option
@device_option
@click.option(
    "--overwrite", is_flag=True, help="Replace FILE also where it is no report, or was changed."
)
def report(
    *,
    directory: Path,
    output: Path | None,
    kind: ReportFormat | None,
    data: str | None,
    split: Split | None,
    epoch: str | None,
    device: str,
    overwrite: bool,
) -> None:
    """Write a report of a run: one page that needs nothing else.

    RUN is its directory. The model is measured on the test images of the run's data, or on what it
    was validated on where it has none; --data names others. What is told of data that are gone is
    left out, and the report says why.
    """
    run = mnistburn.load_run(directory, device, epoch=None if epoch is None else as_epoch(epoch))
    if kind is None and (output is None or output == _STANDARD_OUTPUT):
        kind = "html"
    if output == _STANDARD_OUTPUT:
        click.echo(report_text(run, kind or "html", data=data, split=split), nl=False)
        return
    if output is None:
        # "." has no name, and nothing beside it.
        named = directory if directory.name not in {"", ".."} else directory.resolve()
        output = named.parent / f"{named.name}{_ENDINGS[kind or 'html']}"
    written = run.report(output, format=kind, data=data, split=split, overwrite=overwrite)
    click.echo(click.format_filename(written))
