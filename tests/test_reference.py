"""The network, its random numbers and its training against a reference in NumPy and float64."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy
import pytest
from reference import guide
from reference.guide import Floats, Integers, Masks, Parameters

import mnistburn
from mnistburn import (
    AdamConfig,
    CosineAnnealingLrSchedulerConfig,
    DataLoader,
    Dataset,
    ExponentialLrSchedulerConfig,
    GradientClippingConfig,
    Gradients,
    LinearLrSchedulerConfig,
    Model,
    ModelConfig,
    NoamLrSchedulerConfig,
    OneCycleLrSchedulerConfig,
    StepLrSchedulerConfig,
    TrainingConfig,
)
from mnistburn.config import LearningRateSchedule

# Odd sizes of the batch, the hidden layer and the logits: of any two, all pairs.
SIZES = [
    (size, hidden_size, (2, 10, 11)[(row + column) % 3])
    for row, size in enumerate((1, 3, 7))
    for column, hidden_size in enumerate((1, 5, 33))
]
DROPOUTS = (0.0, 0.3, 0.5)


def reference_step(
    parameters: Parameters, images: Floats, targets: Integers, masks: Masks
) -> tuple[float, Floats, Parameters]:
    """Return loss, logits and gradients of a training step."""
    tape = guide.forward(parameters, images, masks)
    gradients = guide.backward(parameters, tape, targets, masks)
    return guide.cross_entropy(tape.logits, targets), tape.logits, gradients


def as_floats(state: Mapping[str, Any] | Gradients) -> Parameters:
    """Return parameters or gradients in float64."""
    return {name: state[name].astype(numpy.float64) for name in state}


def deviation(actual: Any, expected: Floats) -> float:
    """Return the largest difference, relative to the largest expected magnitude."""
    assert actual.shape == expected.shape
    difference = float(numpy.abs(actual.astype(numpy.float64) - expected).max())
    largest = float(numpy.abs(expected).max())
    return difference / largest if largest > 0.0 else difference


def batch_of(data: Dataset, size: int, num_classes: int) -> Dataset:
    """Return images with targets that reach every class that they can."""
    targets = (numpy.arange(size) * 3 + num_classes - 1) % num_classes
    return Dataset.from_numpy(data.images[:size], targets)


@pytest.mark.parametrize(("size", "hidden_size", "num_classes"), SIZES)
def test_logits_equal_the_reference(
    size: int, hidden_size: int, num_classes: int, test_data: Dataset
) -> None:
    images = test_data.images[:size]
    model = Model(ModelConfig(hidden_size=hidden_size, num_classes=num_classes), seed=size)
    expected = guide.forward(as_floats(model.state_dict()), guide.normalise(images)).logits
    assert deviation(model.forward(images), expected) < 1e-5


@pytest.mark.parametrize("dropout", DROPOUTS)
@pytest.mark.parametrize(("size", "hidden_size", "num_classes"), SIZES)
def test_loss_and_gradients_equal_the_reference(
    size: int, hidden_size: int, num_classes: int, dropout: float, test_data: Dataset
) -> None:
    batch = batch_of(test_data, size, num_classes)
    images = guide.normalise(batch.images)
    config = ModelConfig(hidden_size=hidden_size, num_classes=num_classes, dropout=dropout)

    def steps_of(seed: int) -> list[tuple[float, Floats, Parameters]]:
        """Return two training steps: the masks of one follow from its number."""
        parameters = guide.initial_parameters(num_classes, hidden_size, seed)
        return [
            reference_step(
                parameters,
                images,
                batch.targets,
                guide.dropout_masks(dropout, hidden_size, seed, number, range(size)),
            )
            for number in (1, 2)
        ]

    def telling(steps: list[tuple[float, Floats, Parameters]]) -> bool:
        """Return whether no gradient is dead, or nearly 0 as a sum of images that cancel out."""
        return all(numpy.abs(values).max() > 5e-3 for step in steps for values in step[2].values())

    tried = ((seed, steps_of(seed)) for seed in range(20))
    seed, steps = next((seed, steps) for seed, steps in tried if telling(steps))
    model = Model(config, seed=seed)
    for number, (loss, logits, gradients) in enumerate(steps, start=1):
        out = model.forward_classification(batch.images, batch.targets)
        assert float(out.loss) == pytest.approx(loss, rel=1e-5)
        assert deviation(out.output, logits) < 1e-5
        actual = out.loss.backward()
        assert set(actual) == set(gradients)
        for name, gradient in gradients.items():
            assert deviation(actual[name], gradient) < 1e-5, (number, name)


@pytest.mark.parametrize("dropout", DROPOUTS)
def test_finite_differences_confirm_the_reference(dropout: float, test_data: Dataset) -> None:
    images, targets = guide.normalise(test_data.images[:2]), test_data.targets[:2]
    parameters = guide.initial_parameters(10, 5, seed=1)
    masks = guide.dropout_masks(dropout, 5, seed=1, epoch=1, indices=range(2))
    gradients = reference_step(parameters, images, targets, masks)[2]

    def loss(name: str, place: int, step: float) -> float:
        moved = parameters[name].copy()
        moved.flat[place] += step
        return reference_step({**parameters, name: moved}, images, targets, masks)[0]

    step = 1e-6
    for name, gradient in gradients.items():
        places = {0, gradient.size // 2, gradient.size - 1, int(numpy.abs(gradient).argmax())}
        for place in places:
            slope = (loss(name, place, step) - loss(name, place, -step)) / (2.0 * step)
            error = abs(slope - gradient.flat[place])
            assert error < 1e-6 * numpy.abs(gradient).max(), (name, place, error)


@pytest.mark.parametrize("seed", [0, 1, 42, (1 << 63) - 1])
@pytest.mark.parametrize(("hidden_size", "num_classes"), [(1, 2), (33, 11), (512, 10)])
def test_initial_weights_are_the_bits_of_the_reference(
    seed: int, hidden_size: int, num_classes: int
) -> None:
    config = ModelConfig(hidden_size=hidden_size, num_classes=num_classes)
    actual = Model(config, seed=seed).state_dict()
    expected = guide.initial_parameters(num_classes, hidden_size, seed)
    assert list(actual) == list(expected)
    for name, values in expected.items():
        assert actual[name].shape == values.shape, name
        assert actual[name].tobytes() == values.astype("<f4").tobytes(), name


@pytest.mark.parametrize("length", [1, 2, 7, 128, 1001])
@pytest.mark.parametrize("seed", [0, 42, (1 << 63) - 1])
def test_the_order_of_an_epoch_is_that_of_the_reference(length: int, seed: int) -> None:
    images = numpy.zeros((length, 28, 28), dtype=numpy.uint8)
    # The targets number the images.
    loader = DataLoader(Dataset.from_numpy(images, numpy.arange(length)), 64, shuffle=seed)
    for epoch in (1, 2, 3):
        order = [int(target) for batch in loader for target in batch.targets]
        assert order == guide.epoch_order(length, seed, epoch)


ADAMS: dict[str, tuple[AdamConfig, Callable[[], guide.Adam]]] = {
    "default": (AdamConfig(), guide.Adam),
    "betas and epsilon": (
        AdamConfig(beta_1=0.5, beta_2=0.9, epsilon=1e-2),
        lambda: guide.Adam(beta_1=0.5, beta_2=0.9, epsilon=1e-2),
    ),
    # With so short a memory, the largest second moment is often an earlier one.
    "second moments forgotten": (AdamConfig(beta_2=0.5), lambda: guide.Adam(beta_2=0.5)),
    "amsgrad": (
        AdamConfig(beta_2=0.5, amsgrad=True),
        lambda: guide.Adam(beta_2=0.5, amsgrad=True),
    ),
    "weight decay": (AdamConfig(weight_decay=0.1), lambda: guide.Adam(weight_decay=0.1)),
    "clipped values": (
        AdamConfig(grad_clipping=GradientClippingConfig(value=1e-3)),
        lambda: guide.Adam(clip_value=1e-3),
    ),
    "clipped norms": (
        AdamConfig(grad_clipping=GradientClippingConfig(norm=0.05)),
        lambda: guide.Adam(clip_norm=0.05),
    ),
    "all": (
        AdamConfig(
            beta_2=0.5,
            amsgrad=True,
            weight_decay=0.1,
            grad_clipping=GradientClippingConfig(norm=0.05),
        ),
        lambda: guide.Adam(beta_2=0.5, amsgrad=True, weight_decay=0.1, clip_norm=0.05),
    ),
}


@pytest.mark.parametrize("name", ADAMS)
def test_adam_steps_equal_the_reference(name: str, test_data: Dataset) -> None:
    config, make = ADAMS[name]
    optimizer, reference = config.init(), make()
    model = Model(ModelConfig(hidden_size=5), seed=1)
    expected = as_floats(model.state_dict())
    for step in range(3):
        part = test_data[step * 16 : step * 16 + 16]
        gradients = model.forward_classification(part.images, part.targets).loss.backward()
        # The gradients have tests of their own: here both take the same ones.
        expected = reference.step(1e-2, expected, as_floats(gradients))
        model = optimizer.step(1e-2, model, gradients)
        for key, values in model.state_dict().items():
            assert numpy.abs(values - expected[key]).max() < 1e-6, (step, key)


@pytest.mark.parametrize("name", [name for name in ADAMS if name != "default"])
def test_every_option_of_adam_changes_these_steps(name: str, test_data: Dataset) -> None:
    without = ADAMS["second moments forgotten" if name == "amsgrad" else "default"][1]()
    option = ADAMS[name][1]()
    model = Model(ModelConfig(hidden_size=5), seed=1)
    first = second = as_floats(model.state_dict())
    for step in range(3):
        part = test_data[step * 16 : step * 16 + 16]
        out = model.forward_classification(part.images, part.targets)
        gradients = as_floats(out.loss.backward())
        first, second = (
            option.step(1e-2, first, gradients),
            without.step(1e-2, second, gradients),
        )
    assert max(numpy.abs(first[key] - second[key]).max() for key in first) > 1e-4


def accuracy(logits: Floats, targets: Integers) -> float:
    """Return the share of images whose largest logit is the target's."""
    return float((logits.argmax(axis=1) == targets).mean())


def test_a_training_equals_the_reference(
    artifact_dir: Path, train_data: Dataset, test_data: Dataset
) -> None:
    data, valid = train_data[:128], test_data[:40]
    model = ModelConfig(hidden_size=33, dropout=0.4)
    config = TrainingConfig(
        model=model, num_epochs=2, batch_size=48, seed=7, learning_rate=1e-3, num_workers=2
    )
    run = mnistburn.train(artifact_dir, config, "cpu", data=(data, valid), progress=False)

    parameters, adam = guide.initial_parameters(10, 33, seed=7), guide.Adam()
    steps: dict[str, list[float]] = {"loss": [], "accuracy": [], "images": []}
    epochs: dict[str, list[float]] = {
        "train_loss": [],
        "train_accuracy": [],
        "valid_loss": [],
        "valid_accuracy": [],
    }
    for epoch in (1, 2):
        order = guide.epoch_order(128, 7, epoch)
        for indices in (order[:48], order[48:96], order[96:]):
            masks = guide.dropout_masks(0.4, 33, 7, epoch, indices)
            targets = data.targets[indices]
            images = guide.normalise(data.images[indices])
            loss, logits, gradients = reference_step(parameters, images, targets, masks)
            parameters = adam.step(1e-3, parameters, gradients)
            steps["loss"].append(loss)
            steps["accuracy"].append(accuracy(logits, targets))
            steps["images"].append(len(indices))
        for name in ("loss", "accuracy"):
            mean = numpy.average(steps[name][-3:], weights=steps["images"][-3:])
            epochs[f"train_{name}"].append(float(mean))
        logits = guide.forward(parameters, guide.normalise(valid.images)).logits
        epochs["valid_loss"].append(guide.cross_entropy(logits, valid.targets))
        epochs["valid_accuracy"].append(accuracy(logits, valid.targets))

    for name, column in steps.items():
        assert run.history.train_steps[name] == pytest.approx(column, rel=1e-4), name
    for name, column in epochs.items():
        assert run.history[name] == pytest.approx(column, rel=1e-4), name


RATE = 0.02
# Each schedule and its rate at a step, from 0.
SCHEDULES: dict[str, tuple[LearningRateSchedule | None, Callable[[int], float]]] = {
    "constant": (None, lambda step: RATE),
    "exponential": (ExponentialLrSchedulerConfig(gamma=0.9), lambda step: RATE * 0.9**step),
    # Both ends of a descent belong to it, so that it lasts a step more than num_iters.
    "cosine": (
        CosineAnnealingLrSchedulerConfig(num_iters=10, min_lr=0.001),
        lambda step: (
            0.001 + (RATE - 0.001) * (1.0 + float(numpy.cos(numpy.pi * (step % 11) / 10))) / 2.0
        ),
    ),
    "linear": (
        LinearLrSchedulerConfig(final_lr=0.005, num_iters=12),
        lambda step: RATE + (0.005 - RATE) * min(step, 12) / 12,
    ),
    "noam": (
        NoamLrSchedulerConfig(warmup_steps=9, model_size=64),
        lambda step: RATE * 64**-0.5 * min((step + 1) ** -0.5, (step + 1) * 9**-1.5),
    ),
    "step": (
        StepLrSchedulerConfig(step_size=7, gamma=0.3),
        lambda step: RATE * 0.3 ** (step // 7),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_learning_rates_equal_their_formula(
    name: str, artifact_dir: Path, test_data: Dataset
) -> None:
    schedule, formula = SCHEDULES[name]
    # Two epochs of 15 steps: a schedule goes on from one to the next.
    config = TrainingConfig(
        model=ModelConfig(hidden_size=1),
        num_epochs=2,
        batch_size=1,
        learning_rate=RATE,
        lr_scheduler=schedule,
    )
    data = (test_data[:15], test_data[:1])
    run = mnistburn.train(artifact_dir, config, "cpu", data=data, progress=False)
    expected = [formula(step) for step in range(30)]
    assert run.history.train_steps["learning_rate"] == pytest.approx(expected, rel=1e-12)


ONE_CYCLES = json.loads((Path(__file__).parent / "fixtures/schedules/one_cycle.json").read_text())


@pytest.mark.parametrize("case", ONE_CYCLES, ids=lambda case: str(case["config"]["num_iters"]))
def test_one_cycle_has_the_learning_rates_of_pytorch(
    case: dict[str, Any], artifact_dir: Path, test_data: Dataset
) -> None:
    config = TrainingConfig(
        model=ModelConfig(hidden_size=1),
        num_epochs=2,
        batch_size=1,
        learning_rate=RATE,
        lr_scheduler=OneCycleLrSchedulerConfig(**case["config"]),
    )
    data = (test_data[:15], test_data[:1])
    run = mnistburn.train(artifact_dir, config, "cpu", data=data, progress=False)
    assert run.history.train_steps["learning_rate"] == pytest.approx(case["rates"], rel=1e-9)


def test_one_cycle_goes_on_where_it_was_after_a_resume(
    artifact_dir: Path, tmp_path: Path, test_data: Dataset
) -> None:
    config = TrainingConfig(
        model=ModelConfig(hidden_size=1),
        num_epochs=2,
        batch_size=1,
        learning_rate=RATE,
        lr_scheduler=OneCycleLrSchedulerConfig(num_iters=10),
    )
    data = (test_data[:5], test_data[:1])
    whole = mnistburn.train(tmp_path / "whole", config, "cpu", data=data, progress=False)
    half = dataclasses.replace(config, num_epochs=1)
    mnistburn.train(artifact_dir, half, "cpu", data=data, progress=False)
    resumed = mnistburn.train(artifact_dir, config, "cpu", data=data, progress=False, resume=True)
    rates = resumed.history.train_steps["learning_rate"]
    assert rates == whole.history.train_steps["learning_rate"]
