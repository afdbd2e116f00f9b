"""Writes tests/fixtures/optimizers/steps.npz: parameters after each step of PyTorch's optimizers.

    python tests/reference/pytorch_optimizers.py

It needs PyTorch, which the tests don't. All numbers are float32. The file has the parameters at the
start under ``initial/NAME``, the gradients under ``gradient/STEP/NAME``, and the parameters after
each step of each case under ``CASE/STEP/NAME``.
"""

from pathlib import Path
from typing import Any
from unittest import mock

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


def muon(adamw: Any = None, **options: Any) -> Any:
    """Return what makes a Muon of the weights, as matrices with a row for each output.

    All else is for AdamW. PyTorch has the iteration in bfloat16; it is float32 here.
    """
    options = {"weight_decay": 0.0, "momentum": 0.95, "nesterov": True, "eps": 1e-7, **options}

    def make(tensors: Tensors) -> list[Any]:
        weights = [Matrix(tensor) for tensor in tensors.values() if tensor.ndim > 1]
        others = [tensor for tensor in tensors.values() if tensor.ndim == 1]
        values = {"eps": 1e-5, "weight_decay": 1e-4, **(adamw or {})}
        return [OfMatrices(weights, options), torch.optim.AdamW(others, **values)]

    return make


class Matrix:
    """A weight as a matrix with a row for each output, and back."""

    def __init__(self, tensor: torch.nn.Parameter) -> None:
        self.tensor = tensor
        self.matrix = torch.nn.Parameter(self.of(tensor.detach()))

    def of(self, values: torch.Tensor) -> torch.Tensor:
        """Return the matrix of a weight: linear ones are [inputs, outputs]."""
        rows = values.T if values.ndim == 2 else values.flatten(1)
        return rows.clone()

    def back(self) -> None:
        """Give the weight the values of the matrix."""
        values = self.matrix.detach()
        linear = self.tensor.ndim == 2
        self.tensor.data.copy_(values.T if linear else values.reshape(self.tensor.shape))


class OfMatrices:
    """Muon of matrices that stand for weights."""

    def __init__(self, weights: list[Matrix], options: dict[str, Any]) -> None:
        self.weights = weights
        self.optimizer = torch.optim.Muon([weight.matrix for weight in weights], **options)
        self.param_groups = self.optimizer.param_groups

    def step(self) -> None:
        """Take one step."""
        for weight in self.weights:
            assert weight.tensor.grad is not None
            weight.matrix.grad = weight.of(weight.tensor.grad)
        with mock.patch.object(torch, "bfloat16", torch.float32):
            self.optimizer.step()
        for weight in self.weights:
            weight.back()


# The names are those of the cases in tests/test_optimizers_of_pytorch.py.
CASES = {
    "rmsprop": rmsprop(),
    "rmsprop without momentum": rmsprop(momentum=0.0),
    "rmsprop centered": rmsprop(centered=True),
    "rmsprop all": rmsprop(alpha=0.8, momentum=0.5, eps=1e-3, centered=True, weight_decay=0.1),
    "adagrad": adagrad(),
    "adagrad all": adagrad(lr_decay=0.5, eps=1e-3, weight_decay=0.1),
    "muon": muon(),
    "muon all": muon(
        {"betas": (0.8, 0.9), "weight_decay": 0.1},
        weight_decay=0.2,
        momentum=0.8,
        nesterov=False,
        ns_coefficients=(2.0, -1.5, 0.5),
        ns_steps=3,
        adjust_lr_fn="match_rms_adamw",
    ),
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
