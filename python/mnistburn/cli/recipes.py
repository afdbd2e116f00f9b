"""``mnistburn recipes``."""

import click

from mnistburn.cli.help_text import Command
from mnistburn.cli.options import data_option
from mnistburn.recipes import RECIPES, recipe

__all__ = ["recipes"]


@click.command(cls=Command)
@click.argument("name", required=False, type=click.Choice(list(RECIPES)))
@data_option("MNIST")
def recipes(name: str | None, data: str | None) -> None:
    """List the recipes, or print the configuration of one.

    `mnistburn train --recipe` takes them.

    The configuration is JSON, as --config takes it, for the images of --data: MNIST unless given.
    """
    if name is not None:
        click.echo(recipe(name, data).to_json())
        return
    longest = max(len(known) for known in RECIPES)
    for known in RECIPES.values():
        click.echo(f"{known.name:<{longest}}  {known.summary}")
