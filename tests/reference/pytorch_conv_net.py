"""Writes tests/fixtures/conv_net/*.npz: logits and gradients of ConvNets by PyTorch in float64.

    PYTHONPATH=python:tests .venv/compare/bin/python tests/reference/pytorch_conv_net.py

It needs PyTorch, which the tests don't. Each file has the parameters, under their names, the
images, the targets, the logits under "logits", the gradients under "gradient.<name>", and the
running statistics after a step under "after.<name>". A file that is there stays: delete it to write
it anew.
"""

from pathlib import Path
from typing import Any

import numpy
import torch
from torch.nn import functional

from mnistburn import ConvNetConfig
from reference.conv_net_examples import EXAMPLES, images_of, state_for

FOLDER = Path(__file__).parent.parent / "fixtures" / "conv_net"
IMAGES = 5


def logits(
    config: ConvNetConfig, state: dict[str, Any], images: Any, *, training: bool = False
) -> Any:
    """Return the logits of images in 0..1, [batch_size, channels, height, width].

    In training a batch is normalised by its own statistics, which running ones take in.
    """
    mean = torch.tensor(config.pixel_mean or (0.5,) * config.image_channels).double()
    std = torch.tensor(config.pixel_std or (0.25,) * config.image_channels).double()
    x = (images - mean[:, None, None]) / std[:, None, None]
    entering = []
    for place, block in enumerate(config.blocks or ()):
        entering.append(x)
        name = f"blocks.{place}"
        x = functional.conv2d(
            x,
            state[f"{name}.conv.weight"],
            state[f"{name}.conv.bias"],
            padding=block.kernel_size // 2 if block.padding else 0,
        )
        if block.pool:
            x = functional.max_pool2d(x, 2)
        if block.norm == "batch":
            running = [state[f"{name}.batch_norm.running_{what}"] for what in ("mean", "var")]
            weights = [state[f"{name}.batch_norm.{what}"] for what in ("gamma", "beta")]
            x = functional.batch_norm(x, *running, *weights, training=training, momentum=0.1)
        if block.norm == "group":
            groups = block.channels // 8 if block.channels % 8 == 0 else 1
            gamma, beta = state[f"{name}.norm.gamma"], state[f"{name}.norm.beta"]
            x = functional.group_norm(x, groups, gamma, beta, eps=1e-5)
        if block.residual:
            x = x + entering[place + 1 - block.residual]
        x = functional.relu(x)
    x = x.mean((2, 3)) if config.average else x.flatten(1)
    for place in range(len(config.hidden_sizes)):
        x = x @ state[f"hidden.{place}.weight"] + state[f"hidden.{place}.bias"]
        x = functional.relu(x)
    return x @ state["output.weight"] + state["output.bias"]


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, config in EXAMPLES.items():
        if (FOLDER / f"{name}.npz").exists():
            continue
        parameters = state_for(config)
        state = {
            key: torch.tensor(value, dtype=torch.float64, requires_grad="running" not in key)
            for key, value in parameters.items()
        }
        images = images_of(config, IMAGES)
        targets = numpy.arange(IMAGES) % config.num_classes
        pixels = images if images.ndim == 4 else images[..., None]
        units = torch.from_numpy(pixels).permute(0, 3, 1, 2).double() / 255.0
        output = logits(config, state, units).detach()
        trained = logits(config, state, units, training=True)
        functional.cross_entropy(trained, torch.from_numpy(targets)).backward()
        # What no gradient changes is there as it is after the step.
        arrays: dict[str, Any] = parameters | {
            f"gradient.{key}" if value.grad is not None else f"after.{key}": (
                value if value.grad is None else value.grad
            )
            .float()
            .numpy()
            for key, value in state.items()
        }
        arrays |= {"images": images, "targets": targets, "logits": output.numpy()}
        numpy.savez_compressed(FOLDER / f"{name}.npz", allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
