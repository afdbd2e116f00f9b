"""A convolutional network of blocks in NumPy and float64, written as its definition says."""

import numpy
from numpy.typing import NDArray

from mnistburn import ConvBlock, ConvNetConfig

Floats = NDArray[numpy.float64]
Parameters = dict[str, Floats]

GROUP = 8
EPSILON = 1e-5


def logits(
    config: ConvNetConfig,
    parameters: Parameters,
    images: NDArray[numpy.uint8],
    *,
    training: bool = False,
) -> Floats:
    """Return the logits of raw images, [n, height, width] or [n, height, width, channels].

    In training a batch is normalised by its own statistics.
    """
    assert config.blocks is not None
    if images.ndim == 3:
        images = images[..., None]
    assert config.pixel_mean is not None
    assert config.pixel_std is not None
    pixels = images / 255.0
    pixels = (pixels - numpy.array(config.pixel_mean)) / numpy.array(config.pixel_std)
    x = pixels.transpose(0, 3, 1, 2)
    entering: list[Floats] = []
    for index, block in enumerate(config.blocks):
        entering.append(x)
        x = _block(block, parameters, f"blocks.{index}", x, entering, training=training)
    x = x.mean((2, 3)) if config.average else x.reshape(len(x), -1)
    for index in range(len(config.hidden_sizes)):
        x = _relu(_linear(parameters, f"hidden.{index}", x))
    return _linear(parameters, "output", x)


def cross_entropy(outputs: Floats, targets: NDArray[numpy.int64]) -> float:
    """Return the mean loss."""
    shifted = outputs - outputs.max(1, keepdims=True)
    chances = numpy.log(numpy.exp(shifted).sum(1)) - shifted[numpy.arange(len(targets)), targets]
    return float(chances.mean())


def _block(
    block: ConvBlock,
    parameters: Parameters,
    path: str,
    x: Floats,
    entering: list[Floats],
    *,
    training: bool,
) -> Floats:
    weight, bias = parameters[f"{path}.conv.weight"], parameters[f"{path}.conv.bias"]
    size = block.kernel_size
    if block.padding:
        border = size // 2
        x = numpy.pad(x, ((0, 0), (0, 0), (border, border), (border, border)))
    windows = numpy.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))
    x = numpy.einsum("ncyxij,ocij->noyx", windows, weight) + bias[:, None, None]
    if block.pool:
        height, width = (side // 2 * 2 for side in x.shape[2:])
        x = x[:, :, :height, :width]
        x = numpy.maximum(x[:, :, ::2], x[:, :, 1::2])
        x = numpy.maximum(x[:, :, :, ::2], x[:, :, :, 1::2])
    if block.norm == "batch":
        x = _batch_norm(parameters, f"{path}.batch_norm", x, training=training)
    if block.norm == "group":
        gamma, beta = parameters[f"{path}.norm.gamma"], parameters[f"{path}.norm.beta"]
        channels = x.shape[1]
        groups = channels // GROUP if channels % GROUP == 0 else 1
        grouped = x.reshape(len(x), groups, -1)
        grouped = grouped - grouped.mean(2, keepdims=True)
        grouped /= numpy.sqrt((grouped**2).mean(2, keepdims=True) + EPSILON)
        x = grouped.reshape(x.shape) * gamma[:, None, None] + beta[:, None, None]
    if block.residual:
        x = x + entering[-block.residual]
    return _relu(x)


def _batch_norm(parameters: Parameters, path: str, x: Floats, *, training: bool) -> Floats:
    mean, variance = parameters[f"{path}.running_mean"], parameters[f"{path}.running_var"]
    if training:
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    scale = parameters[f"{path}.gamma"] / numpy.sqrt(variance + EPSILON)
    shift = parameters[f"{path}.beta"] - mean * scale
    return x * scale[:, None, None] + shift[:, None, None]


def _linear(parameters: Parameters, path: str, x: Floats) -> Floats:
    return x @ parameters[f"{path}.weight"] + parameters[f"{path}.bias"]


def _relu(x: Floats) -> Floats:
    return numpy.maximum(x, 0.0)
