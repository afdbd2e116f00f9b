"""Runs that are limited in batches, to try them, and in seconds, to stop in time."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import mnistburn
from mnistburn import Dataset, TrainingConfig
from mnistburn.errors import ConfigError

Pair = tuple[Dataset, Dataset]


def run(directory: Path, config: TrainingConfig | None, data: Pair, **options: Any) -> Any:
    return mnistburn.train(directory, config, "cpu", data=data, progress=False, **options)


def test_an_epoch_has_the_first_batches_of_its_order(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    whole = run(tmp_path / "whole", small_config, small_data)
    config = dataclasses.replace(small_config, limit_batches=2, metrics=("f1_macro",))
    few = run(tmp_path / "few", config, small_data)
    assert few.history.train_steps["epoch"] == [1, 1, 2, 2]
    assert few.history.train_steps["images"] == [64] * 4
    assert few.history.train_steps["loss"][:2] == whole.history.train_steps["loss"][:2]
    assert few.history.valid_steps["images"] == [64, 64]
    assert few.ended == "completed"


def test_validation_measures_the_first_images(
    tmp_path: Path, small_config: TrainingConfig, train_data: Dataset
) -> None:
    data = (train_data[:256], train_data[256:512])
    config = dataclasses.replace(small_config, limit_batches=3, metrics=("f1_macro",))
    few = run(tmp_path / "run", config, data)
    measured = few.model.evaluate(data[1][:192], metrics=["f1_macro"])
    assert few.history["valid_loss"][-1] == pytest.approx(measured.loss, rel=1e-5)
    assert few.history["valid_accuracy"][-1] == pytest.approx(measured.accuracy)
    assert few.history["valid_f1_macro"][-1] == pytest.approx(measured.metrics["f1_macro"])


def test_more_batches_than_there_are_limit_nothing(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    config = dataclasses.replace(small_config, limit_batches=1000)
    limited, whole = (
        run(tmp_path / name, given, small_data)
        for name, given in (("limited", config), ("whole", small_config))
    )
    assert limited.history.train_steps["loss"] == whole.history.train_steps["loss"]


def test_a_schedule_takes_the_length_of_the_limited_run(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    schedule = mnistburn.CosineAnnealingLrSchedulerConfig()
    config = dataclasses.replace(
        small_config, batch_size=16, limit_batches=5, grads_accumulation=2, lr_scheduler=schedule
    )
    result = run(tmp_path / "run", config, small_data)
    assert result.config.lr_scheduler.num_iters == 6
    assert result.history.train_steps["images"] == [32, 32, 16] * 2


def test_a_run_that_is_out_of_time_goes_on_step_by_step_to_the_same_bits(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    whole = run(tmp_path / "whole", small_config, small_data)
    # The time is over after the first step.
    config = dataclasses.replace(small_config, max_seconds=1e-9)
    result = run(tmp_path / "run", config, small_data)
    assert result.ended == "stopped"
    assert not result.interrupted
    assert result.history.train_steps["step"] == [1]
    calls = 1
    while result.ended != "completed":
        result = run(tmp_path / "run", None, small_data, resume=True)
        calls += 1
        assert calls < 20, "it goes on for ever"
    assert calls > 4
    assert result.history.train_steps["loss"] == whole.history.train_steps["loss"]
    assert result.history["valid_loss"] == whole.history["valid_loss"]
    expected = whole.model.state_dict()
    for name, values in result.model.state_dict().items():
        assert values.tobytes() == expected[name].tobytes(), name


def test_a_resumed_run_may_have_more_time(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    config = dataclasses.replace(small_config, max_seconds=1e-9)
    run(tmp_path / "run", config, small_data)
    result = run(tmp_path / "run", small_config, small_data, resume=True)
    assert result.ended == "completed"
    assert "stopped after max_seconds, which is 0.000000001" in (
        (tmp_path / "run" / "train.log").read_text()
    )


@pytest.mark.parametrize("seconds", [1e-9, 1e300], ids=["no time", "all the time"])
def test_a_run_in_time_is_complete(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair, seconds: float
) -> None:
    # One step of one epoch is made in any case.
    config = dataclasses.replace(small_config, num_epochs=1, batch_size=256, max_seconds=seconds)
    result = run(tmp_path / "run", config, small_data)
    while result.ended != "completed":
        result = run(tmp_path / "run", None, small_data, resume=True)
    assert len(result.history.train_steps["step"]) == 1


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("limit_batches", [0, -1, 1.5, True, "2"]),
        ("max_seconds", [0, -1.0, float("nan"), float("inf"), True, "2"]),
    ],
)
def test_a_limit_is_positive(field: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises((ConfigError, TypeError), match=field):
            TrainingConfig(**{field: value})
