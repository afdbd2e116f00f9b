"""``mnistburn data``: what data sets there are, and what is in them."""

import dataclasses
import json
from pathlib import Path
from typing import Literal

import click

import mnistburn
from mnistburn.cli.groups import Group
from mnistburn.cli.help_text import Command
from mnistburn.cli.options import print_table
from mnistburn.datasets import store
from mnistburn.datasets.classes_line import classes_line
from mnistburn.datasets.known import KnownDataset
from mnistburn.datasets.loading import load_part
from mnistburn.datasets.picture_options import PictureOptions
from mnistburn.datasets.source import part_named_or_tested, source_of

__all__ = ["data"]


@click.group(cls=Group)
def data() -> None:
    """List, fetch and verify the known data sets."""


@data.command("list", cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_data(*, as_json: bool) -> None:
    """List the known data sets, and which of them are here."""
    known = mnistburn.datasets
    entries = [known.info(name) for name in known.names()]
    if as_json:
        rows = [
            {
                "name": entry.name,
                "title": entry.title,
                "train_images": entry.train.count,
                "valid_images": None if entry.valid is None else entry.valid.count,
                "test_images": entry.test.count,
                "class_names": entry.class_names,
                "bytes": entry.size,
                "licence": entry.licence,
                "homepage": entry.homepage,
                "mirrors": entry.mirrors,
                "files": len(entry.files),
                "files_here": len(store.present(entry, None)),
                "folder": str(known.where(entry.name)),
            }
            for entry in entries
        ]
        click.echo(json.dumps(rows))
        return
    table = [("name", "train", "valid", "test", "classes", "MB", "licence", "here")]
    table += [
        (
            entry.name,
            f"{entry.train.count:,}",
            "-" if entry.valid is None else f"{entry.valid.count:,}",
            f"{entry.test.count:,}",
            str(len(entry.class_names)),
            f"{entry.size / 1e6:.1f}",
            entry.licence,
            _whereabouts(entry),
        )
        for entry in entries
    ]
    print_table(table)


def _whereabouts(entry: KnownDataset) -> str:
    """Say how much of a data set is here, and where."""
    here = len(store.present(entry, None))
    if not here:
        return f"no; `mnistburn data fetch {entry.name}` gets it"
    if entry.packaged:
        return "in the package"
    text = "yes" if here == len(entry.files) else f"{here} of {len(entry.files)} files"
    return f"{text}, in {click.format_filename(mnistburn.datasets.where(entry.name))}"


@data.command("describe", cls=Command)
@click.argument("data", metavar="DATA")
@click.option(
    "--split",
    type=click.Choice(["train", "valid", "test"]),
    default="train",
    show_default=True,
    help="Which part of the data.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def describe_data(*, data: str, split: Literal["train", "valid", "test"], as_json: bool) -> None:
    """Count what is in DATA, and say what is odd.

    DATA is the name of a data set, a folder of pictures or a file.

    Images to validate or to test on are also compared with the training images.
    """
    source = source_of(data)
    against = None
    if part_named_or_tested(source, split) != "train" and source.parts["train"] is not None:
        against = load_part(source, "train")
    options = PictureOptions() if against is None else PictureOptions.of(against.image_shape)
    part = load_part(source, split, options=options)
    found = part.describe(against)
    files = _files_found(found, part.files, None if against is None else against.files)
    if as_json:
        broken = [{"path": str(path), "reason": reason} for path, reason in part.broken]
        told = {"broken": broken, "shape_rule": part.shape_rule, "files": files}
        click.echo(json.dumps(dataclasses.asdict(found) | told))
    else:
        click.echo(classes_line(part, source))
        # The names of folders may hold anything.
        lines = [*filter(None, [part.shape_rule]), *str(found).splitlines()]
        lines += [f"first of {name}: {', '.join(paths)}" for name, paths in files.items()]
        for line in lines:
            click.echo("".join(part if part.isprintable() else "?" for part in line))


def _files_found(
    found: mnistburn.DatasetDescription,
    here: tuple[Path, ...] | None,
    there: tuple[Path, ...] | None,
) -> dict[str, list[str]]:
    """Return the files of the first findings, by what was found."""
    named = {}
    for name in ("leaks", "duplicates", "conflicts", "constant"):
        first = getattr(found, name).first
        second = there if name == "leaks" else here
        if first is None or here is None or second is None:
            continue
        named[name] = [
            str(files[place]) for place, files in zip(first, (here, second), strict=False)
        ]
    return named


@data.command("fetch", cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--no-progress", is_flag=True, help="Show no progress.")
def fetch_data(*, names: tuple[str, ...], no_progress: bool) -> None:
    """Fetch what is missing of data sets, and print their files.

    What an interrupted fetch got is kept: the next one goes on there.
    """
    for entry in [mnistburn.datasets.info(name) for name in names]:
        for path in mnistburn.datasets.fetch(entry.name, progress=not no_progress):
            click.echo(click.format_filename(path))


@data.command("verify", cls=Command)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def verify_data(ctx: click.Context, /, *, names: tuple[str, ...], as_json: bool) -> None:
    """Check the hashes of the files of data sets.

    All that are here are checked unless some are named. The exit status is 1 when a file is damaged
    or missing.
    """
    entries = [mnistburn.datasets.info(name) for name in names or mnistburn.datasets.names()]
    if not names:
        entries = [entry for entry in entries if store.present(entry, None)]
    states = [
        (entry.name, state) for entry in entries for state in mnistburn.datasets.verify(entry.name)
    ]
    if as_json:
        rows = [
            {"name": name, "file": state.name, "state": state.state, "problem": state.problem}
            | {"path": None if state.path is None else str(state.path)}
            for name, state in states
        ]
        click.echo(json.dumps(rows))
    else:
        for name, state in states:
            where = state.name if state.path is None else click.format_filename(state.path)
            problem = f": {state.problem}" if state.problem else ""
            click.echo(f"{state.state:<9}{name:<17}{where}{problem}")
    ctx.exit(0 if all(state.state == "ok" for _, state in states) else 1)


@data.command("where", cls=Command)
@click.argument("name", required=False)
def where_data(*, name: str | None) -> None:
    """Print the folder of a data set, or of all that are fetched.

    The environment variable MNISTBURN_DATA_DIR names another one.
    """
    click.echo(click.format_filename(mnistburn.datasets.where(name)))
