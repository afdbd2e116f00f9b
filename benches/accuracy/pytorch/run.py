"""What the scripts share: options, images, the training loop and the result."""

import argparse
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Augment = Callable[[Any], Any]


def options() -> argparse.Namespace:
    """Return the options of a script, after setting threads and seed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="the folder of the files")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    found = parser.parse_args()
    torch.set_num_threads(found.threads)
    torch.manual_seed(found.seed)
    return found


def idx_images(folder: Path) -> tuple[Any, Any, Any, Any]:
    """Return images, normalised by mean and deviation, and targets of training and test."""

    def read(name: str, header: int) -> Any:  # noqa: ANN401  a tensor
        with gzip.open(folder / name) as file:
            return torch.frombuffer(bytearray(file.read()[header:]), dtype=torch.uint8)

    parts: list[Any] = []
    for part in ("train", "t10k"):
        parts.append(read(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28).float())
        parts.append(read(f"{part}-labels-idx1-ubyte.gz", 8).long())
    return normalised(*parts)


def normalised(train: Any, targets: Any, test: Any, test_targets: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """Return the images with mean 0 and deviation 1 in each channel of the training images."""
    mean = train.mean(dim=(0, 2, 3), keepdim=True)
    deviation = train.std(dim=(0, 2, 3), keepdim=True)
    return (train - mean) / deviation, targets, (test - mean) / deviation, test_targets


def conv_block(channels_in: int, channels: int) -> nn.Sequential:
    """Return two convolutions; pooling before the first normalisation makes that cheaper."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


def flipped_and_moved(images: Any, pixels: int) -> Any:  # noqa: ANN401
    """Return the images flipped by chance, each moved by up to that many pixels."""
    count, _, height, width = images.shape
    images = torch.where(torch.randint(2, (count, 1, 1, 1)) == 1, images.flip(3), images)
    padded = functional.pad(images, [pixels] * 4, mode="reflect")
    moves = torch.randint(0, 2 * pixels + 1, (2, count))
    rows = (moves[0][:, None] + torch.arange(height))[:, None, :, None]
    columns = (moves[1][:, None] + torch.arange(width))[:, None, None, :]
    channels = torch.arange(images.shape[1])[None, :, None, None]
    return padded[torch.arange(count)[:, None, None, None], channels, rows, columns]


def train(
    net: nn.Module,
    data: tuple[Any, ...],
    optimizer: Any,  # noqa: ANN401
    *,
    epochs: int,
    batch_size: int,
    peak: float,
    warm_up: float = 0.3,
    label_smoothing: float = 0.0,
    augment: Augment = lambda images: images,
    with_flips: bool = False,
) -> None:
    """Train with a one-cycle schedule, test once at the end, and print the accuracy."""
    images, targets, test, test_targets = data
    steps = len(images) // batch_size
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peak, total_steps=epochs * steps, pct_start=warm_up, cycle_momentum=False
    )
    for epoch in range(epochs):
        order = torch.randperm(len(images))
        total = torch.zeros(())
        net.train()
        for step in range(steps):
            batch = order[step * batch_size : (step + 1) * batch_size]
            loss = functional.cross_entropy(
                net(augment(images[batch])), targets[batch], label_smoothing=label_smoothing
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach()
        print(f"epoch {epoch + 1}: loss {float(total) / steps:.4f}", flush=True)
    net.eval()
    right = 0
    with torch.inference_mode():
        for begin in range(0, len(test), 500):
            batch = test[begin : begin + 500]
            logits = net(batch) + net(batch.flip(3)) if with_flips else net(batch)
            right += int((logits.argmax(1) == test_targets[begin : begin + 500]).sum())
    print(json.dumps({"accuracy": right / len(test)}))
