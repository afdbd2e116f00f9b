"""Writes the learning rates of PyTorch's schedules to tests/fixtures/schedules.

They are those of OneCycleLR in one_cycle.json, and of schedules one after the other, which
SequentialLR makes, in sequential.json.

    python tests/reference/pytorch_schedules.py

It needs PyTorch, which the tests don't.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    SequentialLR,
    StepLR,
)

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


Make = Callable[[torch.optim.Optimizer], Any]


def warm_up(steps: int, start_factor: float = 1 / 3) -> Make:
    """Return what makes a rise of so many steps."""
    return lambda optimizer: LinearLR(optimizer, start_factor, total_iters=steps)


def cosine(steps: int, least: float = 0.0) -> Make:
    """Return what makes a descent of so many steps."""
    return lambda optimizer: CosineAnnealingLR(optimizer, steps, least)


def line(steps: int, final: float) -> Make:
    """Return what makes a line of so many steps."""
    return lambda optimizer: LinearLR(optimizer, 1.0, final / RATE, total_iters=steps)


def constant(optimizer: torch.optim.Optimizer) -> Any:
    """Return a constant rate."""
    return ConstantLR(optimizer, 1.0)


def exponential(optimizer: torch.optim.Optimizer) -> Any:
    """Return an exponential decay."""
    return ExponentialLR(optimizer, 0.9)


def step(optimizer: torch.optim.Optimizer) -> Any:
    """Return a decay every four steps."""
    return StepLR(optimizer, 4, 0.3)


def after(num_iters: int, start_factor: float | None, schedule: Any) -> dict[str, Any]:
    """Return the JSON of a warm-up and what is behind it."""
    factor = {} if start_factor is None else {"start_factor": start_factor}
    return {"WarmUp": {"num_iters": num_iters, **factor, "after": schedule}}


def sequence(milestones: list[int], *schedules: Any) -> dict[str, Any]:
    """Return the JSON of schedules one after the other."""
    return {"Sequential": {"schedules": schedules, "milestones": milestones}}


# The JSON of a schedule for 30 steps, and what PyTorch makes it of: schedules and milestones.
SEQUENCES: list[tuple[dict[str, Any], list[Make], list[int]]] = [
    (after(10, None, None), [warm_up(10), constant], [10]),
    (after(5, 0.1, {"CosineAnnealing": {}}), [warm_up(5, 0.1), cosine(25)], [5]),
    (
        after(12, 1.0, {"CosineAnnealing": {"num_iters": 20, "min_lr": 0.001}}),
        [constant, cosine(20, 0.001)],
        [12],
    ),
    (
        sequence([7, 19], {"Exponential": {"gamma": 0.9}}, None, {"Linear": {"final_lr": 0.001}}),
        [exponential, constant, line(11, 0.001)],
        [7, 19],
    ),
    (
        sequence(
            [4, 9],
            {"Linear": {"final_lr": 0.001}},
            {"Step": {"step_size": 4, "gamma": 0.3}},
            {"CosineAnnealing": {}},
        ),
        [line(4, 0.001), step, cosine(21)],
        [4, 9],
    ),
    (
        sequence([6], None, after(8, 0.5, {"Step": {"step_size": 4, "gamma": 0.3}})),
        [constant, warm_up(8, 0.5), step],
        [6, 14],
    ),
]


def sequential_rates(schedules: list[Make], milestones: list[int]) -> list[float]:
    """Return the rate of each step."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=RATE)
    schedule = SequentialLR(optimizer, [make(optimizer) for make in schedules], milestones)
    values = []
    for _ in range(STEPS):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return values


if __name__ == "__main__":
    content = [{"config": case, "rates": rates(case)} for case in CASES]
    folder = Path(__file__).parent.parent / "fixtures" / "schedules"
    (folder / "one_cycle.json").write_text(json.dumps(content, indent=1) + "\n")
    content = [
        {"config": config, "rates": sequential_rates(schedules, milestones)}
        for config, schedules, milestones in SEQUENCES
    ]
    (folder / "sequential.json").write_text(json.dumps(content, indent=1) + "\n")
