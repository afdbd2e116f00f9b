"""What training minimises: label smoothing and the weights of classes."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray

import mnistburn
from mnistburn import Dataset, Model, ModelConfig, TrainingConfig
from mnistburn.errors import ConfigError

IMAGES = mnistburn.datasets.load("mnist", "train")[:90]
DATA = (IMAGES[:60], IMAGES[60:])
CONFIG = TrainingConfig(
    model=ModelConfig(hidden_size=8, dropout=0.0),
    num_epochs=1,
    batch_size=60,
    learning_rate=1e-3,
    label_smoothing=0.2,
    class_weights="balanced",
)


def run(
    directory: Path, config: TrainingConfig = CONFIG, **options: Any
) -> mnistburn.TrainingResult:
    """Train on the CPU, without a bar."""
    options = {"device": "cpu", "data": DATA, "progress": False, **options}
    return mnistburn.train(directory, config, **options)


def balanced(data: Dataset) -> NDArray[numpy.float64]:
    """Return the weights that scikit-learn calls "balanced"."""
    counts = numpy.bincount(data.targets, minlength=10)
    return len(data) / (numpy.count_nonzero(counts) * numpy.maximum(counts, 1))


def smoothed_loss(model: Model, data: Dataset, weights: NDArray[numpy.float64]) -> float:
    """Return the weighted mean of the images' losses, by the definition."""
    logits = model(data.images).astype(numpy.float64)
    logarithms = logits - numpy.log(numpy.exp(logits).sum(1, keepdims=True))
    aims = numpy.full_like(logits, 0.2 / 10)
    aims[numpy.arange(len(data)), data.targets] += 0.8
    losses = -(aims * logarithms).sum(1)
    return float(numpy.average(losses, weights=weights[data.targets]))


def test_the_loss_of_the_first_step_is_the_weighted_and_smoothed_one(tmp_path: Path) -> None:
    history = run(tmp_path / "run").history
    start = Model(CONFIG.model, seed=CONFIG.seed)
    expected = smoothed_loss(start, DATA[0], balanced(DATA[0]))
    assert history.train_steps["loss"] == [pytest.approx(expected, rel=1e-5)]


def test_weights_count_relative_to_those_of_the_batch(tmp_path: Path) -> None:
    weights = tuple(100.0 * balanced(DATA[0]))
    large = run(tmp_path / "large", dataclasses.replace(CONFIG, class_weights=weights))
    named = run(tmp_path / "named")
    assert large.history.train_steps["loss"] == pytest.approx(named.history.train_steps["loss"])


def test_validation_measures_the_plain_cross_entropy(tmp_path: Path) -> None:
    result = run(tmp_path / "run")
    plain = result.model.evaluate(DATA[1]).loss
    assert result.history["valid_loss"] == [pytest.approx(plain, rel=1e-6)]


def test_weights_that_are_given_are_those_that_are_balanced(tmp_path: Path) -> None:
    weights = tuple(balanced(DATA[0]))
    given = run(tmp_path / "given", dataclasses.replace(CONFIG, class_weights=weights))
    named = run(tmp_path / "named")
    for name, value in named.model.state_dict().items():
        assert numpy.array_equal(given.model.state_dict()[name], value), name


def test_a_class_of_no_weight_teaches_nothing(tmp_path: Path) -> None:
    weights = [1.0] * 10
    weights[3] = 0.0
    config = dataclasses.replace(CONFIG, class_weights=weights)
    without = run(tmp_path / "without", config).model.state_dict()
    targets = DATA[0].targets
    # Its images may be anything.
    images = numpy.where((targets == 3)[:, None, None], 0, DATA[0].images).astype(numpy.uint8)
    other = run(tmp_path / "other", config, data=(Dataset(images, targets), DATA[1])).model
    for name, value in without.items():
        numpy.testing.assert_allclose(other.state_dict()[name], value, atol=1e-6)


def test_a_resumed_run_has_the_same_bits_on_any_number_of_threads(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, num_epochs=3, batch_size=7, threads=1)
    whole = run(tmp_path / "whole", config)
    run(tmp_path / "parts", dataclasses.replace(config, num_epochs=1, threads=3))
    parts = run(tmp_path / "parts", dataclasses.replace(config, threads=2), resume=True)
    assert parts.history.train_steps["loss"] == whole.history.train_steps["loss"]
    for name, value in whole.model.state_dict().items():
        assert numpy.array_equal(parts.model.state_dict()[name], value), name


def test_devices_that_share_a_batch_have_its_loss(tmp_path: Path) -> None:
    one = run(tmp_path / "one").history.train_steps["loss"]
    three = run(tmp_path / "three", device=["cpu"] * 3).history.train_steps["loss"]
    assert three == [pytest.approx(one[0], rel=1e-6)]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "all of the target": ({"label_smoothing": 1.0}, "at least 0 and below 1, got 1.0"),
    "a word": ({"class_weights": "equal"}, 'class_weights must be "balanced", or a list'),
    "below zero": ({"class_weights": [1.0, -1.0]}, r"got \[1.0,-1.0\]"),
    "nothing": ({"class_weights": [0.0, 0.0]}, "not all of them 0"),
    "not finite": ({"class_weights": [1.0, float("inf")]}, "class_weights must be"),
    "no list": ({"class_weights": 2.0}, "class_weights must be"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_values_are_refused(case: str) -> None:
    values, message = BAD[case]
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(CONFIG, **values)


def test_there_must_be_a_weight_for_each_class(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, class_weights=[1.0, 2.0])
    with pytest.raises(ConfigError, match=r"each of the 10 classes, got 2"):
        run(tmp_path / "run", config)
    assert not list(tmp_path.glob("run/*"))
