"""What a path is that is no run and no model file: data, a picture, or a file of a run."""

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any, Final

import click
import numpy

from mnistburn._native import Picture
from mnistburn.cli.described import Described
from mnistburn.cli.run_files import (
    checkpoint_of,
    checkpoints_of,
    describe_record,
    describe_text,
    is_text_of_run,
)
from mnistburn.datasets import idx_files
from mnistburn.datasets.parts import holds_pictures
from mnistburn.datasets.source import available_parts, source_of
from mnistburn.description import describe
from mnistburn.errors import ArtifactError, DataError, RecordError

__all__ = ["describe_path"]

_HEAD: Final = 4096
_KINDS: Final = {
    "folder": "folder of pictures",
    "npz": "images and labels in a .npz file",
    "csv": "images and labels in a table",
    "idx": "images in IDX files",
}
_TAKEN: Final = (
    "show takes the directory of a run, a model file, data (a folder of pictures, .npz, .csv or "
    "IDX), a picture, a .npy file, and the files of a run"
)


def describe_path(path: Path) -> Described | None:
    """Tell what a path is.

    Args:
        path: The path.

    Returns:
        The description; None for a model file.

    Raises:
        ArtifactError: It is a directory of nothing that is known here.
        RecordError: The file is damaged, or of no kind that is known here.
        DataError: It is a picture or data, and damaged.
        OSError: It cannot be read.
    """
    if path.is_dir():
        return _folder(path)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        message = f"{path} is empty; {_TAKEN}"
        raise RecordError(message)
    if Picture.is_picture(head[:32]):
        return _picture(path)
    if is_text_of_run(path, head):
        return describe_text(path, head)
    if path.name.casefold().endswith(".npy"):
        return _array(path)
    return _data(path) or _model_or_record(path)


def _folder(path: Path) -> Described:
    found = checkpoint_of(path) or checkpoints_of(path)
    if found is not None:
        return found
    try:
        found = _source(path)
        reason = "there is no picture in or below it"
    except DataError as error:
        reason = str(error)
    if found is not None and (found.kind != _KINDS["folder"] or holds_pictures(path)):
        return found
    message = (
        f"{path} is a directory without a run and without data: it has no config.json, and {reason}"
    )
    raise ArtifactError(message)


def _source(path: Path) -> Described:
    source = source_of(path)
    facts: dict[str, Any] = {"parts": list(available_parts(source))}
    facts["taken"] = {part: taken for part, taken in source.parts.items() if taken is not None}
    if source.left_out:
        facts["left_out"] = list(source.left_out)
    shown = click.format_filename(path)
    return Described(_KINDS[source.kind], facts, f"mnistburn data describe {shown}")


def _data(path: Path) -> Described | None:
    """Return what data a file holds; None where it is no file of data by its name and beginning."""
    name = path.name.casefold()
    if name.removesuffix(".gz").endswith((".csv", ".tsv")):
        return _source(path)
    if name.endswith(".npz"):
        try:
            return _source(path)
        except DataError as no_data:
            try:
                describe(path)
            except RecordError as no_model:
                message = f"{path} is neither data nor a model: {no_data}; {no_model}"
                raise RecordError(message) from None
            return None
    return _idx(path) if idx_files.is_idx(path) else None


def _idx(path: Path) -> Described:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            dimensions = file.read(4)[3]
            shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
    except (struct.error, IndexError, EOFError, zlib.error, gzip.BadGzipFile):
        message = f"{path} begins as an IDX file and ends within its header"
        raise DataError(message) from None
    if len(shape) == 1:
        return Described("labels in an IDX file", {"labels": shape[0]})
    facts = {"images": shape[0], "size": " x ".join(map(str, shape[1:]))}
    try:
        found = _source(path)
    except DataError as error:
        return Described("images in an IDX file", {**facts, "problem": str(error)})
    return Described(found.kind, {**facts, **found.facts}, found.advice)


def _picture(path: Path) -> Described:
    picture = Picture.open(path)
    height, width, channels = picture.shape
    facts: dict[str, Any] = {
        "height": height,
        "width": width,
        "colours": "grey" if channels == 1 else "red, green, blue",
    }
    if picture.frames > 1:
        facts["frames"] = f"{picture.frames}, of which the first is read"
    return Described("picture", facts, f"mnistburn predict RUN {click.format_filename(path)}")


def _array(path: Path) -> Described:
    try:
        array = numpy.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        message = f"{path} must be an array as numpy.save writes it: {error}"
        raise DataError(message) from None
    facts = {"shape": list(array.shape), "numbers": str(array.dtype)}
    advice = f"mnistburn predict RUN {click.format_filename(path)}"
    return Described("array in a .npy file", facts, advice if array.ndim > 1 else None)


def _model_or_record(path: Path) -> Described | None:
    """Return None for a model file, and for a record of a checkpoint what it is."""
    try:
        describe(path)
    except RecordError as error:
        found = describe_record(path)
        if found is not None:
            return found
        message = f"{error}; {_TAKEN}"
        raise RecordError(message) from None
    return None
