"""The layers of a network as plain data, in the order in which the page computes them."""

from typing import Any, Final

from mnistburn.networks import ConvBlock, ConvNetConfig, ModelConfig, NetworkConfig

__all__ = ["Layer", "layers_of", "normalisation_of"]

Layer = dict[str, Any]
"""A layer: its ``kind``, the ``path`` of its parameters, its settings, and the ``title`` under
which what leaves it is shown, if it is. It takes what left the layer before."""

_GROUP: Final = 8
_EPSILON: Final = 1e-5
_MNIST: Final = (0.1307, 0.3081)
_ANY_PIXELS: Final = (0.5, 0.25)


def layers_of(config: NetworkConfig) -> list[Layer]:
    """Return the layers of a network, in inference.

    Args:
        config: The configuration.

    Returns:
        The layers. ``with`` of a layer ``"add"`` is the number of the layer whose output is added,
        -1 for the image.
    """
    if isinstance(config, ModelConfig):
        return _guide(config)
    return _conv_net(config)


def normalisation_of(config: NetworkConfig) -> tuple[list[float], list[float]]:
    """Return the mean and the standard deviation of each channel, by which pixels are normalised.

    Args:
        config: The configuration.

    Returns:
        Both, of pixels in 0..1.
    """
    channels = config.image_channels
    if isinstance(config, ModelConfig):
        mean, std = _MNIST
        return [mean] * channels, [std] * channels
    mean, std = _ANY_PIXELS
    return (
        list(config.pixel_mean or [mean] * channels),
        list(config.pixel_std or [std] * channels),
    )


def _convolution(path: str, outputs: int, kernel: int, padding: int) -> Layer:
    return {
        "kind": "convolution",
        "path": path,
        "outputs": outputs,
        "kernel": kernel,
        "padding": padding,
    }


def _linear(path: str, outputs: int) -> Layer:
    return {"kind": "linear", "path": path, "outputs": outputs}


def _relu(title: str) -> Layer:
    return {"kind": "relu", "title": title}


def _guide(config: ModelConfig) -> list[Layer]:
    return [
        {**_convolution("conv1", 8, 3, 0), "title": "Convolution 1"},
        _convolution("conv2", 16, 3, 0),
        _relu("Convolution 2"),
        {"kind": "average_pool", "size": 8, "title": "Pooling"},
        {"kind": "flatten"},
        _linear("linear1", config.hidden_size),
        _relu("Hidden layer"),
        _linear("linear2", config.num_classes),
    ]


def _conv_net(config: ConvNetConfig) -> list[Layer]:
    layers: list[Layer] = []
    # The number of the layer whose output enters each block.
    entering = []
    for index, block in enumerate(config.blocks or ()):
        entering.append(len(layers) - 1)
        path = f"blocks.{index}"
        padding = block.kernel_size // 2 if block.padding else 0
        layers.append(_convolution(f"{path}.conv", block.channels, block.kernel_size, padding))
        if block.pool:
            layers.append({"kind": "max_pool"})
        layers += _norm(path, block)
        if block.residual:
            layers.append({"kind": "add", "with": entering[index + 1 - block.residual]})
        layers.append(_relu(f"Block {index + 1}"))
    if config.average:
        layers.append({"kind": "average_pool", "size": 1})
    layers.append({"kind": "flatten"})
    for index, size in enumerate(config.hidden_sizes):
        layers.append(_linear(f"hidden.{index}", size))
        layers.append(_relu(f"Hidden layer {index + 1}"))
    layers.append(_linear("output", config.num_classes))
    return layers


def _norm(path: str, block: ConvBlock) -> list[Layer]:
    if block.norm == "batch":
        return [{"kind": "batch_norm", "path": f"{path}.batch_norm", "epsilon": _EPSILON}]
    if block.norm == "group":
        groups = block.channels // _GROUP if block.channels % _GROUP == 0 else 1
        path = f"{path}.norm"
        return [{"kind": "group_norm", "path": path, "groups": groups, "epsilon": _EPSILON}]
    return []
