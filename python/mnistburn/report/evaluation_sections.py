"""The sections of a report on what was measured of the model."""

import math
from typing import Final

from mnistburn.evaluation import Evaluation
from mnistburn.pages.curves import Chart, Series, chart_svg
from mnistburn.pages.markup import Markup, joined, tag
from mnistburn.pages.png import image_address
from mnistburn.pages.run_parts import scrolled
from mnistburn.report.content import ReportContent, Sample

__all__ = ["calibration_curve", "classes_table", "confusion_tables", "picture", "worst_images"]

# A matrix of more classes is too large to be read; the most confused pairs are told.
_MOST_CLASSES: Final = 30
_MOST_PAIRS: Final = 10
_HEATS: Final = 5
_LONGEST_NUMBER: Final = 4


def classes_table(evaluation: Evaluation) -> Markup:
    """Return the scores of each class."""
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


def confusion_tables(evaluation: Evaluation) -> Markup:
    """Return the confusion matrix, unless it is too large, and the most confused pairs."""
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


def worst_images(content: ReportContent) -> Markup:
    """Return the images of highest loss, with what the model made of them."""
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
        items.append(picture(sample, told))
    about = "Mistakes, wrong labels and odd pictures: the images to look at first."
    return joined([tag("p", about), tag("ul", *items, class_="pictures")])


def _is_of(name: str) -> str:
    return f"Of the class {name}"


def picture(sample: Sample, told: str) -> Markup:
    """Return an image of a list, with what is told of it and where it comes from."""
    where = f"image {sample.index}" if sample.file is None else sample.file.name
    return tag(
        "li",
        tag("img", src=image_address(sample.pixels), alt=f"{told} ({where})"),
        tag("span", told, aria_hidden="true"),
        tag("br"),
        tag("span", where, class_="faint", aria_hidden="true"),
    )


def calibration_curve(evaluation: Evaluation) -> Markup:
    """Return the reliability curve, and its table."""
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
