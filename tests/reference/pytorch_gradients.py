"""Writes tests/fixtures/gradients/clipping.json: what PyTorch's functions clip gradients to.

    python tests/reference/pytorch_gradients.py

It needs PyTorch, which the tests don't.
"""

import json
from pathlib import Path

import numpy
import torch

SHAPES = {"conv.weight": (2, 1, 3, 3), "linear.weight": (4, 3), "linear.bias": (3,)}
CASES = [
    ("norm", 1.0),
    ("norm", 1e-4),
    ("norm", 1e4),
    ("value", 0.5),
    ("value", 1e-3),
]


def gradients() -> dict[str, numpy.ndarray]:
    """Return the gradients that are clipped, float32."""
    random = numpy.random.default_rng(1)
    return {name: random.normal(size=shape).astype("f") for name, shape in SHAPES.items()}


def clipped(kind: str, bound: float) -> dict[str, list[float]]:
    """Return the clipped gradients, row by row."""
    parameters = {name: torch.nn.Parameter(torch.zeros(shape)) for name, shape in SHAPES.items()}
    for name, gradient in gradients().items():
        parameters[name].grad = torch.from_numpy(gradient)
    if kind == "norm":
        torch.nn.utils.clip_grad_norm_(parameters.values(), bound)
    else:
        torch.nn.utils.clip_grad_value_(parameters.values(), bound)
    return {
        name: parameter.grad.flatten().tolist()
        for name, parameter in parameters.items()
        if parameter.grad is not None
    }


if __name__ == "__main__":
    content = {
        "gradients": {name: values.ravel().tolist() for name, values in gradients().items()},
        "shapes": SHAPES,
        "cases": [
            {"kind": kind, "bound": bound, "clipped": clipped(kind, bound)} for kind, bound in CASES
        ],
    }
    folder = Path(__file__).parent.parent / "fixtures" / "gradients"
    (folder / "clipping.json").write_text(json.dumps(content, indent=1) + "\n")
