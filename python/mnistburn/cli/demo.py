"""``mnistburn demo``."""

import os
import sys
import webbrowser
from pathlib import Path
from typing import Final

import click

from mnistburn.cli.help_text import Command
from mnistburn.cli.options import (
    PATH,
    data_option,
    device_option,
    epoch_option,
    error_text,
    image_size_option,
    printable,
    split_option,
)
from mnistburn.cli.trained import Trained
from mnistburn.dataset import Dataset
from mnistburn.datasets.parts import Split
from mnistburn.demo.content import Content
from mnistburn.demo.drawn import is_drawn
from mnistburn.demo.export import write_page
from mnistburn.errors import ArtifactError, ConfigError, DataError

__all__ = ["demo"]

_DEFAULT_RUN: Final = Path("artifacts/mnist")


@click.command(cls=Command)
@click.argument("path", type=PATH, metavar="[RUN]", required=False)
@click.option(
    "--export",
    "export_path",
    type=PATH,
    metavar="PAGE",
    help="Write the page to one .html file, with the model inside, in place of serving it.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="The port to serve the page at; 0 for any that is free.",
)
@click.option(
    "--open/--no-open",
    "opens",
    default=True,
    show_default=True,
    help="Open the page in the browser, where there is one.",
)
@data_option("what the run was trained on")
@split_option
@epoch_option
@image_size_option
@device_option
def demo(
    *,
    path: Path | None,
    export_path: Path | None,
    port: int | None,
    opens: bool,
    data: str | None,
    split: Split | None,
    epoch: str | None,
    image_size: tuple[int, int] | None,
    device: str,
) -> None:
    """Try a model on a page: draw something or show it a picture.

    RUN is the directory of a run or a model file; artifacts/mnist unless given. The page is served
    to this machine alone, until Ctrl-C.
    """
    trained = Trained.load(_run(path), device, epoch=epoch, image_size=image_size)
    content = Content(
        trained.model,
        str(trained.path),
        is_drawn(trained.model, trained.data),
        _samples(trained, data, split),
    )
    if export_path is not None:
        click.echo(click.format_filename(write_page(content, export_path)))
        return
    try:
        from mnistburn.demo.server import ADDRESS, listen, serve  # noqa: PLC0415  of an extra
    except ImportError:
        message = (
            "the demo needs starlette and uvicorn, which are not installed; "
            'pip install "mnistburn[demo]", or write the page to a file with --export page.html'
        )
        raise ConfigError(message) from None
    with listen(port) as listening:
        address = f"http://{ADDRESS}:{listening.getsockname()[1]}/"

        def started() -> None:
            click.echo(f"{address}  (Ctrl-C ends it)")
            if opens and _has_browser():
                webbrowser.open(address)

        try:
            serve(content, listening, started)
        except KeyboardInterrupt:
            return


def _run(path: Path | None) -> Path:
    if path is not None:
        return path
    if not (_DEFAULT_RUN / "config.json").is_file():
        message = (
            f"there is no run in {_DEFAULT_RUN}; train one, in a few seconds, with "
            "`mnistburn train --recipe fast`, or name the directory of a run or a model file"
        )
        raise ArtifactError(message)
    return _DEFAULT_RUN


def _samples(trained: Trained, data: str | None, split: Split | None) -> Dataset | None:
    """Return the images of the run, or those that were asked for."""
    if data is None and trained.data is None:
        return None
    try:
        return trained.dataset(data, split).dataset
    except (DataError, OSError) as error:
        if data is not None:
            raise
        click.echo(f"no images to try: {printable(error_text(error))}", err=True)
        return None


def _has_browser() -> bool:
    """Tell whether someone looks on: a browser for terminals would take this one."""
    if not sys.stdout.isatty():
        return False
    windows = sys.platform in {"win32", "darwin"}
    return windows or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
