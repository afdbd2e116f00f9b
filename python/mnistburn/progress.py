"""How a long work shows its progress, on standard error."""

import contextlib
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["Counter", "Progress", "start_counter", "start_progress"]

_SECONDS_BETWEEN_LINES: Final = 10.0


class Progress(Protocol):
    """What shows the events of a training; `close` ends it, whatever happened."""

    def show(self, event: Mapping[str, Any]) -> None:
        """Show one event."""

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


def start_counter(enabled: bool, unit: str) -> "Counter | None":  # noqa: FBT001
    """Show how many of a known number are done.

    Args:
        enabled: Whether it is shown at all.
        unit: What is counted, in the singular.

    Returns:
        The display; None for nothing.
    """
    return Counter(unit) if enabled and sys.stderr is not None else None


class Counter:
    """How many of a known number are done: a bar on a terminal, else a line every ten seconds."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._bar: tqdm[Any] | None = None
        self._shown = _in_notebook() or _on_terminal()
        self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES

    def show(self, done: int, total: int) -> None:
        """Show a state; a display that cannot be written ends.

        Args:
            done: The number done.
            total: The number of all.
        """
        # A closed pipe, a closed file, whatever a stand-in for stderr raises.
        with contextlib.suppress(Exception):
            if self._shown:
                if self._bar is None:
                    self._bar = _bar_type()(
                        total=total,
                        unit=f" {self._unit}s",
                        leave=False,
                        dynamic_ncols=True,
                        file=sys.stderr,
                    )
                self._bar.update(done - self._bar.n)
            elif time.monotonic() >= self._next_line:
                self._next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
                print(f"{done}/{total} {self._unit}s", file=sys.stderr)  # noqa: T201

    def close(self) -> None:
        """Leave the terminal in order."""
        if self._bar is not None:
            with contextlib.suppress(Exception):
                self._bar.close()


def _bar_type() -> Any:  # noqa: ANN401  a class of tqdm's
    from tqdm import auto  # noqa: PLC0415  not every use of the package shows a bar

    class Bar(auto.tqdm):  # type: ignore[misc]
        # Without this, tqdm starts a thread that never ends.
        monitor_interval = 0

    return Bar


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
    """Ends the display when it cannot be written; the training goes on."""

    def __init__(self, progress: Progress) -> None:
        self._progress: Progress | None = progress

    def show(self, event: Mapping[str, Any]) -> None:
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


def _epoch_line(event: Mapping[str, Any], num_epochs: int) -> str:
    return (
        f"epoch {event['epoch']}/{num_epochs}: "
        f"train loss {event['train_loss']:.4f}, accuracy {event['train_accuracy']:.4f}; "
        f"valid loss {event['valid_loss']:.4f}, accuracy {event['valid_accuracy']:.4f}; "
        f"{event['seconds']:.1f} s, {event['images_per_second']:.0f} images/s"
    )


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
                self._bar.set_description_str(f"{self._title(event)}, validating")
            case "epoch_end":
                self.close()
                line = _epoch_line(event, self._start["num_epochs"])
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
            desc=self._title(event),
            total=self._start["train_images"],
            initial=done,
            unit=" images",
            leave=False,
            dynamic_ncols=True,
            file=sys.stderr,
        )

    def _title(self, event: Mapping[str, Any]) -> str:
        return f"epoch {event['epoch']}/{self._start['num_epochs']}"


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
                self._write(_epoch_line(event, self._start["num_epochs"]))

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
        # A stand-in for stderr may have write alone.
        print(line, file=sys.stderr, flush=hasattr(sys.stderr, "flush"))  # noqa: T201
