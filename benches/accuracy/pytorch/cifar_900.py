"""CIFAR-10 to 90 %, from a folder of pictures: train and test, a folder for each class."""

from pathlib import Path
from typing import Any

import numpy
import run
import torch
from PIL import Image
from torch import nn


def pictures(folder: Path) -> tuple[Any, Any]:
    """Return the pictures of the classes as a tensor, and the classes by the order of names."""
    classes = sorted(place for place in folder.iterdir() if place.is_dir())
    files = [(file, number) for number, place in enumerate(classes) for file in place.iterdir()]
    images = numpy.stack([numpy.asarray(Image.open(file).convert("RGB")) for file, _ in files])
    return (
        torch.from_numpy(images).permute(0, 3, 1, 2).float(),
        torch.tensor([number for _, number in files]),
    )


options = run.options()
data = run.normalised(*pictures(options.data / "train"), *pictures(options.data / "test"))
net = nn.Sequential(
    nn.Conv2d(3, 32, 3, padding=1, bias=False),
    nn.BatchNorm2d(32),
    nn.ReLU(inplace=True),
    run.conv_block(32, 64),
    run.conv_block(64, 128),
    run.conv_block(128, 128),
    nn.AdaptiveMaxPool2d(1),
    nn.Flatten(),
    nn.Linear(128, 10),
).to(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(
    net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
)
run.train(
    net,
    data,
    optimizer,
    epochs=15,
    batch_size=256,
    peak=0.2,
    label_smoothing=0.1,
    augment=lambda images: run.flipped_and_moved(images, 3),
    with_flips=True,
)
