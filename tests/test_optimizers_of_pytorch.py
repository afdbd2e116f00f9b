"""Steps of the optimizers beside PyTorch's, for the same parameters, gradients and rates."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy
import pytest

from mnistburn import (
    AdaGradConfig,
    AdamWConfig,
    ConvNetConfig,
    Gradients,
    Model,
    MomentumConfig,
    MuonConfig,
    RmsPropConfig,
)
from mnistburn.config import OptimizerConfig

STEPS = numpy.load(Path(__file__).parent / "fixtures/optimizers/steps.npz")
RATES = [0.01, 0.02, 0.005, 0.01, 0.03]
# The names are those of the cases in tests/reference/pytorch_optimizers.py.
CASES: dict[str, OptimizerConfig] = {
    "rmsprop": RmsPropConfig(),
    "rmsprop without momentum": RmsPropConfig(momentum=0.0),
    "rmsprop centered": RmsPropConfig(centered=True),
    "rmsprop all": RmsPropConfig(
        alpha=0.8, momentum=0.5, epsilon=1e-3, centered=True, weight_decay=0.1
    ),
    "adagrad": AdaGradConfig(),
    "adagrad all": AdaGradConfig(lr_decay=0.5, epsilon=1e-3, weight_decay=0.1),
    "muon": MuonConfig(),
    "muon all": MuonConfig(
        weight_decay=0.2,
        momentum=MomentumConfig(momentum=0.8, dampening=0.0),
        ns_coefficients=(2.0, -1.5, 0.5),
        ns_steps=3,
        adjust_lr_fn="MatchRmsAdamW",
        adamw=AdamWConfig(beta_1=0.8, beta_2=0.9, weight_decay=0.1),
    ),
}


def under(prefix: str) -> dict[str, Any]:
    names = [name for name in STEPS if name.startswith(f"{prefix}/")]
    return {name.removeprefix(f"{prefix}/"): STEPS[name] for name in names}


def at_the_start() -> Model:
    config = ConvNetConfig(
        widths=(4,), hidden_sizes=(6,), num_classes=3, image_height=8, image_width=8
    )
    model = Model(config, seed=1)
    model.load_state_dict(under("initial"))
    return model


@pytest.mark.parametrize("name", CASES)
def test_every_step_is_that_of_pytorch(name: str) -> None:
    model, optimizer = at_the_start(), CASES[name].init()
    for number, rate in enumerate(RATES):
        model = optimizer.step(rate, model, Gradients(under(f"gradient/{number}")))
        expected = under(f"{name}/{number}")
        state = model.state_dict()
        assert state.keys() == expected.keys()
        for key, values in state.items():
            assert values == pytest.approx(expected[key], rel=2e-5, abs=2e-6), (number, key)


def test_the_cases_differ() -> None:
    last = [
        numpy.concatenate([values.ravel() for values in under(f"{name}/4").values()])
        for name in CASES
    ]
    for number, first in enumerate(last):
        for second in last[:number]:
            assert numpy.abs(first - second).max() > 1e-3


@pytest.mark.parametrize("name", CASES)
def test_a_copy_goes_on_alike(name: str) -> None:
    model, optimizer = at_the_start(), CASES[name].init()
    for number, rate in enumerate(RATES):
        gradients = Gradients(under(f"gradient/{number}"))
        twin = copy.deepcopy(optimizer)
        after = twin.step(rate, model, gradients).state_dict()
        model = optimizer.step(rate, model, gradients)
        for key, values in model.state_dict().items():
            assert values.tobytes() == after[key].tobytes(), (number, key)


def test_the_fixture_has_all_cases() -> None:
    cases = {name.split("/")[0] for name in STEPS} - {"initial", "gradient"}
    assert json.dumps(sorted(cases)) == json.dumps(sorted(CASES))
