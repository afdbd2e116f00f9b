"""Classes are matched by their names, never by their places."""

from collections.abc import Sequence
from pathlib import Path

import numpy
import pytest

import mnistburn
from mnistburn import Dataset, Model, ModelConfig, TrainingConfig
from mnistburn.errors import ConfigError, DataError

NAMES = ("cat", "cow", "dog")
CONFIG = ModelConfig(num_classes=3, hidden_size=4)
IMAGES = numpy.random.default_rng(1).integers(0, 256, (12, 28, 28), dtype=numpy.uint8)
TARGETS = numpy.arange(12) % 3


@pytest.fixture
def model() -> Model:
    return Model(CONFIG, seed=1, class_names=NAMES)


def named(order: Sequence[str], keep: Sequence[str] = NAMES) -> Dataset:
    """Return the images of those classes, numbered by another order of names."""
    rows = [row for row, target in enumerate(TARGETS) if NAMES[target] in keep]
    return Dataset(IMAGES[rows], [order.index(NAMES[TARGETS[row]]) for row in rows], list(order))


def test_another_order_of_names_is_evaluated_alike(model: Model) -> None:
    expected = model.evaluate(named(NAMES))
    assert model.evaluate(Dataset(IMAGES, TARGETS), by_number=True) == expected
    assert model.evaluate(named(("dog", "cat", "cow"))) == expected
    assert model.evaluate(named(("dog", "cat", "cow")), by_number=True) != expected


def test_fewer_classes_are_those_of_their_names(model: Model) -> None:
    part = named(("cow", "dog"), keep=("cow", "dog"))
    expected = model.evaluate(named(NAMES, keep=("cow", "dog")))
    assert model.evaluate(part) == expected
    assert model.evaluate(part, by_number=True) != expected


def test_an_unknown_class_is_refused_with_both_lists(model: Model) -> None:
    other = Dataset(IMAGES, TARGETS, ["cat", "emu", "dog"])
    with pytest.raises(DataError, match=r"'cat', 'cow', 'dog'.*'cat', 'emu', 'dog'.*lacks 'emu'"):
        model.evaluate(other)
    # What the message proposes.
    without = other.subset(numpy.flatnonzero(other.targets != 1))
    assert model.evaluate(without).accuracy >= 0.0
    assert model.evaluate(other, by_number=True) == model.evaluate(named(NAMES))


def test_data_without_names_are_refused_for_a_model_with_names(model: Model) -> None:
    data = Dataset(IMAGES, TARGETS)
    with pytest.raises(DataError, match=r"class_names=model\.class_names.*by_number=True"):
        model.evaluate(data)
    renamed = Dataset(IMAGES, TARGETS, class_names=model.class_names)
    assert model.evaluate(renamed) == model.evaluate(data, by_number=True)


def test_names_that_are_the_numbers_go_without_saying() -> None:
    digits = Model(ModelConfig(hidden_size=4), seed=1, class_names=list("0123456789"))
    alike = Dataset(IMAGES, TARGETS, ["0", "1", "2"])
    assert digits.evaluate(Dataset(IMAGES, TARGETS)) == digits.evaluate(alike)


def test_a_model_without_names_takes_as_many_names_as_it_has_classes() -> None:
    model = Model(CONFIG, seed=1)
    assert model.evaluate(named(NAMES)) == model.evaluate(Dataset(IMAGES, TARGETS))
    with pytest.raises(DataError, match=r"must have the 3 classes.*got 2: 'cow', 'dog'.*by_number"):
        model.evaluate(named(("cow", "dog"), keep=("cow", "dog")))
    digits = Dataset(IMAGES, TARGETS % 2, ["0", "1"])
    assert model.evaluate(digits) == model.evaluate(Dataset(IMAGES, TARGETS % 2))


def test_by_number_is_true_or_false(model: Model) -> None:
    with pytest.raises(ConfigError, match="by_number must be True or False, got 1"):
        model.evaluate(named(NAMES), by_number=1)  # type: ignore[arg-type]


def test_the_names_of_a_model_are_as_many_as_its_classes() -> None:
    assert Model(CONFIG, seed=1).class_names is None
    with pytest.raises(DataError, match=r"each of the 3 classes .* got 2 names.*num_classes=2"):
        Model(CONFIG, class_names=["a", "b"])
    with pytest.raises(DataError, match="'a' twice"):
        Model(CONFIG, class_names=["a", "b", "a"])


def test_predict_names_gives_names(model: Model) -> None:
    state = model.state_dict()
    for number, name in enumerate(NAMES):
        state["linear2.bias"] = 99 * numpy.eye(3, dtype=numpy.float32)[number]
        model.load_state_dict(state)
        assert model.predict_names(IMAGES[:2]) == [name, name]
    with pytest.raises(DataError, match="class_names"):
        Model(CONFIG, seed=1).predict_names(IMAGES)


def test_validation_data_are_matched_to_the_training_data_by_name(tmp_path: Path) -> None:
    config = TrainingConfig(model=CONFIG, num_epochs=1)
    runs = [
        mnistburn.train(
            tmp_path / str(place), config, "cpu", data=(named(NAMES), valid), progress=False
        )
        for place, valid in enumerate((named(NAMES), named(("dog", "cow", "cat"))))
    ]
    assert runs[0].history["valid_loss"] == runs[1].history["valid_loss"]
    assert runs[1].model.class_names == NAMES
    for valid, text in (
        (Dataset(IMAGES, TARGETS, ["cat", "emu", "dog"]), r"validation data.*lacks 'emu'"),
        (Dataset(IMAGES, TARGETS), r"validation data.*class_names=train\.class_names"),
    ):
        with pytest.raises(DataError, match=text):
            mnistburn.train(
                tmp_path / "no", config, "cpu", data=(named(NAMES), valid), progress=False
            )
    assert not (tmp_path / "no").exists()
