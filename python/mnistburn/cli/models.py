"""The commands that take a model: ``mnistburn evaluate | predict | export | show``."""

import dataclasses
import json
from pathlib import Path
from typing import Any, Literal, get_args

import click

import mnistburn
from mnistburn import pictures
from mnistburn.cli.options import PATH, data_option, device_option, load_model
from mnistburn.datasets.source import is_divided, load_part
from mnistburn.errors import DataError
from mnistburn.model import ExportFormat

__all__ = ["evaluate", "export", "predict", "show"]


@click.command()
@click.argument("path", type=PATH)
@data_option
@click.option("--split", type=click.Choice(["test", "train"]), default="test", show_default=True)
@device_option
@click.option("--batch-size", type=int, help="Images computed at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(
    *,
    path: Path,
    data: str,
    split: Literal["test", "train"],
    device: str,
    batch_size: int | None,
    as_json: bool,
) -> None:
    """Measure the model in PATH, a model file or an artifact directory, on a data set."""
    model, class_names = load_model(path, device)
    if not is_divided(data):
        click.echo(f"{data} is not divided: these are all its pictures", err=True)
    dataset = load_part(data, split, shape=model.config.image_shape, class_names=class_names)
    if batch_size is None:
        evaluation = model.evaluate(dataset)
    else:
        evaluation = model.evaluate(dataset, batch_size)
    if as_json:
        click.echo(json.dumps({"images": len(dataset), **dataclasses.asdict(evaluation)}))
    else:
        click.echo(
            f"loss {evaluation.loss:.4f}, accuracy {evaluation.accuracy:.4f} "
            f"on {len(dataset)} images"
        )


@click.command()
@click.argument("path", type=PATH)
@click.argument("files", type=PATH, nargs=-1, metavar="[FILE]...")
@click.option(
    "--index",
    "indices",
    type=int,
    multiple=True,
    help="An image of the test set; may be given several times.",
)
@data_option
@device_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def predict(
    *,
    path: Path,
    files: tuple[Path, ...],
    indices: tuple[int, ...],
    data: str,
    device: str,
    as_json: bool,
) -> None:
    """Tell the class of images with the model in PATH, a model file or an artifact directory.

    A FILE is a picture (PNG, JPEG, BMP or WebP), made to the size and the channels of the model's
    images, or an array of images in a .npy file.
    """
    if bool(files) == bool(indices):
        message = "give either FILEs or one or more --index"
        raise click.UsageError(message)
    model, class_names = load_model(path, device)
    rows: list[dict[str, Any]]
    images: Any
    if indices:
        shape = model.config.image_shape
        dataset = load_part(data, "test", shape=shape, class_names=class_names).subset(indices)
        images = dataset.images
        rows = [
            {"index": index, "target": int(target)}
            for index, target in zip(indices, dataset.targets, strict=True)
        ]
    elif len(files) == 1 and _is_npy(files[0]):
        images = _read_npy(files[0])
        rows = []
    else:
        images = [pictures.read_one(file, model.config.image_shape) for file in files]
        rows = [{"file": str(file)} for file in files]
    probabilities = model.predict_proba(images)
    rows = rows or [{"index": index} for index in range(len(probabilities))]
    for row, values in zip(rows, probabilities, strict=True):
        row["label"] = int(values.argmax())
        if class_names is not None and row["label"] < len(class_names):
            row["class"] = class_names[row["label"]]
        row["probability"] = float(values.max())
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        target = f" (target {row['target']})" if "target" in row else ""
        name = row["index"] if "index" in row else click.format_filename(row["file"])
        click.echo(
            f"{name}: {_line(row.get('class', str(row['label'])))}, "
            f"probability {row['probability']:.4f}{target}"
        )


def _is_npy(path: Path) -> bool:
    if path.suffix == ".npy":
        return True
    if not path.is_file():  # a pipe has no beginning that could be read twice
        return False
    with path.open("rb") as file:
        return file.read(6) == b"\x93NUMPY"


def _read_npy(path: Path) -> Any:  # noqa: ANN401  any array: the model checks it
    from numpy.lib import format as npy  # noqa: PLC0415  one command of several needs it

    try:
        # Not numpy.load: it takes other formats too, and advises to load a pickle, which runs code.
        with path.open("rb") as file:
            return npy.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        message = f"{path} must be a .npy file of images: {error}"
        raise DataError(message) from None


@click.command()
@click.argument("path", type=PATH, metavar="MODEL")
@click.argument("out", type=PATH)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(get_args(ExportFormat)),
    help="The format; what the extension of OUT says unless given.",
)
@click.option(
    "--normalised",
    is_flag=True,
    help="ONNX: take float32 images that are normalised, not raw uint8 pixels.",
)
def export(*, path: Path, out: Path, format_name: ExportFormat | None, normalised: bool) -> None:
    """Write MODEL, a model file or an artifact directory, to OUT for another program."""
    written = load_model(path, "cpu")[0].export(out, format_name, normalise=not normalised)
    click.echo(click.format_filename(written))


@click.command()
@click.argument("file", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(*, file: Path, as_json: bool) -> None:
    """Tell what is in FILE, a model file of any format.

    Shapes are those of the file: a linear weight is [in, out] in what is written here, and
    [out, in] in ONNX and in PyTorch's files.
    """
    found = mnistburn.describe(file)
    if as_json:
        click.echo(json.dumps({**dataclasses.asdict(found), "num_params": found.num_params}))
        return
    click.echo(f"format        {found.format}")
    click.echo(f"precision     {found.precision or 'not stated'}")
    click.echo(f"parameters    {found.num_params:,}")
    if found.config is not None:
        values = dataclasses.asdict(found.config).items()
        click.echo("config        " + ", ".join(f"{name} {value}" for name, value in values))
    for key, text in found.metadata.items():
        if key not in {"config", "format"}:
            click.echo(f"{_line(key):<14}{_line(text)}")
    for item in found.tensors:
        click.echo(f"  {_line(item.name):<16}{item.number:<6}{list(item.shape)}")
    if found.problem:
        click.echo(f"no model      {_line(found.problem)}")


def _line(text: str) -> str:
    """Return text of a stranger as one short line that a terminal can show."""
    shown = "".join(character if character.isprintable() else "?" for character in text[:300])
    return shown + "..." * (len(text) > len(shown))
