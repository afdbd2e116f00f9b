"""Gradients as values: sums, multiples, clipping, other values, and batches in parts."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy
import pytest

import mnistburn
from mnistburn import AdamConfig, Dataset, Gradients, Model, ModelConfig
from mnistburn.errors import ConfigError, MnistburnError, TrainingError

CLIPPING = json.loads((Path(__file__).parent / "fixtures/gradients/clipping.json").read_text())

Arrays = dict[str, numpy.ndarray]


def of_fixture(values: dict[str, list[float]]) -> Arrays:
    shapes = CLIPPING["shapes"]
    return {name: numpy.array(values[name], "f").reshape(shapes[name]) for name in values}


def arrays(gradients: Gradients) -> Arrays:
    return {name: gradients[name] for name in gradients}


def some(seed: int = 1, size: int = 3) -> Gradients:
    random = numpy.random.default_rng(seed)
    return Gradients({"weight": random.normal(size=(2, size)), "bias": random.normal(size=size)})


def equal(first: Gradients, second: Gradients) -> bool:
    return first.names() == second.names() and all(
        first[name].tobytes() == second[name].tobytes() for name in first
    )


def test_gradients_are_made_of_arrays() -> None:
    weight = numpy.arange(6.0).reshape(2, 3)
    gradients = Gradients({"weight": weight.T, "bias": [1, 2]})
    assert gradients.names() == ["weight", "bias"]
    assert gradients["weight"].dtype == numpy.float32
    assert (gradients["weight"] == weight.T).all()
    assert gradients["bias"].tolist() == [1.0, 2.0]
    assert gradients.norm() == pytest.approx(numpy.sqrt((weight**2).sum() + 5.0))
    weight[:] = 0.0
    assert gradients["weight"].max() == 5.0


def test_sums_and_multiples_are_those_of_numpy() -> None:
    first, second = some(1), some(2)
    kept = arrays(first)
    for name in first:
        assert ((first + second)[name] == first[name] + second[name]).all()
        factor = numpy.float32(0.3)
        turned = cast("Any", factor) * first
        for scaled in (first * 0.3, 0.3 * first, first * factor, turned):
            assert (scaled[name] == first[name] * factor).all()
        assert (first / 4)[name] == pytest.approx(first[name] / 4)
    total = sum([first, second])
    assert isinstance(total, Gradients)
    assert equal(total, first + second)
    assert all((first[name] == kept[name]).all() for name in kept)


def test_a_sum_finds_parameters_by_their_names() -> None:
    first = Gradients({"weight": [[1.0]], "bias": [2.0]})
    turned = Gradients({"bias": [20.0], "weight": [[10.0]]})
    total = first + turned
    assert total.names() == ["weight", "bias"]
    assert (total["weight"].item(), total["bias"].item()) == (11.0, 22.0)


@pytest.mark.parametrize("case", CLIPPING["cases"], ids=lambda c: f"{c['kind']} {c['bound']}")
def test_clipped_gradients_are_those_of_pytorch(case: dict[str, Any]) -> None:
    gradients = Gradients(of_fixture(CLIPPING["gradients"]))
    kept = arrays(gradients)
    if case["kind"] == "norm":
        clipped = gradients.clip_by_norm(case["bound"])
        assert clipped.norm() <= case["bound"]
    else:
        clipped = gradients.clip_by_value(case["bound"])
    for name, expected in of_fixture(case["clipped"]).items():
        assert clipped[name] == pytest.approx(expected, rel=1e-6), name
        assert (gradients[name] == kept[name]).all()


def test_replaced_gradients_are_others() -> None:
    gradients = some()
    others = gradients.replace({"bias": numpy.zeros(3)})
    assert (others["bias"] == 0.0).all()
    assert (others["weight"] == gradients["weight"]).all()
    assert (gradients["bias"] != 0.0).all()
    assert equal(gradients.replace({}), gradients)
    assert equal(gradients.replace(arrays(gradients)), gradients)


def step(model: Model, gradients: Gradients) -> Arrays:
    return AdamConfig().init().step(1e-2, model, gradients).state_dict()


def test_a_step_takes_gradients_of_arrays_in_any_order(test_data: Dataset) -> None:
    model = Model(ModelConfig(hidden_size=4), seed=1)
    gradients = model.forward_classification(test_data.images, test_data.targets).loss.backward()
    turned = Gradients(dict(reversed(arrays(gradients).items())))
    first, second = step(model, gradients), step(model, turned)
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


def test_a_batch_in_parts_has_the_gradients_of_the_whole(test_data: Dataset) -> None:
    # Without dropout, whose masks follow from the place of an image in its batch.
    model = Model(ModelConfig(hidden_size=8, dropout=0.0), seed=1)
    images, targets = test_data.images[:100], test_data.targets[:100]
    whole = model.forward_classification(images, targets).loss.backward()
    parts = [slice(0, 48), slice(48, 96), slice(96, 100)]
    total = sum(
        model.forward_classification(images[part], targets[part]).loss.backward()
        * (len(targets[part]) / 100)
        for part in parts
    )
    assert isinstance(total, Gradients)
    for name in whole:
        error = numpy.abs(total[name] - whole[name]).max()
        assert error < 1e-6 * max(1.0, numpy.abs(whole[name]).max()), name
    weights, expected = step(model, total), step(model, whole)
    assert max(numpy.abs(weights[name] - expected[name]).max() for name in weights) < 1e-4


untyped = cast("Any", mnistburn)

ERRORS: dict[str, tuple[Callable[[], object], type[Exception], tuple[str, ...]]] = {
    "no dict": (lambda: untyped.Gradients([1.0]), TrainingError, ("dict of arrays", "[1.0]")),
    "a name that is none": (lambda: untyped.Gradients({3: [1.0]}), TrainingError, ("names", "3")),
    "text": (lambda: untyped.Gradients({"a": "x"}), TrainingError, ("gradient of a", "'x'")),
    "a number": (lambda: untyped.Gradients({"a": 3.0}), TrainingError, ("array of numbers",)),
    "not finite": (
        lambda: Gradients({"a": [1.0], "b": [0.0, numpy.nan]}),
        TrainingError,
        ("finite", "NaN in b"),
    ),
    "infinite": (lambda: Gradients({"a": [-numpy.inf]}), TrainingError, ("finite", "-inf in a")),
    "beyond float32": (
        lambda: Gradients({"a": [1e39]}),
        TrainingError,
        ("gradient of a", "3.4e38"),
    ),
    "replace: a stranger": (
        lambda: some().replace({"biass": numpy.zeros(3)}),
        TrainingError,
        ("weight, bias", "biass"),
    ),
    "replace: another shape": (
        lambda: some().replace({"bias": numpy.zeros((3, 1))}),
        TrainingError,
        ("bias", "[3]", "[3, 1]"),
    ),
    "replace: not finite": (
        lambda: some().replace({"bias": [0.0, 0.0, numpy.inf]}),
        TrainingError,
        ("finite", "inf in bias"),
    ),
    "add: another shape": (
        lambda: some() + some(size=4),
        TrainingError,
        ("same parameters", "weight is [2, 3]", "[2, 4]"),
    ),
    "add: one that lacks": (
        lambda: some() + Gradients({"weight": numpy.zeros((2, 3))}),
        TrainingError,
        ("same parameters", "bias has none"),
    ),
    "add: one more": (
        lambda: Gradients({"weight": numpy.zeros((2, 3))}) + some(),
        TrainingError,
        ("same parameters", "bias"),
    ),
    "add: a number": (lambda: cast("Any", some()) + 1.0, TypeError, ("unsupported operand",)),
    "times gradients": (lambda: cast("Any", some()) * some(), TypeError, ("unsupported operand",)),
    "times text": (lambda: cast("Any", some()) * "2", ConfigError, ("finite number", "'2'")),
    "times an array": (
        lambda: cast("Any", numpy.ones(3)) * some(),
        ConfigError,
        ("finite number", "an array"),
    ),
    "times infinity": (lambda: some() * numpy.inf, ConfigError, ("finite number", "inf")),
    "times too much": (lambda: some() * 1e39, ConfigError, ("below 3.4e38",)),
    "by zero": (lambda: some() / 0, ConfigError, ("other than 0", "0")),
    "norm 0": (lambda: some().clip_by_norm(0.0), ConfigError, ("max_norm", "above 0", "got 0")),
    "norm NaN": (lambda: some().clip_by_norm(numpy.nan), ConfigError, ("max_norm", "nan")),
    "value -1": (lambda: some().clip_by_value(-1), ConfigError, ("max_value", "above 0", "-1")),
    "value tiny": (lambda: some().clip_by_value(1e-60), ConfigError, ("max_value", "above 0")),
    "step: a stranger": (
        lambda: step(Model(ModelConfig(hidden_size=4)), some()),
        TrainingError,
        ("those of the model's parameters", "conv1.weight"),
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_is_wrong_is_told(name: str) -> None:
    act, kind, words = ERRORS[name]
    with pytest.raises(kind) as caught:
        act()
    assert isinstance(caught.value, MnistburnError | TypeError)
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_what_is_not_finite_is_not_clipped(test_data: Dataset) -> None:
    model = Model(ModelConfig(hidden_size=4), seed=1)
    state = model.state_dict()
    model.load_state_dict({name: copy.copy(values) * 1e30 for name, values in state.items()})
    gradients = model.forward_classification(test_data.images, test_data.targets).loss.backward()
    assert not numpy.isfinite(gradients.norm())
    for clip in (gradients.clip_by_norm, gradients.clip_by_value):
        with pytest.raises(TrainingError, match="finite to be clipped, got "):
            clip(1.0)
