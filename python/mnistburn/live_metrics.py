"""What a training measures as it goes: the means of the epoch, the speed and the time left."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

__all__ = ["LiveMetrics"]

_WINDOW: Final = 10.0
"""The speed is that of so many last seconds."""

_BETWEEN_SAMPLES: Final = 0.25


class LiveMetrics:
    """The state of a training, from its events.

    Attributes:
        epoch: The epoch that is on, from 1; 0 before the first.
        step: Its last step, from 1; 0 before the first.
        images: The number of its training images that are done.
        loss: The mean loss over its images so far; NaN before the first, or where they were done
            before a resume.
        accuracy: The accuracy on them, in 0..1, likewise.
        learning_rate: That of the last step; NaN before the first.
        validating: Whether its validation is on.
    """

    def __init__(self, batch_size: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin before the first event.

        Args:
            batch_size: The number of images of a training step.
            clock: Returns the time in seconds.
        """
        self._batch_size = batch_size
        self._clock = clock
        self._start: Mapping[str, Any] = {}
        self._samples: deque[tuple[float, int]] = deque()
        self._validation_began = 0.0
        self._validation_seconds: float | None = None
        self.epoch = self.step = self.images = 0
        self.learning_rate = math.nan
        self.validating = False
        self._begin_means(0)

    def take(self, event: Mapping[str, Any]) -> None:
        """Take note of an event.

        Args:
            event: The event, as the core tells it.
        """
        match event["kind"]:
            case "start":
                self._start = event
            case "epoch_start":
                self.epoch, self.step = event["epoch"], event["step"]
                self.images = min(self.step * self._batch_size, self.train_images)
                self.validating = False
                self._begin_means(self.images)
            case "train_step":
                self._take_step(event)
            case "valid_step" if not self.validating:
                self.validating = True
                self._validation_began = self._clock()
            case "epoch_end" if self.validating:
                self.validating = False
                self._validation_seconds = self._clock() - self._validation_began

    def _begin_means(self, images: int) -> None:
        self._images_before = images
        self._loss = self._right = 0.0
        self._samples.clear()
        self._samples.append((self._clock(), images))

    def _take_step(self, event: Mapping[str, Any]) -> None:
        count = event["images"] - self.images
        self.step, self.images = event["step"], event["images"]
        self.learning_rate = event["learning_rate"]
        self._loss += event["loss"] * count
        self._right += event["accuracy"] * count
        now = self._clock()
        if now - self._samples[-1][0] >= _BETWEEN_SAMPLES:
            self._samples.append((now, self.images))
            # The first one kept is the last that is as old as the window.
            while now - self._samples[1][0] >= _WINDOW:
                self._samples.popleft()

    @property
    def loss(self) -> float:
        """The mean loss over the images of the epoch so far."""
        count = self.images - self._images_before
        return self._loss / count if count else math.nan

    @property
    def accuracy(self) -> float:
        """The accuracy on the images of the epoch so far, in 0..1."""
        count = self.images - self._images_before
        return self._right / count if count else math.nan

    @property
    def num_epochs(self) -> int:
        """The number of epochs of the run."""
        return int(self._start.get("num_epochs", 0))

    @property
    def train_images(self) -> int:
        """The number of training images."""
        return int(self._start.get("train_images", 0))

    @property
    def images_per_second(self) -> float | None:
        """The speed of the last seconds of training; None before it is known."""
        first, images = self._samples[0]
        seconds = self._clock() - first if len(self._samples) == 1 else self._samples[-1][0] - first
        count = (self.images if len(self._samples) == 1 else self._samples[-1][1]) - images
        return count / seconds if count and seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """How long the run will take from here; None before it is known.

        Until a validation was timed, each of its images counts as one of the training does, which
        is too much.
        """
        speed = self.images_per_second
        if speed is None:
            return None
        epochs = self.num_epochs - self.epoch
        images = self.train_images - self.images + epochs * self.train_images
        validation = self._validation_seconds
        if validation is None:
            validation = self._start.get("valid_images", 0) / speed
        begun = self._clock() - self._validation_began if self.validating else 0.0
        return images / speed + max(0.0, (epochs + 1) * validation - begun)

    def __str__(self) -> str:
        """Return the means of the epoch so far."""
        return f"loss {self.loss:.4f}, accuracy {self.accuracy:.4f}"
