"""``mnistburn verify``."""

import dataclasses
import json
from pathlib import Path

import click

import mnistburn
from mnistburn.cli.help_text import Command
from mnistburn.cli.options import PATH, data_option, printable
from mnistburn.cli.termination import termination_as_interrupt

__all__ = ["verify"]


@click.command(cls=Command)
@click.argument("path", metavar="RUN", type=PATH)
@data_option("what the run was trained on")
@click.option(
    "--device",
    "devices",
    multiple=True,
    help="Where to train again, as with `train`; where the run was trained unless given.",
)
@click.option("--no-progress", is_flag=True, help="Show no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def verify(
    ctx: click.Context,
    /,
    *,
    path: Path,
    data: str | None,
    devices: tuple[str, ...],
    no_progress: bool,
    as_json: bool,
) -> None:
    """Train a run again, and compare the weights bit by bit.

    RUN is its directory. It is trained in a temporary directory, from what the run says of its
    configuration, its data and its start. The exit status is 0 when the weights are the same bits,
    and 1 when they are not; what is printed says at which step the histories part.
    """
    with termination_as_interrupt():
        found = mnistburn.verify(path, data=data, device=devices or None, progress=not no_progress)
    if as_json:
        described = dataclasses.asdict(found) | {"artifact_dir": str(found.artifact_dir)}
        click.echo(json.dumps(described))
    else:
        for line in str(found).splitlines():
            click.echo(printable(line))
    ctx.exit(0 if found.same else 1)
