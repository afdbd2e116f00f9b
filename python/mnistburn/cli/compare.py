"""``mnistburn compare``."""

import json
from pathlib import Path

import click

import mnistburn
from mnistburn.cli.help_text import Command
from mnistburn.cli.options import PATH, data_option, device_option, split_option
from mnistburn.datasets.parts import Split

__all__ = ["compare"]


@click.command(cls=Command)
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="RUN RUN [RUN]...")
@data_option("what the runs were trained on")
@split_option
@device_option
@click.option(
    "--batch-size", type=int, default=256, show_default=True, help="Images computed at a time."
)
@click.option(
    "--by-number",
    is_flag=True,
    help="Take the classes of data without class names by their numbers.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(
    *,
    runs: tuple[Path, ...],
    data: str | None,
    split: Split | None,
    device: str,
    batch_size: int,
    by_number: bool,
    as_json: bool,
) -> None:
    """Measure the models of runs on the same images.

    RUN is the directory of one, and a test tells whether they differ. The images are the test
    images of the data that the runs were trained on, or what they were validated on where there
    are none; --data names others. McNemar's p is the probability of so uneven counts if both
    models were equally good.
    """
    found = mnistburn.compare(
        *runs, data=data, split=split, device=device, batch_size=batch_size, by_number=by_number
    )
    click.echo(json.dumps(found.to_json_object()) if as_json else str(found))
