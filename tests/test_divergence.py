"""A loss that is not finite: what the message says, and that its way out works."""

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import numpy
import pytest

import mnistburn
from mnistburn import (
    Callback,
    Dataset,
    ExponentialLrSchedulerConfig,
    ModelConfig,
    ReduceOnPlateauLrSchedulerConfig,
    SgdConfig,
    StepLrSchedulerConfig,
    TrainingConfig,
    TrainingResult,
)
from mnistburn.callbacks import StepEnd
from mnistburn.errors import ConfigError, TrainingError

Pair = tuple[Dataset, Dataset]

CONFIG = TrainingConfig(
    model=ModelConfig(hidden_size=8, dropout=0.0),
    optimizer=SgdConfig(),
    num_epochs=4,
    batch_size=64,
    learning_rate=0.05,
)


def run(directory: Path, config: TrainingConfig | None, data: Pair, **more: Any) -> TrainingResult:
    return mnistburn.train(directory, config, "cpu", data=data, progress=False, **more)


def broken(directory: Path, data: Pair, *, epochs: int, step: int) -> TrainingError:
    """Train for some epochs and steps, then with a rate that breaks the run; return the error."""

    class Stop(Callback):
        def on_step_end(self, event: StepEnd) -> bool:
            return (event.epoch, event.step) == (epochs + 1, step)

    run(directory, CONFIG, data, callbacks=[Stop()])
    huge = dataclasses.replace(CONFIG, learning_rate=1e30)
    with pytest.raises(TrainingError) as caught:
        run(directory, huge, data, resume=True)
    return caught.value


@pytest.mark.parametrize(
    ("epochs", "step", "moment"),
    [(1, 4, "after epoch 2"), (1, 3, "in epoch 2 after step 3"), (0, 2, "in epoch 1 after step 2")],
)
def test_the_message_names_the_step_and_the_last_checkpoint(
    artifact_dir: Path, small_data: Pair, epochs: int, step: int, moment: str
) -> None:
    message = str(broken(artifact_dir, small_data, epochs=epochs, step=step))
    assert moment in message
    assert re.search(r"the (loss|parameters) must stay finite", message)
    assert "below 1000000000000000000000000000000" in message
    name = f"epoch-{epochs + 1:04}" + ("" if step == 4 else f"-step-{step:06}")
    assert name in {path.name for path in (artifact_dir / "checkpoint").iterdir()}


def test_the_way_out_of_the_message_works(artifact_dir: Path, small_data: Pair) -> None:
    message = str(broken(artifact_dir, small_data, epochs=1, step=2))
    assert "resume=True" in message
    lower = dataclasses.replace(CONFIG, learning_rate=0.01)
    result = run(artifact_dir, lower, small_data, resume=True)
    assert result.ended == "completed"
    rates = result.history.train_steps["learning_rate"]
    assert rates == [0.05] * 6 + [0.01] * 10
    assert numpy.isfinite(result.history.train_steps["loss"]).all()
    assert result.config.learning_rate == mnistburn.load_run(artifact_dir).config.learning_rate
    log = (artifact_dir / "train.log").read_text("utf-8")
    assert "the learning_rate is 0.01 from here on; it was 0.05" in log
    # Whatever else decides a step stays refused.
    other = dataclasses.replace(lower, batch_size=32, num_epochs=5)
    with pytest.raises(ConfigError, match="batch_size was 64"):
        run(artifact_dir, other, small_data, resume=True)


def test_without_a_checkpoint_the_message_says_so(artifact_dir: Path, small_data: Pair) -> None:
    huge = dataclasses.replace(CONFIG, learning_rate=1e30)
    with pytest.raises(TrainingError, match="has no checkpoint yet; start it again") as caught:
        run(artifact_dir, huge, small_data)
    assert "resume" not in str(caught.value)
    again = run(artifact_dir, CONFIG, small_data)
    assert again.ended == "completed"
    with pytest.raises(TrainingError, match=r"no checkpoint yet, and the older run in .* is"):
        run(artifact_dir, huge, small_data)


def test_no_checkpoint_is_saved_of_parameters_that_are_not_finite(
    artifact_dir: Path, small_data: Pair
) -> None:
    class StopFirst(Callback):
        def on_step_end(self, event: StepEnd) -> bool:
            return True

    # Beyond the numbers of 32 bits.
    huge = dataclasses.replace(CONFIG, learning_rate=1e300)
    run(artifact_dir, CONFIG, small_data, callbacks=[StopFirst()])
    before = sorted(path.name for path in (artifact_dir / "checkpoint").iterdir())
    # The loss of the step is finite; the parameters after it are not.
    with pytest.raises(TrainingError, match=r"parameters must stay finite.* in epoch 1 after"):
        run(artifact_dir, huge, small_data, resume=True, callbacks=[StopFirst()])
    assert sorted(path.name for path in (artifact_dir / "checkpoint").iterdir()) == before


def test_a_checkpoint_of_broken_parameters_is_told_and_the_way_out_works(
    artifact_dir: Path, small_data: Pair
) -> None:
    class StopFirst(Callback):
        def on_step_end(self, event: StepEnd) -> bool:
            return True

    # Finite, and of no use.
    huge = dataclasses.replace(CONFIG, learning_rate=1e37)
    run(artifact_dir, CONFIG, small_data, callbacks=[StopFirst()])
    run(artifact_dir, huge, small_data, resume=True, callbacks=[StopFirst()])
    lower = dataclasses.replace(CONFIG, learning_rate=0.01)
    with pytest.raises(TrainingError) as caught:
        run(artifact_dir, lower, small_data, resume=True)
    message = str(caught.value)
    assert "in epoch 1 after step 2, has the parameters of that loss" in message
    assert "go on from the checkpoint in epoch 1 after step 1 with resume=True" in message
    folder = re.search(r"remove the folder (.*?), go on", message)
    assert folder is not None
    assert Path(folder[1]) == artifact_dir / "checkpoint" / "epoch-0001-step-000002"
    shutil.rmtree(folder[1])
    result = run(artifact_dir, lower, small_data, resume=True)
    assert result.ended == "completed"
    assert result.history.train_steps["learning_rate"] == [0.05] + [0.01] * 15


@pytest.mark.parametrize(
    "schedule",
    [
        ExponentialLrSchedulerConfig(gamma=0.9),
        StepLrSchedulerConfig(step_size=3, gamma=0.5),
        ReduceOnPlateauLrSchedulerConfig(patience=0, factor=0.5, threshold=0.5),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_a_schedule_goes_on_at_the_same_share_of_a_lower_rate(
    artifact_dir: Path, tmp_path: Path, small_data: Pair, schedule: Any
) -> None:
    config = dataclasses.replace(CONFIG, lr_scheduler=schedule)
    whole = run(tmp_path / "whole", config, small_data)
    run(artifact_dir, dataclasses.replace(config, num_epochs=2), small_data)
    lower = dataclasses.replace(config, learning_rate=0.005)
    result = run(artifact_dir, lower, small_data, resume=True)
    expected = numpy.array(whole.history.train_steps["learning_rate"])
    assert len(set(expected[8:])) > (1 if schedule._tag != "ReduceOnPlateau" else 0)
    found = result.history.train_steps["learning_rate"]
    assert found[:8] == expected[:8].tolist()
    if schedule._tag != "ReduceOnPlateau":
        assert found[8:] == pytest.approx(expected[8:] / 10, rel=1e-9)
    else:
        # The plateaus of the first two epochs count as before.
        assert found[8] == pytest.approx(expected[8] / 10, rel=1e-9)
