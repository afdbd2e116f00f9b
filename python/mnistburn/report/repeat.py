"""How a run is repeated: the command, or the lines of Python."""

import shlex
from pathlib import Path

from mnistburn.report.content import ReportContent, ReportedRun
from mnistburn.run_start import START_MODEL_FILE

__all__ = ["repeat_command", "repeat_python", "verify_command"]

_CONFIG_FILE = "config.json"
_AGAIN = "again"


def repeat_command(content: ReportContent) -> str | None:
    """Return the command that trains the run again, for a shell.

    Args:
        content: What is reported.

    Returns:
        The command; None where the data are arrays, which no command can name, or are not known.
    """
    run = content.run
    source = None if run.data is None else run.data.source
    if run.data is None or source is None or source.location is None:
        return None
    words = ["mnistburn", "train", _AGAIN, "--config", str(_file(run, _CONFIG_FILE))]
    words += ["--data", source.location]
    if source.validation is not None:
        words += ["--validation", f"{source.validation!r}"]
    if run.data.preprocessing.fit != "stretch":
        words += ["--fit", run.data.preprocessing.fit]
    if run.start is not None:
        words += ["--start", str(_file(run, START_MODEL_FILE))]
    for device in _devices(content):
        words += ["--device", device]
    return shlex.join(words)


def repeat_python(content: ReportContent) -> str:
    """Return the lines of Python that train the run again, on data that are in ``data``.

    Args:
        content: What is reported.

    Returns:
        The lines.
    """
    run = content.run
    devices = _devices(content)
    device = repr(devices[0] if len(devices) == 1 else devices)
    start = ""
    if run.start is not None:
        start = f", start={str(_file(run, START_MODEL_FILE))!r}"
    return (
        "import mnistburn as mb\n\n"
        f"config = mb.TrainingConfig.load({str(_file(run, _CONFIG_FILE))!r})\n"
        f"run = mb.train({_AGAIN!r}, config, {device}, data=data{start})"
    )


def verify_command(content: ReportContent) -> str:
    """Return the command that trains the run again and compares the weights."""
    return shlex.join(["mnistburn", "verify", str(content.run.artifact_dir.absolute())])


def _devices(content: ReportContent) -> list[str]:
    """Return where the run was computed last."""
    devices = content.provenance.devices
    return list(devices[-1]) if devices else ["cpu"]


def _file(run: ReportedRun, name: str) -> Path:
    return run.artifact_dir.absolute() / name
