"""Writes tests/fixtures/schedules/one_cycle.json: the learning rates of PyTorch's OneCycleLR.

    python tests/reference/pytorch_schedules.py

It needs PyTorch, which the tests don't.
"""

import json
from pathlib import Path

import torch

STEPS = 30
RATE = 0.02
CASES: list[dict[str, float]] = [
    {"num_iters": 30},
    {"num_iters": 20, "pct_start": 0.25, "div_factor": 10.0, "final_div_factor": 100.0},
    {"num_iters": 5, "pct_start": 0.1, "div_factor": 1.0, "final_div_factor": 1.0},
]


def rates(case: dict[str, float]) -> list[float]:
    """Return the rate of each step; after the last one of the cycle the rate stays."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=RATE)
    options = {name: value for name, value in case.items() if name != "num_iters"}
    steps = int(case["num_iters"])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=RATE, total_steps=steps, cycle_momentum=False, **options
    )
    values = []
    for step in range(STEPS):
        values.append(optimizer.param_groups[0]["lr"])
        if step + 1 < steps:
            optimizer.step()
            schedule.step()
    return values


if __name__ == "__main__":
    content = [{"config": case, "rates": rates(case)} for case in CASES]
    folder = Path(__file__).parent.parent / "fixtures" / "schedules"
    (folder / "one_cycle.json").write_text(json.dumps(content, indent=1) + "\n")
