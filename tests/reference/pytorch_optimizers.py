"""Writes tests/fixtures/optimizers/steps.npz: parameters after each step of PyTorch's optimizers.

    python tests/reference/pytorch_optimizers.py

It needs PyTorch, which the tests don't. All numbers are float32. The file has the parameters at the
start under ``initial/NAME``, the gradients under ``gradient/STEP/NAME``, and the parameters after
each step of each case under ``CASE/STEP/NAME``.
"""

from pathlib import Path
from typing import Any

import numpy
import torch

# Those of ConvNetConfig(widths=(4,), hidden_sizes=(6,), num_classes=3), for images of 8 x 8.
SHAPES = {
    "blocks.0.conv.weight": (4, 1, 3, 3),
    "blocks.0.conv.bias": (4,),
    "blocks.1.conv.weight": (4, 4, 3, 3),
    "blocks.1.conv.bias": (4,),
    "hidden.0.weight": (4, 6),
    "hidden.0.bias": (6,),
    "output.weight": (6, 3),
    "output.bias": (3,),
}
# The learning rate of each step.
RATES = [0.01, 0.02, 0.005, 0.01, 0.03]

Arrays = dict[str, numpy.ndarray]
Tensors = dict[str, torch.nn.Parameter]


def rmsprop(**options: Any) -> Any:
    """Return what makes an RMSprop of parameters."""
    options = {"alpha": 0.99, "momentum": 0.9, "eps": 1e-5, **options}
    return lambda tensors: [torch.optim.RMSprop(tensors.values(), **options)]


def adagrad(**options: Any) -> Any:
    """Return what makes an Adagrad of parameters."""
    options = {"eps": 1e-5, **options}
    return lambda tensors: [torch.optim.Adagrad(tensors.values(), **options)]


# The names are those of the cases in tests/test_optimizers_of_pytorch.py.
CASES = {
    "rmsprop": rmsprop(),
    "rmsprop without momentum": rmsprop(momentum=0.0),
    "rmsprop centered": rmsprop(centered=True),
    "rmsprop all": rmsprop(alpha=0.8, momentum=0.5, eps=1e-3, centered=True, weight_decay=0.1),
    "adagrad": adagrad(),
    "adagrad all": adagrad(lr_decay=0.5, eps=1e-3, weight_decay=0.1),
}


def draw(random: numpy.random.Generator) -> Arrays:
    """Return a number for each element of each parameter."""
    return {
        name: random.normal(scale=0.5, size=shape).astype("f") for name, shape in SHAPES.items()
    }


def steps(make: Any, initial: Arrays, gradients: list[Arrays]) -> list[Arrays]:
    """Return the parameters after each step."""
    tensors = {
        name: torch.nn.Parameter(torch.from_numpy(values.copy()))
        for name, values in initial.items()
    }
    optimizers = make(tensors)
    after = []
    for rate, gradient in zip(RATES, gradients, strict=True):
        for name, tensor in tensors.items():
            tensor.grad = torch.from_numpy(gradient[name].copy())
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
        after.append({name: tensor.detach().numpy().copy() for name, tensor in tensors.items()})
    return after


if __name__ == "__main__":
    random = numpy.random.default_rng(1)
    initial = draw(random)
    gradients = [draw(random) for _ in RATES]
    content: dict[str, Any] = {f"initial/{name}": values for name, values in initial.items()}
    for number, gradient in enumerate(gradients):
        content |= {f"gradient/{number}/{name}": values for name, values in gradient.items()}
    for case, make in CASES.items():
        for number, parameters in enumerate(steps(make, initial, gradients)):
            content |= {f"{case}/{number}/{name}": values for name, values in parameters.items()}
    folder = Path(__file__).parent.parent / "fixtures" / "optimizers"
    numpy.savez_compressed(folder / "steps.npz", **content)
