"""The commands about this machine: ``mnistburn devices | bench``."""

from pathlib import Path
from typing import Any

import click

import mnistburn
from mnistburn.cli.options import PATH, print_table

__all__ = ["bench", "devices"]


@click.command()
def devices() -> None:
    """List the devices of this machine."""
    rows = [("device", "kind", "name", "state")]
    rows += [
        (item.device, item.kind, item.name, item.reason or "available")
        for item in mnistburn.devices()
    ]
    print_table(rows)


def _numbers(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Return the whole numbers above 0 that an option holds, with commas between them."""
    if value is None:
        return None
    try:
        numbers = tuple(int(part) for part in value.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        message = f"{value!r} must be whole numbers above 0, as in 1,2"
        raise click.BadParameter(message, ctx, param)
    return numbers


@click.command()
@click.option(
    "--section",
    "sections",
    type=click.Choice(["training", "inference"]),
    multiple=True,
    help="What to measure; both unless given.",
)
@click.option(
    "--peer",
    "peers",
    multiple=True,
    metavar="NAME",
    help="Whom to compare with: stock, pytorch, jax or onnxruntime; all unless given.",
)
@click.option(
    "--threads",
    callback=_numbers,
    metavar="LIST",
    help="Threads, as in 1,2; all cores unless given.",
)
@click.option(
    "--batch-size",
    "batch_sizes",
    callback=_numbers,
    metavar="LIST",
    default="64",
    show_default=True,
    help="Images of a training step, as in 16,64.",
)
@click.option(
    "--images",
    callback=_numbers,
    metavar="LIST",
    default="1,64,10000",
    show_default=True,
    help="Images of an inference call.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="How often each is measured, in turn with the others.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.0, min_open=True),
    default=1.5,
    show_default=True,
    help="How long a measurement lasts, roughly.",
)
@click.option("--json", "json_file", type=PATH, help="Write all figures to this file.")
@click.pass_context
def bench(
    ctx: click.Context,
    /,
    *,
    peers: tuple[str, ...],
    json_file: Path | None,
    **values: Any,  # noqa: ANN401  the fields of a plan
) -> None:
    """Compare with PyTorch, JAX, onnxruntime and Burn's own operations on this machine's CPU.

    Peers that are not installed beside mnistburn are listed with the command that installs them.
    """
    from mnistburn.bench import command  # noqa: PLC0415  one command of several needs it

    failed = command.run(command.planned(**values), peers, json_file)
    ctx.exit(1 if failed else 0)
