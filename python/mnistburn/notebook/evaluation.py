"""An evaluation and a comparison in a notebook."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy
from numpy.typing import NDArray

from mnistburn.notebook.parts import facts, framed, picture, scores_table, table
from mnistburn.pages.markup import Content, Markup, tag

__all__ = ["comparison_html", "evaluation_html"]

# Of more classes there is no matrix.
_MOST_CLASSES: Final = 20
# The square root of a share is the strength of the colour, so that mistakes are seen beside hits.
_STRONGEST: Final = 0.6


def evaluation_html(
    rows: Iterable[tuple[str, Content]],
    *,
    scores: Sequence[tuple[str, float, float, float, int]],
    confusion: tuple[NDArray[numpy.int64], Sequence[str]] | None,
    worst: Sequence[tuple[NDArray[numpy.uint8], Sequence[str]]],
) -> str:
    """Return an evaluation for a notebook.

    Args:
        rows: Loss, accuracy and the other numbers, by name.
        scores: Name, precision, recall, F1 and support of classes.
        confusion: The confusion matrix with the names of its classes; None for none.
        worst: The images of highest loss, each with the lines of its caption.

    Returns:
        The HTML.
    """
    tiles = [
        tag(
            "div",
            picture(image, " ".join(caption)),
            *(tag("div", line) for line in caption),
            class_="tile",
        )
        for image, caption in worst
    ]
    return framed(
        facts(rows),
        tag(
            "div",
            scores_table(scores) if scores else None,
            None if confusion is None else _matrix(*confusion),
            class_="row",
        ),
        tag("p", "the images of highest loss") if tiles else None,
        tag("div", *tiles, class_="row"),
    )


def _matrix(confusion: NDArray[numpy.int64], class_names: Sequence[str]) -> Markup | None:
    if len(class_names) > _MOST_CLASSES:
        return None
    support = numpy.maximum(confusion.sum(axis=1, keepdims=True), 1)
    strengths = _STRONGEST * numpy.sqrt(confusion / support)
    numbers = range(len(class_names))
    head = tag(
        "tr",
        tag("th", "true \\ predicted", class_="name"),
        *(tag("th", number, title=class_names[number]) for number in numbers),
    )
    rows = [
        tag(
            "tr",
            tag("th", _numbered(number, class_names[number]), class_="name", scope="row"),
            *(
                tag(
                    "td",
                    int(count) or None,
                    style=f"background:rgba(63,134,201,{strength:.3f})",
                )
                for count, strength in zip(confusion[number], strengths[number], strict=True)
            ),
        )
        for number in numbers
    ]
    return tag("table", head, *rows)


def _numbered(number: int, name: str) -> str:
    return name if name == str(number) else f"{number} {name}"


def comparison_html(comparison: Mapping[str, Any], shown: Mapping[str, Sequence[str]]) -> str:
    """Return a comparison for a notebook.

    Args:
        comparison: What `Comparison.to_json_object` gives.
        shown: The differences of the configurations as text, by field.

    Returns:
        The HTML.
    """
    runs = [
        (
            run["name"],
            f"{run['accuracy']:.4f}",
            " to ".join(f"{end:.4f}" for end in run["accuracy_interval"]),
            f"{run['loss']:.4f}",
            f"{run['expected_calibration_error']:.4f}",
            f"{run['seconds']:.1f}",
            f"{run['num_params']:,}",
        )
        for run in comparison["runs"]
    ]
    tests = [
        (
            f"{test['first']} and {test['second']}",
            f"{test['first_only']:,}",
            f"{test['second_only']:,}",
            f"{test['p_value']:.3g}",
        )
        for test in comparison["tests"]
    ]
    names = [run["name"] for run in comparison["runs"]]
    settings = [(name, *values) for name, values in shown.items()]
    titles = ("run", "accuracy", "95 % interval", "loss", "calibration error", "seconds")
    return framed(
        tag("p", f"{comparison['images']:,} images: {comparison['data']}"),
        table((*titles, "parameters"), runs),
        table(("right where the other is wrong", "first", "second", "McNemar's p"), tests),
        table(("configuration", *names), settings) if settings else None,
    )
