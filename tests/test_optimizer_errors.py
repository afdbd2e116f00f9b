"""Bad configurations of optimizers: their error class, and what the message says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

import mnistburn
from mnistburn import (
    AdamConfig,
    AdamWConfig,
    Dataset,
    Model,
    ModelConfig,
    MomentumConfig,
    SgdConfig,
    TrainingConfig,
)
from mnistburn.errors import ConfigError, MnistburnError, TrainingError

untyped: Any = mnistburn  # the rows break the types on purpose
nan, inf = float("nan"), float("inf")
Row = tuple[str, Callable[[], object], type[Exception], tuple[str, ...]]


def read(optimizer: str) -> TrainingConfig:
    return TrainingConfig.from_json(f'{{"optimizer": {optimizer}}}')


def steps_of_two_sizes() -> None:
    optimizer = SgdConfig(momentum=MomentumConfig()).init()
    for hidden_size in (8, 9):
        model = Model(ModelConfig(hidden_size=hidden_size), seed=1)
        out = model.forward_classification(numpy.zeros((2, 28, 28), numpy.uint8), [0, 1])
        optimizer.step(0.1, model, out.loss.backward())


TABLE: list[Row] = [
    ("sgd: positional", lambda: untyped.SgdConfig(0.1), TypeError, ("positional",)),
    ("sgd: a field of adam", lambda: untyped.SgdConfig(beta_1=0.9), TypeError, ("beta_1",)),
    (
        "sgd: decay -1",
        lambda: SgdConfig(weight_decay=-1.0),
        ConfigError,
        ("weight_decay", "at least 0", "-1"),
    ),
    ("sgd: decay infinite", lambda: SgdConfig(weight_decay=inf), ConfigError, ("penalty", "inf")),
    (
        "sgd: momentum a number",
        lambda: untyped.SgdConfig(momentum=0.9),
        ConfigError,
        ("momentum must be a MomentumConfig", "0.9", "pass MomentumConfig(...)"),
    ),
    (
        "sgd: clipping a number",
        lambda: untyped.SgdConfig(gradient_clipping=1.0),
        ConfigError,
        ("gradient_clipping", "GradientClippingConfig", "1.0"),
    ),
    (
        "momentum: 1",
        lambda: MomentumConfig(momentum=1.0),
        ConfigError,
        ("momentum.momentum", "below 1", "got 1.0"),
    ),
    ("momentum: NaN", lambda: MomentumConfig(momentum=nan), ConfigError, ("momentum", "nan")),
    (
        "momentum: dampening 1.5",
        lambda: MomentumConfig(dampening=1.5),
        ConfigError,
        ("dampening", "from 0 to 1", "got 1.5"),
    ),
    (
        "momentum: nesterov a number",
        lambda: untyped.MomentumConfig(nesterov=1),
        ConfigError,
        ("nesterov", "true or false", "1"),
    ),
    (
        "adamw: beta 1",
        lambda: AdamWConfig(beta_2=1.0),
        ConfigError,
        ("beta_2", "below 1", "1.0"),
    ),
    ("adamw: epsilon 0", lambda: AdamWConfig(epsilon=0.0), ConfigError, ("epsilon", "above 0")),
    (
        "adamw: no decay",
        lambda: untyped.AdamWConfig(weight_decay=None),
        ConfigError,
        ("weight_decay", "at least 0", "null"),
    ),
    (
        "adamw: cautious in text",
        lambda: untyped.AdamWConfig(cautious_weight_decay="yes"),
        ConfigError,
        ("cautious_weight_decay", "true or false", "yes"),
    ),
    (
        "adamw: clipping a number",
        lambda: untyped.AdamWConfig(grad_clipping=1.0),
        ConfigError,
        ("grad_clipping", "GradientClippingConfig", "1.0"),
    ),
    (
        "training: optimizer a name",
        lambda: untyped.TrainingConfig(optimizer="sgd"),
        ConfigError,
        ("pass AdamConfig(), SgdConfig() or another of mnistburn.config", "'sgd'"),
    ),
    (
        "training: optimizer a class",
        lambda: untyped.TrainingConfig(optimizer=SgdConfig),
        ConfigError,
        ("optimizer must be the configuration of an optimizer", "SgdConfig"),
    ),
    (
        "training: optimizer a momentum",
        lambda: untyped.TrainingConfig(optimizer=MomentumConfig()),
        ConfigError,
        ("optimizer must be the configuration of an optimizer", "MomentumConfig"),
    ),
    (
        "optimizer: no configuration",
        lambda: untyped.Optimizer({"Sgd": {}}),
        ConfigError,
        ("config must be the configuration of an optimizer", "Sgd"),
    ),
    (
        "json: unknown kind",
        lambda: read('{"SGD": {}}'),
        ConfigError,
        (
            'unknown optimizer "SGD"',
            "did you mean Sgd?",
            "Adam, AdamW, Sgd, RmsProp, AdaGrad, Muon",
        ),
    ),
    (
        "json: two kinds",
        lambda: read('{"Sgd": {}, "Adam": {}}'),
        ConfigError,
        ("one key alone", '["Sgd","Adam"]'),
    ),
    ("json: null", lambda: read("null"), ConfigError, ("optimizer", "null")),
    ("json: a kind of null", lambda: read('{"Sgd": null}'), ConfigError, ("optimizer.Sgd", "null")),
    (
        "json: a field of the other",
        lambda: read('{"Sgd": {"amsgrad": true}}'),
        ConfigError,
        ("amsgrad", "optimizer.Sgd", "the keys are weight_decay, momentum, gradient_clipping"),
    ),
    (
        "json: as another class",
        lambda: SgdConfig.from_json('{"beta_1": 0.9}'),
        ConfigError,
        ("beta_1", "SGD configuration"),
    ),
    (
        "step: two sizes",
        steps_of_two_sizes,
        TrainingError,
        ("hidden_size 8", "got one with num_classes 10, hidden_size 9", "make another optimizer"),
    ),
]


@pytest.mark.parametrize(
    ("act", "error", "parts"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_bad_optimizers_are_named(
    act: Callable[[], object], error: type[Exception], parts: tuple[str, ...]
) -> None:
    with pytest.raises(error) as caught:
        act()
    message = str(caught.value)
    for part in parts:
        assert part in message, message
    assert len(message) < 1000


def test_a_run_keeps_its_optimizer(
    artifact_dir: Path, small_data: tuple[Dataset, Dataset], small_config: TrainingConfig
) -> None:
    def train(optimizer: Any, *, resume: bool) -> None:
        config = TrainingConfig(model=small_config.model, num_epochs=1, optimizer=optimizer)
        mnistburn.train(artifact_dir, config, "cpu", data=small_data, progress=False, resume=resume)

    train(AdamConfig(), resume=False)
    before = {path: path.read_bytes() for path in artifact_dir.rglob("*") if path.is_file()}
    for other in (SgdConfig(), AdamWConfig()):
        with pytest.raises(MnistburnError, match=r"may change only.*optimizer was .*got") as caught:
            train(other, resume=True)
        assert isinstance(caught.value, ConfigError)
    after = {path: path.read_bytes() for path in artifact_dir.rglob("*") if path.is_file()}
    assert after == before
