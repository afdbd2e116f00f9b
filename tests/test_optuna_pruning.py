"""Optuna, through a callback: plain studies in memory."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

import mnistburn
from mnistburn import Dataset, OptunaPruning, TrainingConfig
from mnistburn.callbacks import EpochEnd
from mnistburn.errors import ConfigError

Pair = tuple[Dataset, Dataset]

RATES = [1e-2, 1e-5, 1e-6]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective_of(
    folder: Path, config: TrainingConfig, data: Pair, metric: str = "valid_loss"
) -> Callable[[optuna.Trial], float]:
    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_categorical("learning_rate", RATES)
        run = mnistburn.train(
            folder / str(trial.number),
            replace(config, learning_rate=rate),
            "cpu",
            data=data,
            callbacks=[OptunaPruning(trial, metric)],
            progress=False,
        )
        return run.history[metric][-1]

    return objective


@pytest.mark.parametrize(
    ("metric", "direction"), [("valid_loss", "minimize"), ("valid_f1_macro", "maximize")]
)
def test_the_worse_trials_are_pruned_with_their_work(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair, metric: str, direction: Any
) -> None:
    config = replace(small_config, num_epochs=4, metrics=["f1_macro"])
    study = optuna.create_study(
        direction=direction,
        sampler=optuna.samplers.GridSampler({"learning_rate": RATES}, seed=1),
        # From the second epoch on, those are stopped that are worse than the median.
        pruner=optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=1),
    )
    # The first is the best, so that the others are worse than it.
    for rate in RATES:
        study.enqueue_trial({"learning_rate": rate})
    study.optimize(objective_of(tmp_path, config, small_data, metric), n_trials=3)
    states = [trial.state.name for trial in study.trials]
    assert states == ["COMPLETE", "PRUNED", "PRUNED"]
    for trial in study.trials:
        run = mnistburn.load_run(tmp_path / str(trial.number))
        assert run.history.num_epochs == (4 if trial.state.name == "COMPLETE" else 2)
        assert list(trial.intermediate_values.values()) == run.history[metric]
        assert list(trial.intermediate_values) == list(range(run.history.num_epochs))
        assert run.ended == ("completed" if trial.state.name == "COMPLETE" else "stopped")
    assert study.best_trial.number == 0


def test_a_resumed_run_reports_each_epoch_once(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    class StopAfterOne(mnistburn.Callback):
        def on_epoch_end(self, event: EpochEnd) -> bool:
            return True

    def objective(trial: optuna.Trial) -> float:
        report = OptunaPruning(trial)
        more: dict[str, Any] = {"data": small_data, "progress": False}
        callbacks = [report, StopAfterOne()]
        mnistburn.train(tmp_path / "run", small_config, "cpu", callbacks=callbacks, **more)
        run = mnistburn.train(tmp_path / "run", callbacks=[report], resume=True, **more)
        return run.history["valid_loss"][-1]

    study = optuna.create_study()
    # Optuna warns of a step that is reported twice, which is an error here.
    study.optimize(objective, n_trials=1)
    values = list(study.trials[0].intermediate_values.values())
    assert values == mnistburn.load_run(tmp_path / "run").history["valid_loss"]
    resumed = study.ask()
    mnistburn.train(
        tmp_path / "run", callbacks=[OptunaPruning(resumed)], resume=True, data=small_data
    )
    assert list(study.trials[1].intermediate_values.values()) == values


def test_what_is_wrong_is_told(
    tmp_path: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = optuna.create_study(direction="minimize")
    with pytest.raises(ConfigError, match="the study must maximize valid_accuracy, got MINIMIZE"):
        OptunaPruning(study.ask(), "valid_accuracy")
    with pytest.raises(ConfigError, match="direction must be"):
        OptunaPruning(study.ask(), "valid_mine")
    OptunaPruning(study.ask(), "valid_mine", direction="min")
    with pytest.raises(ConfigError, match="trial must be a trial of Optuna, got 3"):
        OptunaPruning(3)
    callback = OptunaPruning(study.ask(), "valid_los", direction="min")
    with pytest.raises(ConfigError, match=r"got 'valid_los'; did you mean 'valid_loss'?"):
        mnistburn.train(
            tmp_path, small_config, "cpu", data=small_data, callbacks=[callback], progress=False
        )
    fixed = optuna.trial.FixedTrial({})
    callback = OptunaPruning(fixed)
    mnistburn.train(
        tmp_path, small_config, "cpu", data=small_data, callbacks=[callback], progress=False
    )
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ConfigError, match=r'pip install "mnistburn\[optuna\]"'):
        OptunaPruning(fixed)
