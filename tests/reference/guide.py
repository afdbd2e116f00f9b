"""The guide network, its training and its random numbers in plain NumPy and float64.

Written from the definitions and without the package, so that an error in one is none in both.
Images are float64 of shape ``[batch, 28, 28]`` (see `normalise`), linear weights are ``[in, out]``.
"""

import enum
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[numpy.float64]
Integers = NDArray[numpy.int64]
Words = NDArray[numpy.uint64]
Parameters = dict[str, Floats]

_GAMMA: Final = numpy.uint64(0x9E3779B97F4A7C15)
_WORD: Final = 1 << 64
_PRECISION: Final = 1 << 16


class Purpose(enum.IntEnum):
    """What a stream of random numbers is for, the first word of its key."""

    WEIGHTS = 1
    ORDER = 2
    DROPOUT = 3
    AUGMENTATION = 5


def mix(words: Words | numpy.uint64) -> Words:
    """Return the SplitMix64 finalizer (Steele, Lea and Flood, 2014) of each word."""
    with numpy.errstate(over="ignore"):
        mixed = numpy.asarray(words, dtype=numpy.uint64)
        mixed = (mixed ^ (mixed >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> numpy.uint64(31))


def stream(purpose: Purpose, *key: int) -> Words:
    """Return the SplitMix64 state that a key stands for: each word is mixed in after the last."""
    with numpy.errstate(over="ignore"):
        state = mix(numpy.uint64(purpose) * _GAMMA)
        for word in key:
            state = mix((state + _GAMMA) ^ mix(numpy.uint64(word) + _GAMMA))
        return state


def draws(state: Words, count: int, first: int = 0) -> Words:
    """Return ``count`` numbers of a stream: number ``n`` is the mix of ``state + n * gamma``."""
    with numpy.errstate(over="ignore"):
        return mix(state + numpy.arange(first + 1, first + count + 1, dtype=numpy.uint64) * _GAMMA)


def initial_parameters(num_classes: int, hidden_size: int, seed: int) -> Parameters:
    """Return fresh weights: uniform within one over the root of a layer's inputs, in float32.

    A number has 24 random bits; parameter ``n`` of the network has the stream ``(seed, n)``.
    """
    shapes: dict[str, tuple[tuple[int, ...], int]] = {
        "conv1.weight": ((8, 1, 3, 3), 9),
        "conv1.bias": ((8,), 9),
        "conv2.weight": ((16, 8, 3, 3), 72),
        "conv2.bias": ((16,), 72),
        "linear1.weight": ((1024, hidden_size), 1024),
        "linear1.bias": ((hidden_size,), 1024),
        "linear2.weight": ((hidden_size, num_classes), hidden_size),
        "linear2.bias": ((num_classes,), hidden_size),
    }
    parameters = {}
    for number, (name, (shape, inputs)) in enumerate(shapes.items()):
        words = draws(stream(Purpose.WEIGHTS, seed, number), int(numpy.prod(shape)))
        centred = ((words >> numpy.uint64(40)).astype(numpy.float64) / (1 << 23) - 1.0).astype(
            numpy.float32
        )
        bound = numpy.float32(1.0) / numpy.sqrt(numpy.float32(inputs))
        parameters[name] = (centred * bound).astype(numpy.float64).reshape(shape)
    return parameters


def epoch_order(length: int, seed: int, epoch: int) -> list[int]:
    """Return a shuffle (Fisher and Yates) with unbiased bounded numbers (Lemire, 2019)."""
    state = stream(Purpose.ORDER, seed, epoch)
    numbers = (int(draws(state, 1, position)[0]) for position in itertools.count())
    order = list(range(length))
    for last in range(length - 1, 0, -1):
        other = below(last + 1, numbers)
        order[last], order[other] = order[other], order[last]
    return order


def below(bound: int, numbers: Iterator[int]) -> int:
    """Return an unbiased number below a bound (Lemire, 2019)."""
    products = (number * bound for number in numbers)
    return next(each // _WORD for each in products if each % _WORD >= _WORD % bound)


class Masks(NamedTuple):
    """What the activations of each dropout are multiplied with: 0, or one over the kept share."""

    conv1: Floats
    conv2: Floats
    linear1: Floats


def dropout_masks(
    probability: float, hidden_size: int, seed: int, epoch: int, indices: Sequence[int]
) -> Masks:
    """Return the masks of a batch; an image's are the streams ``(seed, epoch, index, layer)``."""
    shapes = ((8, 26, 26), (16, 24, 24), (hidden_size,))
    return Masks(
        *(
            numpy.stack(
                [
                    _mask(probability, shape, stream(Purpose.DROPOUT, seed, epoch, index, layer))
                    for index in indices
                ]
            )
            for layer, shape in enumerate(shapes, start=1)
        )
    )


def _mask(probability: float, shape: tuple[int, ...], state: Words) -> Floats:
    """Return one mask: a value is dropped when its 16-bit number is below the threshold.

    Of 64 values, a word holds the complement of one bit each, the lowest first. Bits below the
    threshold's lowest set one cannot decide and are not drawn. The channels of a convolution are in
    blocks of eight, which lie beside each other at each pixel.
    """
    threshold = int(probability * _PRECISION + 0.5)
    if threshold == 0:
        return numpy.ones(shape)
    places = numpy.arange((threshold & -threshold).bit_length() - 1, 16, dtype=numpy.uint64)
    size = int(numpy.prod(shape))
    count = -(-size // 64)
    words = ~draws(state, count * len(places)).reshape(count, 1, len(places))
    bits = words >> numpy.arange(64, dtype=numpy.uint64)[:, None] & numpy.uint64(1)
    numbers = (bits << places).sum(axis=2).reshape(-1)[:size]
    kept: Floats = (numbers >= numpy.uint64(threshold)).astype(numpy.float64)
    if len(shape) > 1:
        channels, height, width = shape
        blocks = kept.reshape(channels // 8, height * width, 8)
        kept = blocks.transpose(0, 2, 1).reshape(shape)
    return kept * (_PRECISION / (_PRECISION - threshold))


def normalise(pixels: NDArray[numpy.uint8]) -> Floats:
    """Return raw pixels as the network sees them: in 0..1, less the mean, over the deviation."""
    scaled: Floats = pixels.astype(numpy.float64) / 255.0
    return (scaled - 0.1307) / 0.3081


class Tape(NamedTuple):
    """What a forward pass leaves for the backward pass."""

    images: Floats
    conv1: Floats
    conv2: Floats
    features: Floats
    hidden: Floats
    logits: Floats


def forward(parameters: Parameters, images: Floats, masks: Masks | None = None) -> Tape:
    """Compute the network, each activation after its dropout and its ReLU."""
    x = images[:, None]
    conv1 = _convolution(x, parameters["conv1.weight"], parameters["conv1.bias"])
    if masks is not None:
        conv1 = conv1 * masks.conv1
    conv2 = _convolution(conv1, parameters["conv2.weight"], parameters["conv2.bias"])
    if masks is not None:
        conv2 = conv2 * masks.conv2
    conv2 = numpy.maximum(conv2, 0.0)
    features = conv2.reshape(-1, 16, 8, 3, 8, 3).mean(axis=(3, 5)).reshape(-1, 1024)
    hidden = features @ parameters["linear1.weight"] + parameters["linear1.bias"]
    if masks is not None:
        hidden = hidden * masks.linear1
    hidden = numpy.maximum(hidden, 0.0)
    logits = hidden @ parameters["linear2.weight"] + parameters["linear2.bias"]
    return Tape(x, conv1, conv2, features, hidden, logits)


def cross_entropy(logits: Floats, targets: Integers) -> float:
    """Return the mean of the negative logarithms of the targets' probabilities."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    normalisers = numpy.log(numpy.exp(shifted).sum(axis=1))
    return float((normalisers - shifted[numpy.arange(len(targets)), targets]).mean())


def backward(
    parameters: Parameters, tape: Tape, targets: Integers, masks: Masks | None = None
) -> Parameters:
    """Compute the gradient of `cross_entropy` for every parameter."""
    exponentials = numpy.exp(tape.logits - tape.logits.max(axis=1, keepdims=True))
    logits = exponentials / exponentials.sum(axis=1, keepdims=True)
    logits[numpy.arange(len(targets)), targets] -= 1.0
    logits /= len(targets)
    hidden = logits @ parameters["linear2.weight"].T * (tape.hidden > 0.0)
    if masks is not None:
        hidden = hidden * masks.linear1
    pooled = (hidden @ parameters["linear1.weight"].T).reshape(-1, 16, 8, 8) / 9.0
    conv2 = pooled.repeat(3, axis=2).repeat(3, axis=3) * (tape.conv2 > 0.0)
    if masks is not None:
        conv2 = conv2 * masks.conv2
    conv1 = numpy.zeros_like(tape.conv1)
    for row, column in numpy.ndindex(3, 3):
        part = numpy.tensordot(conv2, parameters["conv2.weight"][:, :, row, column], (1, 0))
        conv1[:, :, row : row + 24, column : column + 24] += numpy.moveaxis(part, 3, 1)
    if masks is not None:
        conv1 = conv1 * masks.conv1
    return {
        "conv1.weight": _kernel_gradient(tape.images, conv1),
        "conv1.bias": conv1.sum(axis=(0, 2, 3)),
        "conv2.weight": _kernel_gradient(tape.conv1, conv2),
        "conv2.bias": conv2.sum(axis=(0, 2, 3)),
        "linear1.weight": tape.features.T @ hidden,
        "linear1.bias": hidden.sum(axis=0),
        "linear2.weight": tape.hidden.T @ logits,
        "linear2.bias": logits.sum(axis=0),
    }


def _convolution(x: Floats, weight: Floats, bias: Floats) -> Floats:
    windows = sliding_window_view(x, (3, 3), axis=(2, 3))
    summed = numpy.tensordot(windows, weight, ((1, 4, 5), (1, 2, 3))) + bias
    return numpy.moveaxis(summed, 3, 1)


def _kernel_gradient(x: Floats, gradient: Floats) -> Floats:
    windows = sliding_window_view(x, (3, 3), axis=(2, 3))
    return numpy.tensordot(gradient, windows, ((0, 2, 3), (0, 2, 3)))


@dataclass
class Adam:
    """Adam as in Kingma and Ba (2014), each parameter clipped, then decayed.

    AMSGrad keeps the largest second moment before its bias is corrected, as Burn does.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-5
    amsgrad: bool = False
    weight_decay: float = 0.0
    clip_value: float = numpy.inf
    clip_norm: float = numpy.inf
    _time: int = 0
    _first: Parameters = field(default_factory=dict)
    _second: Parameters = field(default_factory=dict)
    _largest: Parameters = field(default_factory=dict)

    def step(self, rate: float, parameters: Parameters, gradients: Parameters) -> Parameters:
        """Return the parameters after one step against the gradients."""
        self._time += 1
        return {
            name: value - rate * self._direction(name, value, gradients[name])
            for name, value in parameters.items()
        }

    def _direction(self, name: str, value: Floats, gradient: Floats) -> Floats:
        gradient = gradient.clip(-self.clip_value, self.clip_value)
        norm = float(numpy.sqrt((gradient**2).sum()))
        if norm > self.clip_norm:
            gradient = gradient * (self.clip_norm / norm)
        gradient = gradient + self.weight_decay * value
        zero = numpy.zeros_like(value)
        first = self.beta_1 * self._first.get(name, zero) + (1.0 - self.beta_1) * gradient
        second = self.beta_2 * self._second.get(name, zero) + (1.0 - self.beta_2) * gradient**2
        largest = numpy.maximum(self._largest.get(name, zero), second)
        self._first[name], self._second[name], self._largest[name] = first, second, largest
        mean = first / (1.0 - self.beta_1**self._time)
        square = (largest if self.amsgrad else second) / (1.0 - self.beta_2**self._time)
        return mean / (numpy.sqrt(square) + self.epsilon)
