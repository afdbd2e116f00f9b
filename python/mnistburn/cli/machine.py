"""The commands about this machine: ``mnistburn devices | bench``."""

from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

import mnistburn
from mnistburn.arguments import LARGEST_SEED
from mnistburn.cli.help_text import Command
from mnistburn.cli.options import PATH, print_table
from mnistburn.recipes import RECIPES

__all__ = ["bench", "devices"]


@click.command(cls=Command)
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


_OF_SPEED: Final = ("sections", "peers", "batch_sizes", "images", "rounds", "seconds")
_OF_ACCURACY: Final = ("recipe", "num_epochs", "seed")


def _refuse_options_of_the_other(ctx: click.Context, *, accuracy: bool) -> None:
    """Refuse options that would be passed over."""
    for parameter in ctx.command.params:
        given = ctx.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        if given and parameter.name in (_OF_SPEED if accuracy else _OF_ACCURACY):
            word = "cannot be used with" if accuracy else "needs"
            message = f"{parameter.opts[0]} {word} --accuracy"
            raise click.UsageError(message, ctx)


@click.command(cls=Command)
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
@click.option(
    "--accuracy",
    type=click.Choice(["medmnist"]),
    help="Train and test on the sets of MedMNIST that are here, instead of measuring speed.",
)
@click.option(
    "--recipe",
    type=click.Choice(list(RECIPES)),
    default="pictures",
    show_default=True,
    help="With --accuracy: what to train; see `recipes`.",
)
@click.option(
    "--num-epochs",
    type=click.IntRange(min=1),
    help="With --accuracy: epochs of each training; the recipe's unless given.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    default=42,
    show_default=True,
    help="With --accuracy: the seed of each training.",
)
@click.option("--json", "json_file", type=PATH, help="Write all figures to this file.")
@click.pass_context
def bench(
    ctx: click.Context,
    /,
    *,
    peers: tuple[str, ...],
    accuracy: str | None,
    recipe: str,
    num_epochs: int | None,
    seed: int,
    json_file: Path | None,
    **values: Any,  # noqa: ANN401  the fields of a plan
) -> None:
    """Compare speed with PyTorch, JAX, onnxruntime and plain Burn.

    All of them compute on this machine's CPU, plain Burn with its own operations.

    Peers that are not installed beside mnistburn are listed with the command that installs them.
    --accuracy compares the accuracy of a recipe with published figures.
    """
    from mnistburn.bench import command  # noqa: PLC0415  one command of several needs it

    _refuse_options_of_the_other(ctx, accuracy=accuracy is not None)
    if accuracy is not None:
        threads = values["threads"]
        if threads is not None and len(threads) > 1:
            message = f"--threads must be one number with --accuracy, got {len(threads)}"
            raise click.UsageError(message, ctx)
        print_table(
            command.run_accuracy(
                recipe=recipe,
                seed=seed,
                num_epochs=num_epochs,
                threads=None if threads is None else threads[0],
                json_file=json_file,
            )
        )
        return
    failed = command.run(command.planned(**values), peers, json_file)
    ctx.exit(1 if failed else 0)
