"""``mnistburn predict``."""

import csv
import glob
import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
import numpy
from numpy.typing import NDArray

from mnistburn import _native
from mnistburn.cli.help_text import Command
from mnistburn.cli.options import (
    augment_option,
    data_option,
    device_option,
    epoch_option,
    error_text,
    expand_home,
    image_size_option,
    no_prepare_option,
    printable,
    split_option,
    view_option,
)
from mnistburn.cli.trained import Trained
from mnistburn.datasets.parts import Split
from mnistburn.errors import DataError
from mnistburn.likeness import warn_of_unlike
from mnistburn.model import Model
from mnistburn.pictures import read_picture
from mnistburn.preprocessing import Preprocessing
from mnistburn.views import Augment, View

__all__ = ["predict"]

# Pictures that are read and computed together.
_BATCH: Final = 256
# A picture from standard input is at most this large, as a file is.
_LARGEST_INPUT: Final = 256 << 20

Row = dict[str, Any]


@click.command(cls=Command)
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", callback=expand_home)
@click.option(
    "--index",
    "indices",
    type=int,
    multiple=True,
    help="An image of the data set; may be given several times.",
)
@data_option("what the run was trained on")
@split_option
@epoch_option
@image_size_option
@device_option
@no_prepare_option
@augment_option
@view_option
@click.option("--invert", is_flag=True, help="Invert pictures: dark becomes light.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.pass_context
def predict(
    ctx: click.Context,
    /,
    *,
    path: Path,
    sources: tuple[str, ...],
    indices: tuple[int, ...],
    data: str | None,
    split: Split | None,
    epoch: str | None,
    image_size: tuple[int, int] | None,
    device: str,
    no_prepare: bool,
    augment: bool,
    views: tuple[View, ...],
    invert: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Predict the class of images with the model in PATH.

    PATH is a run's directory or a model file. A SOURCE is a picture, a folder of pictures, a quoted
    pattern such as "new/*.png", - for a picture on standard input, or a .npy file with an array of
    images. What can't be read is named on standard error, and the exit status is 1 at the end.
    """
    if bool(sources) == bool(indices):
        message = "give either SOURCEs or one or more --index"
        raise click.UsageError(message)
    if as_json and as_csv:
        message = "give either --json or --csv"
        raise click.UsageError(message)
    trained = Trained.load(path, device, epoch=epoch, image_size=image_size)
    model = trained.model
    if invert and model.preprocessing.prepare is not None and not no_prepare:
        message = "pictures of digits are inverted where needed; --invert needs --no-prepare"
        raise click.UsageError(message)
    predictor = _Predictor(model, views or augment)
    printer = _Printer(as_json=as_json, as_csv=as_csv)
    failed = False
    if indices:
        dataset, told = trained.dataset(data, split, prepare=not no_prepare)
        click.echo(f"images of {printable(told)}", err=True)
        part = dataset.subset(indices)
        rows: list[Row] = [
            {"index": index, "target": int(target)}
            for index, target in zip(indices, part.targets, strict=True)
        ]
        if part.class_names is not None:
            for row in rows:
                row["target_class"] = part.class_names[row["target"]]
        printer.print(predictor.filled(rows, part.images))
    elif len(sources) == 1 and _is_npy(sources[0]):
        images = _read_npy(Path(sources[0]))
        printer.print(predictor.filled(None, images))
    else:
        reader = _Reader(model, prepare=not no_prepare, invert=invert)
        for rows, images in reader.batches(_expanded(sources)):
            reader.warn_of_unlike(images)
            printer.print(predictor.filled(rows, images))
        reader.tell()
        failed = reader.failed
    printer.close()
    ctx.exit(1 if failed else 0)


class _Predictor:
    """Tells the classes of images, over views of each where asked."""

    def __init__(self, model: Model, augment: Augment) -> None:
        self._model = model
        self._augment = augment

    def filled(self, rows: list[Row] | None, images: NDArray[Any]) -> list[Row]:
        """Return the rows of the images, or rows of their indices, with the answers."""
        probabilities = self._model.predict_proba(images, augment=self._augment)
        names = self._model.class_names
        if rows is None:
            rows = [{"index": index} for index in range(len(probabilities))]
        for row, values in zip(rows, probabilities, strict=True):
            label = int(values.argmax())
            row["label"] = label
            if names is not None:
                row["class"] = names[label]
            row["probability"] = float(values.max())
        return rows


class _Reader:
    """Reads pictures in batches, on all cores, and goes on after those that can't be read."""

    def __init__(self, model: Model, *, prepare: bool, invert: bool) -> None:
        kept = model.preprocessing
        self._preprocessing = kept if prepare else Preprocessing(kept.fit, None)
        self._model = model
        self._shape = model.config.image_shape
        self._invert = invert
        self._read = 0
        self.failed = False

    def batches(
        self, sources: Iterable[Path | bytes | OSError | DataError]
    ) -> Iterator[tuple[list[Row], NDArray[numpy.uint8]]]:
        with ThreadPoolExecutor() as pool:
            remaining = iter(sources)
            while batch := list(islice(remaining, _BATCH)):
                rows: list[Row] = []
                images: list[NDArray[numpy.uint8]] = []
                for source, image in zip(batch, pool.map(self._one, batch), strict=True):
                    if isinstance(image, Exception):
                        self.failed = True
                        click.echo(f"error: {printable(error_text(image))}", err=True)
                    else:
                        name = "-" if isinstance(source, bytes) else str(source)
                        rows.append({"file": name})
                        images.append(image)
                if images:
                    self._read += len(images)
                    yield rows, numpy.stack(images)

    def _one(
        self, source: Path | bytes | OSError | DataError
    ) -> NDArray[numpy.uint8] | OSError | DataError:
        if isinstance(source, Exception):
            return source
        height, width, channels = self._shape
        fit, prepare = self._preprocessing
        try:
            image = read_picture(
                source, size=(height, width), channels=channels, fit=fit, prepare=prepare
            )
        except (OSError, DataError) as error:
            return error
        return 255 - image if self._invert else image

    def warn_of_unlike(self, images: NDArray[numpy.uint8]) -> None:
        """Do what the model does, but name options as the way out."""
        invert = "leave --invert out" if self._invert else "--invert inverts them"
        warn_of_unlike(
            self._model.statistics,
            images,
            self._shape,
            told=self._model._told,  # noqa: SLF001  so that it is silent
            ways_out={"inverted": invert, "scale": "save the pictures with pixels from 0 to 255"},
        )

    def tell(self) -> None:
        """Say what was done to the pictures."""
        if self._read and self._preprocessing.prepare == "digit":
            click.echo(
                "pictures were prepared as MNIST was made: light strokes on a dark ground, fitted "
                "and centred; --no-prepare takes them as they are",
                err=True,
            )


def _expanded(sources: Sequence[str]) -> Iterator[Path | bytes | OSError | DataError]:
    """Yield each picture, or why there is none."""
    for source in sources:
        if source == "-":
            content = sys.stdin.buffer.read(_LARGEST_INPUT + 1)
            if len(content) > _LARGEST_INPUT:
                yield DataError(f"a picture has at most {_LARGEST_INPUT:,} bytes: -")
            else:
                yield content
            continue
        path = Path(source)
        if path.is_dir():
            yield from _pictures_in(path)
        elif not path.exists() and glob.has_magic(source):
            # Not Path.glob, which takes no absolute pattern.
            matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207
            if not matches:
                yield DataError(f"no file matches the pattern {source}")
            for match in map(Path, matches):
                yield from _pictures_in(match) if match.is_dir() else [match]
        else:
            yield path


def _pictures_in(folder: Path) -> Iterator[Path | DataError | OSError]:
    try:
        files, passed_over = _native.folder_pictures(str(folder))
    except (OSError, DataError) as error:
        yield error
        return
    if passed_over:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(passed_over.items()))
        click.echo(f"passed over in {printable(str(folder))}: {printable(kinds)}", err=True)
    if not files:
        yield DataError(f"{folder} holds no picture")
    yield from map(Path, files)


class _Printer:
    """Prints rows as they come; JSON when all are there."""

    def __init__(self, *, as_json: bool, as_csv: bool) -> None:
        self._json: list[Row] | None = [] if as_json else None
        self._csv = as_csv
        self._header_printed = False

    def print(self, rows: list[Row]) -> None:
        if self._json is not None:
            self._json += rows
        elif self._csv:
            self._print_csv(rows)
        else:
            for row in rows:
                click.echo(_line(row))

    def close(self) -> None:
        if self._json is not None:
            click.echo(json.dumps(self._json))

    def _print_csv(self, rows: list[Row]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        if not self._header_printed:
            writer.writeheader()
            self._header_printed = True
        writer.writerows(rows)
        click.echo(text.getvalue(), nl=False)


def _line(row: Row) -> str:
    name = row["index"] if "index" in row else click.format_filename(row["file"])
    target = ""
    if "target" in row:
        target = f" (target {printable(str(row.get('target_class', row['target'])))})"
    predicted = printable(row.get("class", str(row["label"])))
    return f"{name}: {predicted}, probability {row['probability']:.4f}{target}"


def _is_npy(source: str) -> bool:
    path = Path(source)
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
