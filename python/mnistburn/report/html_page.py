"""The report as one page that needs nothing else: no network, no script, no other file."""

import base64
import hashlib
import math
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Final

from mnistburn._native import VERSION, build_info
from mnistburn.evaluation import Evaluation
from mnistburn.pages.curves import Chart, Series, chart_svg
from mnistburn.pages.markup import Content, Markup, joined, tag
from mnistburn.pages.png import image_address
from mnistburn.pages.run_parts import (
    TrainPoints,
    config_facts,
    curves,
    epochs_table,
    facts,
    figures,
    scrolled,
)
from mnistburn.progress import elapsed
from mnistburn.report.content import ReportContent, Sample
from mnistburn.report.repeat import repeat_command, repeat_python, verify_command

__all__ = ["GENERATOR", "html_page"]

GENERATOR: Final = f"mnistburn {VERSION}"
"""What wrote a page, as its ``meta`` element of the name ``generator`` says."""

# A matrix of more classes is too large to be read; the most confused pairs are told.
_MOST_CLASSES: Final = 30
_MOST_PAIRS: Final = 10
_HEATS: Final = 5
_LONGEST_NUMBER: Final = 4

_ENDED: Final = {
    "completed": "complete",
    "stopped": "stopped by a callback",
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
        yield "classes", "Classes", _classes(evaluation)
        yield "confusion", "Confusion", _confusion(evaluation)
        yield "worst", "Images of highest loss", _worst(content)
        yield "calibration", "Calibration", _calibration(evaluation)
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
            epochs_table(rows, content.run.best_epoch),
        ]
    )


def _of_curves(content: ReportContent) -> str:
    told = "Training is measured with dropout, while the weights move; validation after each epoch."
    if content.run.best_epoch is not None:
        told += f" The best epoch is decided by {content.run.best_metric}."
    return told


def _classes(evaluation: Evaluation) -> Markup:
    names = ("Class", "Precision", "Recall", "F1", "Images")
    head = tag("tr", *(tag("th", name, scope="col") for name in names))
    rows = [
        tag(
            "tr",
            tag("th", scores.name, scope="row"),
            *(tag("td", f"{value:.4f}") for value in (scores.precision, scores.recall, scores.f1)),
            tag("td", f"{scores.support:,}"),
        )
        for scores in evaluation.per_class
    ]
    caption = tag("caption", "A share of nothing is 0.")
    kind = _table_class(evaluation)
    table = tag("table", caption, tag("thead", head), tag("tbody", *rows), class_=kind)
    return scrolled(table, "Scores of the classes", "classes-table")


def _confusion(evaluation: Evaluation) -> Markup:
    parts = []
    if len(evaluation.class_names) <= _MOST_CLASSES:
        parts.append(_matrix(evaluation))
    pairs = evaluation.most_confused(_MOST_PAIRS)
    if not pairs:
        return joined([*parts, tag("p", "No image is taken for one of another class.")])
    names = ("Class", "Taken for", "Images", "Of the class")
    head = tag(
        "tr",
        *(
            tag("th", name, scope="col", class_="text" if name == "Taken for" else None)
            for name in names
        ),
    )
    rows = [
        tag(
            "tr",
            tag("th", pair.true, scope="row"),
            tag("td", pair.predicted, class_="text"),
            tag("td", f"{pair.count:,}"),
            tag("td", f"{100 * pair.share:.1f} %"),
        )
        for pair in pairs
    ]
    caption = tag("caption", "The pairs of classes that are confused most often.")
    kind = _table_class(evaluation)
    table = tag("table", caption, tag("thead", head), tag("tbody", *rows), class_=kind)
    return joined([*parts, scrolled(table, "Most confused classes", "pairs-table")])


def _table_class(evaluation: Evaluation) -> str | None:
    """Return the class of a table whose rows are classes: whether they have names, or numbers."""
    return "named" if max(map(len, evaluation.class_names)) > _LONGEST_NUMBER else None


def _matrix(evaluation: Evaluation) -> Markup:
    names, counts = evaluation.class_names, evaluation.confusion
    numbered = list(names) != [str(number) for number in range(len(names))]
    head = tag(
        "tr",
        tag("td", class_="corner"),
        *(
            tag("th", number if numbered else name, scope="col", title=name if numbered else None)
            for number, name in enumerate(names)
        ),
    )
    rows = []
    for row, name in enumerate(names):
        total = int(counts[row].sum())
        cells = [
            tag(
                "td",
                f"{count:,}",
                class_=_cell_class(count, total, right=row == column),
            )
            for column, count in enumerate(counts[row].tolist())
        ]
        label = f"{row} {name}" if numbered else name
        rows.append(tag("tr", tag("th", label, scope="row"), *cells))
    told = "Images of each class (rows) by the class that they are taken for (columns)"
    caption = tag("caption", f"{told}, by number." if numbered else f"{told}.")
    table = tag(
        "table",
        caption,
        tag("thead", head),
        tag("tbody", *rows),
        class_=f"confusion {_table_class(evaluation) or ''}".strip(),
    )
    return scrolled(table, "Confusion matrix", "confusion-table")


def _cell_class(count: int, total: int, *, right: bool) -> str:
    if not count:
        return "zero right" if right else "zero"
    heat = f"heat{math.ceil(_HEATS * count / total)}"
    return f"{heat} right" if right else heat


def _worst(content: ReportContent) -> Markup:
    items = []
    for sample, one in content.worst():
        told = (
            f"{_is_of(one.true)}, taken for {one.predicted} with a probability of "
            f"{one.probability:.2f}; its own class gets {one.true_probability:.2g}"
        )
        if one.true == one.predicted:
            told = (
                f"{_is_of(one.true)}, and taken for it with a probability of {one.probability:.2f}"
            )
        items.append(_picture(sample, told))
    about = "Mistakes, wrong labels and odd pictures: the images to look at first."
    return joined([tag("p", about), tag("ul", *items, class_="pictures")])


def _is_of(name: str) -> str:
    return f"Of the class {name}"


def _picture(sample: Sample, told: str) -> Markup:
    where = f"image {sample.index}" if sample.file is None else sample.file.name
    return tag(
        "li",
        tag("img", src=image_address(sample.pixels), alt=f"{told} ({where})"),
        tag("span", told, aria_hidden="true"),
        tag("br"),
        tag("span", where, class_="faint", aria_hidden="true"),
    )


def _calibration(evaluation: Evaluation) -> Markup:
    found = evaluation.calibration()
    bins = [
        (float(found.confidence[place]), float(found.accuracy[place]), int(count), place)
        for place, count in enumerate(found.counts.tolist())
        if count
    ]
    chart = Chart(
        "Accuracy by probability",
        "probability that the model gives",
        "Share of images classified right",
        (
            Series("model", [(one[0], one[1]) for one in bins], "valid"),
            Series("ideal", [(0.0, 0.0), (1.0, 1.0)], "ideal"),
        ),
        (0.0, 1.0),
        (0.0, 1.0),
    )
    names = ("Probability", "Mean", "Classified right", "Images")
    head = tag("tr", *(tag("th", name, scope="col") for name in names))
    rows = [
        tag(
            "tr",
            tag("th", f"{found.edges[place]:.2f} to {found.edges[place + 1]:.2f}", scope="row"),
            tag("td", f"{confidence:.3f}"),
            tag("td", f"{accuracy:.3f}"),
            tag("td", f"{count:,}"),
        )
        for confidence, accuracy, count, place in bins
    ]
    caption = tag("caption", "Images by the probability of the class that they are taken for.")
    table = tag("table", caption, tag("thead", head), tag("tbody", *rows))
    about = (
        "Whether the model is right as often as it says. The expected calibration error is "
        f"{found.expected_error:.4f}, the maximum {found.maximum_error:.4f}."
    )
    figure = tag("figure", tag("figcaption", chart.name), chart_svg(chart, "calibration-curve"))
    return joined(
        [
            tag("p", about),
            figure,
            scrolled(table, "Calibration by probability", "calibration-table"),
        ]
    )


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
        items = [_picture(sample, sample.name) for sample in content.samples]
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
