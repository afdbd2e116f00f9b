"""Gradients of several batches make one step, as one batch of all their images would."""

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
    CosineAnnealingLrSchedulerConfig,
    DataLoader,
    Dataset,
    Gradients,
    Model,
    ModelConfig,
    SgdConfig,
    TrainingConfig,
)
from mnistburn.callbacks import StepEnd
from mnistburn.errors import ConfigError

CONFIG = TrainingConfig(
    model=ModelConfig(hidden_size=16),
    optimizer=SgdConfig(),
    lr_scheduler=CosineAnnealingLrSchedulerConfig(),
    num_epochs=2,
    batch_size=16,
    grads_accumulation=4,
    learning_rate=0.1,
)
BATCH_NORM = ConvNetConfig(blocks=[ConvBlock(channels=4, pool=True, norm="batch")])


def run(
    directory: Path, config: TrainingConfig, train: Dataset, **options: Any
) -> mnistburn.TrainingResult:
    given: dict[str, Any] = {"device": "cpu", "data": (train, train[:16]), **options}
    return mnistburn.train(directory, config, progress=False, **given)


def assert_near(first: Model, second: Model) -> None:
    expected = second.state_dict()
    for name, values in first.state_dict().items():
        numpy.testing.assert_allclose(values, expected[name], rtol=2e-4, atol=2e-6, err_msg=name)


def assert_same_bits(first: Model, second: Model) -> None:
    expected = second.state_dict()
    for name, values in first.state_dict().items():
        assert values.tobytes() == expected[name].tobytes(), name


@pytest.mark.parametrize("images", [256, 250, 210, 196], ids=lambda images: f"{images} images")
@pytest.mark.parametrize("weights", [None, "balanced"])
def test_a_step_is_that_of_one_batch_of_all_its_images(
    tmp_path: Path, train_data: Dataset, images: int, weights: Any
) -> None:
    data = train_data[:images]
    config = dataclasses.replace(CONFIG, class_weights=weights)
    several = run(tmp_path / "several", config, data)
    whole = dataclasses.replace(config, batch_size=64, grads_accumulation=1)
    one = run(tmp_path / "one", whole, data)
    for column in ("epoch", "step", "images", "learning_rate", "accuracy"):
        assert several.history.train_steps[column] == one.history.train_steps[column]
    losses = one.history.train_steps["loss"]
    assert several.history.train_steps["loss"] == pytest.approx(losses, rel=1e-4)
    assert_near(several.model, one.model)


def test_a_loop_that_adds_gradients_has_the_same_bits(tmp_path: Path, train_data: Dataset) -> None:
    data = train_data[:256]
    model = Model(CONFIG.model, seed=CONFIG.seed)
    optimizer = CONFIG.optimizer.init()
    loader = DataLoader(data, batch_size=16, shuffle=CONFIG.seed)
    assert CONFIG.lr_scheduler is not None
    schedule = CONFIG.lr_scheduler.init(CONFIG.learning_rate, num_steps=8)
    for _ in range(2):
        batches = iter(loader)
        for _ in range(4):
            total: Gradients | None = None
            for _ in range(4):
                batch = next(batches)
                out = model.forward_classification(*batch, dropout=batch.dropout)
                gradients = out.loss.backward() * 0.25
                total = gradients if total is None else total + gradients
            assert total is not None
            model = optimizer.step(schedule.step(), model, total)
    assert_same_bits(model, run(tmp_path / "run", CONFIG, data).model)


def test_batch_normalisation_takes_in_the_statistics_of_all_images(
    tmp_path: Path, train_data: Dataset
) -> None:
    # No gradient moves the first convolution, so that both see the same activations.
    config = dataclasses.replace(
        CONFIG, model=BATCH_NORM, num_epochs=1, freeze=("blocks.0.conv",), learning_rate=1e-12
    )
    several = run(tmp_path / "several", config, train_data[:150]).model.state_dict()
    whole = dataclasses.replace(config, batch_size=64, grads_accumulation=1)
    one = run(tmp_path / "one", whole, train_data[:150]).model.state_dict()
    for name in ("blocks.0.batch_norm.running_mean", "blocks.0.batch_norm.running_var"):
        numpy.testing.assert_allclose(several[name], one[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("model", [CONFIG.model, BATCH_NORM], ids=["guide", "batch norm"])
def test_a_run_that_is_stopped_at_a_step_goes_on_to_the_same_bits(
    tmp_path: Path, train_data: Dataset, model: Any
) -> None:
    class StopsAt(Callback):
        def on_step_end(self, step: StepEnd) -> bool:
            return (step.epoch, step.step) == (1, 2)

    config = dataclasses.replace(CONFIG, model=model)
    data = train_data[:210]
    whole = run(tmp_path / "whole", config, data)
    stopped = run(tmp_path / "stopped", config, data, callbacks=[StopsAt()])
    assert stopped.history.train_steps["images"] == [64, 64]
    resumed = run(tmp_path / "stopped", None, data, resume=True)  # type: ignore[arg-type]
    assert resumed.history.train_steps["loss"] == whole.history.train_steps["loss"]
    assert_same_bits(resumed.model, whole.model)


def test_devices_share_each_batch_of_a_step(tmp_path: Path, train_data: Dataset) -> None:
    one = run(tmp_path / "one", CONFIG, train_data[:210])
    two = run(tmp_path / "two", CONFIG, train_data[:210], device=["cpu", "cpu"])
    assert two.history.train_steps["images"] == one.history.train_steps["images"]
    assert_near(two.model, one.model)


def test_workers_and_threads_change_no_bit(tmp_path: Path, train_data: Dataset) -> None:
    first = run(tmp_path / "first", CONFIG, train_data[:210])
    for workers, threads in ((0, 1), (3, 2)):
        config = dataclasses.replace(CONFIG, num_workers=workers, threads=threads)
        other = run(tmp_path / f"{workers}", config, train_data[:210])
        assert_same_bits(other.model, first.model)


def test_a_resumed_run_takes_no_other_number(tmp_path: Path, train_data: Dataset) -> None:
    run(tmp_path / "run", CONFIG, train_data[:64])
    other = dataclasses.replace(CONFIG, grads_accumulation=2, num_epochs=3)
    with pytest.raises(ConfigError, match="grads_accumulation was 4"):
        run(tmp_path / "run", other, train_data[:64], resume=True)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "2", None])
def test_a_number_of_batches_is_whole_and_positive(value: Any) -> None:
    with pytest.raises((ConfigError, TypeError), match="grads_accumulation"):
        TrainingConfig(grads_accumulation=value)
