"""The network of a training, as options say it."""

import dataclasses
import inspect
import re
from collections.abc import Callable
from typing import Any, Final

import click

from mnistburn.networks import NETWORKS, ModelConfig, NetworkConfig

__all__ = ["NETWORK_OPTIONS", "changed_network", "kind_of", "network_options"]

# Their names in JSON as words of the command line: conv-net for ConvNet.
_KINDS: Final[dict[str, type[NetworkConfig]]] = {
    re.sub("(?<=[a-z])(?=[A-Z])", "-", tag).lower(): kind for tag, kind in NETWORKS.items()
}
# What each is made from; a shorthand is no field.
_SETTINGS: Final = {
    kind: frozenset(inspect.signature(kind).parameters) for kind in NETWORKS.values()
}

NETWORK_OPTIONS: Final = frozenset().union(*_SETTINGS.values())


def _widths(
    _ctx: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        return tuple(int(width) for width in value.split(","))
    except ValueError:
        message = f"must be whole numbers with commas between them, as in 16,32,64, got {value!r}"
        raise click.BadParameter(message) from None


_OPTIONS: Final = (
    click.option(
        "--network",
        type=click.Choice(list(_KINDS)),
        help="The network: the Burn book's guide network, or a convolutional network of blocks, "
        "for pictures of any kind. The guide network unless given, or that of --config.",
    ),
    click.option(
        "--widths",
        callback=_widths,
        metavar="N,N,...",
        help="Channels of a conv-net: two blocks for each number. 16,32,64 unless given.",
    ),
    click.option("--hidden-size", type=int, help="Features between the guide's linear layers."),
    click.option("--image-height", type=int, help="Height of the images; pictures are resized."),
    click.option("--image-width", type=int, help="Width of the images."),
    click.option("--image-channels", type=int, help="1 for grey images, 3 for colours."),
    click.option("--dropout", type=float, help="The share of values set to zero in training."),
)


def network_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that are settings of a network."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def kind_of(network: str | None, model: NetworkConfig | None) -> type[NetworkConfig]:
    """Return the kind of network that is asked for, or that of the model there is."""
    if network is not None:
        return _KINDS[network]
    return ModelConfig if model is None else type(model)


def changed_network(
    model: NetworkConfig, kind: type[NetworkConfig], given: dict[str, Any]
) -> NetworkConfig:
    """Return a network of that kind with the options given, for the images of the model."""
    values = {name: value for name, value in given.items() if name in NETWORK_OPTIONS}
    for name in values:
        if name not in _SETTINGS[kind]:
            (word,) = (word for word, other in _KINDS.items() if other is kind)
            option = "--" + name.replace("_", "-")
            message = (
                f"{option} is no setting of the network {word!r}; leave it out, or choose another "
                "--network"
            )
            raise click.UsageError(message)
    if not isinstance(model, kind):
        shared = ("num_classes", "image_height", "image_width", "image_channels")
        model = kind(**{name: getattr(model, name) for name in shared})
    if "widths" in values:
        values["blocks"] = None
    return dataclasses.replace(model, **values)
