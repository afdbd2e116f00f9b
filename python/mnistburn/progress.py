"""How a long work shows its progress, on standard error."""

import contextlib
import importlib.util
import math
import sys
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from mnistburn.live_metrics import LiveMetrics

__all__ = [
    "CountProgress",
    "Progress",
    "duration",
    "elapsed",
    "epoch_line",
    "start_count",
    "start_progress",
]

_SECONDS_BETWEEN_LINES: Final = 10.0


class Progress(Protocol):
    """What shows the events of a training; `close` ends it, whatever happened."""

    def show(self, event: Mapping[str, Any]) -> None:
        """Show one event."""

    def close(self) -> None:
        """Leave the terminal in order."""


class CountProgress(Protocol):
    """What shows how many of a known number are done; `close` ends it, whatever happened."""

    def show(self, done: int) -> None:
        """Show the number that is done."""

    def close(self) -> None:
        """Leave the terminal in order."""


def start_progress(enabled: bool, live: LiveMetrics) -> Progress | None:  # noqa: FBT001
    """Choose how the progress is shown.

    Args:
        enabled: Whether it is shown at all.
        live: The state of the training, which has taken each event before it is shown.

    Returns:
        A bar where there is a terminal or a notebook, else plain lines; None for nothing.
    """
    if not enabled or sys.stderr is None:
        return None
    if _in_notebook() or _on_terminal():
        return _Quiet(_Bar(live))
    return _Quiet(_Lines(live))


def start_count(
    enabled: bool,  # noqa: FBT001
    title: str,
    total: int,
    unit: str,
) -> CountProgress | None:
    """Choose how it is shown how many are done.

    Args:
        enabled: Whether it is shown at all.
        title: What is done.
        total: The number of all.
        unit: What is counted, in the plural, or ``"B"`` for bytes.

    Returns:
        A bar where there is a terminal or a notebook, else plain lines; None for nothing.
    """
    if not enabled or sys.stderr is None:
        return None
    if _in_notebook() or _on_terminal():
        return _Quiet(_CountBar(title, total, unit))
    return _Quiet(_CountLines(title, total, unit))


def _on_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, OSError, ValueError):  # a stand-in with write alone; a closed file
        return False


def _in_notebook() -> bool:
    # A notebook has imported IPython long before; importing it here would cost a terminal a second.
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None and hasattr(module, "get_ipython") else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})


class _Quiet:
    """Ends the display when it cannot be written; the work goes on."""

    def __init__(self, progress: Progress | CountProgress) -> None:
        self._progress: Any = progress

    def show(self, event: Any) -> None:  # noqa: ANN401  what the display takes
        if self._progress is not None:
            try:
                self._progress.show(event)
            # A closed pipe, a closed file, whatever a stand-in for stderr raises.
            except Exception:  # noqa: BLE001
                self._progress = None

    def close(self) -> None:
        if self._progress is not None:
            with contextlib.suppress(Exception):
                self._progress.close()


def epoch_line(event: Mapping[str, Any], num_epochs: int) -> str:
    """Return the results of an epoch as a line of text."""
    return (
        f"epoch {event['epoch']}/{num_epochs}: "
        f"train loss {event['train_loss']:.4f}, accuracy {event['train_accuracy']:.4f}; "
        f"valid loss {event['valid_loss']:.4f}, accuracy {event['valid_accuracy']:.4f}; "
        f"{event['seconds']:.1f} s, {event['images_per_second']:.0f} images/s"
    )


# Fits 80 columns with speed, loss and accuracy, and a bar of ten.
_BAR_FORMAT: Final = "{desc} |{bar}| {state}"


def _bar_type() -> Any:  # noqa: ANN401  tqdm has no types
    import tqdm  # noqa: PLC0415  needed while something is shown only

    kind: Any = tqdm.tqdm
    # Without ipywidgets a notebook gets a bar of text, and tqdm.auto would warn of that.
    if _in_notebook() and importlib.util.find_spec("ipywidgets") is not None:
        from tqdm import auto  # noqa: PLC0415

        kind = auto.tqdm

    class Bar(kind):  # type: ignore[misc]
        # Without this, tqdm starts a thread that never ends.
        monitor_interval = 0
        # What stands after the bar.
        state = ""

        @property
        def format_dict(self) -> dict[str, Any]:
            return {**super().format_dict, "state": self.state}

    return Bar


class _Bar:
    """A bar for each epoch, then a line with its result."""

    def __init__(self, live: LiveMetrics) -> None:
        self._bar_type = _bar_type()
        self._bar: Any = None  # of that type
        self._live = live

    def show(self, event: Mapping[str, Any]) -> None:
        live = self._live
        match event["kind"]:
            case "epoch_start":
                self._open()
            case "train_step" if self._bar is not None:
                self._bar.state = _state(live)
                self._bar.update(live.images - self._bar.n)
            case "valid_step" if self._bar is not None and event["step"] == 1:
                self._bar.state = _state(live)
                self._bar.set_description_str(f"valid {self._place()}")
            case "epoch_end":
                self.close()
                line = epoch_line(event, live.num_epochs)
                self._bar_type.write(line, file=sys.stderr)
            case "end":
                self.close()

    def close(self) -> None:
        if self._bar is not None:
            bar, self._bar = self._bar, None
            bar.close()

    def _open(self) -> None:
        self.close()
        # tqdm draws with ASCII where the encoding of stderr has no block characters.
        self._bar = self._bar_type(
            desc=f"epoch {self._place()}",
            total=self._live.train_images,
            initial=self._live.images,
            bar_format=_BAR_FORMAT,
            leave=False,
            dynamic_ncols=True,
            file=sys.stderr,
        )

    def _place(self) -> str:
        return f"{self._live.epoch}/{self._live.num_epochs}"


def _state(live: LiveMetrics) -> str:
    """Return time left, speed, loss and accuracy as far as they are known."""
    known = []
    if live.seconds_left is not None:
        known.append(f"{duration(live.seconds_left)} left")
    if live.images_per_second is not None:
        known.append(f"{_scaled(live.images_per_second)} images/s")
    if not math.isnan(live.loss):
        known.append(str(live))
    return ", ".join(known)


def duration(seconds: float) -> str:
    """Return a time as a clock shows it: ``0:07``, ``12:30`` or ``1:05:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def elapsed(seconds: float) -> str:
    """Return how long something took: ``7.2 s``, or from a minute on as a clock shows it."""
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)  # noqa: PLR2004  a minute


def _scaled(speed: float) -> str:
    """Return a speed in at most five characters."""
    for limit, divisor, unit in ((1e3, 1.0, ""), (1e6, 1e3, "k")):
        if speed < limit:
            return f"{speed / divisor:.3g}{unit}"
    return f"{speed / 1e6:.3g}M"


class _Lines:
    """Plain lines: one for each epoch, and between them at most one every ten seconds."""

    def __init__(self, live: LiveMetrics) -> None:
        self._live = live
        self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES

    def show(self, event: Mapping[str, Any]) -> None:
        match event["kind"]:
            case "train_step" if time.monotonic() >= self._next_line:
                live = self._live
                self._write(
                    f"epoch {live.epoch}/{live.num_epochs}: {live.images}/{live.train_images} "
                    f"images, {_state(live)}"
                )
            case "epoch_end":
                self._write(epoch_line(event, self._live.num_epochs))

    def close(self) -> None:
        pass

    def _write(self, line: str) -> None:
        self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
        _write_line(line)


class _CountBar:
    """A bar, which goes when it is full."""

    def __init__(self, title: str, total: int, unit: str) -> None:
        in_bytes = unit == "B"
        self._bar = _bar_type()(
            desc=title,
            total=total,
            unit=unit if in_bytes else f" {unit}",
            unit_scale=in_bytes,
            leave=False,
            dynamic_ncols=True,
            file=sys.stderr,
        )

    def show(self, done: int) -> None:
        if done < self._bar.n or self._bar.n == 0:
            # What an earlier attempt left, or one that starts anew, says nothing of the speed.
            self._bar.reset()
            self._bar.initial = self._bar.n = done
            self._bar.refresh()
        else:
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        self._bar.close()


class _CountLines:
    """Plain lines: one when all is done, and before it at most one every ten seconds."""

    def __init__(self, title: str, total: int, unit: str) -> None:
        self._title = title
        self._total = total
        self._unit = unit
        self._done = 0
        self._begin = time.monotonic()
        self._next_line = self._begin + _SECONDS_BETWEEN_LINES

    def show(self, done: int) -> None:
        self._done = done
        if time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
            of = f" of {self._text(self._total)}"
            _write_line(f"{self._title}: {self._text(done, of)}")

    def close(self) -> None:
        if self._done == self._total:
            seconds = time.monotonic() - self._begin
            _write_line(f"{self._title}: {self._text(self._total)} in {seconds:.1f} s")

    def _text(self, count: int, of: str = "") -> str:
        if self._unit == "B":
            return f"{count / 1e6:.1f}{of.removesuffix(' MB')} MB"
        return f"{count:,}{of.removesuffix(f' {self._unit}')} {self._unit}"


def _write_line(line: str) -> None:
    # A stand-in for stderr may have write alone.
    print(line, file=sys.stderr, flush=hasattr(sys.stderr, "flush"))  # noqa: T201
