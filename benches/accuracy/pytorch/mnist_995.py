"""MNIST to 99.5 %: a small network with batch normalisation, on moved and turned images."""

import math
from typing import Any

import run
import torch
from torch import nn
from torch.nn import functional


def moved_and_turned(images: Any) -> Any:  # noqa: ANN401  tensors
    """Return each image turned by up to 10 degrees, sized by up to a tenth, and moved."""
    count = len(images)
    angle = (torch.rand(count) * 2 - 1) * math.radians(10)
    size = 1 + (torch.rand(count) * 2 - 1) * 0.1
    move = (torch.rand(2, count) * 2 - 1) * 0.16
    cos, sin = angle.cos() * size, angle.sin() * size
    matrix = torch.stack([cos, -sin, move[0], sin, cos, move[1]], 1).reshape(count, 2, 3)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


options = run.options()
net = nn.Sequential(
    nn.Conv2d(1, 16, 5, padding=2, bias=False),
    nn.MaxPool2d(2),
    nn.BatchNorm2d(16),
    nn.ReLU(inplace=True),
    run.conv_block(16, 32),
    run.conv_block(32, 64),
    nn.AdaptiveMaxPool2d(1),
    nn.Flatten(),
    nn.Linear(64, 10),
)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
run.train(
    net,
    run.idx_images(options.data),
    optimizer,
    epochs=6,
    batch_size=256,
    peak=1e-2,
    augment=moved_and_turned,
)
