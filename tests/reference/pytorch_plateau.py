"""Writes tests/fixtures/schedules/reduce_on_plateau.json: rates of PyTorch's ReduceLROnPlateau.

    python tests/reference/pytorch_plateau.py

It needs PyTorch, which the tests don't.
"""

import json
import random
from pathlib import Path
from typing import Any

import torch

EPOCHS = 60
RATE = 0.1
CASES: list[dict[str, Any]] = [
    {},
    {"patience": 2, "factor": 0.5},
    {"patience": 0, "threshold": 0.05, "factor": 0.3},
    {"patience": 1, "cooldown": 3, "factor": 0.5},
    {"patience": 1, "factor": 0.1, "min_lr": 1e-3},
    {"patience": 2, "factor": 0.5, "metric": "valid_accuracy"},
    {"patience": 2, "factor": 0.5, "threshold": 0.02, "metric": "valid_accuracy", "cooldown": 1},
]


def curve(case: int, *, rises: bool) -> list[float]:
    """Return a noisy curve that levels off."""
    draw = random.Random(case)  # noqa: S311  a curve, no secret
    falls = [0.9 ** min(epoch, 20) + draw.gauss(0.0, 0.02) for epoch in range(EPOCHS)]
    return [min(1.0, max(0.0, 1.0 - value if rises else value)) for value in falls]


def rates(case: dict[str, Any], values: list[float]) -> list[float]:
    """Return the rate of each epoch and of the one after the last."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=RATE)
    options = {name: value for name, value in case.items() if name != "metric"}
    mode = "max" if case.get("metric") == "valid_accuracy" else "min"
    # Without eps, which leaves out falls of the rate by less than 1e-8.
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode, eps=0.0, **options)
    found = [optimizer.param_groups[0]["lr"]]
    for value in values:
        schedule.step(value)
        found.append(optimizer.param_groups[0]["lr"])
    return found


if __name__ == "__main__":
    content = []
    for number, case in enumerate(CASES):
        values = curve(number, rises="metric" in case)
        content.append({"config": case, "values": values, "rates": rates(case, values)})
    folder = Path(__file__).parent.parent / "fixtures" / "schedules"
    text = json.dumps(content, indent=1) + "\n"
    (folder / "reduce_on_plateau.json").write_text(text)
