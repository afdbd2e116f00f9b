"""Early stopping, and the learning rate that falls on a plateau."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner

import mnistburn
from mnistburn import (
    Callback,
    Dataset,
    EarlyStopping,
    Model,
    ModelConfig,
    ReduceOnPlateauLrSchedulerConfig,
    TrainingConfig,
    TrainingResult,
)
from mnistburn.callbacks import EpochEnd, StepEnd
from mnistburn.cli import main
from mnistburn.errors import ConfigError

Pair = tuple[Dataset, Dataset]

PATIENCE = 3


@pytest.fixture(scope="module")
def config() -> TrainingConfig:
    """Return a configuration whose validation loss falls, and then rises."""
    return TrainingConfig(
        model=ModelConfig(hidden_size=16, dropout=0.0),
        num_epochs=40,
        batch_size=64,
        learning_rate=2e-2,
    )


def run(directory: Path, config: TrainingConfig | None, data: Pair, **more: Any) -> TrainingResult:
    return mnistburn.train(directory, config, "cpu", data=data, progress=False, **more)


@pytest.fixture(scope="module")
def stopped(
    tmp_path_factory: pytest.TempPathFactory, config: TrainingConfig, small_data: Pair
) -> TrainingResult:
    """Train once until early stopping, for the tests that look at the result only."""
    directory = tmp_path_factory.mktemp("stopped") / "artifacts"
    return run(directory, config, small_data, callbacks=[EarlyStopping(patience=PATIENCE)])


def last_epoch(values: Sequence[float], patience: int, min_delta: float = 0.0) -> int:
    """Return the epoch after which a run stops whose lower values are better, from 1."""
    best, since = numpy.inf, 0
    for epoch, value in enumerate(values, 1):
        since = 0 if value < best - min_delta else since + 1
        best = value if since == 0 else best
        if since == patience:
            return epoch
    return len(values)


def assert_same_model(first: Model, second: Model) -> None:
    for name, values in first.state_dict().items():
        assert values.tobytes() == second.state_dict()[name].tobytes(), name


def assert_same_run(first: TrainingResult, second: TrainingResult) -> None:
    assert first.ended == second.ended
    assert (first.best_epoch, first.model_epoch) == (second.best_epoch, second.model_epoch)
    for column in ("epoch", "loss", "learning_rate"):
        assert first.history.train_steps[column] == second.history.train_steps[column]
    assert first.history["valid_loss"] == second.history["valid_loss"]
    assert_same_model(first.model, second.model)


class StopAt(Callback):
    """Stops after a step of an epoch."""

    def __init__(self, epoch: int, step: int) -> None:
        self.at = (epoch, step)

    def on_step_end(self, event: StepEnd) -> bool:
        return (event.epoch, event.step) == self.at


class CopyAt(Callback):
    """Copies the directory of a run after an epoch: what is left of one that is killed there."""

    def __init__(self, epoch: int, source: Path, target: Path) -> None:
        self.epoch, self.source, self.target = epoch, source, target

    def on_epoch_end(self, event: EpochEnd) -> None:
        if event.epoch == self.epoch:
            shutil.copytree(self.source, self.target)


def test_a_run_stops_after_patience_epochs_without_an_improvement(stopped: TrainingResult) -> None:
    losses = stopped.history["valid_loss"]
    assert stopped.ended == "stopped_early"
    assert not stopped.interrupted
    assert stopped.history.num_epochs == last_epoch(losses, PATIENCE) < 40
    assert stopped.best_epoch == 1 + int(numpy.argmin(losses)) == len(losses) - PATIENCE
    assert stopped.best_metric == "valid_loss"


def test_the_model_of_the_run_is_that_of_its_best_epoch(
    stopped: TrainingResult, small_data: Pair
) -> None:
    losses = stopped.history["valid_loss"]
    assert stopped.model_epoch == stopped.best_epoch
    measured = stopped.model.evaluate(small_data[1])
    assert measured.loss == pytest.approx(min(losses), rel=1e-6)
    file = Model.load(stopped.artifact_dir / "model.mpk")
    for name, values in stopped.model.state_dict().items():
        assert (file.state_dict()[name] == values.astype(numpy.float16)).all(), name
    for epoch in (None, "best"):
        loaded = mnistburn.load_run(stopped.artifact_dir, epoch=epoch)
        assert loaded.model_epoch == stopped.best_epoch
        assert_same_model(loaded.model, stopped.model)
    assert_same_model(stopped.best_model(), stopped.model)
    last = mnistburn.load_run(stopped.artifact_dir, epoch="last")
    assert last.model_epoch == len(losses)
    assert last.model.evaluate(small_data[1]).loss == pytest.approx(losses[-1], rel=1e-6)


def test_the_model_of_the_last_epoch_stays_without_restore_best(
    stopped: TrainingResult, config: TrainingConfig, artifact_dir: Path, small_data: Pair
) -> None:
    rule = EarlyStopping(patience=PATIENCE, restore_best=False)
    result = run(artifact_dir, config, small_data, callbacks=[rule])
    assert result.history["valid_loss"] == stopped.history["valid_loss"]
    assert result.model_epoch == result.history.num_epochs
    last = mnistburn.load_run(stopped.artifact_dir, epoch="last")
    assert_same_model(result.model, last.model)


def test_a_complete_run_has_the_best_model_too(
    stopped: TrainingResult, config: TrainingConfig, artifact_dir: Path, small_data: Pair
) -> None:
    shorter = dataclasses.replace(config, num_epochs=stopped.history.num_epochs - 1)
    rule = EarlyStopping(patience=PATIENCE)
    result = run(artifact_dir, shorter, small_data, callbacks=[rule])
    assert result.ended == "completed"
    assert_same_model(result.model, stopped.model)
    # More epochs go on from the last epoch, not from the best.
    longer = run(artifact_dir, config, small_data, resume=True)
    assert_same_run(longer, stopped)


def test_min_delta_counts_small_improvements_as_none(
    stopped: TrainingResult, config: TrainingConfig, artifact_dir: Path, small_data: Pair
) -> None:
    rule = EarlyStopping(patience=1, min_delta=0.4)
    losses = stopped.history["valid_loss"]
    expected = last_epoch(losses, 1, 0.4)
    assert expected < last_epoch(losses, 1)
    result = run(artifact_dir, config, small_data, callbacks=[rule])
    assert result.history["valid_loss"] == losses[:expected]
    # The best epoch is the best one, by however little.
    assert result.best_epoch == 1 + int(numpy.argmin(losses[:expected]))


def test_a_metric_that_is_better_where_it_is_higher(
    config: TrainingConfig, artifact_dir: Path, small_data: Pair
) -> None:
    rule = EarlyStopping(metric="valid_accuracy", patience=2)
    result = run(artifact_dir, config, small_data, callbacks=[rule])
    accuracies = result.history["valid_accuracy"]
    assert result.ended == "stopped_early"
    assert len(accuracies) == last_epoch([-value for value in accuracies], 2)
    assert result.best_epoch == 1 + int(numpy.argmax(accuracies))
    assert result.best_metric == "valid_accuracy"
    assert mnistburn.load_run(artifact_dir).best_metric == "valid_accuracy"


@pytest.mark.parametrize("given_again", [False, True])
@pytest.mark.parametrize("place", [(0, 1), (0, 4), (1, 2), (PATIENCE, 3)])
def test_a_run_stopped_in_between_stops_at_the_same_epoch(
    stopped: TrainingResult,
    artifact_dir: Path,
    small_data: Pair,
    place: tuple[int, int],
    given_again: bool,
) -> None:
    rule = EarlyStopping(patience=PATIENCE)
    before_end, step = place
    stop = StopAt(stopped.history.num_epochs - before_end, step)
    first = run(artifact_dir, stopped.config, small_data, callbacks=[rule, stop])
    assert (first.ended, first.model_epoch) == ("stopped", stop.at[0])
    again = [rule] if given_again else []
    resumed = run(artifact_dir, None, small_data, resume=True, callbacks=again)
    assert_same_run(resumed, stopped)
    assert_same_run(mnistburn.load_run(artifact_dir), stopped)


@pytest.mark.parametrize("before_end", [0, 1, PATIENCE])
def test_a_killed_run_stops_at_the_same_epoch(
    stopped: TrainingResult,
    artifact_dir: Path,
    tmp_path: Path,
    small_data: Pair,
    before_end: int,
) -> None:
    copy = CopyAt(stopped.history.num_epochs - before_end, artifact_dir, tmp_path / "killed")
    run(
        artifact_dir, stopped.config, small_data, callbacks=[copy, EarlyStopping(patience=PATIENCE)]
    )
    assert mnistburn.load_run(tmp_path / "killed").ended == "interrupted"
    resumed = run(tmp_path / "killed", None, small_data, resume=True)
    assert_same_run(resumed, stopped)


def test_a_run_that_was_stopped_early_trains_on_with_more_patience_alone(
    stopped: TrainingResult, tmp_path: Path, config: TrainingConfig, small_data: Pair
) -> None:
    copy = shutil.copytree(stopped.artifact_dir, tmp_path / "copy")
    again = run(copy, None, small_data, resume=True)
    assert_same_run(again, stopped)
    more = EarlyStopping(patience=PATIENCE + 2)
    longer = run(copy, None, small_data, resume=True, callbacks=[more])
    whole = run(tmp_path / "whole", config, small_data, callbacks=[more])
    assert whole.history.num_epochs > stopped.history.num_epochs
    assert_same_run(longer, whole)


def test_another_metric_is_refused_where_its_best_epoch_is_gone(
    stopped: TrainingResult, tmp_path: Path, small_data: Pair
) -> None:
    copy = shutil.copytree(stopped.artifact_dir, tmp_path / "copy")
    # The lowest training accuracy was in the first epoch, whose checkpoint is gone.
    rule = EarlyStopping(metric="train_accuracy", direction="min", patience=9)
    with pytest.raises(ConfigError, match="by train_accuracy that is epoch 1"):
        run(copy, None, small_data, resume=True, callbacks=[rule])
    assert_same_run(mnistburn.load_run(copy), stopped)


def test_what_early_stopping_refuses(
    config: TrainingConfig, artifact_dir: Path, small_data: Pair
) -> None:
    with pytest.raises(ConfigError, match=r"patience must be .* from 1"):
        EarlyStopping(patience=0)
    with pytest.raises(ConfigError, match="direction must be"):
        EarlyStopping(metric="valid_mine")
    with pytest.raises(TypeError, match="did you mean 'min_delta'"):
        EarlyStopping(mindelta=1)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="one EarlyStopping"):
        run(artifact_dir, config, small_data, callbacks=[EarlyStopping(), EarlyStopping()])
    unknown = EarlyStopping(metric="valid_mine", direction="max")
    with pytest.raises(ConfigError, match=r"valid_loss, valid_accuracy.*valid_mine"):
        run(artifact_dir, config, small_data, callbacks=[unknown])
    assert not artifact_dir.exists()


def test_early_stopping_on_the_command_line(tmp_path: Path, config: TrainingConfig) -> None:
    images = mnistburn.datasets.load("mnist", "train")[:320]
    numpy.savez(
        tmp_path / "data.npz",
        x_train=images.images[:256],
        y_train=images.targets[:256],
        x_test=images.images[256:],
        y_test=images.targets[256:],
    )
    config.save(tmp_path / "config.json")
    command = ["train", str(tmp_path / "run"), "--data", str(tmp_path / "data.npz")]
    command += ["--config", str(tmp_path / "config.json"), "--early-stopping", "2", "--no-progress"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    found = mnistburn.load_run(tmp_path / "run")
    assert found.ended == "stopped_early"
    assert f"the model is that of epoch {found.best_epoch}\n" in done.output
    assert "--early-stopping goes on" in done.output
    shown = CliRunner().invoke(main, ["show", str(tmp_path / "run"), "--json"])
    described = json.loads(shown.output)
    assert described["ended"] == "stopped_early"
    assert described["model_epoch"] == described["best_epoch"] == found.model_epoch


def plateau_rates(losses: Sequence[float], rate: float) -> list[float]:
    """Return the rate of each epoch: that of PyTorch's rule with patience 0 and factor 0.5."""
    rates, best = [], numpy.inf
    for loss in losses:
        rates.append(rate)
        if loss < best * (1 - 0.01):
            best = loss
        else:
            rate *= 0.5
    return rates


@pytest.fixture(scope="module")
def on_plateau(config: TrainingConfig) -> TrainingConfig:
    schedule = ReduceOnPlateauLrSchedulerConfig(patience=0, factor=0.5, threshold=0.01)
    return dataclasses.replace(config, num_epochs=10, lr_scheduler=schedule)


def test_the_learning_rate_falls_on_a_plateau(
    on_plateau: TrainingConfig, artifact_dir: Path, small_data: Pair
) -> None:
    assert TrainingConfig.from_json(on_plateau.to_json()) == on_plateau
    result = run(artifact_dir, on_plateau, small_data)
    rates = plateau_rates(result.history["valid_loss"], 2e-2)
    assert len(set(rates)) > 2
    assert result.history["learning_rate"] == pytest.approx(rates, rel=1e-12)
    per_step = numpy.repeat(rates, 4)
    assert result.history.train_steps["learning_rate"] == pytest.approx(per_step, rel=1e-12)


@pytest.mark.parametrize("recorder", ["default", "bin", "json"])
def test_a_plateau_is_the_same_bits_after_a_stop_and_a_kill(
    on_plateau: TrainingConfig,
    artifact_dir: Path,
    tmp_path: Path,
    small_data: Pair,
    recorder: str,
) -> None:
    config = dataclasses.replace(on_plateau, recorder=recorder)
    copy = CopyAt(7, tmp_path / "whole", tmp_path / "killed")
    whole = run(tmp_path / "whole", config, small_data, callbacks=[copy])
    run(artifact_dir, config, small_data, callbacks=[StopAt(6, 2)])
    for directory in (artifact_dir, tmp_path / "killed"):
        assert_same_run(run(directory, None, small_data, resume=True), whole)
