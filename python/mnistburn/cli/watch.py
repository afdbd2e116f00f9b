"""``mnistburn watch``."""

import contextlib
import webbrowser
from pathlib import Path

import click

from mnistburn.cli.help_text import Command
from mnistburn.cli.options import PATH
from mnistburn.watch.server import WatchServer

__all__ = ["watch"]


@click.command(cls=Command)
@click.argument("directory", metavar="RUN", type=PATH)
@click.option(
    "--port", type=int, default=0, help="The port on this machine; any that is free unless given."
)
@click.option("--open", "open_browser", is_flag=True, help="Open the page in the browser.")
def watch(*, directory: Path, port: int, open_browser: bool) -> None:
    """Serve a page that follows a run, until Ctrl-C.

    RUN is its directory. The page shows what the run's files say: its curves, the time left and its
    log. The run may be on, over, or not begun yet, and any process on this machine may train it.
    The page is for browsers on this machine alone; the address is printed.
    """
    server = WatchServer(directory, port)
    click.echo(server.url)
    if open_browser:
        webbrowser.open(server.url)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            server.serve()
    finally:
        server.close()
