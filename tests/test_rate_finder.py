"""The range test of the learning rate."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner

import mnistburn
from mnistburn import AdamConfig, Dataset, Model, ModelConfig, TrainingConfig
from mnistburn.cli import main
from mnistburn.errors import ConfigError, DataError

Pair = tuple[Dataset, Dataset]

CONFIG = TrainingConfig(model=ModelConfig(hidden_size=16, dropout=0.0), batch_size=32, seed=7)


def find(data: Pair, config: TrainingConfig = CONFIG, **more: Any) -> mnistburn.RateCurve:
    return mnistburn.find_rate(config, data, "cpu", **more)


def reference(config: TrainingConfig, train: Dataset, rates: list[float]) -> list[float]:
    """Return the losses of a loop of one's own at these rates."""
    assert config.model is not None
    model = Model(config.model, seed=config.seed)
    optimizer = AdamConfig().init()
    loader = mnistburn.DataLoader(train, config.batch_size, shuffle=config.seed)
    losses: list[float] = []
    while len(losses) < len(rates):
        for batch in loader:
            if len(losses) == len(rates):
                break
            out = model.forward_classification(batch.images, batch.targets)
            model = optimizer.step(rates[len(losses)], model, out.loss.backward())
            losses.append(float(out.loss))
    return losses


def test_the_rate_grows_exponentially_and_the_losses_are_those_of_training(
    small_data: Pair,
) -> None:
    curve = find(small_data, start_rate=1e-6, end_rate=1e-2, num_steps=40)
    assert not curve.diverged
    assert curve.rates == pytest.approx(numpy.geomspace(1e-6, 1e-2, 40), rel=1e-9)
    # More steps than the eight of an epoch: others follow.
    assert curve.losses == pytest.approx(reference(CONFIG, small_data[0], curve.rates), rel=1e-4)


def smoothed(losses: list[float]) -> list[float]:
    """Return fastai's running mean."""
    mean, found = 0.0, []
    for count, loss in enumerate(losses, 1):
        mean = 0.98 * mean + 0.02 * loss
        found.append(mean / (1 - 0.98**count))
    return found


def test_the_suggestion_follows_its_rule(train_data: Dataset, test_data: Dataset) -> None:
    curve = find((train_data, test_data))
    assert curve.smoothed == pytest.approx(smoothed(curve.losses), rel=1e-9)
    values, logs = numpy.array(curve.smoothed), numpy.log(curve.rates)
    slopes = (values[4:] - values[:-4]) / (logs[4:] - logs[:-4])
    assert slopes.min() < 0
    assert curve.suggestion == curve.rates[2 + int(slopes.argmin())]
    assert curve.minimum == pytest.approx(curve.rates[int(values.argmin())] / 10)
    assert not curve.diverged
    assert len(curve.rates) == 200
    wild = find((train_data, test_data), end_rate=1e8)
    assert wild.diverged
    assert len(wild.rates) < 200
    assert all(value <= 4 * min(wild.smoothed) for value in wild.smoothed[:-1])


def test_the_same_arguments_give_the_same_curve(small_data: Pair) -> None:
    other_rate = dataclasses.replace(CONFIG, learning_rate=1.0, num_workers=0, threads=1)
    assert find(small_data, num_steps=30) == find(small_data, other_rate, num_steps=30)
    assert find(small_data, dataclasses.replace(CONFIG, seed=8), num_steps=30) != find(
        small_data, num_steps=30
    )


def test_nothing_is_written(
    small_data: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    find(small_data, num_steps=10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"start_rate": 1.0, "end_rate": 0.1}, "start_rate must be above 0 and below end_rate"),
        ({"start_rate": 0.0}, "start_rate must be above 0"),
        ({"end_rate": float("inf")}, "both finite"),
        ({"start_rate": "a"}, "start_rate must be a number"),
        ({"num_steps": 9}, "num_steps must be a whole number from 10"),
        ({"config": 3}, "config must be a TrainingConfig"),
    ],
    ids=str,
)
def test_what_the_finder_refuses(small_data: Pair, changes: dict[str, Any], part: str) -> None:
    given: dict[str, Any] = {"config": CONFIG, "data": small_data, "device": "cpu"}
    with pytest.raises(ConfigError, match=part):
        mnistburn.find_rate(**{**given, **changes})
    with pytest.raises(DataError):
        find((small_data[0][:0], small_data[1]))


def test_the_finder_on_the_command_line(
    small_data: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, valid = small_data
    numpy.savez(
        tmp_path / "data.npz",
        x_train=train.images,
        y_train=train.targets,
        x_test=valid.images,
        y_test=valid.targets,
    )
    CONFIG.save(tmp_path / "config.json")
    monkeypatch.chdir(tmp_path)
    command = ["find-rate", "--data", "data.npz", "--config", "config.json", "--num-steps", "60"]
    done = CliRunner().invoke(main, [*command, "--device", "cpu"])
    assert done.exit_code == 0, done.output
    curve = find(small_data, num_steps=60)
    assert f"suggested learning rate: {curve.suggestion:.2e}" in done.output
    assert "steepest" in done.output
    as_json = CliRunner().invoke(main, [*command, "--device", "cpu", "--json"])
    assert json.loads(as_json.stdout) == dataclasses.asdict(curve)
    assert {path.name for path in tmp_path.iterdir()} == {"data.npz", "config.json"}
