"""The losses of a loop of one's own: of each image, weighted, and the mean squared error."""

from collections.abc import Callable
from typing import Any, cast

import numpy
import pytest

from mnistburn import (
    AdamConfig,
    ClassificationOutput,
    ConvNetConfig,
    Dataset,
    DropoutKey,
    Model,
    ModelConfig,
    RegressionOutput,
)
from mnistburn.errors import DataError

Floats = numpy.ndarray[Any, numpy.dtype[numpy.float64]]
Output = ClassificationOutput | RegressionOutput
CONFIGS: dict[str, ModelConfig | ConvNetConfig] = {
    "guide": ModelConfig(num_classes=10, hidden_size=6, dropout=0.0),
    "conv net": ConvNetConfig(widths=(4,), hidden_sizes=(6,)),
}
WEIGHTS = [0.5, 0.0, 2.0, 1.0, 3.0, 0.25, 1.0, 1.0]
VALUES = numpy.random.default_rng(1).normal(size=(8, 10))
untyped = cast("Any", Model)


def forward(kind: str, model: Model, data: Dataset, weights: Any = None) -> Output:
    if kind == "classification":
        return model.forward_classification(data.images[:8], data.targets[:8], weights=weights)
    return model.forward_regression(data.images[:8], VALUES, weights=weights)


def losses_of(kind: str, output: Any, data: Dataset) -> Floats:
    """Return the loss of each image in float64, by the formulas."""
    output = output.astype(numpy.float64)
    if kind == "regression":
        squares: Floats = ((output - VALUES) ** 2).mean(axis=1)
        return squares
    rows = output - output.max(axis=1, keepdims=True)
    own = rows[numpy.arange(8), data.targets[:8]]
    entropies: Floats = numpy.log(numpy.exp(rows).sum(axis=1)) - own
    return entropies


KINDS = ["classification", "regression"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
def test_losses_are_those_of_their_formula(
    kind: str, weights: list[float] | None, test_data: Dataset
) -> None:
    for config in CONFIGS.values():
        model = Model(config, seed=3)
        out = forward(kind, model, test_data, weights)
        expected = losses_of(kind, out.output, test_data)
        assert out.losses == pytest.approx(expected, rel=1e-5)
        assert float(out.loss) == pytest.approx(numpy.average(expected, weights=weights), rel=1e-5)
        # Without dropout the outputs are those of inference.
        assert out.output == pytest.approx(model.forward(test_data.images[:8]), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["alike", "weighted"])
def test_gradients_are_the_slopes_of_the_loss(
    kind: str, name: str, weights: list[float] | None, test_data: Dataset
) -> None:
    model = Model(CONFIGS[name], seed=3)
    gradients = forward(kind, model, test_data, weights).loss.backward()
    state = model.state_dict()
    for key, values in state.items():
        # Along a direction of all values: single ones would drown in the rounding.
        direction = gradients[key] / (numpy.linalg.norm(gradients[key]) + 1e-12)
        ends = []
        for side in (-1.0, 1.0):
            model.load_state_dict({**state, key: values + side * 2e-3 * direction})
            losses = losses_of(kind, model.forward(test_data.images[:8]), test_data)
            ends.append(numpy.average(losses, weights=weights))
        slope = (ends[1] - ends[0]) / 4e-3
        assert slope == pytest.approx(numpy.linalg.norm(gradients[key]), rel=3e-2, abs=1e-4), key


@pytest.mark.parametrize("kind", KINDS)
def test_equal_weights_change_nothing(kind: str, test_data: Dataset) -> None:
    model = Model(CONFIGS["guide"], seed=3)
    plain, weighted = (forward(kind, model, test_data, weights) for weights in (None, [7.0] * 8))
    assert float(weighted.loss) == pytest.approx(float(plain.loss), rel=1e-6)
    first, second = plain.loss.backward(), weighted.loss.backward()
    for key in first:
        assert second[key] == pytest.approx(first[key], rel=1e-4, abs=1e-7), key


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_without_weight_does_not_count(kind: str, test_data: Dataset) -> None:
    model = Model(CONFIGS["conv net"], seed=3)
    images = numpy.array(test_data.images[:8])
    weights = numpy.array([1, 1, 0, 1, 1, 0, 1, 1])
    whole = forward(kind, model, test_data, weights).loss.backward()
    images[weights == 0] = 255
    if kind == "classification":
        out: Output = model.forward_classification(images, test_data.targets[:8], weights=weights)
    else:
        out = model.forward_regression(images, VALUES, weights=weights)
    other = out.loss.backward()
    for key in whole:
        assert other[key] == pytest.approx(whole[key], rel=1e-5, abs=1e-7), key


def test_a_regression_is_learned(test_data: Dataset) -> None:
    # How dark each image is, and how much of that is in its upper half.
    pixels = test_data.images / 255.0
    targets = numpy.stack([pixels.mean(axis=(1, 2)), pixels[:, :14].mean(axis=(1, 2))], axis=1)
    model = Model(ModelConfig(num_classes=2, hidden_size=16, dropout=0.0), seed=1)
    optimizer, losses = AdamConfig().init(), []
    for _ in range(40):
        out = model.forward_regression(test_data.images, targets)
        losses.append(float(out.loss))
        model = optimizer.step(3e-3, model, out.loss.backward())
    assert losses[0] > 1e-2
    assert losses[-1] < 1e-3
    assert losses[-1] < 0.5 * targets.var(axis=0).mean()


def test_the_same_dropout_key_has_the_same_masks(test_data: Dataset) -> None:
    model = Model(ModelConfig(hidden_size=8), seed=1)
    images, targets = test_data.images[:8], test_data.targets[:8]
    key = DropoutKey(seed=5, epoch=2, indices=numpy.arange(8))

    def output(dropout: DropoutKey | None) -> bytes:
        return model.forward_classification(images, targets, dropout=dropout).output.tobytes()

    assert output(key) == output(key)
    others = [
        key._replace(seed=6),
        key._replace(epoch=3),
        key._replace(indices=numpy.arange(8) + 1),
        None,
    ]
    assert len({output(other) for other in [key, *others]}) == 5
    out = model.forward_regression(images, VALUES, dropout=key)
    assert out.output.tobytes() == output(key)


def classify(**options: Any) -> Callable[[Model, Dataset], object]:
    return lambda model, data: model.forward_classification(
        data.images[:2], data.targets[:2], **options
    )


def regress(targets: Any, count: int = 2, **options: Any) -> Callable[[Model, Dataset], object]:
    return lambda model, data: model.forward_regression(data.images[:count], targets, **options)


zeros = numpy.zeros((2, 10))
with_nan = zeros.copy()
with_nan[0, 3] = numpy.nan
ERRORS: dict[str, tuple[Callable[[Model, Dataset], object], tuple[str, ...]]] = {
    "weights: too few": (classify(weights=[1.0]), ("one weight for each of the 2", "got 1")),
    "weights: a number": (classify(weights=1.0), ("weights", "array of numbers")),
    "weights: a matrix": (classify(weights=[[1.0, 2.0]]), ("[batch]", "[1, 2]")),
    "weights: negative": (classify(weights=[1.0, -1.0]), ("at least 0", "-1", "image 1")),
    "weights: NaN": (classify(weights=[numpy.nan, 1.0]), ("finite", "NaN", "image 0")),
    "weights: none": (classify(weights=[0, 0]), ("must not all be 0",)),
    "weights: text": (classify(weights=["a", "b"]), ("weights", "array of numbers")),
    "dropout: a number": (classify(dropout=3), ("DropoutKey", "3", "batch.dropout")),
    "dropout: of another batch": (
        classify(dropout=DropoutKey(1, 1, numpy.arange(3))),
        ("2 images", "3 indices"),
    ),
    "dropout: below 0": (
        classify(dropout=DropoutKey(1, 1, numpy.array([0, -1]))),
        ("dropout.indices", "at least 0"),
    ),
    "dropout: a bad seed": (
        classify(dropout=DropoutKey(-1, 1, numpy.arange(2))),
        ("dropout.seed", "-1"),
    ),
    "regression: classes": (regress([1, 2]), ("[batch, num_classes]", "[2, 10]", "got [2]")),
    "regression: too few": (regress(zeros[:, :9]), ("[2, 10]", "got [2, 9]")),
    "regression: NaN": (
        regress(with_nan),
        ("finite", "NaN", "output 3 of image 0"),
    ),
    "regression: text": (regress("abc"), ("targets must be an array", "'abc'")),
    "regression: nothing": (regress(zeros[:0], count=0), ("must not be empty",)),
    "regression: weights": (regress(zeros, weights=[1.0]), ("one weight for each of the 2",)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_is_wrong_is_told(name: str, test_data: Dataset) -> None:
    act, words = ERRORS[name]
    with pytest.raises(DataError) as caught:
        act(Model(ModelConfig(hidden_size=4), seed=1), test_data)
    for word in words:
        assert word in str(caught.value), str(caught.value)
