"""The page of a run that is followed."""

import math
from typing import Any, Final

from mnistburn.pages.markup import Content, Markup, joined, tag
from mnistburn.pages.run_parts import (
    config_facts,
    curves,
    epochs_table,
    facts,
    figures,
)
from mnistburn.progress import duration
from mnistburn.watch.followed_run import RunState

__all__ = ["page_parts", "page_title", "watch_page"]

_PHASES: Final = {
    "waiting": "Waiting for a run to begin",
    "training": "Training",
    "validating": "Validating",
    "silent": "No news",
    "completed": "Complete",
    "stopped": "Stopped by a callback or its time limit",
    "stopped_early": "Stopped early",
    "interrupted": "Interrupted",
}
_MOST_EPOCHS: Final = 200


def page_title(state: RunState) -> str:
    """Return the title: what is read in the tab of a browser.

    Args:
        state: The run.

    Returns:
        The title.
    """
    share = _share(state)
    done = "" if share is None or state.is_over else f"{share:.0%}, "
    return f"{done}{_PHASES[state.phase].lower()}: {_short(state)}"


def watch_page(state: RunState) -> Markup:
    """Return the whole page.

    Args:
        state: The run.

    Returns:
        The document; it is complete without its script, which renews it.
    """
    parts = page_parts(state)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", page_title(state)),
        tag("link", rel="stylesheet", href="pages.css"),
        tag("link", rel="icon", href="icon.svg", type="image/svg+xml"),
        tag("noscript", tag("meta", http_equiv="refresh", content="5")),
        tag("script", src="watch.js", defer=True),
    )
    body = tag(
        "body",
        tag("a", "Skip to the numbers", href="#main", class_="skip"),
        tag(
            "header",
            tag("h1", _name(state)),
            tag("p", str(state.directory.absolute()), class_="faint"),
            tag("p", announcement(state), id="announcement", role="status"),
            tag("button", "Pause", type="button", id="pause", aria_pressed="false", hidden=True),
            tag(
                "p",
                "The connection is lost: the command that serves this page has ended, or the "
                "computer sleeps. The page goes on when it is back.",
                id="lost",
                class_="notice",
                role="alert",
                hidden=True,
            ),
        ),
        tag("main", *(tag("div", parts[name], id=name) for name in parts), id="main"),
    )
    return Markup(f"<!doctype html>\n{tag('html', head, body, lang='en')}\n")


def _name(state: RunState) -> str:
    return f"Run {_short(state)}"


def _short(state: RunState) -> str:
    """Return the name of the run's directory."""
    directory = state.directory
    # "." has no name of its own.
    named = directory if directory.name not in {"", ".."} else directory.resolve()
    return named.name or str(named)


def announcement(state: RunState) -> str:
    """Return what a screen reader is told when it changes."""
    phase = _PHASES[state.phase]
    if state.phase in {"training", "validating"} and state.start is not None:
        epoch = state.start["epoch"] if state.now is None else state.now["epoch"]
        return f"{phase}, epoch {epoch} of {state.num_epochs}"
    if state.phase == "silent":
        return f"{phase}. {_silence(state)}"
    if state.phase == "waiting":
        return f"{phase}: {state.directory} holds none yet"
    return f"{phase}, after {len(state.epochs)} of {state.num_epochs} epochs"


def _silence(state: RunState) -> str:
    resume = "mnistburn train with --resume goes on with it."
    if state.silence is None:
        return f"The run is neither on nor over: its process was killed. {resume}"
    return (
        f"The last line came {duration(state.silence)} ago: a step takes long, or the process was "
        f"killed, and then {resume}"
    )


def page_parts(state: RunState) -> dict[str, Markup]:
    """Return the parts of the page that change.

    Args:
        state: The run.

    Returns:
        The content of each, by the identifier of its element.
    """
    if state.phase == "waiting":
        return dict.fromkeys(("numbers", "curves", "epochs", "log", "configuration"), Markup())
    return {
        "numbers": _numbers(state),
        "curves": _headed("Curves", curves(state.train, state.epochs)),
        "epochs": _headed(
            "Epochs",
            epochs_table(state.epochs[-_MOST_EPOCHS:], state.best_epoch, newest_first=True),
        ),
        "log": _headed("Log", tag("pre", "\n".join(state.log))) if state.log else Markup(),
        "configuration": _configuration(state),
    }


def _headed(title: str, content: Content) -> Markup:
    return joined([tag("h2", title), content])


def _share(state: RunState) -> float | None:
    """Return the share of the run's epochs that is done."""
    if not state.num_epochs:
        return None
    done = float(len(state.epochs))
    if state.now is not None and state.start is not None:
        images = state.start["train_images"]
        done = max(done, state.now["epoch"] - 1 + state.now["images"] / max(images, 1))
    return min(1.0, done / state.num_epochs)


def _numbers(state: RunState) -> Markup:
    now: dict[str, Any] = state.now or {}
    last = state.epochs[-1] if state.epochs else {}
    best = next((row for row in state.epochs if row["epoch"] == state.best_epoch), {})
    share = _share(state)
    is_on = not state.is_over
    values: dict[str, Content] = {
        "Epoch": _of(now.get("epoch", len(state.epochs) or None), state.num_epochs),
        "Images of the epoch": _of(now.get("images"), (state.start or {}).get("train_images")),
        "Training loss": _fixed(_first(now.get("mean_loss"), last.get("train_loss"))),
        "Training accuracy": _fixed(_first(now.get("mean_accuracy"), last.get("train_accuracy"))),
        "Validation accuracy": _fixed(last.get("valid_accuracy")),
        "Best validation accuracy": _fixed(best.get("valid_accuracy")),
        "Images per second": _whole(
            _first(now.get("images_per_second"), last.get("images_per_second"))
        ),
        "Time left": _left(now.get("seconds_left")) if is_on else None,
    }
    bar = None
    if share is not None:
        bar = tag(
            "progress",
            f"{share:.0%}",
            value=f"{share:.4f}",
            max=1,
            aria_label="Share of the run that is done",
        )
    return joined([tag("h2", "Now" if is_on else "At the end"), bar, figures(values)])


def _of(value: object, total: object) -> Content:
    if value is None:
        return None
    return f"{value:,}" if total is None else f"{value:,} of {total:,}"


def _first(value: float | None, other: float | None) -> float | None:
    """Return what was measured in this epoch, or before the first step what was in the last one."""
    return other if value is None else value


def _fixed(value: float | None) -> Content:
    return None if value is None or not math.isfinite(value) else f"{value:.4f}"


def _whole(value: float | None) -> Content:
    return None if value is None else f"{value:,.0f}"


def _left(value: float | None) -> Content:
    return None if value is None else duration(value)


def _configuration(state: RunState) -> Markup:
    values: dict[str, Content] = {}
    if state.start is not None:
        values["Device"] = str(state.start.get("device", "unknown"))
    if state.data is not None:
        values["Data"] = str(state.data.source or "arrays")
        values["Images"] = (
            f"{state.data.train.images:,} to train with, {state.data.valid.images:,} to validate "
            f"on, of {state.data.image_shape}"
        )
    if state.config is not None:
        values |= config_facts(state.config)
    return _headed("Configuration", facts(values)) if values else Markup()
