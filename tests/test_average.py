"""The moving average of the weights: what it is, and that it is what a run validates and keeps."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy
import pytest

import mnistburn
from mnistburn import (
    Callback,
    ConvBlock,
    ConvNetConfig,
    DataLoader,
    Dataset,
    EarlyStopping,
    Model,
    ModelConfig,
    OneCycleLrSchedulerConfig,
    TrainingConfig,
)
from mnistburn.callbacks import EpochEnd, StepEnd
from mnistburn.errors import ConfigError

Pair = tuple[Dataset, Dataset]

GUIDE = TrainingConfig(
    model=ModelConfig(hidden_size=16),
    num_epochs=3,
    batch_size=32,
    learning_rate=1e-2,
    lr_scheduler=OneCycleLrSchedulerConfig(),
    average_decay=0.75,
)
BATCH_NORM = dataclasses.replace(
    GUIDE, model=ConvNetConfig(blocks=[ConvBlock(channels=4, pool=True, norm="batch")])
)
NETWORKS = pytest.mark.parametrize("config", [GUIDE, BATCH_NORM], ids=["guide", "batch norm"])


def run(directory: Path, config: TrainingConfig | None, data: Pair, **options: Any) -> Any:
    return mnistburn.train(directory, config, "cpu", data=data, progress=False, **options)


def assert_same_bits(first: Model, second: Model) -> None:
    expected = second.state_dict()
    for name, values in first.state_dict().items():
        assert values.tobytes() == expected[name].tobytes(), name


@NETWORKS
@pytest.mark.parametrize("decay", [0.75, 0.05])
def test_it_is_the_average_of_the_weights_after_each_step(
    tmp_path: Path, small_data: Pair, config: TrainingConfig, decay: float
) -> None:
    config = dataclasses.replace(config, average_decay=decay)
    result = run(tmp_path / "run", config, small_data)
    config = result.config
    assert config.model is not None
    assert config.lr_scheduler is not None
    # A loop of one's own has the bits of the weights that the run averages.
    model = Model(config.model, seed=config.seed)
    optimizer = config.optimizer.init()
    loader = DataLoader(small_data[0], batch_size=32, shuffle=config.seed)
    schedule = config.lr_scheduler.init(config.learning_rate)
    average = {name: value.astype(float) for name, value in model.state_dict().items()}
    step = 0
    for _ in range(config.num_epochs):
        for batch in loader:
            out = model.forward_classification(batch.images, batch.targets, dropout=batch.dropout)
            model = optimizer.step(schedule.step(), model, out.loss.backward())
            step += 1
            now = min(decay, (1 + step) / (10 + step))
            for name, value in model.state_dict().items():
                average[name] = now * average[name] + (1 - now) * value
    assert step == 24
    found, last = result.model.state_dict(), model.state_dict()
    for name, value in found.items():
        numpy.testing.assert_allclose(value, average[name], rtol=2e-5, atol=2e-6, err_msg=name)
    assert any((found[name] != last[name]).any() for name in found)


@NETWORKS
def test_it_is_validated_and_saved(
    tmp_path: Path, small_data: Pair, config: TrainingConfig
) -> None:
    result = run(tmp_path / "run", config, small_data)
    for epoch in (2, 3):
        model = mnistburn.load_run(tmp_path / "run", epoch=epoch).model
        measured = model.evaluate(small_data[1])
        assert result.history["valid_loss"][epoch - 1] == pytest.approx(measured.loss, rel=1e-5)
    assert_same_bits(model, result.model)
    last = tmp_path / "run" / "checkpoint" / "epoch-0003"
    assert_same_bits(Model.load(last / "model.mpk"), result.model)
    weights = Model.load(last / "weights.mpk").state_dict()
    assert any((weights[name] != value).any() for name, value in result.model.state_dict().items())


class StopAfter(Callback):
    """Stops a run after a number of steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def on_step_end(self, event: StepEnd) -> bool:
        self.left -= 1
        return self.left <= 0


@NETWORKS
@pytest.mark.parametrize("steps", [1, 8, 13])
def test_a_resumed_run_has_the_same_bits(
    tmp_path: Path, small_data: Pair, config: TrainingConfig, steps: int
) -> None:
    whole = run(tmp_path / "whole", config, small_data)
    stopped = run(tmp_path / "run", config, small_data, callbacks=[StopAfter(steps)])
    assert stopped.ended == "stopped"
    resumed = run(tmp_path / "run", None, small_data, resume=True)
    assert resumed.history["valid_loss"] == whole.history["valid_loss"]
    assert_same_bits(resumed.model, whole.model)


def test_the_best_epoch_s_average_is_restored(tmp_path: Path, small_data: Pair) -> None:
    # A rate so large that epochs get worse.
    config = dataclasses.replace(
        GUIDE, learning_rate=0.1, lr_scheduler=None, num_epochs=12, average_decay=0.5
    )
    rule = EarlyStopping(metric="valid_loss", patience=2, restore_best=True)
    result = run(tmp_path / "run", config, small_data, callbacks=[rule])
    assert result.best_epoch < len(result.history["valid_loss"])
    measured = result.model.evaluate(small_data[1])
    best = result.history["valid_loss"][result.best_epoch - 1]
    assert best == pytest.approx(measured.loss, rel=1e-5)


def test_frozen_parameters_keep_their_bits(tmp_path: Path, small_data: Pair) -> None:
    config = dataclasses.replace(GUIDE, freeze=("conv1",))
    start = Model(GUIDE.model, seed=5)
    result = run(tmp_path / "run", config, small_data, start=start)
    first, last = start.state_dict(), result.model.state_dict()
    assert first["conv1.weight"].tobytes() == last["conv1.weight"].tobytes()
    assert (first["conv2.weight"] != last["conv2.weight"]).any()


def test_training_itself_is_not_changed(tmp_path: Path, small_data: Pair) -> None:
    averaged = run(tmp_path / "averaged", GUIDE, small_data)
    plain = run(tmp_path / "plain", dataclasses.replace(GUIDE, average_decay=None), small_data)
    assert averaged.history.train_steps["loss"] == plain.history.train_steps["loss"]
    assert averaged.history["valid_loss"] != plain.history["valid_loss"]
    assert not list((tmp_path / "plain").rglob("weights.*"))


def test_a_callback_sees_the_average(tmp_path: Path, small_data: Pair) -> None:
    seen: list[Model] = []

    class Look(Callback):
        def on_epoch_end(self, event: EpochEnd) -> None:
            seen.append(event.run.model)

    result = run(tmp_path / "run", GUIDE, small_data, callbacks=[Look()])
    assert_same_bits(seen[-1], result.model)


def test_a_resumed_run_keeps_its_decay(tmp_path: Path, small_data: Pair) -> None:
    run(tmp_path / "run", GUIDE, small_data)
    for decay in (None, 0.5):
        config = dataclasses.replace(GUIDE, average_decay=decay, num_epochs=4)
        with pytest.raises(ConfigError, match=r"average_decay was 0\.75"):
            run(tmp_path / "run", config, small_data, resume=True)


def test_lost_weights_are_found_out(tmp_path: Path, small_data: Pair) -> None:
    whole = run(tmp_path / "run", GUIDE, small_data)
    (tmp_path / "run" / "checkpoint" / "epoch-0003" / "weights.mpk").unlink()
    resumed = run(tmp_path / "run", None, small_data, resume=True)
    assert "epoch-0003 is left out" in (tmp_path / "run" / "train.log").read_text()
    assert_same_bits(resumed.model, whole.model)


@pytest.mark.parametrize("decay", [0, 1, -0.5, 1.5, float("nan"), "0.9", True])
def test_a_decay_is_a_share(decay: Any) -> None:
    with pytest.raises((ConfigError, TypeError), match="average_decay"):
        TrainingConfig(average_decay=decay)
