"""``mnistburn find-rate``."""

import dataclasses
import json
from pathlib import Path
from typing import Final

import click

import mnistburn
from mnistburn.cli.config_file import read_config_file
from mnistburn.cli.help_text import Command
from mnistburn.cli.options import PATH, data_option, print_table

__all__ = ["find_rate"]

# Rows of the table.
_ROWS: Final = 20


@click.command("find-rate", cls=Command)
@data_option("MNIST")
@click.option(
    "--config",
    "config_file",
    type=PATH,
    metavar="FILE",
    help="A config.json; - for standard input.",
)
@click.option(
    "--device", default="auto", show_default=True, help="Where to compute; see `devices`."
)
@click.option("--start-rate", type=float, default=1e-7, show_default=True, help="The first rate.")
@click.option("--end-rate", type=float, default=10.0, show_default=True, help="The last rate.")
@click.option("--num-steps", type=int, default=200, show_default=True, help="How many steps.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def find_rate(
    *,
    data: str | None,
    config_file: Path | None,
    device: str,
    start_rate: float,
    end_rate: float,
    num_steps: int,
    as_json: bool,
) -> None:
    """Suggest a learning rate, by training at growing rates.

    The losses of a few steps tell. Nothing is written, and no run is touched.
    """
    config = None if config_file is None else read_config_file(config_file).config
    curve = mnistburn.find_rate(
        config,
        data,
        device,
        start_rate=start_rate,
        end_rate=end_rate,
        num_steps=num_steps,
        progress=not as_json,
    )
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(curve)))
        return
    rows = [("rate", "loss", "smoothed")]
    columns = list(zip(curve.rates, curve.losses, curve.smoothed, strict=True))
    rows += [
        (f"{rate:.2e}", f"{loss:.4f}", f"{smoothed:.4f}")
        for rate, loss, smoothed in columns[:: -(-len(columns) // _ROWS)]
    ]
    print_table(rows)
    if curve.diverged:
        click.echo(f"ended after {len(columns)} of {num_steps} steps, as the loss grew")
    if curve.suggestion is None:
        click.echo("no suggestion: the loss never falls; try other rates or more steps")
    else:
        click.echo(
            f"suggested learning rate: {curve.suggestion:.2e}, where the smoothed loss falls "
            "steepest over the logarithm of the rate"
        )
    if curve.minimum is not None:
        click.echo(f"a tenth of the rate of the lowest smoothed loss: {curve.minimum:.2e}")
