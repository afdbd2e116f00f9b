"""The report as a model card in Markdown, as the hubs of models show it."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from mnistburn._native import VERSION
from mnistburn.evaluation import Evaluation
from mnistburn.progress import elapsed
from mnistburn.report.content import ReportContent
from mnistburn.report.repeat import repeat_command, repeat_python, verify_command

__all__ = ["escaped_markdown", "model_card_text"]

_MOST_PAIRS: Final = 10
# A class that is found less often than this is told among the limits.
_LOW_RECALL: Final = 0.8
_MOST_NAMED: Final = 5


# Marks of emphasis, code, links, tables, formulas and mentions; what begins an address or an emoji.
_MEANINGFUL: Final = re.compile(r"[\\`*_\[\]#|~$@]|:(?=//|\w+:)|(?<=www)\.", re.IGNORECASE)


def escaped_markdown(text: str) -> str:
    """Return text of a stranger as Markdown that shows just it: no markup, one line.

    Args:
        text: The text.

    Returns:
        The Markdown.
    """
    line = " ".join(text.split())
    shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in line)
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MEANINGFUL.sub(r"\\\g<0>", shown)


def model_card_text(content: ReportContent, marker: str) -> str:
    """Return the model card.

    Args:
        content: What is reported.
        marker: What tells the file from a stranger's, for a comment at its beginning.

    Returns:
        The text.
    """
    return "\n".join(_lines(content, marker)) + "\n"


def _lines(content: ReportContent, marker: str) -> Iterator[str]:
    run, evaluation = content.run, content.evaluation
    yield "---"
    yield f"# mnistburn: {marker}"
    yield "library_name: mnistburn"
    yield "pipeline_tag: image-classification"
    yield "tags:"
    yield "- burn"
    yield "- image-classification"
    yield "metrics:"
    yield "- accuracy"
    yield "---"
    yield ""
    yield f"# {escaped_markdown(content.name)}"
    yield ""
    shape = run.model.config.image_shape
    yield (
        f"A classifier of images of {shape} into {len(content.class_names)} classes: a network of "
        f"{run.model.num_params:,} parameters, trained with mnistburn on Burn."
    )
    yield ""
    yield "## Use"
    yield ""
    yield from _fenced(
        "import mnistburn as mb\n\n"
        'model = mb.Model.load("model.mpk")\n'
        'print(model.predict_names(["picture.png"]))',
        "python",
    )
    yield ""
    yield (
        "It takes pictures of any size, which become images as those of its training did. It knows "
        "its own classes alone, and names one of them for every picture, also for one of none."
    )
    yield ""
    yield f"Classes: {', '.join(map(escaped_markdown, content.class_names))}."
    yield ""
    yield from _results(content)
    if evaluation is not None and evaluation.keeps_logits:
        yield from _limits(evaluation)
    yield from _training(content)
    yield from _repeated(content)


def _results(content: ReportContent) -> Iterator[str]:
    yield "## Results"
    yield ""
    evaluation = content.evaluation
    if evaluation is None:
        yield f"The model was not measured: {escaped_markdown(content.missing['evaluation'])}"
        yield ""
        return
    lower, upper = evaluation.accuracy_interval()
    yield f"Measured on {escaped_markdown(content.measured_on or '')}."
    yield ""
    rows = [
        ("Accuracy", f"{evaluation.accuracy:.4f}"),
        ("95 % interval of the accuracy", f"{lower:.4f} to {upper:.4f}"),
        ("Loss (cross-entropy)", f"{evaluation.loss:.4f}"),
    ]
    if evaluation.keeps_logits:
        error = evaluation.calibration().expected_error
        rows.append(("Expected calibration error", f"{error:.4f}"))
    rows.append(("Images", f"{len(evaluation.dataset):,}"))
    yield from _table(("Measure", "Value"), rows)
    if not evaluation.keeps_logits:
        return
    yield from _table(
        ("Class", "Precision", "Recall", "F1", "Images"),
        [
            (
                escaped_markdown(scores.name),
                *(f"{value:.4f}" for value in (scores.precision, scores.recall, scores.f1)),
                f"{scores.support:,}",
            )
            for scores in evaluation.per_class
        ],
    )


def _limits(evaluation: Evaluation) -> Iterator[str]:
    """Yield what the model is bad at, as far as the measures tell."""
    yield "## Limits"
    yield ""
    pairs = evaluation.most_confused(_MOST_PAIRS)
    if pairs:
        yield "The classes that are confused most often:"
        yield ""
        yield from _table(
            ("Class", "Taken for", "Images", "Of the class"),
            [
                (
                    escaped_markdown(pair.true),
                    escaped_markdown(pair.predicted),
                    f"{pair.count:,}",
                    f"{100 * pair.share:.1f} %",
                )
                for pair in pairs
            ],
        )
    scores = [one for one in evaluation.per_class if one.support]
    low = sorted((one for one in scores if one.recall < _LOW_RECALL), key=lambda one: one.recall)
    if low:
        named = ", ".join(
            f"{escaped_markdown(one.name)} ({100 * one.recall:.0f} %)" for one in low[:_MOST_NAMED]
        )
        others = f" and {len(low) - _MOST_NAMED} more" if len(low) > _MOST_NAMED else ""
        yield f"Fewer than {_LOW_RECALL:.0%} of the images are found of: {named}{others}."
        yield ""
    unseen = [one.name for one in evaluation.per_class if not one.support]
    if unseen:
        named = ", ".join(map(escaped_markdown, unseen[:_MOST_NAMED]))
        others = f" and {len(unseen) - _MOST_NAMED} more" if len(unseen) > _MOST_NAMED else ""
        yield f"No image of these classes was measured: {named}{others}."
        yield ""
    yield (
        "Pictures unlike those of the training (inverted, on another scale, blank) get worse "
        "answers; mnistburn warns of them."
    )
    yield ""


def _training(content: ReportContent) -> Iterator[str]:
    run, made = content.run, content.provenance
    yield "## Training"
    yield ""
    rows = []
    if run.data is not None:
        rows += [
            ("Data", escaped_markdown(str(run.data.source or "arrays"))),
            ("Training images", f"{run.data.train.images:,}"),
            ("SHA-256 of the training images", f"`{run.data.train.sha256}`"),
            ("Validation images", f"{run.data.valid.images:,}"),
            ("SHA-256 of the validation images", f"`{run.data.valid.sha256}`"),
        ]
    rows += [
        ("Epochs", f"{run.history.num_epochs} of {run.config.num_epochs} ({run.ended})"),
        ("Model of epoch", str(run.model_epoch)),
        ("Time", elapsed(run.seconds)),
        (
            "Device",
            ", then ".join(dict.fromkeys(", ".join(one) for one in made.devices)) or "unknown",
        ),
        ("Made by", f"mnistburn {made.version or 'of an unknown version'}"),
        ("Reported by", f"mnistburn {VERSION}"),
    ]
    if run.start is not None:
        rows.append(("Start", escaped_markdown(str(run.start))))
    yield from _table(("What", "Value"), rows)
    yield from _fenced(run.config.to_json(), "json")
    yield ""


def _repeated(content: ReportContent) -> Iterator[str]:
    yield "## Repeat"
    yield ""
    command = repeat_command(content)
    if command is None:
        yield "With the data as a pair in `data`:"
        yield ""
        yield from _fenced(repeat_python(content), "python")
    else:
        yield from _fenced(command, "sh")
    yield ""
    yield "To train the run again and compare the weights bit by bit:"
    yield ""
    yield from _fenced(verify_command(content), "sh")


def _fenced(text: str, language: str) -> Iterator[str]:
    """Yield a block of code, behind more backticks than any row of them in it."""
    longest = max((len(row) for row in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}{language}"
    yield text
    yield fence


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join(['---'] + ['---:'] * (len(head) - 1))}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
