"""``mnistburn evaluate``."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import click

from mnistburn.cli.help_text import Command
from mnistburn.cli.options import (
    PATH,
    augment_option,
    data_option,
    device_option,
    epoch_option,
    image_size_option,
    no_prepare_option,
    printable,
    split_option,
    view_option,
)
from mnistburn.cli.trained import Trained
from mnistburn.datasets.parts import Split
from mnistburn.evaluation import Evaluation
from mnistburn.views import View

__all__ = ["evaluate"]


@click.command(cls=Command)
@click.argument("path", type=PATH)
@data_option("what the run was trained on")
@split_option
@epoch_option
@image_size_option
@device_option
@click.option("--batch-size", type=int, help="Images computed at a time.")
@click.option(
    "--by-number",
    is_flag=True,
    help="Take the classes of data without class names by their numbers.",
)
@no_prepare_option
@augment_option
@view_option
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Measure this too, as in f1_macro, recall_per_class, top_3_accuracy, auroc_macro or "
    "confusion; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate(
    *,
    path: Path,
    data: str | None,
    split: Split | None,
    epoch: str | None,
    image_size: tuple[int, int] | None,
    device: str,
    batch_size: int | None,
    by_number: bool,
    no_prepare: bool,
    augment: bool,
    views: tuple[View, ...],
    metrics: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure the model in PATH, a run's directory or a model file.

    The images are the test images of the data that the run was trained on, or what it was
    validated on where it has none; --data names others. Told are loss and accuracy, its 95 %
    interval, the calibration error, the scores of each class, the confusion matrix of up to 20
    classes where it fits, the most confused classes and the images of highest loss.
    """
    trained = Trained.load(path, device, epoch=epoch, image_size=image_size)
    dataset, told = trained.dataset(data, split, prepare=not no_prepare)
    given: dict[str, Any] = {} if batch_size is None else {"batch_size": batch_size}
    evaluation = trained.model.evaluate(
        dataset, by_number=by_number, augment=views or augment, metrics=metrics, **given
    )
    if as_json:
        click.echo(json.dumps({"data": told, "images": len(dataset), **_measured(evaluation)}))
        return
    click.echo(
        f"loss {evaluation.loss:.4f}, accuracy {evaluation.accuracy:.4f} "
        f"on {len(dataset)} images ({printable(told)})"
    )
    for name, value in evaluation.metrics.items():
        rows = value if name == "confusion" else [value]
        for row in rows:
            values = row if isinstance(row, list) else [row]
            click.echo(f"{name} {' '.join(_shown(item) for item in values)}")
    for line in evaluation.details():
        click.echo(line)


def _measured(evaluation: Evaluation) -> dict[str, Any]:
    """Return what was measured as what JSON can hold; the metrics asked for stand by themselves."""
    measured: dict[str, Any] = {
        "loss": evaluation.loss,
        "accuracy": evaluation.accuracy,
        "accuracy_interval": list(evaluation.accuracy_interval()),
    }
    if evaluation.keeps_logits:
        calibration = evaluation.calibration()
        measured["expected_calibration_error"] = calibration.expected_error
        measured["per_class"] = [dataclasses.asdict(row) for row in evaluation.per_class]
        measured["most_confused"] = [
            dataclasses.asdict(pair) for pair in evaluation.most_confused()
        ]
        measured["worst"] = [
            dataclasses.asdict(image) | {"file": None if image.file is None else str(image.file)}
            for image in evaluation.worst()
        ]
    return measured | evaluation.metrics


def _shown(value: float) -> str:
    return f"{value:d}" if isinstance(value, int) else f"{value:.4f}"
