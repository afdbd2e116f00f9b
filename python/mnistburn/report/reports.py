"""Reports of a run, as text and as files."""

import os
from pathlib import Path
from typing import Final, Literal, get_args

from mnistburn.arguments import as_path, shown
from mnistburn.dataset import Dataset
from mnistburn.datasets.parts import SPLITS, Split
from mnistburn.errors import ConfigError, DataError
from mnistburn.report.content import ReportedRun, gather
from mnistburn.report.html_page import html_page
from mnistburn.report.model_card import model_card_text
from mnistburn.report.written_file import MARKER, check_target, marked, write

__all__ = ["REPORT_FORMATS", "ReportFormat", "report_text", "write_report"]

ReportFormat = Literal["html", "markdown"]
"""The formats of reports."""

REPORT_FORMATS: Final[tuple[ReportFormat, ...]] = get_args(ReportFormat)

_SUFFIXES: Final[dict[str, ReportFormat]] = {
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".markdown": "markdown",
}


def report_text(
    run: ReportedRun,
    format: ReportFormat,  # noqa: A002  the word that users look for
    *,
    data: str | os.PathLike[str] | Dataset | None = None,
    split: Split | None = None,
) -> str:
    """Return the report of a run.

    Args:
        run: The run.
        format: What is written.
        data: What the model is measured on; None for the data of the run.
        split: Which part of the data; None for the one to test on.

    Returns:
        The text.

    Raises:
        DataError: The data that were given do not exist, or do not fit the model.
        OSError: A file of the data that were given cannot be read.
    """
    return marked(_text(run, format, data, split))


def _text(
    run: ReportedRun,
    kind: ReportFormat,
    data: str | os.PathLike[str] | Dataset | None,
    split: object,
) -> str:
    """Return the report, with a place for its mark."""
    for known in (None, *SPLITS):
        if split == known:
            content = gather(run, data, known)
            break
    else:
        message = f"split must be one of {', '.join(SPLITS)}, got {shown(split)}"
        raise DataError(message)
    return html_page(content, MARKER) if kind == "html" else model_card_text(content, MARKER)


def write_report(
    run: ReportedRun,
    path: str | os.PathLike[str],
    *,
    format: ReportFormat | None = None,  # noqa: A002  the word that users look for
    data: str | os.PathLike[str] | Dataset | None = None,
    split: Split | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the report of a run; `TrainingResult.report` says how."""
    target = as_path(path, "path", ConfigError)
    kind = _format_of(target, format)
    if not isinstance(overwrite, bool):
        message = f"overwrite must be True or False, got {shown(overwrite)}"
        raise ConfigError(message)
    # Before the model is measured, which takes long.
    check_target(target, run.artifact_dir, overwrite=overwrite)
    write(target, marked(_text(run, kind, data, split)))
    return target


def _format_of(target: Path, given: object) -> ReportFormat:
    """Return the format that was asked for, or that the name of the file says."""
    suffix = target.suffix.lower()
    if given is None:
        if suffix not in _SUFFIXES:
            message = (
                f"path must end in {', '.join(_SUFFIXES)}, or format must say what to write, got "
                f"{shown(str(target))}"
            )
            raise ConfigError(message)
        return _SUFFIXES[suffix]
    for known in REPORT_FORMATS:
        if given == known:
            return known
    message = f"format must be one of {', '.join(REPORT_FORMATS)}, got {shown(given)}"
    raise ConfigError(message)
