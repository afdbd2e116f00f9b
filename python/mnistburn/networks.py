"""The networks."""

import json
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

from mnistburn import _native
from mnistburn.arguments import shown
from mnistburn.arrays import ImageShape
from mnistburn.errors import ConfigError
from mnistburn.settings import File, Part, json_fields, json_value

if TYPE_CHECKING:
    from mnistburn.dataset import Dataset

__all__ = [
    "NETWORKS",
    "ConvBlock",
    "ConvNetConfig",
    "ModelConfig",
    "NetworkConfig",
    "check_network",
    "network_from",
    "network_from_json",
]


class _Network(File):
    """A configuration that a network is made from."""

    _kind: ClassVar[str] = "model"
    _tag: ClassVar[str]

    image_height: int
    image_width: int
    image_channels: int

    @property
    def image_shape(self) -> ImageShape:
        """Height, width and channels of the images."""
        return ImageShape(self.image_height, self.image_width, self.image_channels)

    @classmethod
    def for_data(cls, data: "Dataset", **settings: Any) -> Self:  # noqa: ANN401  the fields
        """Make a configuration that fits the images and the classes of a data set.

        Args:
            data: The images to train with.
            **settings: Other fields.

        Returns:
            The configuration.

        Example:
            >>> import mnistburn
            >>> data = mnistburn.datasets.load("mnist", split="test")
            >>> mnistburn.ConvNetConfig.for_data(data, widths=(8, 16)).image_shape
            ImageShape(height=28, width=28, channels=1)
        """
        height, width, channels = data.image_shape
        fitting = {
            # A single one is no classification.
            "num_classes": max(2, data.num_classes),
            "image_height": height,
            "image_width": width,
            "image_channels": channels,
        }
        return cls(**{**fitting, **settings})

    @classmethod
    def _from_content(cls, content: dict[str, Any]) -> Self:
        """Build the configuration from what its JSON has below its name, every key present."""
        return cls(**content)

    @classmethod
    def _from_checked(cls, checked: dict[str, Any]) -> Self:
        config = network_from(checked)
        if not isinstance(config, cls):
            message = (
                f"the configuration must be that of a {cls.__name__}, got that of a "
                f"{type(config).__name__}; read it with {type(config).__name__}.from_json or load"
            )
            raise ConfigError(message)
        return config


@dataclass(frozen=True, kw_only=True)
class ModelConfig(_Network):
    """The guide model of the Burn book: two convolutions, pooling, two linear layers.

    Attributes:
        num_classes: The number of classes, the length of the logits.
        hidden_size: The number of features between the two linear layers.
        dropout: The share of values set to zero in training, at least 0 and below 1.
        image_height: The height of the images in pixels, at least 5.
        image_width: Their width.
        image_channels: Their channels: 1 for grey images, 3 for colours.

    Example:
        >>> import mnistburn
        >>> config = mnistburn.ModelConfig(hidden_size=64)
        >>> config.num_classes, config.image_height, config.image_width, config.image_channels
        (10, 28, 28, 1)
    """

    _tag: ClassVar[str] = "Guide"

    num_classes: int = 10
    hidden_size: int = 512
    dropout: float = 0.5
    image_height: int = 28
    image_width: int = 28
    image_channels: int = 1

    def _sizes(self) -> str:
        return (
            f"num_classes={self.num_classes}, hidden_size={self.hidden_size}, "
            f"dropout={self.dropout}"
        )

    def __post_init__(self) -> None:
        """Check the values."""
        self._keep(self._complete(), tuple(item.name for item in fields(self)))


Norm = Literal["batch", "group"]


@dataclass(frozen=True, kw_only=True)
class ConvBlock(Part):
    """A block of a `ConvNetConfig`: a convolution, and what follows it.

    Attributes:
        channels: The number of channels that leave the block.
        kernel_size: The rows and columns of the kernel, 3 or 5.
        padding: Whether a border of zeros keeps the size of the image.
        pool: Whether the largest of each 2 x 2 values is taken before the activation.
        norm: What normalises the channels before the activation: ``"batch"`` over the batch in
            training and by running statistics afterwards (`BatchNorm`: Ioffe and Szegedy, 2015),
            ``"group"`` within each image in groups of eight (`GroupNorm`: Wu and He, 2018).
        residual: The block whose input is added before the activation: 0 for none, 1 for this
            block, 2 for the one before it, as in ResNet. The shapes must be the same.

    Example:
        >>> import mnistburn
        >>> mnistburn.ConvBlock(channels=24, kernel_size=5, pool=True)
        ConvBlock(channels=24, kernel_size=5, padding=True, pool=True, norm=None, residual=0)
    """

    channels: int
    kernel_size: int = 3
    padding: bool = True
    pool: bool = False
    norm: Norm | None = None
    residual: int = 0


@dataclass(frozen=True, kw_only=True)
class ConvNetConfig(_Network):
    """A convolutional network of blocks, for pictures of any kind.

    Each block is a convolution, where asked a max pooling, a normalisation and a residual
    connection, and a ReLU. What leaves the last one is averaged over the image, or flattened; then
    come hidden linear layers with dropout and ReLU, and the output layer.

    Attributes:
        blocks: The blocks; None stands for those of ``widths=(16, 32, 64)``.
        average: Whether each channel is averaged over the image; otherwise all its values enter
            the linear layers.
        hidden_sizes: The number of features of each hidden linear layer.
        dropout: The share of hidden features set to zero in training, at least 0 and below 1.
        num_classes: The number of classes, the length of the logits.
        image_height: The height of the images in pixels, at least 5.
        image_width: Their width.
        image_channels: Their channels: 1 for grey images, 3 for colours.
        pixel_mean: The mean of the pixels of each channel, in 0..1, which is subtracted first;
            None until `train` takes that of the training images.
        pixel_std: Their standard deviation, by which they are divided then.

    Args:
        widths: A shorthand instead of blocks: two blocks of 3 x 3 for each of these numbers of
            channels, with a pooling between them.

    Example:
        >>> import mnistburn
        >>> config = mnistburn.ConvNetConfig(widths=(8, 16))
        >>> [(block.channels, block.pool) for block in config.blocks]
        [(8, False), (8, True), (16, False), (16, False)]
    """

    _tag: ClassVar[str] = "ConvNet"

    blocks: Sequence[ConvBlock] | None = None
    average: bool = True
    hidden_sizes: Sequence[int] = ()
    dropout: float = 0.0
    num_classes: int = 10
    image_height: int = 28
    image_width: int = 28
    image_channels: int = 1
    pixel_mean: Sequence[float] | None = None
    pixel_std: Sequence[float] | None = None
    widths: InitVar[Sequence[int] | None] = None

    def __post_init__(self, widths: Sequence[int] | None) -> None:
        """Check the values."""
        blocks = self.blocks
        if blocks is not None and not (
            isinstance(blocks, Sequence) and all(isinstance(item, ConvBlock) for item in blocks)
        ):
            message = f"blocks must be a list of ConvBlock, got {shown(blocks)}"
            raise ConfigError(message)
        content = self._content()
        if widths is not None:
            content["widths"] = _numbers(widths)
        text = json.dumps({self._tag: content})
        checked = json.loads(_native.complete_config(self._kind, text))[self._tag]
        checked["blocks"] = tuple(ConvBlock(**block) for block in checked["blocks"])
        for name in ("hidden_sizes", "pixel_mean", "pixel_std"):
            if checked[name] is not None:
                checked[name] = tuple(checked[name])
        self._keep(checked, tuple(item.name for item in fields(self)))

    def _sizes(self) -> str:
        channels = [block.channels for block in self.blocks or ()]
        return (
            f"num_classes={self.num_classes}, blocks of {channels} channels, "
            f"hidden_sizes={list(self.hidden_sizes)}"
        )

    @classmethod
    def _from_content(cls, content: dict[str, Any]) -> Self:
        return cls(**{**content, "blocks": [ConvBlock(**block) for block in content["blocks"]]})

    def _content(self) -> dict[str, object]:
        values: dict[str, object] = {
            item.name: _numbers(getattr(self, item.name)) for item in fields(self)
        }
        del values["blocks"]
        if self.blocks is not None:
            values["blocks"] = [json_fields(block) for block in self.blocks]
        return values

    def _json_object(self) -> dict[str, object]:
        return {self._tag: self._content()}


def _numbers(value: object) -> object:
    """Return a list of numbers, or one, as JSON can hold it."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [json_value(item) for item in value]
    return json_value(value)


NetworkConfig = ModelConfig | ConvNetConfig

# By the names that JSON has for them.
NETWORKS: Final[dict[str, type[ModelConfig | ConvNetConfig]]] = {
    "Guide": ModelConfig,
    "ConvNet": ConvNetConfig,
}


def network_from(checked: dict[str, Any]) -> NetworkConfig:
    """Build the configuration of a network from JSON that has every key."""
    if len(checked) == 1:
        ((tag, content),) = checked.items()
        if tag in NETWORKS and isinstance(content, dict):
            return NETWORKS[tag]._from_content(content)  # noqa: SLF001  of this module
    return ModelConfig._from_content(checked)  # noqa: SLF001


def network_from_json(text: str) -> NetworkConfig:
    """Build the configuration of a network of any kind from JSON."""
    return network_from(json.loads(_native.complete_config("model", text)))


def check_network(name: str, value: object) -> None:
    """Refuse what is no configuration of a network."""
    if not isinstance(value, tuple(NETWORKS.values())):
        kinds = " or a ".join(kind.__name__ for kind in NETWORKS.values())
        message = f"{name} must be a {kinds}, got {shown(value)}; pass ModelConfig(...)"
        raise ConfigError(message)
