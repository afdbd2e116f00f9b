"""The work that is the same for every peer: images, network, first weights and optimizer."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy
from numpy.typing import NDArray

import mnistburn
from mnistburn.bench.tasks import (
    FEWEST_STEPS,
    Measurement,
    Prepared,
    Task,
    fastest,
    in_words,
    steps_lasting,
)

MEAN: Final = 0.1307
STD: Final = 0.3081
"""Pixels in 0..1 are normalised with the mean and the standard deviation of MNIST."""

STEPS_PER_READING: Final = 50
"""A peer reads loss and hits this rarely: each reading makes it wait for its own work."""

MOST_TRAINING_IMAGES: Final = 60_000
MOST_INFERENCE_IMAGES: Final = 10_000

_PIECE: Final = 256
_PIECES: Final = f"pieces of {_PIECE}"
"""Many images at once are computed in pieces where that is faster for a peer."""

_SEED: Final = 1
_TOLERANCE: Final = 1e-3

Images = NDArray[numpy.uint8]
Forward = Callable[[Images], NDArray[numpy.float32]]
"""A forward pass from raw pixels to logits, both in NumPy arrays."""

State = dict[str, NDArray[numpy.float32]]


def training_data() -> mnistburn.Dataset:
    """Return the training images of MNIST."""
    return mnistburn.datasets.load("mnist", "train")


def inference_images(count: int) -> Images:
    """Return the first test images of MNIST, uint8 of shape ``[count, 28, 28]``.

    They are a copy: PyTorch warns of arrays that cannot be written to, such as a data set's.
    """
    return mnistburn.datasets.load("mnist", "test").images[:count].copy()


def first_weights() -> State:
    """Return the weights that every peer starts from; linear ones are ``[in, out]``."""
    return mnistburn.Model(seed=_SEED).state_dict()


def orders() -> Callable[[int], NDArray[numpy.int64]]:
    """Return a function that gives another order of the first so many images at each call."""
    return numpy.random.default_rng(_SEED).permutation


def require_agreement(forward: Forward) -> None:
    """Check that a peer computes what mnistburn computes: speed at other work says nothing.

    Args:
        forward: The peer's forward pass.

    Raises:
        ValueError: The logits are others.
    """
    images = inference_images(64)
    expected = mnistburn.Model(seed=_SEED).forward(images)
    furthest = float(numpy.abs(forward(images) - expected).max())
    if not furthest < _TOLERANCE:
        message = f"the logits differ from mnistburn's by {furthest:.2g}"
        raise ValueError(message)


def prepared_training(
    task: Task, version: str, settings: str, train: Callable[[int], Measurement]
) -> Prepared:
    """Find out how long a measured training is, and warm the peer up.

    Args:
        task: The task.
        version: The peer's version.
        settings: What was chosen for it.
        train: Does that many steps, all of them over full batches of different images.

    Returns:
        The peer, ready to be measured.
    """
    steps = steps_lasting(
        task.seconds,
        lambda steps: train(steps).seconds,
        fewest=FEWEST_STEPS,
        most=max(FEWEST_STEPS, MOST_TRAINING_IMAGES // task.images),
    )
    return Prepared(version, settings, lambda: train(steps))


def prepared_inference(task: Task, version: str, settings: str, forward: Forward) -> Prepared:
    """Find out how many calls a measurement has, and warm the peer up.

    Args:
        task: The task.
        version: The peer's version.
        settings: What was chosen for it.
        forward: Its forward pass.

    Returns:
        The peer, ready to be measured.
    """
    images = inference_images(task.images)

    def timed(calls: int) -> float:
        begin = time.perf_counter()
        for _ in range(calls):
            forward(images)
        return time.perf_counter() - begin

    calls = steps_lasting(task.seconds, timed)
    return Prepared(version, settings, lambda: Measurement(calls * task.images, timed(calls)))


def fastest_inference(
    task: Task, version: str, settings: dict[str, bool], make: Callable[[dict[str, bool]], Forward]
) -> Prepared:
    """Choose a peer's settings, check what it computes, and prepare it.

    Args:
        task: The task.
        version: The peer's version.
        settings: What there is to choose.
        make: Returns a forward pass with the settings.

    Returns:
        The peer, ready to be measured.
    """
    images = inference_images(task.images)
    if task.images > _PIECE:
        settings = {**settings, _PIECES: False}

    def forward_with(chosen: dict[str, bool]) -> Forward:
        whole = make(chosen)
        return _in_pieces(whole) if chosen.get(_PIECES) else whole

    chosen = fastest(settings, lambda each: seconds_of(partial(forward_with(each), images)))
    forward = forward_with(chosen)
    require_agreement(forward)
    return prepared_inference(task, version, in_words(chosen), forward)


def seconds_of(work: Callable[[], object], seconds: float = 0.4) -> float:
    """Return the seconds that some work takes at best, of runs that last so long together."""
    work()
    best = float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        begin = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - begin)
    return best


def _in_pieces(forward: Forward) -> Forward:
    def pieces(images: Images) -> NDArray[numpy.float32]:
        parts = [forward(images[at : at + _PIECE]) for at in range(0, len(images), _PIECE)]
        return numpy.concatenate(parts)

    return pieces
