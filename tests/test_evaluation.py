"""What an evaluation tells beside loss and accuracy agrees with scikit-learn, SciPy and NumPy."""

import copy
import pickle
from typing import Literal

import numpy
import pytest
from numpy.typing import NDArray
from scipy import special, stats
from sklearn import metrics as sklearn_metrics

import mnistburn
from mnistburn import Calibration, Dataset, Evaluation, Model, ModelConfig, TrainingConfig
from mnistburn.errors import ConfigError, DataError
from mnistburn.evaluation import mcnemar_test, wilson_interval
from mnistburn.text_table import clipped, table, width_of

RANDOM = numpy.random.default_rng(7)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, train_data: Dataset) -> Model:
    """Return a model that has some images right and some wrong."""
    config = TrainingConfig(
        model=ModelConfig(hidden_size=16), num_epochs=3, batch_size=32, learning_rate=3e-3
    )
    folder = tmp_path_factory.mktemp("evaluation") / "run"
    data = (train_data, train_data[:64])
    return mnistburn.train(folder, config, "cpu", data=data, progress=False).model


@pytest.fixture(scope="module")
def evaluation(trained: Model) -> Evaluation:
    return trained.evaluate(mnistburn.datasets.load("mnist", "test")[:2000])


def test_the_logits_are_those_of_forward_in_the_order_of_the_images(
    trained: Model, evaluation: Evaluation
) -> None:
    expected = trained.forward(evaluation.dataset.images)
    numpy.testing.assert_allclose(evaluation.logits, expected, rtol=1e-5, atol=1e-5)
    assert evaluation.logits.dtype == numpy.float32


def test_losses_and_probabilities_are_those_of_scipy(evaluation: Evaluation) -> None:
    expected = special.log_softmax(evaluation.logits.astype(numpy.float64), axis=1)
    targets = evaluation.dataset.targets
    own = expected[numpy.arange(len(targets)), targets]
    numpy.testing.assert_allclose(evaluation.losses, -own, rtol=1e-9, atol=1e-12)
    numpy.testing.assert_allclose(evaluation.probabilities(), numpy.exp(expected), rtol=1e-9)
    assert evaluation.losses.mean() == pytest.approx(evaluation.loss, rel=1e-5)
    numpy.testing.assert_allclose(evaluation.confidence, numpy.exp(expected).max(axis=1), rtol=1e-9)


def test_the_scores_of_the_classes_are_those_of_scikit_learn(evaluation: Evaluation) -> None:
    targets, taken = evaluation.dataset.targets, evaluation.predictions
    expected = sklearn_metrics.precision_recall_fscore_support(
        targets, taken, labels=range(10), zero_division=0
    )
    found = [
        [getattr(scores, name) for scores in evaluation.per_class]
        for name in ("precision", "recall", "f1", "support")
    ]
    numpy.testing.assert_allclose(found, expected, rtol=1e-12)
    assert [scores.name for scores in evaluation.per_class] == [str(n) for n in range(10)]
    matrix = sklearn_metrics.confusion_matrix(targets, taken, labels=range(10))
    numpy.testing.assert_array_equal(evaluation.confusion, matrix)
    assert evaluation.accuracy == sklearn_metrics.accuracy_score(targets, taken)
    assert 0.3 < evaluation.accuracy < 0.98


def test_the_most_confused_pairs_are_the_largest_cells_beside_the_diagonal(
    evaluation: Evaluation,
) -> None:
    pairs = evaluation.most_confused(1000)
    expected = sorted(
        (
            (-int(evaluation.confusion[true, taken]), true, taken)
            for true in range(10)
            for taken in range(10)
            if true != taken and evaluation.confusion[true, taken]
        ),
    )
    found = [(-pair.count, int(pair.true), int(pair.predicted)) for pair in pairs]
    assert found == expected
    support = evaluation.confusion.sum(axis=1)
    for pair in pairs:
        assert pair.share == pytest.approx(pair.count / support[int(pair.true)])
    assert evaluation.most_confused(3) == pairs[:3]


def test_the_worst_images_are_those_of_highest_loss(evaluation: Evaluation) -> None:
    worst = evaluation.worst(20)
    losses = numpy.sort(evaluation.losses)[::-1][:20]
    assert [image.loss for image in worst] == losses.tolist()
    targets = evaluation.dataset.targets
    probabilities = evaluation.probabilities()
    for image in worst:
        assert image.true == str(targets[image.index])
        assert image.predicted == str(probabilities[image.index].argmax())
        assert image.probability == pytest.approx(probabilities[image.index].max())
        assert image.true_probability == pytest.approx(
            probabilities[image.index, targets[image.index]]
        )
    assert len(evaluation.worst(10_000)) == 2000


def expected_error(confidence: NDArray[numpy.float64], right: NDArray[numpy.bool]) -> float:
    """Return the calibration error as the paper defines it, bin by bin, with 15 bins."""
    whole = 0.0
    for bin_ in range(15):
        inside = (confidence > bin_ / 15) & (confidence <= (bin_ + 1) / 15)
        if inside.any():
            gap = abs(right[inside].mean() - confidence[inside].mean())
            whole += inside.mean() * gap
    return whole


def test_the_calibration_error_is_that_of_its_definition(evaluation: Evaluation) -> None:
    calibration = evaluation.calibration()
    expected = expected_error(evaluation.confidence, evaluation.right)
    assert calibration.expected_error == pytest.approx(expected, rel=1e-9)
    assert expected > 0.01
    assert calibration.counts.sum() == 2000
    # Each bin as scikit-learn's reliability curve has it, which leaves empty ones out.
    from sklearn.calibration import calibration_curve

    shares, means = calibration_curve(evaluation.right, evaluation.confidence, n_bins=15)
    filled = calibration.counts > 0
    numpy.testing.assert_allclose(calibration.accuracy[filled], shares)
    numpy.testing.assert_allclose(calibration.confidence[filled], means)
    assert numpy.isnan(calibration.accuracy[~filled]).all()


@pytest.mark.parametrize("bins", [1, 2, 10, 15, 100])
def test_a_probability_on_an_edge_is_in_the_bin_below_and_none_is_lost(bins: int) -> None:
    edges = numpy.linspace(0, 1, bins + 1)
    calibration = Calibration.measure(edges, numpy.ones(bins + 1, dtype=bool), bins)
    counts = numpy.ones(bins, dtype=int)
    counts[0] = 2  # 0 and the upper edge of the first
    assert calibration.counts.tolist() == counts.tolist()
    beyond = Calibration.measure([numpy.nextafter(1.0, 2.0)], [True], bins)
    assert beyond.counts.tolist() == [0] * (bins - 1) + [1]


def test_a_perfectly_calibrated_model_has_no_error() -> None:
    calibration = Calibration.measure([0.5, 0.5, 1.0], [True, False, True])
    assert (calibration.expected_error, calibration.maximum_error) == (0.0, 0.0)
    wrong = Calibration.measure([1.0, 1.0, 0.5, 0.5], [False, False, True, False])
    assert (wrong.expected_error, wrong.maximum_error) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("right", "total"), [(0, 1), (1, 1), (0, 10), (10, 10), (7, 10), (9825, 10_000), (1, 1000)]
)
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.999])
def test_the_interval_is_that_of_scipy(right: int, total: int, confidence: float) -> None:
    expected = stats.binomtest(right, total).proportion_ci(confidence, method="wilson")
    found = wilson_interval(right, total, confidence)
    assert found == pytest.approx((expected.low, expected.high), rel=1e-9, abs=1e-15)
    assert 0.0 <= found[0] <= right / total <= found[1] <= 1.0


def test_the_interval_of_an_evaluation_is_around_its_accuracy(evaluation: Evaluation) -> None:
    right = round(evaluation.accuracy * 2000)
    assert evaluation.accuracy_interval(0.9) == wilson_interval(right, 2000, 0.9)
    assert evaluation.accuracy_interval() == wilson_interval(right, 2000, 0.95)


def pair_of(first_only: int, second_only: int) -> tuple[NDArray[numpy.bool], NDArray[numpy.bool]]:
    both, neither = 17, 5
    first = [True] * both + [True] * first_only + [False] * second_only + [False] * neither
    second = [True] * both + [False] * first_only + [True] * second_only + [False] * neither
    order = RANDOM.permutation(len(first))
    return numpy.array(first)[order], numpy.array(second)[order]


@pytest.mark.parametrize(
    ("first_only", "second_only"),
    [(0, 0), (1, 0), (0, 5), (3, 3), (4, 5), (20, 4), (12, 12), (0, 24)],
)
def test_mcnemar_with_few_images_is_the_binomial_test(first_only: int, second_only: int) -> None:
    found = mcnemar_test(*pair_of(first_only, second_only))
    assert (found.first_only, found.second_only) == (first_only, second_only)
    assert found.exact
    total = first_only + second_only
    expected = stats.binomtest(first_only, total).pvalue if total else 1.0
    assert found.p_value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("first_only", "second_only"), [(25, 0), (13, 12), (60, 60), (59, 121), (5000, 5200)]
)
def test_mcnemar_with_many_images_is_chi_squared(first_only: int, second_only: int) -> None:
    found = mcnemar_test(*pair_of(first_only, second_only))
    assert not found.exact
    difference = max(abs(first_only - second_only) - 1, 0)
    statistic = difference**2 / (first_only + second_only)
    assert found.statistic == pytest.approx(statistic)
    assert found.p_value == pytest.approx(stats.chi2.sf(statistic, 1), rel=1e-9)


def test_mcnemar_has_the_published_number() -> None:
    # A. Agresti, "Categorical data analysis": approval of the prime minister, 86 and 150 changed;
    # with the correction, as R's mcnemar.test gives it: 34.7118 on the same table.
    # https://stat.ethz.ch/R-manual/R-devel/library/stats/html/mcnemar.test.html
    found = mcnemar_test(*pair_of(86, 150))
    assert found.statistic == pytest.approx((64 - 1) ** 2 / 236)
    assert found.p_value == pytest.approx(4.115e-05, rel=1e-3)


def test_mcnemar_refuses_what_is_no_pair() -> None:
    with pytest.raises(DataError, match="same images"):
        mcnemar_test([True], [True, False])
    with pytest.raises(DataError, match="bools"):
        mcnemar_test([1, 0], [True, False])


def test_an_evaluation_is_equal_by_its_numbers_and_is_copied(evaluation: Evaluation) -> None:
    for again in (copy.deepcopy(evaluation), pickle.loads(pickle.dumps(evaluation))):  # noqa: S301
        assert again == evaluation
        assert again.worst(3) == evaluation.worst(3)
        numpy.testing.assert_array_equal(again.confusion, evaluation.confusion)
    assert repr(evaluation).startswith("Evaluation(loss=")
    assert "\n" not in repr(evaluation)


def test_metrics_that_were_not_asked_for_are_not_there(trained: Model, test_data: Dataset) -> None:
    assert trained.evaluate(test_data).metrics == {}
    assert list(trained.evaluate(test_data, metrics=["f1_per_class"]).metrics) == ["f1_per_class"]


def test_the_extras_follow_from_the_views_too(trained: Model, test_data: Dataset) -> None:
    found = trained.evaluate(test_data, augment="shift")
    assert found.losses.mean() == pytest.approx(found.loss, rel=1e-5)
    numpy.testing.assert_allclose(
        found.probabilities(), trained.predict_proba(test_data.images, augment="shift"), atol=1e-6
    )
    assert found.right.mean() == found.accuracy


def test_the_images_are_not_copied(trained: Model, test_data: Dataset) -> None:
    assert numpy.shares_memory(trained.evaluate(test_data).dataset.images, test_data.images)


def test_text_has_eighty_columns_at_most(evaluation: Evaluation) -> None:
    text = str(evaluation)
    assert max(map(width_of, text.splitlines())) <= 80
    assert f"{evaluation.accuracy:.4f}" in text
    assert all(str(count) in text for count in evaluation.confusion.ravel() if count)
    pair = evaluation.most_confused(1)[0]
    assert f"{pair.true} taken for {pair.predicted}" in text


def with_classes(names: list[str]) -> Evaluation:
    """Return an evaluation with names of classes, of noise and a model that knows nothing."""
    images = RANDOM.integers(0, 256, (60, 28, 28), dtype=numpy.uint8)
    data = Dataset(images, numpy.arange(60) % len(names), class_names=names)
    model = Model(ModelConfig(num_classes=len(names), hidden_size=4), seed=3, class_names=names)
    return model.evaluate(data)


@pytest.mark.parametrize(
    "names",
    [
        ["yes", "no"],
        [f"class of quite a long name, number {number}" for number in range(12)],
        [f"{number:02} {'x' * 200}" for number in range(47)],
        ["猫" * 30, "犬\n\x1b[31m", "<b>&|`*_"],
        ["é" * 40, "e\u0301" * 40],
    ],
    ids=["two", "twelve", "many", "odd", "accents"],
)
def test_text_of_any_names_has_eighty_columns_and_no_control_characters(names: list[str]) -> None:
    text = str(with_classes(names))
    for line in text.splitlines():
        assert width_of(line) <= 80
        assert line.isprintable()
    matrix = with_classes(names).confusion_text().splitlines()
    assert len(matrix) == len(names) + 1
    assert all(line.isprintable() for line in matrix)


def test_a_single_image_has_an_evaluation() -> None:
    images = RANDOM.integers(0, 256, (1, 28, 28), dtype=numpy.uint8)
    found = Model(ModelConfig(num_classes=2, hidden_size=2), seed=1).evaluate(Dataset(images, [0]))
    assert found.confusion.sum() == 1
    assert found.per_class[1].support == 0
    assert len(found.worst()) == 1
    assert "accuracy" in str(found)


def test_an_evaluation_without_a_mistake_has_no_confused_pair(evaluation: Evaluation) -> None:
    data = evaluation.dataset
    known = data.subset(numpy.flatnonzero(evaluation.right)[:50])
    found = Evaluation(
        0.0,
        1.0,
        {},
        class_names=evaluation.class_names,
        dataset=known,
        _logits=evaluation.logits[numpy.flatnonzero(evaluation.right)[:50]],
    )
    assert found.most_confused() == ()
    assert "most confused" not in str(found)
    assert found.accuracy_interval()[1] == 1.0


def test_too_many_logits_are_not_kept(trained: Model, test_data: Dataset) -> None:
    from mnistburn.evaluation import measure

    whole = trained.evaluate(test_data)
    assert whole.keeps_logits
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "_MOST_LOGITS", 128 * 10 - 1)
        found = trained.evaluate(test_data)
        counted = trained.evaluate(test_data, metrics=[number_of_logits])
    assert found == whole
    assert not found.keeps_logits
    assert not counted.keeps_logits
    assert counted.metrics == {"number_of_logits": 1280.0}
    for ask in (found.worst, found.calibration, found.most_confused, found.confusion_text):
        with pytest.raises(DataError, match="128 images and 10 classes are too many"):
            ask()
    assert found.accuracy_interval() == whole.accuracy_interval()
    assert str(found).splitlines() == str(whole).splitlines()[:3]


@pytest.mark.parametrize("augment", [False, "shift"])
@pytest.mark.parametrize("batch_size", [7, 32, 1000])
def test_images_are_measured_in_parts_as_at_once(
    trained: Model, test_data: Dataset, batch_size: int, augment: Literal["shift", False]
) -> None:
    from mnistburn.evaluation import measure

    whole = trained.evaluate(test_data, batch_size, augment=augment)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "_LOGITS_AT_A_TIME", 400)
        parts = trained.evaluate(test_data, batch_size, augment=augment)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-12)
    assert parts.accuracy == whole.accuracy
    numpy.testing.assert_array_equal(parts.logits, whole.logits)
    assert not parts.logits.flags.writeable


def number_of_logits(logits: NDArray[numpy.float64], _: NDArray[numpy.int64]) -> float:
    return float(logits.size)


def test_many_classes_need_no_matrix(test_data: Dataset) -> None:
    model = Model(ModelConfig(num_classes=100_000, hidden_size=1), seed=1)
    found = model.evaluate(test_data[:3])
    assert "(3 of 100000, lowest F1)" in str(found)
    assert "confusion" not in vars(found)


def test_logits_cannot_be_changed(evaluation: Evaluation) -> None:
    with pytest.raises(ValueError, match="read-only"):
        evaluation.logits[0, 0] = 1.0


def test_a_model_with_more_classes_than_names_calls_the_rest_by_number() -> None:
    images = RANDOM.integers(0, 256, (4, 28, 28), dtype=numpy.uint8)
    data = Dataset(images, [0, 1, 0, 1], class_names=["0", "1"])
    found = Model(ModelConfig(hidden_size=2), seed=1).evaluate(data)
    assert found.class_names == tuple(map(str, range(10)))


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "3", None])
def test_counts_are_whole_numbers_from_one(evaluation: Evaluation, count: object) -> None:
    for ask in (evaluation.worst, evaluation.most_confused):
        with pytest.raises(ConfigError, match="count must be an integer of at least 1"):
            ask(count)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="num_bins"):
        evaluation.calibration(count)  # type: ignore[arg-type]


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, float("nan"), "0.95"])
def test_a_confidence_is_between_none_and_all(evaluation: Evaluation, confidence: object) -> None:
    with pytest.raises(ConfigError, match="confidence must be a number above 0 and below 1"):
        evaluation.accuracy_interval(confidence)  # type: ignore[arg-type]


def test_widths_are_those_of_a_terminal() -> None:
    assert width_of("abc") == 3
    assert width_of("猫") == 2
    assert width_of("e\u0301") == 1
    assert clipped("class number 17", 10) == "class … 17"
    assert clipped("abcdef", 4) == "ab…f"
    assert clipped("abcdef", 1) == "…"
    assert clipped("猫猫猫猫", 6) == "猫猫…"
    assert clipped("猫猫猫猫", 7) == "猫猫…猫"
    assert clipped("abcd", 4) == "abcd"
    assert table([("a", "bb"), ("猫", "c")]) == ["a   bb", "猫   c"]


@pytest.mark.parametrize("weight", [numpy.nan, numpy.inf, -numpy.inf])
def test_a_model_that_is_not_finite_has_an_evaluation(weight: float, test_data: Dataset) -> None:
    model = Model(ModelConfig(hidden_size=4), seed=1)
    state = model.state_dict()
    state["linear2.weight"] = numpy.full_like(state["linear2.weight"], weight)
    model.load_state_dict(state)
    found = model.evaluate(test_data)
    assert numpy.isnan(found.loss)
    assert "loss               nan" in str(found)
    assert len(found.worst(3)) == 3
    assert numpy.isnan(found.calibration().expected_error)
