"""What the single files of a run are: its JSON, its logs, its checkpoints."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from mnistburn.cli.described import Described
from mnistburn.config import TrainingConfig
from mnistburn.errors import RecordError
from mnistburn.networks import NETWORKS, network_from_json
from mnistburn.results import CHECKPOINTS, CONFIG_FILE, SUMMARY_FILE
from mnistburn.run_data import RunData
from mnistburn.run_provenance import LOG_FILE

__all__ = ["checkpoint_of", "checkpoints_of", "describe_record", "describe_text", "is_text_of_run"]

_STATE_FILE: Final = "state.json"
# A model in Burn's JSON may be larger, and is no file of these.
_LARGEST_JSON: Final = 256 << 20
_RECORDS: Final = {
    "optim": "state of an optimizer, of a checkpoint",
    "scheduler": "state of a learning-rate schedule, of a checkpoint",
}
_ROWS: Final = {
    "train_step": "history of a run, a line for each step and epoch",
    "valid_step": "history of a run, a line for each step and epoch",
    "step": "log of JsonLinesLogger, a line for each row",
    "epoch": "log of JsonLinesLogger, a line for each row",
}

Json = dict[str, Any]


def is_text_of_run(path: Path, head: bytes) -> bool:
    """Tell whether a file may be one of the texts that a run writes.

    Args:
        path: The file.
        head: How it begins.

    Returns:
        Whether it may; a model in Burn's JSON is none.
    """
    name = path.name.casefold()
    if name in {LOG_FILE, SUMMARY_FILE} or name.endswith(".jsonl"):
        return True
    if name.endswith(".csv"):
        return head.startswith(b"epoch,train_loss,")
    return name.endswith(".json") and not re.match(rb'\s*{\s*"metadata"', head)


def describe_text(path: Path, head: bytes) -> Described:
    """Tell what a text of a run holds.

    Args:
        path: The file.
        head: How it begins.

    Returns:
        The description.

    Raises:
        RecordError: It is damaged, or of no kind that is known here.
        OSError: It cannot be read.
    """
    name = path.name.casefold()
    if name.endswith(".json"):
        return _json(path)
    if name.endswith(".jsonl"):
        return _json_lines(path, head)
    kinds = {LOG_FILE: "log of a run", SUMMARY_FILE: "table of the metrics of a run"}
    kind = kinds.get(name, "log of CsvLogger, a row for each epoch")
    with path.open("rb") as file:
        lines = sum(1 for _ in file)
    return Described(kind, {"lines": lines}, _show_run(path.parent))


def _json(path: Path) -> Described:
    if path.stat().st_size > _LARGEST_JSON:
        message = f"{path} is larger than any JSON file of a run, and no model in Burn's JSON"
        raise RecordError(message)
    try:
        content = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        message = f"{path} must be JSON: {error}"
        raise RecordError(message) from None
    if isinstance(content, list) and content and all(isinstance(one, str) for one in content):
        facts = {"classes": len(content), "names": content}
        return Described("names of the classes of a run", facts, _show_run(path.parent))
    if isinstance(content, dict):
        for keys, describe in _JSON_FILES:
            if keys <= content.keys():
                try:
                    return describe(path, content)
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    message = f"{path} is damaged: {error}"
                    raise RecordError(message) from None
        if content.keys() & set(NETWORKS):
            return _network_config(path, content)
        if content.keys() & {field.name for field in dataclasses.fields(TrainingConfig)}:
            return _training_config(path, content)
    message = (
        f"{path} is JSON of no kind that is known here: no configuration of a training or of a "
        "network, no file of a run, and no model in Burn's JSON"
    )
    raise RecordError(message)


def _training_config(path: Path, content: Json) -> Described:
    config = TrainingConfig.from_json(json.dumps(content))
    facts = {
        "network": None if config.model is None else str(config.model),
        "optimizer": str(config.optimizer),
        "epochs": config.num_epochs,
        "batch_size": config.batch_size,
        "learning_rate": f"{config.learning_rate:g}",
        "schedule": None if config.lr_scheduler is None else str(config.lr_scheduler),
        "seed": str(config.seed),
    }
    advice = f"mnistburn train ARTIFACT_DIR --config {click.format_filename(path)}"
    return Described("configuration of a training", facts, advice)


def _network_config(_path: Path, content: Json) -> Described:
    config = network_from_json(json.dumps(content))
    return Described("configuration of a network", {"network": str(config)})


def _history(path: Path, content: Json) -> Described:
    epochs = content["epochs"]
    accuracies = epochs["valid_accuracy"]
    facts = {
        "epochs": len(epochs["epoch"]),
        "steps": len(content["train_steps"]["step"]),
        "best_epoch": content.get("best_epoch"),
        "ended": content.get("ended"),
        "columns": list(epochs),
        "last_accuracy": f"{accuracies[-1]:.4f}" if accuracies else None,
    }
    return Described("history of a run", facts, _show_run(path.parent))


def _run_data(path: Path, content: Json) -> Described:
    data = RunData.read(path.parent) if path.name == "data.json" else None
    source = content["source"]
    told = "arrays" if source is None else source.get("described", source["kind"])
    facts = {
        "data": told,
        "train": f"{content['train']['images']:,} images, SHA-256 {content['train']['sha256']}",
        "valid": f"{content['valid']['images']:,} images, SHA-256 {content['valid']['sha256']}",
        "shape": " x ".join(map(str, content["shape"])),
        "classes": content["class_names"],
    }
    advice = None
    if data is not None and data.source is not None and data.source.location is not None:
        advice = f"mnistburn data describe {click.format_filename(data.source.location)}"
    return Described("data of a run", facts, advice)


def _start(path: Path, content: Json) -> Described:
    facts = {
        "start": content["path"] or "a model in memory",
        "sha256": content["sha256"],
        "output_layer": content["output_layer"],
    }
    return Described("start of a run", facts, _show_run(path.parent))


def _manifest(path: Path, content: Json) -> Described:
    facts = {"version": content["mnistburn"], "files": list(content["files"])}
    return Described("manifest of a run", facts, _show_run(path.parent))


def _companion(path: Path, content: Json) -> Described:
    model = path.name.removesuffix(".meta.json")
    beside = path.with_name(model)
    facts = {
        "of": model if beside.is_file() else f"{model}, which is not beside it",
        "config": content["config"],
        "classes": content.get("class_names"),
        "preprocessing": content.get("preprocessing"),
    }
    advice = f"mnistburn show {click.format_filename(beside)}" if beside.is_file() else None
    return Described("what a model file of Burn has no room for", facts, advice)


def _state(path: Path, _content: Json) -> Described:
    found = checkpoint_of(path.parent)
    if found is None:
        message = "it must have the keys of a checkpoint's state"
        raise ValueError(message)
    return found


# Keys that tell a file from all others, and what describes it.
_JSON_FILES: Final[tuple[tuple[set[str], Callable[[Path, Json], Described]], ...]] = (
    ({"train_steps", "valid_steps", "epochs"}, _history),
    ({"source", "train", "valid", "shape"}, _run_data),
    ({"path", "sha256", "output_layer"}, _start),
    ({"mnistburn", "files"}, _manifest),
    ({"mnistburn", "config"}, _companion),
    ({"state", "files", "sha256"}, _state),
    ({"num_classes"}, _network_config),
)


def _json_lines(path: Path, head: bytes) -> Described:
    kind = None
    try:
        row = json.loads(head.partition(b"\n")[0])
        kind = next((_ROWS[key] for key in row if key in _ROWS), None)
    except (ValueError, TypeError, RecursionError):
        pass
    if kind is None:
        message = (
            f"{path} must hold the rows of a history, as history.jsonl and JsonLinesLogger have "
            f"them, and its first line is none"
        )
        raise RecordError(message)
    with path.open("rb") as file:
        lines = sum(1 for _ in file)
    return Described(kind, {"lines": lines}, _show_run(path.parent))


def describe_record(path: Path) -> Described | None:
    """Tell what a record beside a model in a checkpoint is.

    Args:
        path: The file.

    Returns:
        The description; None where it is in no checkpoint, or is no such record.
    """
    kind = _RECORDS.get(path.name.partition(".")[0])
    checkpoint = None if kind is None else checkpoint_of(path.parent)
    if kind is None or checkpoint is None:
        return None
    facts = {"bytes": path.stat().st_size, **checkpoint.facts}
    return Described(kind, facts, checkpoint.advice)


def checkpoint_of(folder: Path) -> Described | None:
    """Tell what is in the folder of a checkpoint; None where it is none.

    Args:
        folder: The folder.

    Returns:
        The description.
    """
    try:
        content = json.loads((folder / _STATE_FILE).read_text("utf-8"))
        state, files = content["state"], content["files"]
        progress = state["progress"]
        facts = {
            "epoch": progress["epoch"],
            "step": progress["step"],
            "epoch_ended": "yes" if progress["ended"] else "no",
            "recorder": state["recorder"],
            "optimizer": str(_config_of(state).optimizer),
            "files": {name: f"{about['bytes']:,} bytes" for name, about in files.items()},
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return Described("checkpoint of a run", facts, _show_run(folder.parent.parent))


def checkpoints_of(folder: Path) -> Described | None:
    """Tell which checkpoints are in the folder of a run's checkpoints; None where it is none.

    Args:
        folder: The folder.

    Returns:
        The description.
    """
    if folder.name != CHECKPOINTS:
        return None
    names = sorted(entry.name for entry in folder.iterdir() if (entry / _STATE_FILE).is_file())
    if not names:
        return None
    return Described("checkpoints of a run", {"checkpoints": names}, _show_run(folder.parent))


def _config_of(state: Json) -> TrainingConfig:
    return TrainingConfig.from_json(json.dumps(state["config"]))


def _show_run(directory: Path) -> str | None:
    """Return the command that shows a run; None where the directory holds none."""
    if not (directory / CONFIG_FILE).is_file():
        return None
    return f"mnistburn show {click.format_filename(directory)}"
