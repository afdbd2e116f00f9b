"""The report as one page that needs nothing else: no network, no script, no other file."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Final

from mnistburn._native import VERSION, build_info
from mnistburn.pages.markup import Content, Markup, joined, tag
from mnistburn.pages.run_parts import (
    TrainPoints,
    config_facts,
    curves,
    epochs_table,
    facts,
    figures,
)
from mnistburn.progress import elapsed
from mnistburn.report.content import ReportContent
from mnistburn.report.evaluation_sections import (
    calibration_curve,
    classes_table,
    confusion_tables,
    picture,
    worst_images,
)
from mnistburn.report.repeat import repeat_command, repeat_python, verify_command

__all__ = ["GENERATOR", "html_page"]

GENERATOR: Final = f"mnistburn {VERSION}"
"""What wrote a page, as its ``meta`` element of the name ``generator`` says."""

# A longer table is folded.
_MOST_EPOCHS: Final = 20

_ENDED: Final = {
    "completed": "complete",
    "stopped": "stopped by a callback or its time limit",
    "stopped_early": "stopped early, as it got no better",
    "interrupted": "interrupted",
}


def html_page(content: ReportContent, marker: str) -> Markup:
    """Return the page.

    Args:
        content: What is reported.
        marker: What tells the file from a stranger's, for its ``meta`` element.

    Returns:
        The document.
    """
    sections = list(_sections(content))
    # What browsers hash is the text within the element: no entity is known there.
    style = Markup(resources.files("mnistburn.pages").joinpath("pages.css").read_text("utf-8"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=GENERATOR),
        tag("meta", name="mnistburn", content=marker),
        tag("title", f"Report of the run {content.name}"),
        tag("style", style),
    )
    links = (tag("li", tag("a", title, href=f"#{identifier}")) for identifier, title, _ in sections)
    body = tag(
        "body",
        tag("a", "Skip to the report", href="#main", class_="skip"),
        tag(
            "header",
            tag("h1", f"Report of the run {content.name}"),
            tag("p", _sentence(content)),
            tag("nav", tag("ul", *links), aria_label="Sections"),
        ),
        tag(
            "main",
            *(
                tag(
                    "section",
                    tag("h2", title, id=f"{identifier}-title"),
                    inner,
                    id=identifier,
                    aria_labelledby=f"{identifier}-title",
                )
                for identifier, title, inner in sections
            ),
            id="main",
        ),
        tag("footer", tag("p", f"Written by {GENERATOR}.", class_="faint")),
    )
    return Markup(f"<!doctype html>\n{tag('html', head, body, lang='en')}\n")


def _sentence(content: ReportContent) -> str:
    run = content.run
    shape = run.model.config.image_shape
    return (
        f"A classifier of images of {shape} into {len(content.class_names)} classes, with "
        f"{run.model.num_params:,} parameters. The run is {_ENDED[run.ended]}, after "
        f"{run.history.num_epochs} of {run.config.num_epochs} epochs and "
        f"{elapsed(run.seconds)} of training."
    )


def _sections(content: ReportContent) -> Iterator[tuple[str, str, Markup]]:
    """Yield identifier, title and content of each section."""
    yield "result", "Result", _result(content)
    yield "curves", "Curves", _curves(content)
    evaluation = content.evaluation
    if evaluation is not None and evaluation.keeps_logits:
        yield "classes", "Classes", classes_table(evaluation)
        yield "confusion", "Confusion", confusion_tables(evaluation)
        yield "worst", "Images of highest loss", worst_images(content)
        yield "calibration", "Calibration", calibration_curve(evaluation)
    yield "data", "Data", _data(content)
    yield "configuration", "Configuration", _configuration(content)
    yield "versions", "Device and versions", _versions(content)
    yield "repeat", "Repeat the run", _repeat(content)


def _result(content: ReportContent) -> Markup:
    run, evaluation = content.run, content.evaluation
    values: dict[str, Content] = {}
    if evaluation is not None:
        lower, upper = evaluation.accuracy_interval()
        values |= {
            "Accuracy": f"{evaluation.accuracy:.4f}",
            "95 % interval": f"{lower:.4f} to {upper:.4f}",
            "Loss": f"{evaluation.loss:.4f}",
            "Images": f"{len(evaluation.dataset):,}",
        }
    columns = run.history.epochs
    if run.best_epoch is not None:
        values["Best epoch"] = str(run.best_epoch)
        best = columns["valid_accuracy"][run.best_epoch - 1]
        values["Validation accuracy then"] = f"{best:.4f}"
    parts = [figures(values)] if values else []
    if content.measured_on is not None:
        parts.append(tag("p", f"Measured on {content.measured_on}.{_which_model(content)}"))
    parts += [
        tag("p", tag("strong", _MISSING[part]), f": {reason}", class_="notice")
        for part, reason in content.missing.items()
    ]
    return joined(parts)


_MISSING: Final = {
    "evaluation": "The model was not measured, and no image is shown",
    "images": "Classes, confusion, calibration and images are left out",
}


def _which_model(content: ReportContent) -> str:
    run = content.run
    if run.model_epoch is None:
        return ""
    return f" The model is that of epoch {run.model_epoch}."


def _curves(content: ReportContent) -> Markup:
    history = content.run.history
    steps = history.train_steps
    per_epoch = max([1.0, *steps["step"]])
    places = [
        epoch - 1 + step / per_epoch
        for epoch, step in zip(steps["epoch"], steps["step"], strict=True)
    ]
    train = TrainPoints(
        places, steps["images"], steps["loss"], steps["accuracy"], steps["learning_rate"]
    )
    rows = [
        dict(zip(history.epochs, values, strict=True))
        for values in zip(*history.epochs.values(), strict=True)
    ]
    return joined(
        [
            curves(train, rows),
            tag("p", _of_curves(content), class_="faint"),
            tag("h3", "Epochs"),
            _folded(epochs_table(rows, content.run.best_epoch), len(rows)),
        ]
    )


def _folded(table: Markup, epochs: int) -> Markup:
    """Return the table of many epochs behind a line that opens it."""
    if epochs <= _MOST_EPOCHS:
        return table
    return tag("details", tag("summary", f"The table of {epochs:,} epochs"), table)


def _of_curves(content: ReportContent) -> str:
    told = "Training is measured with dropout, while the weights move; validation after each epoch."
    if content.run.best_epoch is not None:
        told += f" The best epoch is decided by {content.run.best_metric}."
    return told


def _data(content: ReportContent) -> Markup:
    run = content.run
    values: dict[str, Content] = {"Classes": ", ".join(content.class_names)}
    if run.data is None:
        values["Source"] = "not known: an earlier version made the run"
    else:
        values = {
            "Source": str(run.data.source or "arrays"),
            "Training images": f"{run.data.train.images:,}",
            "SHA-256 of the training images": tag("code", run.data.train.sha256),
            "Validation images": f"{run.data.valid.images:,}",
            "SHA-256 of the validation images": tag("code", run.data.valid.sha256),
            "Image": f"{run.data.image_shape} pixels",
            "Pictures become images by": _preprocessing(run.data.preprocessing._asdict()),
            **values,
        }
    parts = [facts(values)]
    if content.samples:
        parts.append(tag("h3", "An image of each class"))
        items = [picture(sample, sample.name) for sample in content.samples]
        parts.append(tag("ul", *items, class_="pictures samples"))
    return joined(parts)


def _preprocessing(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)


def _configuration(content: ReportContent) -> Markup:
    run = content.run
    values = config_facts(run.config)
    values["Parameters"] = f"{run.model.num_params:,}"
    if run.start is not None:
        values["Start"] = str(run.start)
        values["SHA-256 of the start"] = tag("code", run.start.sha256)
    return joined(
        [
            facts(values),
            tag(
                "details",
                tag("summary", "As JSON, which mnistburn train --config takes"),
                tag("pre", tag("code", run.config.to_json())),
            ),
        ]
    )


def _versions(content: ReportContent) -> Markup:
    made = content.provenance
    devices = [", ".join(names) for names in made.devices]
    return facts(
        {
            "Device": ", then ".join(dict.fromkeys(devices)) or "not known: there is no log",
            "Begun": made.began,
            "Last logged": made.last_logged,
            "Made by": "an unknown version"
            if made.version is None
            else f"mnistburn {made.version}",
            "Reported by": GENERATOR,
            "Burn": build_info()["burn"],
        }
    )


def _repeat(content: ReportContent) -> Markup:
    parts = []
    command = repeat_command(content)
    if command is not None:
        parts.append(tag("p", "This command trains the run again, into the directory again:"))
        parts.append(tag("pre", tag("code", command)))
    else:
        parts.append(
            tag(
                "p",
                "The run does not keep its data, so these lines of Python need them as data, a "
                "pair of the training and the validation images:",
            )
        )
        parts.append(tag("pre", tag("code", repeat_python(content))))
    parts.append(tag("p", "This one does so too, and compares the weights bit by bit:"))
    parts.append(tag("pre", tag("code", verify_command(content))))
    return joined(parts)
