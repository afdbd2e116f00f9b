"""``mnistburn show``."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

import mnistburn
from mnistburn import _native
from mnistburn.cli.help_text import Command
from mnistburn.cli.options import PATH, best_of, print_table, printable
from mnistburn.cli.path_description import describe_path
from mnistburn.results import CONFIG_FILE, TrainingResult

__all__ = ["show"]

# Class names of a run that are shown.
_MOST_NAMES = 12


@click.command(cls=Command)
@click.argument("path", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(*, path: Path, as_json: bool) -> None:
    """Tell what PATH is, and what is in it.

    It is the directory of a run or a model file of any format; or data, a picture, an array, a
    configuration, a checkpoint or another file of a run, of which it says what they are and which
    command does more with them.

    Shapes are those of the file: a linear weight is [in, out] in what is written here, and
    [out, in] in ONNX and in PyTorch's files.
    """
    if path.is_dir() and ((path / CONFIG_FILE).is_file() or _native.holds_run(str(path))):
        _show_run(mnistburn.load_run(path), as_json=as_json)
        return
    found = describe_path(path)
    if found is None:
        _show_file(path, as_json=as_json)
    elif as_json:
        click.echo(json.dumps(found.to_json_object()))
    else:
        for line in found.lines():
            click.echo(line)


def _show_run(run: TrainingResult, *, as_json: bool) -> None:
    data = run.data
    described: dict[str, Any] = {
        "run": str(run.artifact_dir),
        "ended": run.ended,
        "epochs": run.history.num_epochs,
        "of": run.config.num_epochs,
        "best_epoch": run.best_epoch,
        "best_metric": run.best_metric,
        "model_epoch": run.model_epoch,
        "seconds": run.seconds,
        "class_names": run.class_names,
        "data": None if data is None else data.to_json_object(),
        "start": None if run.start is None else run.start.to_json_object(),
        "config": json.loads(run.config.to_json()),
        "history": dict(run.history),
    }
    if as_json:
        click.echo(json.dumps(described))
        return
    best = "none yet"
    if run.best_epoch is not None:
        best = f"{run.best_epoch} ({best_of(run)})"
    click.echo(f"run           {printable(str(run.artifact_dir))}")
    click.echo(
        f"ended         {run.ended}, after {run.history.num_epochs} of {run.config.num_epochs} "
        f"epochs and {run.seconds:.1f} s; best epoch {best}"
    )
    if run.model_epoch not in {None, run.history.num_epochs}:
        click.echo(f"model of      epoch {run.model_epoch}")
    if data is not None:
        source = "arrays" if data.source is None else str(data.source)
        click.echo(f"data          {printable(source)}")
        click.echo(
            f"images        {data.train.images:,} to train with, {data.valid.images:,} to validate "
            f"on, of {data.image_shape}"
        )
    if run.class_names is not None:
        click.echo(f"classes       {_listed(run.class_names)}")
    if run.start is not None:
        click.echo(f"start         {printable(str(run.start))}")
    if run.config.freeze:
        click.echo(f"frozen        {printable(', '.join(run.config.freeze))}")
    model = dataclasses.asdict(run.config.model)  # type: ignore[arg-type]
    click.echo("model         " + ", ".join(f"{name} {value}" for name, value in model.items()))
    click.echo(f"optimizer     {run.config.optimizer}")
    click.echo(f"learning rate {run.config.learning_rate:g}, batches of {run.config.batch_size}")
    columns = ("epoch", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy")
    rows = [tuple(name.replace("_", " ") for name in columns)]
    rows += [
        (str(epoch), *(f"{value:.4f}" for value in values))
        for epoch, *values in zip(*(run.history[name] for name in columns), strict=True)
    ]
    if len(rows) > 1:
        print_table(rows)


def _listed(names: tuple[str, ...]) -> str:
    more = ", ..." if len(names) > _MOST_NAMES else ""
    return f"{len(names)}: {printable(', '.join(names[:_MOST_NAMES]) + more)}"


def _show_file(file: Path, *, as_json: bool) -> None:
    found = mnistburn.describe(file)
    config = None if found.config is None else dataclasses.asdict(found.config)
    if config is not None and found.image_size is None:
        config |= {"image_height": None, "image_width": None}
    if as_json:
        described = {**dataclasses.asdict(found), "config": config, "num_params": found.num_params}
        click.echo(json.dumps(described))
        return
    click.echo(f"format        {found.format}")
    click.echo(f"precision     {found.precision or 'not stated'}")
    click.echo(f"parameters    {found.num_params:,}")
    if config is not None:
        values = [f"{name} {value}" for name, value in config.items() if value is not None]
        click.echo(f"config        {', '.join(values)}")
        if found.image_size is None:
            click.echo("image size    not known; --image-size gives it to the other commands")
    if found.class_names is not None:
        click.echo(f"classes       {_listed(found.class_names)}")
    for key, text in found.metadata.items():
        if key not in {"config", "format", "mnistburn"}:
            click.echo(f"{printable(key):<14}{printable(text)}")
    for item in found.tensors:
        click.echo(f"  {printable(item.name):<16}{item.number:<6}{list(item.shape)}")
    if found.problem:
        click.echo(f"no model      {printable(found.problem)}")
