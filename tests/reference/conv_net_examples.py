"""ConvNets that tests and references have in common."""

import numpy

from mnistburn import ConvBlock, ConvNetConfig, Model, ModelConfig

# Every part that a block may have, odd sides, and channels that fill no vector.
EXAMPLES = {
    "widths": ConvNetConfig(widths=(8, 16), num_classes=3),
    "lenet": ConvNetConfig(
        blocks=[
            ConvBlock(channels=6, kernel_size=5, pool=True),
            ConvBlock(channels=16, kernel_size=5, padding=False, pool=True),
        ],
        average=False,
        hidden_sizes=(24, 12),
        num_classes=7,
    ),
    "resnet": ConvNetConfig(
        blocks=[
            ConvBlock(channels=8),
            ConvBlock(channels=8, norm="group"),
            ConvBlock(channels=8, norm="group", residual=2),
            ConvBlock(channels=5, pool=True, norm="group"),
            ConvBlock(channels=5, residual=1),
        ],
        image_height=15,
        image_width=11,
        image_channels=3,
        pixel_mean=(0.5, 0.4, 0.3),
        pixel_std=(0.2, 0.25, 0.3),
        num_classes=4,
    ),
    "batch": ConvNetConfig(
        blocks=[
            ConvBlock(channels=6, pool=True, norm="batch"),
            ConvBlock(channels=6, norm="batch", residual=1),
            ConvBlock(channels=16, norm="batch"),
            ConvBlock(channels=5, kernel_size=5, padding=False),
        ],
        image_height=13,
        image_width=18,
        image_channels=3,
        pixel_mean=(0.5, 0.4, 0.3),
        pixel_std=(0.2, 0.25, 0.3),
        num_classes=3,
    ),
}


def state_for(config: ConvNetConfig) -> dict[str, numpy.ndarray]:
    """Return a state with random scales, shifts and running statistics."""
    state = Model(config, seed=3).state_dict()
    generator = numpy.random.default_rng(11)
    for name, value in state.items():
        match name.rsplit(".", 1)[-1]:
            case "gamma" | "running_var":
                drawn = generator.uniform(0.5, 1.5, value.shape)
            case "beta" | "running_mean":
                drawn = generator.normal(0.0, 0.3, value.shape)
            case _:
                continue
        state[name] = drawn.astype(numpy.float32)
    return state


def images_of(config: ConvNetConfig | ModelConfig, count: int) -> numpy.ndarray:
    """Return random images."""
    shape = (count, *config.image_shape)
    images = numpy.random.default_rng(7).integers(0, 256, shape, dtype=numpy.uint8)
    return images[..., 0] if shape[-1] == 1 else images
