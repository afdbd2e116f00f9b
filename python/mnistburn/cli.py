"""The command line: ``mnistburn train | evaluate | predict | export | show | ...``."""

import dataclasses
import errno
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args

import click

import mnistburn
from mnistburn.config.optimizers import OPTIMIZERS
from mnistburn.datasets import store
from mnistburn.datasets.registry import KnownDataset
from mnistburn.datasets.source import load_pair, load_part
from mnistburn.errors import DataError, MnistburnError
from mnistburn.model import ExportFormat
from mnistburn.results import (
    CHECKPOINTS,
    CONFIG_FILE,
    HISTORY_FILE,
    LOG_FILE,
    MODEL_FILE,
    SUMMARY_FILE,
    stored_config,
)
from mnistburn.training import fitting_config

_INTERRUPTED: Final = 130
"""The exit status of a command that Ctrl-C ended, as shells have it."""


class _Commands(click.Group):
    """Turns errors into a line on standard error and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's own signature
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("error: interrupted", err=True)
            ctx.exit(_INTERRUPTED)
        except (MnistburnError, OSError) as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            click.echo(f"error: {_text(error)}", err=True)
            ctx.exit(1)


def _text(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {error.filename}"
    return str(error)


# As in Python: to compile kernels for a GPU takes longer than a few images on the CPU.
_device_option = click.option(
    "--device", default="cpu", show_default=True, help="Where to compute; see `devices`."
)


_data_option = click.option(
    "--data",
    default="mnist",
    show_default=True,
    metavar="DATA",
    help="The name of a data set, fetched where it is not there yet (see `data list`), or a folder "
    "of pictures with a sub-folder for each class.",
)


class _PathType(click.Path):
    """A path that is not empty: pathlib takes an empty one for the current directory."""

    def convert(
        self,
        value: Any,  # noqa: ANN401  click's own signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401
        if value == "":
            self.fail("a path must not be empty; use '.' for the current directory", param, ctx)
        return super().convert(value, param, ctx)


_PATH: Final = _PathType(path_type=Path)


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


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mnistburn.__version__, prog_name="mnistburn")
def main() -> None:
    """Train, keep and use small image classifiers with the Burn framework."""


@main.command()
@click.argument("artifact_dir", type=_PATH, default="artifacts/mnist")
@_data_option
@click.option(
    "--config",
    "config_file",
    type=_PATH,
    help="A config.json; the options below change single values of it.",
)
@click.option("--num-epochs", type=int, help="Passes over the training images.")
@click.option("--batch-size", type=int, help="Images of a step.")
@click.option("--learning-rate", type=float, help="The size of a step.")
@click.option(
    "--optimizer",
    type=click.Choice([tag.lower() for tag in OPTIMIZERS]),
    help="What makes steps of the gradients; its values are defaults or those of --config.",
)
@click.option("--seed", type=int, help="The seed of weights, order and dropout.")
@click.option("--num-workers", type=int, help="Threads that prepare batches.")
@click.option("--threads", type=int, help="Threads that compute; one for each core unless given.")
@click.option("--hidden-size", type=int, help="Features between the linear layers.")
@click.option("--image-height", type=int, help="Height of the images; pictures are resized.")
@click.option("--image-width", type=int, help="Width of the images.")
@click.option("--image-channels", type=int, help="1 for grey images, 3 for colours.")
@click.option("--dropout", type=float, help="The share of values set to zero in training.")
@click.option(
    "--device",
    "devices",
    multiple=True,
    default=["auto"],
    show_default=True,
    help="Where to compute; given several times, the devices share each step.",
)
@click.option(
    "--validation",
    type=float,
    metavar="SHARE",
    help="Validate on this share of the training images, not on the test images.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in ARTIFACT_DIR.")
@click.option("--no-progress", is_flag=True, help="Show no progress.")
@click.pass_context
def train(
    ctx: click.Context,
    /,
    *,
    artifact_dir: Path,
    data: str,
    config_file: Path | None,
    devices: tuple[str, ...],
    validation: float | None,
    resume: bool,
    no_progress: bool,
    **values: float | str | None,
) -> None:
    """Train on MNIST or other data; everything about the run goes to ARTIFACT_DIR."""
    given = {name: value for name, value in values.items() if value is not None}
    stored = stored_config(artifact_dir) if resume else None
    # An option changes the run that goes on, not the defaults.
    base = stored if config_file is None else mnistburn.TrainingConfig.load(config_file)
    wanted = _changed_config(base or mnistburn.TrainingConfig(), given)
    pair = load_pair(
        data,
        validation=validation,
        # A resumed run needs the images it began with.
        seed=wanted.seed,
        shape=wanted.model.image_shape,
        progress=not no_progress,
    )
    config = None
    if config_file is not None or given:
        config = wanted if base else _changed_config(fitting_config(pair[0]), given)
    run = mnistburn.train(
        artifact_dir, config, devices, data=pair, resume=resume, progress=not no_progress
    )
    click.echo(run.summary().rstrip("\n"))
    accuracies = run.history["valid_accuracy"] if len(run.history) else []
    if accuracies:
        click.echo(
            f"validation accuracy: {accuracies[-1]:.4f} after the last epoch, "
            f"{max(accuracies):.4f} at best"
        )
    click.echo(f"written to {click.format_filename(run.artifact_dir)}:")
    for name in (MODEL_FILE, CONFIG_FILE, HISTORY_FILE, SUMMARY_FILE, LOG_FILE, CHECKPOINTS):
        path = run.artifact_dir / name
        if path.exists():
            click.echo(f"  {click.format_filename(path)}")
    if run.interrupted:
        click.echo("stopped before its end; --resume goes on", err=True)
        ctx.exit(_INTERRUPTED)


def _changed_config(
    config: mnistburn.TrainingConfig, given: dict[str, float | str]
) -> mnistburn.TrainingConfig:
    """Return the configuration with the options given."""
    names = {item.name for item in dataclasses.fields(mnistburn.ModelConfig)}
    model: dict[str, Any] = {name: value for name, value in given.items() if name in names}
    rest: dict[str, Any] = {name: value for name, value in given.items() if name not in names}
    chosen = rest.pop("optimizer", None)
    for tag, kind in OPTIMIZERS.items():
        # One of that kind keeps its values.
        if tag.lower() == chosen and not isinstance(config.optimizer, kind):
            rest["optimizer"] = kind()
    return dataclasses.replace(config, model=dataclasses.replace(config.model, **model), **rest)


def _load_model(path: Path, device: str) -> mnistburn.Model:
    """Return the model of a run's directory, or of a model file."""
    if path.is_dir():
        return mnistburn.load_run(path, device).model
    return mnistburn.Model.load(path, device)


@main.command()
@click.argument("path", type=_PATH)
@_data_option
@click.option("--split", type=click.Choice(["test", "train"]), default="test", show_default=True)
@_device_option
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
    model = _load_model(path, device)
    dataset = load_part(data, split, shape=model.config.image_shape)
    given = {} if batch_size is None else {"batch_size": batch_size}
    evaluation = model.evaluate(dataset, **given)
    if as_json:
        click.echo(json.dumps({"images": len(dataset), **dataclasses.asdict(evaluation)}))
    else:
        click.echo(
            f"loss {evaluation.loss:.4f}, accuracy {evaluation.accuracy:.4f} "
            f"on {len(dataset)} images"
        )


@main.command()
@click.argument("path", type=_PATH)
@click.argument("file", type=_PATH, required=False, metavar="[FILE.npy]")
@click.option(
    "--index",
    "indices",
    type=int,
    multiple=True,
    help="An image of the test set; may be given several times.",
)
@_data_option
@_device_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def predict(
    *,
    path: Path,
    file: Path | None,
    indices: tuple[int, ...],
    data: str,
    device: str,
    as_json: bool,
) -> None:
    """Tell the class of images with the model in PATH, a model file or an artifact directory."""
    if (file is None) == (not indices):
        message = "give either FILE.npy or one or more --index"
        raise click.UsageError(message)
    model = _load_model(path, device)
    rows: list[dict[str, Any]]
    if file is None:
        dataset = load_part(data, "test", shape=model.config.image_shape).subset(indices)
        images: Any = dataset.images
        rows = [
            {"index": index, "target": int(target)}
            for index, target in zip(indices, dataset.targets, strict=True)
        ]
    else:
        images = _read_npy(file)
        rows = []
    probabilities = model.predict_proba(images)
    rows = rows or [{"index": index} for index in range(len(probabilities))]
    for row, values in zip(rows, probabilities, strict=True):
        row["label"] = int(values.argmax())
        row["probability"] = float(values.max())
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        target = f" (target {row['target']})" if "target" in row else ""
        click.echo(f"{row['index']}: {row['label']}, probability {row['probability']:.4f}{target}")


def _read_npy(path: Path) -> Any:  # noqa: ANN401  any array: the model checks it
    from numpy.lib import format as npy  # noqa: PLC0415  one command of several needs it

    try:
        # Not numpy.load: it takes other formats too, and advises to load a pickle, which runs code.
        with path.open("rb") as file:
            return npy.read_array(file, allow_pickle=False)
    except (ValueError, EOFError, MemoryError) as error:
        message = f"{path} must be a .npy file of images: {error}"
        raise DataError(message) from None


@main.command()
@click.argument("path", type=_PATH, metavar="MODEL")
@click.argument("out", type=_PATH)
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
    written = _load_model(path, "cpu").export(out, format_name, normalise=not normalised)
    click.echo(click.format_filename(written))


@main.command()
@click.argument("file", type=_PATH)
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


@main.command()
def devices() -> None:
    """List the devices of this machine."""
    rows = [("device", "kind", "name", "state")]
    rows += [
        (item.device, item.kind, item.name, item.reason or "available")
        for item in mnistburn.devices()
    ]
    _print_table(rows)


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows with columns of equal widths; the last one is as long as it is."""
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    for *cells, last in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
        click.echo("  ".join([*padded, last]))


@main.group()
def data() -> None:
    """List, fetch and verify the known data sets."""


@data.command("list")
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
    table = [("name", "train", "test", "classes", "MB", "licence", "here")]
    table += [
        (
            entry.name,
            f"{entry.train.count:,}",
            f"{entry.test.count:,}",
            str(len(entry.class_names)),
            f"{entry.size / 1e6:.1f}",
            entry.licence,
            _whereabouts(entry),
        )
        for entry in entries
    ]
    _print_table(table)


def _whereabouts(entry: KnownDataset) -> str:
    """Say how much of a data set is here, and where."""
    here = len(store.present(entry, None))
    if not here:
        return f"no; `mnistburn data fetch {entry.name}` gets it"
    if entry.packaged:
        return "in the package"
    text = "yes" if here == len(entry.files) else f"{here} of {len(entry.files)} files"
    return f"{text}, in {click.format_filename(mnistburn.datasets.where(entry.name))}"


@data.command("describe")
@click.argument("data", metavar="DATA")
@click.option("--split", type=click.Choice(["test", "train"]), default="train", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def describe_data(*, data: str, split: Literal["test", "train"], as_json: bool) -> None:
    """Count what is in DATA, a data set or a folder of pictures, and say what is odd about it.

    The test images are also compared with the training images.
    """
    part = load_part(data, split)
    found = part.describe(load_part(data, "train") if split == "test" else None)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found)))
    else:
        click.echo(str(found))


@data.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--no-progress", is_flag=True, help="Show no progress.")
def fetch_data(*, names: tuple[str, ...], no_progress: bool) -> None:
    """Fetch what is missing of data sets, and print the paths of their files.

    What an interrupted fetch got is kept: the next one goes on there.
    """
    for entry in [mnistburn.datasets.info(name) for name in names]:
        for path in mnistburn.datasets.fetch(entry.name, progress=not no_progress):
            click.echo(click.format_filename(path))


@data.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def verify_data(ctx: click.Context, /, *, names: tuple[str, ...], as_json: bool) -> None:
    """Check the hashes of the files of data sets: of all that are here unless named.

    The exit status is 1 when a file is damaged or missing.
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


@data.command("where")
@click.argument("name", required=False)
def where_data(*, name: str | None) -> None:
    """Print the folder of the data set NAME, or the one that fetched data sets go to.

    The environment variable MNISTBURN_DATA_DIR names another one.
    """
    click.echo(click.format_filename(mnistburn.datasets.where(name)))


@main.command()
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
@click.option("--json", "json_file", type=_PATH, help="Write all figures to this file.")
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
