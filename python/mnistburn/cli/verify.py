"""``mnistburn verify``."""

import dataclasses
import json
from pathlib import Path
from typing import NoReturn

import click

import mnistburn
from mnistburn.cli.help_text import Command
from mnistburn.cli.options import PATH, data_option, printable
from mnistburn.cli.termination import termination_as_interrupt

__all__ = ["verify"]


@click.command(cls=Command)
@click.argument("path", metavar="[RUN]", type=PATH, required=False)
@data_option("what the run was trained on")
@click.option(
    "--device",
    "devices",
    multiple=True,
    help="Where to train again, as with `train`; where the run was trained unless given.",
)
@click.option(
    "--reference",
    is_flag=True,
    help="Train the reference runs, whose weights are known, in place of RUN.",
)
@click.option("--no-progress", is_flag=True, help="Show no progress.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def verify(
    ctx: click.Context,
    /,
    *,
    path: Path | None,
    data: str | None,
    devices: tuple[str, ...],
    reference: bool,
    no_progress: bool,
    as_json: bool,
) -> None:
    """Train a run again, and compare the weights bit by bit.

    RUN is its directory. It is trained in a temporary directory, from what the run says of its
    configuration, its data and its start. The exit status is 0 when the weights are the same bits,
    and 1 when they are not; what is printed says at which step the histories part.

    With --reference small runs are trained on the CPU, whose weights are known for each instruction
    set: a few seconds say whether this machine has the bits of the documentation.
    """
    if reference:
        if path is not None or data is not None or devices:
            message = "--reference has runs, data and a device of its own; leave out all else"
            raise click.UsageError(message)
        _verify_reference(ctx, as_json=as_json)
    if path is None:
        message = "RUN must be the directory of a run; or pass --reference"
        raise click.UsageError(message)
    with termination_as_interrupt():
        found = mnistburn.verify(path, data=data, device=devices or None, progress=not no_progress)
    if as_json:
        described = dataclasses.asdict(found) | {"artifact_dir": str(found.artifact_dir)}
        click.echo(json.dumps(described))
    else:
        for line in str(found).splitlines():
            click.echo(printable(line))
    ctx.exit(0 if found.same else 1)


def _verify_reference(ctx: click.Context, *, as_json: bool) -> NoReturn:
    with termination_as_interrupt():
        runs = mnistburn.verify_reference()
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(run) | {"same": run.same} for run in runs]))
    else:
        for run in runs:
            click.echo(str(run))
    ctx.exit(0 if all(run.same for run in runs) else 1)
