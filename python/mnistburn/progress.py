"""How a long work shows its progress, on standard error."""

import contextlib
import importlib.util
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["CountProgress", "Progress", "epoch_line", "start_count", "start_progress"]

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


def start_progress(enabled: bool, batch_size: int) -> Progress | None:  # noqa: FBT001
    """Choose how the progress is shown.

    Args:
        enabled: Whether it is shown at all.
        batch_size: The number of images of a training step.

    Returns:
        A bar where there is a terminal or a notebook, else plain lines; None for nothing.
    """
    if not enabled or sys.stderr is None:
        return None
    if _in_notebook() or _on_terminal():
        return _Quiet(_Bar(batch_size))
    return _Quiet(_Lines(batch_size))


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


class _Mean:
    """The mean over the images of an epoch so far."""

    def __init__(self, images: int = 0) -> None:
        self._start = images
        self._images = images
        self._loss = 0.0
        self._right = 0.0

    def add(self, event: Mapping[str, Any]) -> None:
        count = event["images"] - self._images
        self._images = event["images"]
        self._loss += event["loss"] * count
        self._right += event["accuracy"] * count

    def __str__(self) -> str:
        count = max(self._images - self._start, 1)
        return f"loss {self._loss / count:.4f}, accuracy {self._right / count:.4f}"


def _images_done(event: Mapping[str, Any], start: Mapping[str, Any], batch_size: int) -> int:
    """Return how many images of the epoch were done before a resume."""
    return min(int(event["step"]) * batch_size, int(start["train_images"]))


def epoch_line(event: Mapping[str, Any], num_epochs: int) -> str:
    """Return the results of an epoch as a line of text."""
    return (
        f"epoch {event['epoch']}/{num_epochs}: "
        f"train loss {event['train_loss']:.4f}, accuracy {event['train_accuracy']:.4f}; "
        f"valid loss {event['valid_loss']:.4f}, accuracy {event['valid_accuracy']:.4f}; "
        f"{event['seconds']:.1f} s, {event['images_per_second']:.0f} images/s"
    )


# Fits 80 columns with loss and accuracy, and a bar of more than ten.
_BAR_FORMAT: Final = "{desc} {percentage:3.0f}%|{bar}| {remaining} left, {rate_fmt}{postfix}"


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

    return Bar


class _Bar:
    """A bar for each epoch, then a line with its result."""

    def __init__(self, batch_size: int) -> None:
        self._bar_type = _bar_type()
        self._bar: tqdm[Any] | None = None
        self._batch_size = batch_size
        self._start: Mapping[str, Any] = {}
        self._mean = _Mean()

    def show(self, event: Mapping[str, Any]) -> None:
        match event["kind"]:
            case "start":
                self._start = event
            case "epoch_start":
                self._open(event)
            case "train_step" if self._bar is not None:
                self._mean.add(event)
                self._bar.set_postfix_str(str(self._mean), refresh=False)
                self._bar.update(event["images"] - self._bar.n)
            case "valid_step" if self._bar is not None and event["step"] == 1:
                self._bar.set_description_str(f"valid {self._place(event)}")
            case "epoch_end":
                self.close()
                line = epoch_line(event, self._start["num_epochs"])
                self._bar_type.write(line, file=sys.stderr)
            case "end":
                self.close()

    def close(self) -> None:
        if self._bar is not None:
            bar, self._bar = self._bar, None
            bar.close()

    def _open(self, event: Mapping[str, Any]) -> None:
        self.close()
        done = _images_done(event, self._start, self._batch_size)
        self._mean = _Mean(done)
        # tqdm draws with ASCII where the encoding of stderr has no block characters.
        self._bar = self._bar_type(
            desc=f"epoch {self._place(event)}",
            total=self._start["train_images"],
            initial=done,
            unit="",
            unit_scale=True,
            bar_format=_BAR_FORMAT,
            leave=False,
            dynamic_ncols=True,
            file=sys.stderr,
        )

    def _place(self, event: Mapping[str, Any]) -> str:
        return f"{event['epoch']}/{self._start['num_epochs']}"


class _Lines:
    """Plain lines: one for each epoch, and between them at most one every ten seconds."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._start: Mapping[str, Any] = {}
        self._mean = _Mean()
        self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES

    def show(self, event: Mapping[str, Any]) -> None:
        match event["kind"]:
            case "start":
                self._start = event
            case "epoch_start":
                self._mean = _Mean(_images_done(event, self._start, self._batch_size))
            case "train_step":
                self._train_step(event)
            case "epoch_end":
                self._write(epoch_line(event, self._start["num_epochs"]))

    def close(self) -> None:
        pass

    def _train_step(self, event: Mapping[str, Any]) -> None:
        self._mean.add(event)
        if time.monotonic() >= self._next_line:
            self._write(
                f"epoch {event['epoch']}/{self._start['num_epochs']}: "
                f"{event['images']}/{self._start['train_images']} images, {self._mean}"
            )

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
