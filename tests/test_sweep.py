"""Sweeps in threads of this process."""

import csv
import importlib
import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest

import mnistburn
from mnistburn import (
    AdamWConfig,
    Dataset,
    SgdConfig,
    SuccessiveHalving,
    SweepResult,
    TrainingConfig,
    integers,
    load_sweep,
    log_uniform,
    uniform,
)
from mnistburn.errors import ArtifactError, ConfigError, DataError
from mnistburn.sweeps.space import Space
from mnistburn.sweeps.state import SweepState
from mnistburn.sweeps.threads import InOrder
from mnistburn.sweeps.trial import Trial

Pair = tuple[Dataset, Dataset]

RATES = [1e-4, 1e-2, 3e-2]


@pytest.fixture
def sweep_dir(tmp_path: Path) -> Path:
    return tmp_path / "sweep"


def run(
    space: Any, directory: Path, config: TrainingConfig | None, data: Any, **more: Any
) -> SweepResult:
    return mnistburn.sweep(space, directory, config, "cpu", data=data, progress=False, **more)


def weights(trial: Trial) -> dict[str, bytes]:
    state = mnistburn.load_run(trial.directory).model.state_dict()
    return {name: values.tobytes() for name, values in state.items()}


def settings(space: dict[str, Any], num_trials: int | None, seed: int = 0) -> list[dict[str, Any]]:
    return Space.of(space).trials(num_trials, seed)


def test_a_grid_has_every_combination_in_order() -> None:
    space = {"batch_size": [16, 32], "optimizer": ["adam", "sgd"], "seed": integers(1, 2)}
    found = settings(space, None)
    assert [tuple(trial.values()) for trial in found] == [
        (size, optimizer, seed)
        for size in (16, 32)
        for optimizer in ("adam", "sgd")
        for seed in (1, 2)
    ]


def test_the_same_seed_draws_the_same_trials_and_another_one_others() -> None:
    space = {"learning_rate": log_uniform(1e-5, 1e-1), "label_smoothing": uniform(0.0, 0.5)}
    few, many = settings(space, 5), settings(space, 50)
    assert many[:5] == few
    assert settings(dict(reversed(space.items())), 5) == few
    assert all(one != other for one, other in zip(few, settings(space, 5, 1), strict=True))
    # A key more leaves the others what they were.
    more = settings({**space, "batch_size": integers(1, 1000)}, 5)
    assert [trial["learning_rate"] for trial in more] == [trial["learning_rate"] for trial in few]


def test_draws_are_distributed_as_they_are_called() -> None:
    space = {
        "learning_rate": log_uniform(1e-4, 1e-1),
        "label_smoothing": uniform(0.2, 0.6),
        "batch_size": integers(3, 5),
        "seed": integers(0, 10**9),
    }
    found = settings(space, 3000)
    rates = numpy.log10([trial["learning_rate"] for trial in found])
    shares = numpy.array([trial["label_smoothing"] for trial in found])
    sizes = [trial["batch_size"] for trial in found]
    # The means and deviations of uniform distributions, within four standard errors.
    for values, low, high in ((rates, -4, -1), (shares, 0.2, 0.6)):
        assert low <= values.min() < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 4 * (high - low) / 12**0.5 / 3000**0.5
        assert abs(values.std() - (high - low) / 12**0.5) < 0.03 * (high - low)
    counts = numpy.bincount(sizes, minlength=6)
    assert counts[:3].sum() == 0
    assert (abs(counts[3:] - 1000) < 4 * (3000 * 2 / 9) ** 0.5).all()


def test_no_two_trials_are_alike_and_a_small_space_has_an_end() -> None:
    space = {"batch_size": [1, 2, 3], "seed": integers(1, 3)}
    found = settings(space, 100)
    assert len(found) == 9
    assert len({tuple(trial.values()) for trial in found}) == 9
    assert found != settings(space, None)


def test_each_trial_is_an_ordinary_run(
    sweep_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    space = {"learning_rate": RATES, "optimizer": ["adam"]}
    result = run(space, sweep_dir, small_config, small_data)
    assert [trial.number for trial in result.trials] == [1, 2, 3]
    for trial, rate in zip(result.trials, RATES, strict=True):
        assert trial.directory == sweep_dir / f"trial-000{trial.number}"
        assert trial.ended == "completed"
        found = mnistburn.load_run(trial.directory)
        assert found.config.learning_rate == rate
        alone = mnistburn.train(
            sweep_dir / "alone",
            replace(small_config, learning_rate=rate),
            "cpu",
            data=small_data,
            progress=False,
        )
        assert list(trial.values) == alone.history["valid_loss"] == found.history["valid_loss"]
        state = alone.model.state_dict()
        assert weights(trial) == {name: array.tobytes() for name, array in state.items()}
        assert trial.best_epoch == alone.best_epoch
        assert trial.best_epoch is not None
        accuracy = alone.history["valid_accuracy"][trial.best_epoch - 1]
        assert trial.metrics["valid_accuracy"] == accuracy
    longer = mnistburn.train(
        result.trials[0].directory,
        replace(small_config, learning_rate=RATES[0], num_epochs=3),
        "cpu",
        data=small_data,
        resume=True,
        progress=False,
    )
    assert longer.history.num_epochs == 3
    evaluation = mnistburn.load_run(result.trials[1].directory).model.evaluate(small_data[1])
    assert evaluation.loss == pytest.approx(result.trials[1].values[-1])


@pytest.mark.parametrize("halving", [None, SuccessiveHalving(factor=2)])
def test_any_number_of_workers_gives_the_same_bits(
    tmp_path: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    halving: SuccessiveHalving | None,
) -> None:
    space = {"learning_rate": log_uniform(1e-4, 1e-1), "model.hidden_size": integers(4, 16)}
    config = replace(small_config, num_epochs=3, threads=None)
    results = [
        run(
            space,
            tmp_path / str(workers),
            config,
            small_data,
            num_trials=6,
            search_seed=3,
            workers=workers,
            halving=halving,
        )
        for workers in (1, 3)
    ]
    one, three = (
        [(trial.settings, trial.values, trial.ended) for trial in r.trials] for r in results
    )
    assert one == three
    assert {ended for *_, ended in one} == {"completed", *["pruned"] * (halving is not None)}
    for first, second in zip(*(result.trials for result in results), strict=True):
        assert weights(first) == weights(second)


def test_trials_run_at_the_same_time(
    sweep_dir: Path, small_config: TrainingConfig, small_data: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each waits until both are there, which a single worker would never see.
    both = threading.Barrier(2, timeout=60)
    train = mnistburn.train

    def meet(*arguments: Any, **more: Any) -> Any:
        both.wait()
        return train(*arguments, **more)

    monkeypatch.setattr("mnistburn.sweeps.trial_run.train", meet)
    result = run({"seed": [1, 2]}, sweep_dir, small_config, small_data, workers=2)
    assert [trial.ended for trial in result.trials] == ["completed"] * 2


def test_each_device_has_trials_of_its_own(
    sweep_dir: Path, small_config: TrainingConfig, small_data: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2, timeout=60)
    train, used = mnistburn.train, []

    def note(directory: Path, config: TrainingConfig, device: str, **more: Any) -> Any:
        both.wait()
        used.append((device, config.threads))
        return train(directory, config, device, **more)

    monkeypatch.setattr("mnistburn.sweeps.trial_run.train", note)
    monkeypatch.setattr("mnistburn.sweeps.launch.resolve_devices", lambda _: ["cpu", "cpu:0"])
    mnistburn.sweep(
        {"seed": [1, 2]},
        sweep_dir,
        replace(small_config, threads=1),
        ["cpu", "cpu:0"],
        data=small_data,
        progress=False,
    )
    assert sorted(used) == [("cpu", 1), ("cpu:0", 1)]


def test_the_worse_trials_are_stopped_early(
    sweep_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    config = replace(small_config, num_epochs=4)
    # From good to bad: each after the first is worse than those before it.
    space = {"learning_rate": [1e-2, 1e-4, 1e-5, 1e-6]}
    halving = SuccessiveHalving(min_epochs=2, factor=2)
    result = run(space, sweep_dir, config, small_data, halving=halving)
    assert [trial.epochs for trial in result.trials] == [4, 2, 2, 2]
    assert [trial.ended for trial in result.trials] == ["completed", *["pruned"] * 3]
    assert [mnistburn.load_run(trial.directory).history.num_epochs for trial in result.trials] == [
        *(4, 2, 2, 2)
    ]
    assert result.best == result.trials[0]
    assert not result.interrupted


@pytest.mark.parametrize("direction", ["min", "max"])
def test_halving_keeps_one_in_so_many(direction: Any) -> None:
    rule = SuccessiveHalving(min_epochs=1, factor=3)
    assert list(rule.rungs(30)) == [1, 3, 9, 27]
    assert list(rule.rungs(27)) == [1, 3, 9]
    assert list(rule.rungs(1)) == []
    sign = 1 if direction == "min" else -1
    ranks = list(range(9))
    kept = [
        rank
        for rank in ranks
        if rule.keeps(sign * rank, [sign * other for other in ranks if other != rank], direction)
    ]
    assert kept == [0, 1, 2]
    assert rule.keeps(5.0, [], direction)
    assert not rule.keeps(sign * 5.0, [sign * 4.0], direction)


def test_trials_in_any_order_are_halved_as_one_after_the_other(tmp_path: Path) -> None:
    values = {1: 0.5, 2: 0.4, 3: 0.6, 4: 0.3, 5: 0.35, 6: 0.2}
    trials = [Trial(number, {}, tmp_path) for number in values]
    halving = SuccessiveHalving(factor=2)

    def decided(order: list[int]) -> dict[int, bool]:
        judge = InOrder(trials, [2] * 6, halving, "min")
        found: dict[int, bool] = {}
        started = {number: threading.Event() for number in values}

        def trial(number: int) -> None:
            started[number].set()
            found[number] = judge.goes_on(number, 1, values[number])
            judge.end(number)

        threads = {number: threading.Thread(target=trial, args=(number,)) for number in order}
        for number in order:
            threads[number].start()
            started[number].wait(60)
        for thread in threads.values():
            thread.join(60)
        return found

    # By hand: 2 beats 1; 3 is worse than both; 4 is the best; 5 is second of 5; 6 is the best.
    expected = {1: True, 2: True, 3: False, 4: True, 5: True, 6: True}
    assert decided([1, 2, 3, 4, 5, 6]) == expected
    assert decided([6, 5, 4, 3, 2, 1]) == expected
    assert decided([3, 6, 1, 5, 2, 4]) == expected


def test_a_trial_that_fails_is_recorded_and_the_others_go_on(
    sweep_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    space = {"learning_rate": [1e-3, 1.0, 2e-3], "optimizer": [SgdConfig()]}
    (sweep_dir / "trial-0002").mkdir(parents=True)
    (sweep_dir / "trial-0002" / "thesis.txt").write_text("mine")
    result = run(space, sweep_dir, small_config, small_data, halving=SuccessiveHalving())
    assert [trial.ended for trial in result.trials][1] == "failed"
    assert result.trials[2].epochs >= 1
    error = result.trials[1].error
    assert error is not None
    assert error.startswith("ArtifactError: ")
    assert "thesis.txt" in error
    assert f"trial 2: {error}" in result.table()
    assert result.rows[1]["valid_loss"] is None
    assert result.best is not None
    assert (sweep_dir / "trial-0002" / "thesis.txt").read_text() == "mine"
    again = run(None, sweep_dir, None, small_data, resume=True)
    assert again == result


class _StopAt:
    """Presses Ctrl-C when a trial has done an epoch."""

    def __init__(self, number: int, epoch: int) -> None:
        self.at = (number, epoch)
        self.sent = False

    def __call__(self, judge: InOrder, number: int, epoch: int) -> None:
        if (number, epoch) == self.at and not self.sent:
            self.sent = True
            judge.stop()


@pytest.mark.parametrize("at", [(1, 1), (2, 2), (3, 1), (4, 1)])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_sweep_that_was_stopped_goes_on_to_the_same_bits(  # noqa: PLR0917  fixtures
    tmp_path: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    monkeypatch: pytest.MonkeyPatch,
    at: tuple[int, int],
    workers: int,
) -> None:
    space = {"learning_rate": [1e-3, 1e-2, 1e-4, 2e-2]}
    config = replace(small_config, num_epochs=3)
    more: dict[str, Any] = {"halving": SuccessiveHalving(factor=2), "workers": workers}
    whole = run(space, tmp_path / "whole", config, small_data, **more)
    stop, goes_on = _StopAt(*at), InOrder.goes_on

    def and_stop(self: InOrder, number: int, epoch: int, value: float) -> bool:
        stop(self, number, epoch)
        return goes_on(self, number, epoch, value)

    monkeypatch.setattr(InOrder, "goes_on", and_stop)
    stopped = run(space, tmp_path / "stopped", config, small_data, **more)
    assert stop.sent
    assert stopped.interrupted
    assert stopped == load_sweep(tmp_path / "stopped")
    done = {trial.number for trial in stopped.trials if trial.ended in {"completed", "pruned"}}
    files = [trial.directory / "history.json" for trial in stopped.trials]
    before = {number: files[number - 1].stat().st_mtime_ns for number in done}
    train, resumes = mnistburn.train, {}

    def note(directory: Path, *arguments: Any, resume: bool, **more: Any) -> Any:
        resumes[directory.name] = resume
        return train(directory, *arguments, resume=resume, **more)

    monkeypatch.setattr("mnistburn.sweeps.trial_run.train", note)
    resumed = run(None, tmp_path / "stopped", None, small_data, resume=True, workers=workers)
    assert not resumed.interrupted
    # What has an epoch goes on from it.
    for trial in stopped.trials:
        name = trial.directory.name
        assert resumes.get(name, trial.epochs > 0) or trial.epochs == 0
        assert (name in resumes) <= (trial.number not in done)
    assert {number: files[number - 1].stat().st_mtime_ns for number in done} == before
    for one, other in zip(whole.trials, resumed.trials, strict=True):
        assert (one.settings, one.values, one.ended) == (other.settings, other.values, other.ended)
        assert weights(one) == weights(other)


def test_a_resumed_sweep_may_have_more_trials(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    space = {"learning_rate": log_uniform(1e-4, 1e-2)}
    whole = run(space, tmp_path / "whole", small_config, small_data, num_trials=4)
    run(space, tmp_path / "more", small_config, small_data, num_trials=2)
    more = run(None, tmp_path / "more", None, small_data, resume=True, num_trials=4)
    assert [trial.values for trial in more.trials] == [trial.values for trial in whole.trials]
    with pytest.raises(ConfigError, match=r"num_trials must be at least that of .*, 4, got 3"):
        run(None, tmp_path / "more", None, small_data, resume=True, num_trials=3)


def test_a_metric_of_any_name_decides(
    sweep_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    config = replace(small_config, metrics=["f1_macro"])
    space = {"learning_rate": [1e-4, 2e-2]}
    result = run(space, sweep_dir, config, small_data, metric="valid_f1_macro")
    assert result.direction == "max"
    best = result.best
    assert best is not None
    assert max(best.values) == max(value for trial in result.trials for value in trial.values)
    found = mnistburn.load_run(best.directory)
    assert (found.best_metric, found.best_epoch) == ("valid_f1_macro", best.best_epoch)


def test_patience_stops_a_trial_that_gets_no_better(
    sweep_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    config = replace(small_config, num_epochs=6, optimizer=SgdConfig())
    result = run({"learning_rate": [1e-12]}, sweep_dir, config, small_data, patience=2)
    (trial,) = result.trials
    assert trial.ended == "stopped_early"
    assert trial.epochs == trial.best_epoch + 2 if trial.best_epoch else False


def test_a_limit_of_seconds_ends_a_trial(
    sweep_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    config = replace(small_config, num_epochs=1000)
    result = run({"max_seconds": [1e-6]}, sweep_dir, config, small_data)
    assert [trial.ended for trial in result.trials] == ["stopped"]
    assert not result.interrupted
    assert mnistburn.load_run(result.trials[0].directory).history.train_steps["step"]


def test_recipes_words_and_configurations_are_tried(sweep_dir: Path, small_data: Pair) -> None:
    space: dict[str, Any] = {
        "recipe": ["book", "fast"],
        "num_epochs": [1],
        "batch_size": [128],
        "optimizer": ["sgd", AdamWConfig(weight_decay=0.5), {"AdamW": {"weight_decay": 0.25}}],
        "lr-scheduler": [None, "none"][:1],
    }
    result = run(space, sweep_dir, None, small_data, num_trials=6)
    assert {trial.ended for trial in result.trials} == {"completed"}
    configs = [mnistburn.load_run(trial.directory).config for trial in result.trials]
    assert {type(config.model) for config in configs} == {
        mnistburn.ModelConfig,
        mnistburn.ConvNetConfig,
    }
    assert {getattr(config.optimizer, "weight_decay", None) for config in configs} >= {0.5, 0.25}
    assert {config.lr_scheduler for config in configs} == {None}


def test_each_trial_gets_a_model_that_fits_the_data(tmp_path: Path, sweep_dir: Path) -> None:
    random = numpy.random.default_rng(1)
    images = random.integers(0, 256, (24, 8, 12, 3), dtype=numpy.uint8)
    data = Dataset(images, numpy.arange(24) % 2, class_names=["Füchse", "<b>&|*"])
    space = {"model": ["guide", "conv-net"]}
    config = TrainingConfig(num_epochs=1, batch_size=8)
    result = run(space, sweep_dir, config, (data, data))
    models = [mnistburn.load_run(trial.directory).config.model for trial in result.trials]
    assert [type(model).__name__ for model in models] == ["ModelConfig", "ConvNetConfig"]
    for model in models:
        assert model is not None
        assert model.image_shape == (8, 12, 3)
        assert model.num_classes == 2


def test_the_table_has_a_row_for_each_trial(
    tmp_path: Path, sweep_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    space = {"learning_rate": [1e-3, 1e-2], "augmentation": [None, {"rotate": 5.0}]}
    result = run(space, sweep_dir, small_config, small_data)
    rows = result.rows
    assert [row["trial"] for row in rows] == [1, 2, 3, 4]
    assert rows[0].keys() == rows[3].keys()
    assert list(rows[0])[:3] == ["trial", "learning_rate", "augmentation"]
    assert rows[0]["directory"] == str(sweep_dir / "trial-0001")
    assert rows[2]["valid_loss"] == min(result.trials[2].values)
    # It comes with Ray Tune; what it is called with is plain Python.
    frame = importlib.import_module("pandas").DataFrame(rows)
    assert list(frame.columns) == list(rows[0])
    assert frame["valid_loss"].min() == min(row["valid_loss"] for row in rows)
    lines = str(result).splitlines()
    assert lines[0].split() == [
        *("trial", "learning_rate", "augmentation", "valid_loss", "valid_accuracy"),
        *("best", "epoch", "epochs", "seconds", "ended"),
    ]
    assert len(lines) == 6
    assert lines[1].split()[:3] == ["1", "0.001", "none"]
    best = result.best
    assert best is not None
    assert lines[5].startswith(f"best: trial {best.number}, valid_loss {min(best.values):.4f} in")
    result.to_csv(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert [float(row["valid_loss"]) for row in read] == [row["valid_loss"] for row in rows]
    assert json.loads(read[1]["augmentation"])["rotate"] == 5.0
    assert load_sweep(sweep_dir) == result


@pytest.mark.parametrize(
    ("space", "more", "message"),
    [
        ({}, {}, "space must have at least one key"),
        ([1e-3], {}, "space must be a dict of keys"),
        ({"learning_rate": []}, {}, r"space\['learning_rate'\] must have at least one choice"),
        ({"learning_rate": [0.1, 0.1]}, {}, "must have each choice once, got 0.1 twice"),
        ({"learning_rate": 0.1}, {}, r"must be a list of choices.*; a single value is \[0.1\]"),
        ({"learning_rate": {0.1, 0.2}}, {}, "must be a list of choices"),
        ({"learning_rate": [float("nan")]}, {}, "must have finite numbers, got nan"),
        ({"learning_rate": [object()]}, {}, "must have values that a configuration takes"),
        ({"lerning_rate": [0.1]}, {}, "no field 'lerning_rate'; did you mean 'learning_rate'?"),
        ({"lr": [0.1]}, {}, "no field 'lr'; did you mean 'learning_rate'?"),
        (
            {"seed": integers(0, 2**63 - 1)},
            {},
            "num_trials must say how many trials are drawn, as the space has 9,223,372,036,854,775",
        ),
        ({"hidden_size": [8]}, {}, "did you mean 'model.hidden_size'?"),
        ({"optimizer.weigth_decay": [8]}, {}, "did you mean 'optimizer.weight_decay'?"),
        ({1: [8]}, {}, "space must have keys as in"),
        ({"batch_size": [8], "batch-size": [9]}, {}, "each key once, got 'batch_size' twice"),
        ({"batch_size": [8, 0]}, {}, "trial 2, batch_size=0: batch_size must be a whole number"),
        (
            {"batch_size": uniform(1, 8)},
            {"num_trials": 2},
            "trial 1, batch_size=.*: batch_size must be a whole number",
        ),
        ({"optimizer": ["adamm"]}, {}, "'adamm' is not one of .* Did|did you mean 'adam'"),
        (
            {"optimizer": ["adam"], "optimizer.momentum.nesterov": [True]},
            {},
            "optimizer.momentum.nesterov is no setting of the optimizer 'adam'",
        ),
        ({"learning_rate": uniform(0, 1)}, {}, "num_trials must say how many trials are drawn"),
        ({"recipe": ["fats"]}, {}, "must have names of recipes.*did you mean 'fast'"),
        ({"recipe": ["fast"]}, {"config": TrainingConfig(seed=3)}, "config must be left out"),
        ({"seed": [1]}, {"metric": "valid_acuracy"}, "metric must be one that each trial measures"),
        ({"seed": [1]}, {"metric": "valid_f1_macro"}, "metric must be one that each trial"),
        ({"seed": [1]}, {"direction": "up"}, "direction must be"),
        ({"seed": [1]}, {"num_trials": 0}, "num_trials must be an integer of at least 1, got 0"),
        ({"seed": [1]}, {"workers": 0}, "workers must be an integer of at least 1, got 0"),
        ({"seed": [1]}, {"search_seed": -1}, "search_seed must be an integer from 0"),
        ({"seed": [1]}, {"patience": 0}, "patience must be an integer of at least 1"),
        ({"seed": [1]}, {"halving": 3}, "halving must be a SuccessiveHalving, got 3"),
        ({"seed": [1]}, {"engine": "rey"}, "engine must be .* got 'rey'.* did you mean 'ray'?"),
        ({"seed": [1]}, {"resume": 1}, "resume must be True or False, got 1"),
        ({"seed": [1]}, {"config": 3}, "config must be a TrainingConfig, got 3"),
    ],
)
def test_what_is_wrong_is_told_before_anything_trains(
    sweep_dir: Path, small_data: Pair, space: Any, more: dict[str, Any], message: str
) -> None:
    config = more.pop("config", None)
    with pytest.raises(ConfigError, match=message):
        run(space, sweep_dir, config, small_data, **more)
    assert not sweep_dir.exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: uniform(1, 1), "uniform must have a lower limit below the upper one, got 1.0"),
        (lambda: uniform("a", 1), "uniform must have two numbers as its limits, got 'a'"),  # type: ignore[arg-type]
        (lambda: log_uniform(0, 1), "log_uniform must have a lower limit above 0, got 0.0"),
        (lambda: log_uniform(2, 1), "log_uniform must have a lower limit below the upper one"),
        (lambda: integers(1, 1.5), "integers: high must be an integer"),  # type: ignore[arg-type]
        (lambda: SuccessiveHalving(factor=1), "factor must be an integer of at least 2, got 1"),
        (lambda: SuccessiveHalving(min_epochs=0), "min_epochs must be an integer of at least 1"),
    ],
)
def test_limits_are_checked(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_directory_that_is_no_sweep_or_another_one_is_refused(
    tmp_path: Path, sweep_dir: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    space = {"seed": [1, 2]}
    with pytest.raises(ArtifactError, match="holds no sweep to resume"):
        run(space, sweep_dir, small_config, small_data, resume=True)
    with pytest.raises(ArtifactError, match=r"holds no sweep of mnistburn.sweep"):
        load_sweep(sweep_dir)
    run(space, sweep_dir, small_config, small_data)
    with pytest.raises(ArtifactError, match="holds a sweep already; go on with it with resume"):
        run(space, sweep_dir, small_config, small_data)
    other = (small_data[0][:128], small_data[1])
    for arguments, what in (
        (({"seed": [1, 3]}, sweep_dir, small_config, small_data), "another space"),
        ((space, sweep_dir, replace(small_config, seed=7), small_data), "another config"),
        ((space, sweep_dir, small_config, other), "another data"),
    ):
        with pytest.raises(ArtifactError, match=f"holds another sweep: it has {what}"):
            run(*arguments, resume=True)
    with pytest.raises(ArtifactError, match="another metric and another direction"):
        run(None, sweep_dir, None, small_data, resume=True, metric="valid_accuracy")
    with pytest.raises(DataError, match="data must be given again"):
        run(None, sweep_dir, None, None, resume=True)
    # The threads change no result.
    threads = replace(small_config, threads=1, num_workers=0)
    assert not run(space, sweep_dir, threads, small_data, resume=True).interrupted
    shutil.copytree(sweep_dir / "trial-0001", tmp_path / "runs" / "trial-0001")
    with pytest.raises(ArtifactError, match=r"holds trial-0001 and no sweep.json"):
        run(space, tmp_path / "runs", small_config, small_data)


def test_a_directory_is_of_one_sweep_at_a_time(
    sweep_dir: Path, small_config: TrainingConfig, small_data: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, errors = mnistburn.train, []

    def and_another(*arguments: Any, **more: Any) -> Any:
        # A sweep that is not refused must not start others for ever.
        monkeypatch.setattr("mnistburn.sweeps.trial_run.train", train)
        for resume in (True, False):
            with pytest.raises(ArtifactError) as caught:
                run({"seed": [1]}, sweep_dir, small_config, small_data, resume=resume)
            errors.append(str(caught.value))
        return train(*arguments, **more)

    monkeypatch.setattr("mnistburn.sweeps.trial_run.train", and_another)
    result = run({"seed": [1]}, sweep_dir, small_config, small_data)
    assert [trial.ended for trial in result.trials] == ["completed"]
    assert errors[0] == (
        f"another sweep runs in {sweep_dir}; wait for it, or name another directory"
    )
    assert "holds a sweep already" in errors[1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("no-such-set", "no-such-set"),
        (3, "data must be None, the name of a data set"),
        ((0, 1), "the training data must not be empty"),
        ((64, 0), "the validation data must not be empty"),
    ],
)
def test_data_that_cannot_be_trained_on_are_refused(
    sweep_dir: Path, small_data: Pair, data: Any, message: str
) -> None:
    if isinstance(data, tuple):
        data = tuple(part[:length] for part, length in zip(small_data, data, strict=True))
    with pytest.raises(DataError, match=message):
        run({"seed": [1]}, sweep_dir, None, data)
    assert not sweep_dir.exists()


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"version": 2}', '{"version": 1, "trials": 3}'])
def test_a_damaged_state_is_refused(sweep_dir: Path, damage: str) -> None:
    sweep_dir.mkdir()
    (sweep_dir / "sweep.json").write_text(damage)
    with pytest.raises(ArtifactError, match=r"sweep.json is damaged: "):
        load_sweep(sweep_dir)


def test_data_with_a_place_are_found_again(
    tmp_path: Path, sweep_dir: Path, small_data: Pair
) -> None:
    file = tmp_path / "Füchse & <b>.npz"
    numpy.savez(
        file,
        x_train=small_data[0].images,
        y_train=small_data[0].targets,
        x_test=small_data[1].images,
        y_test=small_data[1].targets,
    )
    config = TrainingConfig(num_epochs=1)
    first = run({"seed": [1, 2]}, sweep_dir, config, file)
    state = SweepState.read(sweep_dir)
    assert state is not None
    # As if it had been killed: the second has not begun.
    shutil.rmtree(sweep_dir / "trial-0002")
    begun = Trial(2, {"seed": 2}, sweep_dir / "trial-0002")
    state.with_trial(begun).write(sweep_dir)
    again = run(None, sweep_dir, None, None, resume=True)
    assert [trial.values for trial in again.trials] == [trial.values for trial in first.trials]
