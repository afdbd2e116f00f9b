"""The command line: ``mnistburn train | evaluate | predict | export | show | ...``."""

import errno
from typing import Any

import click

import mnistburn
from mnistburn.cli.compare import compare
from mnistburn.cli.completion import completion
from mnistburn.cli.data import data
from mnistburn.cli.demo import demo
from mnistburn.cli.evaluate import evaluate
from mnistburn.cli.export import export
from mnistburn.cli.find_rate import find_rate
from mnistburn.cli.groups import Group, in_options
from mnistburn.cli.interruption import interrupts_raised
from mnistburn.cli.machine import bench, devices
from mnistburn.cli.options import INTERRUPTED, error_text
from mnistburn.cli.predict import predict
from mnistburn.cli.recipes import recipes
from mnistburn.cli.report import report
from mnistburn.cli.show import show
from mnistburn.cli.sweep import sweep
from mnistburn.cli.termination import TERMINATED, Terminated
from mnistburn.cli.training import train
from mnistburn.cli.verify import verify
from mnistburn.cli.watch import watch
from mnistburn.config.settings import SettingError
from mnistburn.errors import MnistburnError

__all__ = ["main"]


class _Commands(Group):
    """Turns errors into a line on standard error and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's own signature
        try:
            with interrupts_raised():
                return super().invoke(ctx)
        except KeyboardInterrupt as error:
            click.echo("error: interrupted", err=True)
            ctx.exit(TERMINATED if isinstance(error, Terminated) else INTERRUPTED)
        except SettingError as error:
            raise click.UsageError(str(error)) from None
        except (MnistburnError, OSError) as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            click.echo(f"error: {in_options(ctx, error_text(error))}", err=True)
            ctx.exit(1)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mnistburn.__version__, prog_name="mnistburn")
def main() -> None:
    """Train, keep and use small image classifiers with the Burn framework."""


for command in (
    *(train, sweep, find_rate, recipes, evaluate, compare, predict, demo, export),
    *(show, report, verify, watch, data, devices, bench, completion),
):
    main.add_command(command)
