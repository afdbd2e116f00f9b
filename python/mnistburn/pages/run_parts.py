"""The parts of a page on a run: its curves, its epochs, its configuration."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mnistburn.config import TrainingConfig
from mnistburn.pages.curves import Chart, Points, Series, binned, chart_svg
from mnistburn.pages.markup import Content, Markup, joined, tag

__all__ = ["TrainPoints", "config_facts", "curves", "epochs_table", "facts", "figures", "scrolled"]

_MOST_POINTS: Final = 300
_LABELS: Final = {
    "epoch": "Epoch",
    "train_loss": "Training loss",
    "train_accuracy": "Training accuracy",
    "valid_loss": "Validation loss",
    "valid_accuracy": "Validation accuracy",
    "learning_rate": "Learning rate",
    "seconds": "Seconds",
    "images_per_second": "Images/s",
}

Row = Mapping[str, float]


@dataclass(frozen=True)
class TrainPoints:
    """What was measured in training steps, or in some of them together.

    Attributes:
        epochs: Where each is, in epochs from the beginning of the run.
        images: The number of its images.
        loss: Their mean loss.
        accuracy: The accuracy on them, in 0..1.
        learning_rate: Its learning rate.
    """

    epochs: Sequence[float]
    images: Sequence[float]
    loss: Sequence[float]
    accuracy: Sequence[float]
    learning_rate: Sequence[float]


def curves(train: TrainPoints, epochs: Sequence[Row]) -> Markup:
    """Return the figures of loss, accuracy and learning rate.

    Args:
        train: The training steps.
        epochs: The rows of the epochs.

    Returns:
        The figures.
    """

    def trained(values: Sequence[float]) -> Points:
        return binned(train.epochs, values, train.images, _MOST_POINTS)

    def validated(column: str) -> Points:
        places = [row["epoch"] for row in epochs]
        return binned(places, [row[column] for row in epochs], [1.0] * len(epochs), _MOST_POINTS)

    ends = [*train.epochs[-1:], *(row["epoch"] for row in epochs[-1:])]
    # From the beginning of the run on, whatever was measured first.
    x_range = (0.0, max(ends)) if ends else None
    charts = {
        "loss": Chart(
            "Loss",
            "epoch",
            "Loss",
            (
                Series("training", trained(train.loss), "train"),
                Series("validation", validated("valid_loss"), "valid"),
            ),
            x_range,
        ),
        "accuracy": Chart(
            "Accuracy",
            "epoch",
            "Accuracy",
            (
                Series("training", trained(train.accuracy), "train"),
                Series("validation", validated("valid_accuracy"), "valid"),
            ),
            x_range,
        ),
    }
    if len(set(train.learning_rate)) > 1:
        rates = Series("learning rate", trained(train.learning_rate), "train")
        charts["learning-rate"] = Chart(
            "Learning rate", "epoch", "Learning rate", (rates,), x_range
        )
    figures = (
        tag("figure", tag("figcaption", chart.name), chart_svg(chart, f"curve-{name}"))
        for name, chart in charts.items()
    )
    return tag("div", *figures, class_="charts")


def epochs_table(epochs: Sequence[Row], best: int | None, *, newest_first: bool = False) -> Markup:
    """Return the table of the epochs.

    Args:
        epochs: Their rows.
        best: The best one; None for none.
        newest_first: Whether the last one stands at the top.

    Returns:
        The table, in a part that scrolls where it is too wide.
    """
    if not epochs:
        return tag("p", "No epoch is finished yet.", class_="empty")
    columns = list(epochs[0])
    head = tag("tr", *(tag("th", _label(name), scope="col") for name in columns))
    rows = [
        tag(
            "tr",
            tag("th", _epoch_text(row["epoch"], best), scope="row"),
            *(tag("td", _number(name, row.get(name, math.nan))) for name in columns[1:]),
            class_="best" if row["epoch"] == best else None,
        )
        for row in (reversed(epochs) if newest_first else epochs)
    ]
    caption = tag("caption", "Accuracies are in 0 to 1.")
    table = tag("table", caption, tag("thead", head), tag("tbody", *rows))
    return scrolled(table, "Epochs", "epochs-table")


def _epoch_text(epoch: float, best: int | None) -> str:
    return f"{epoch:g} (best)" if epoch == best else f"{epoch:g}"


def _label(name: str) -> str:
    return _LABELS.get(name, name.removeprefix("valid_").replace("_", " "))


def _number(name: str, value: float) -> str:
    if name == "learning_rate":
        return f"{value:.3g}"
    if name == "seconds":
        return f"{value:.1f}"
    return f"{value:,.0f}" if name == "images_per_second" else f"{value:.4f}"


def scrolled(content: Markup, name: str, identifier: str) -> Markup:
    """Return what may be wider than the screen in a part of its own, which the keyboard scrolls."""
    return tag(
        "div",
        content,
        class_="scroll",
        id=identifier,
        role="region",
        aria_label=name,
        tabindex="0",
    )


def facts(values: Mapping[str, Content]) -> Markup:
    """Return names and values as a list; those without a value are left out."""
    return tag(
        "dl",
        *(
            joined([tag("dt", name), tag("dd", value)])
            for name, value in values.items()
            if value is not None
        ),
        class_="facts",
    )


def figures(values: Mapping[str, Content]) -> Markup:
    """Return a few numbers that are seen at once, each in a box."""
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", value))
            for name, value in values.items()
            if value is not None
        ),
        class_="figures",
    )


def config_facts(config: TrainingConfig) -> dict[str, Content]:
    """Return what a training was made from, in words.

    Args:
        config: The configuration.

    Returns:
        Names and values, the network first.
    """
    told: dict[str, Content] = {}
    for item in dataclasses.fields(config):
        value: Any = getattr(config, item.name)
        if value is None or value == ():
            continue
        name = _CONFIG_LABELS.get(item.name, item.name.replace("_", " ").capitalize())
        told[name] = _setting(value)
    return told


_CONFIG_LABELS: Final = {
    "model": "Network",
    "num_epochs": "Epochs",
    "num_workers": "Workers",
    "lr_scheduler": "Learning-rate schedule",
    "checkpoint_every": "Seconds between checkpoints",
}


def _setting(value: object) -> Content:
    if dataclasses.is_dataclass(value):
        return tag("code", str(value))
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return str(value)
