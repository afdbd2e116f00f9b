"""Metrics beside loss and accuracy agree with scikit-learn's."""

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sklearn_metrics

import mnistburn
from mnistburn import (
    Callback,
    Dataset,
    EarlyStopping,
    ModelConfig,
    ReduceOnPlateauLrSchedulerConfig,
    TrainingConfig,
    TrainingResult,
)
from mnistburn.callbacks import EpochEnd, StepEnd, ValidationEnd
from mnistburn.errors import ConfigError

Pair = tuple[Dataset, Dataset]

NAMES = [
    "top_1_accuracy",
    "top_3_accuracy",
    "precision_macro",
    "precision_micro",
    "precision_per_class",
    "recall_macro",
    "recall_micro",
    "recall_per_class",
    "recall_class_3",
    "f1_macro",
    "f1_per_class",
    "f2_macro",
    "f0.5_macro",
    "f0.5_micro",
    "auroc_macro",
    "auroc_per_class",
    "confusion",
    "confusion_3_5",
]


def softmax(logits: NDArray[numpy.float64]) -> NDArray[numpy.float64]:
    powers = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    result: NDArray[numpy.float64] = powers / powers.sum(axis=1, keepdims=True)
    return result


def by_sklearn(  # noqa: PLR0911  a way for each kind
    name: str, logits: NDArray[numpy.float64], targets: NDArray[numpy.int64]
) -> Any:
    """Return what scikit-learn measures."""
    classes = numpy.arange(logits.shape[1])
    taken = logits.argmax(axis=1)
    if name == "confusion":
        return sklearn_metrics.confusion_matrix(targets, taken, labels=classes)
    if name.startswith("confusion"):
        _, row, column = name.split("_")
        return by_sklearn("confusion", logits, targets)[int(row), int(column)]
    if name.startswith("top"):
        k = int(name.split("_")[1])
        return sklearn_metrics.top_k_accuracy_score(targets, logits, k=k, labels=classes)
    if "_class_" in name and "per" not in name:
        score, number = name.split("_class_")
        return by_sklearn(f"{score}_per_class", logits, targets)[int(number)]
    score, _, average = name.partition("_")
    if score == "auroc":
        if average == "per_class":
            shares = softmax(logits)
            return [
                sklearn_metrics.roc_auc_score(targets == number, shares[:, number])
                for number in classes
            ]
        return sklearn_metrics.roc_auc_score(targets, softmax(logits), multi_class="ovr")
    options: dict[str, Any] = {"average": average, "zero_division": 0.0}
    if average == "per_class":
        options |= {"average": None, "labels": classes}
    if score in {"precision", "recall"}:
        return getattr(sklearn_metrics, f"{score}_score")(targets, taken, **options)
    return sklearn_metrics.fbeta_score(targets, taken, beta=float(score[1:]), **options)


@pytest.fixture(scope="module")
def model(small_data: Pair) -> mnistburn.Model:
    """Train a little: a model that is right here and wrong there."""
    model = mnistburn.Model(ModelConfig(hidden_size=16, dropout=0.0), seed=3)
    optimizer = mnistburn.AdamConfig().init()
    for batch in mnistburn.DataLoader(small_data[0], 32, shuffle=1):
        out = model.forward_classification(batch.images, batch.targets)
        model = optimizer.step(2e-3, model, out.loss.backward())
    return model


def test_each_metric_is_that_of_scikit_learn(model: mnistburn.Model, train_data: Dataset) -> None:
    found = model.evaluate(train_data, metrics=NAMES)
    logits = model.forward(train_data.images).astype(numpy.float64)
    assert 0.3 < found.accuracy < 0.95
    assert list(found.metrics) == NAMES
    for name in NAMES:
        expected = numpy.asarray(by_sklearn(name, logits, train_data.targets))
        assert numpy.shape(found.metrics[name]) == expected.shape, name
        assert numpy.allclose(found.metrics[name], expected, rtol=0, atol=1e-9), name
    assert found.metrics["top_1_accuracy"] == pytest.approx(found.accuracy, abs=1e-12)
    plain = model.evaluate(train_data)
    assert (plain.loss, plain.accuracy) == (found.loss, found.accuracy)
    assert plain.metrics == {}


def test_a_macro_average_is_over_the_classes_that_occur(
    model: mnistburn.Model, train_data: Dataset
) -> None:
    # One class that has no image, and that the model takes some for, or none.
    some = train_data.subset(numpy.flatnonzero(numpy.isin(train_data.targets, [0, 1, 2, 7])))
    names = ["precision_macro", "recall_macro", "f1_macro", "f1_per_class", "auroc_class_7"]
    found = model.evaluate(some, metrics=names)
    logits = model.forward(some.images).astype(numpy.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names[:-1]:
            expected = by_sklearn(name, logits, some.targets)
            assert numpy.allclose(found.metrics[name], expected, rtol=0, atol=1e-9), name
    expected = sklearn_metrics.roc_auc_score(some.targets == 7, softmax(logits)[:, 7])
    assert found.metrics["auroc_class_7"] == pytest.approx(expected, abs=1e-9)
    with pytest.raises(ConfigError, match=r"0 of the .* images are of class 3"):
        model.evaluate(some, metrics=["auroc_macro"])


def test_metrics_of_views_are_those_of_the_mean_probabilities(
    model: mnistburn.Model, test_data: Dataset
) -> None:
    seen = []

    def keep(logits: NDArray[numpy.float64], targets: NDArray[numpy.int64]) -> float:
        seen.append((logits, targets))
        return 0.0

    found = model.evaluate(test_data, augment=["shift"], metrics=["f1_macro", "auroc_macro", keep])
    ((logits, targets),) = seen
    assert (targets == test_data.targets).all()
    shares = model.predict_proba(test_data.images, augment=["shift"])
    assert numpy.allclose(numpy.exp(logits), shares, atol=1e-6)
    for name in ("f1_macro", "auroc_macro"):
        expected = by_sklearn(name, logits, targets)
        assert found.metrics[name] == pytest.approx(expected, abs=1e-9)


def mean_margin(logits: NDArray[numpy.float64], targets: NDArray[numpy.int64]) -> float:
    """Return by how much the logit of the class is above the mean."""
    rows = numpy.arange(len(targets))
    return float((logits[rows, targets] - logits.mean(axis=1)).mean())


CONFIG = TrainingConfig(
    model=ModelConfig(hidden_size=16, dropout=0.0),
    num_epochs=3,
    learning_rate=3e-3,
    metrics=["f1_macro", "recall_per_class", "auroc_macro"],
)


def run(directory: Path, config: TrainingConfig | None, data: Pair, **more: Any) -> TrainingResult:
    return mnistburn.train(directory, config, "cpu", data=data, progress=False, **more)


def test_a_training_measures_after_each_epoch(
    artifact_dir: Path, train_data: Dataset, test_data: Dataset
) -> None:
    assert TrainingConfig.from_json(CONFIG.to_json()) == CONFIG
    heard: list[dict[str, float]] = []

    class Listener(Callback):
        def on_validation_end(self, event: ValidationEnd) -> None:
            heard.append(event.metrics)
            # What the model is at that moment.
            found = event.run.model.evaluate(
                event.run.valid_data, metrics=["f1_macro", mean_margin]
            )
            assert found.metrics["f1_macro"] == pytest.approx(event.metrics["valid_f1_macro"])
            margin = event.metrics["valid_mean_margin"]
            assert found.metrics["mean_margin"] == pytest.approx(margin, rel=1e-5)

        def on_epoch_end(self, event: EpochEnd) -> None:
            assert event.metrics == heard[-1]

    data = (train_data, test_data)
    result = run(artifact_dir, CONFIG, data, metrics=[mean_margin], callbacks=[Listener()])
    columns = ["valid_f1_macro", "valid_auroc_macro", "valid_mean_margin"]
    columns += [f"valid_recall_class_{number}" for number in range(10)]
    assert set(heard[0]) == set(columns)
    for name in columns:
        assert result.history[name] == [row[name] for row in heard]
    assert mnistburn.load_run(artifact_dir).history == result.history
    logits = result.model.forward(test_data.images).astype(numpy.float64)
    last = by_sklearn("auroc_macro", logits, test_data.targets)
    assert result.history["valid_auroc_macro"][-1] == pytest.approx(last, abs=1e-6)
    plain = run(artifact_dir, dataclasses.replace(CONFIG, metrics=()), data)
    assert plain.history["valid_loss"] == result.history["valid_loss"]
    assert set(result.history) - set(plain.history) == set(columns)


class StopAt(Callback):
    def on_step_end(self, event: StepEnd) -> bool:
        return (event.epoch, event.step) == (2, 2)


def test_a_resumed_run_goes_on_measuring(
    artifact_dir: Path, tmp_path: Path, train_data: Dataset, test_data: Dataset
) -> None:
    data = (train_data, test_data)
    whole = run(tmp_path / "whole", CONFIG, data, metrics=[mean_margin])
    run(artifact_dir, CONFIG, data, metrics=[mean_margin], callbacks=[StopAt()])
    with pytest.raises(ConfigError, match=r"valid_mean_margin.*metrics=\[...\]"):
        run(artifact_dir, None, data, resume=True)
    resumed = run(artifact_dir, None, data, resume=True, metrics=[mean_margin])
    for name in ("valid_f1_macro", "valid_recall_class_3", "valid_mean_margin"):
        assert resumed.history[name] == whole.history[name]


def test_early_stopping_and_a_plateau_follow_metrics(
    artifact_dir: Path, train_data: Dataset, test_data: Dataset
) -> None:
    schedule = ReduceOnPlateauLrSchedulerConfig(metric="valid_f1_macro", patience=0, factor=0.5)
    config = dataclasses.replace(CONFIG, num_epochs=30, lr_scheduler=schedule)
    early = EarlyStopping(metric="valid_mean_margin", direction="min", patience=2)
    data = (train_data, test_data)
    stopped = run(artifact_dir, config, data, metrics=[mean_margin], callbacks=[early])
    margins = stopped.history["valid_mean_margin"]
    assert stopped.ended == "stopped_early"
    assert stopped.best_epoch == 1 + int(numpy.argmin(margins)) == len(margins) - 2
    early = EarlyStopping(metric="valid_f1_macro", patience=3)
    assert early.direction == "max"
    stopped = run(artifact_dir, config, data, callbacks=[early])
    scores = stopped.history["valid_f1_macro"]
    assert stopped.best_epoch == 1 + int(numpy.argmax(scores)) == stopped.model_epoch
    rates, best = [3e-3], 0.0
    for score in scores:
        is_better = score > best * (1 + 1e-4)
        best = score if is_better else best
        rates.append(rates[-1] if is_better else rates[-1] * 0.5)
    assert len(set(rates[:-1])) > 1
    assert stopped.history["learning_rate"] == pytest.approx(rates[:-1], rel=1e-12)


def test_an_exception_of_a_metric_is_raised_and_the_work_kept(
    artifact_dir: Path, tmp_path: Path, train_data: Dataset, test_data: Dataset
) -> None:
    calls = []

    def mean_margin_that_fails(logits: Any, targets: Any) -> float:
        calls.append(len(targets))
        if len(calls) == 2:
            raise LookupError("of the metric")
        return mean_margin(logits, targets)

    data = (train_data, test_data)
    whole = run(tmp_path / "whole", CONFIG, data)
    with pytest.raises(LookupError, match="of the metric"):
        run(artifact_dir, CONFIG, data, metrics=[mean_margin_that_fails])
    assert mnistburn.load_run(artifact_dir).history.num_epochs == 1
    resumed = run(artifact_dir, None, data, resume=True, metrics=[mean_margin_that_fails])
    assert resumed.history["valid_f1_macro"] == whole.history["valid_f1_macro"]
    assert calls == [len(test_data)] * 4


@pytest.mark.parametrize(
    ("metrics", "parts"),
    [
        ("f1_macro", ("metrics must be a sequence", "metrics=[metric]")),
        (["f1"], ("a metric must be one of", "as in f1_macro", '"f1"')),
        (["auroc_micro"], ("auroc has no micro average",)),
        (["recall_class_10"], ("10 classes", "recall_class_10")),
        (["top_11_accuracy"], ("10 classes", "top_11_accuracy")),
        ([3], ("names, or functions", "got 3 (int) at index 0")),
        ([lambda _, __: 0.0], ("that have a name", "define it with def")),
        ([mean_margin, mean_margin], ("names of their own", "mean_margin")),
    ],
    ids=str,
)
def test_what_metrics_refuse(
    model: mnistburn.Model, artifact_dir: Path, small_data: Pair, metrics: Any, parts: Any
) -> None:
    config = dataclasses.replace(CONFIG, metrics=())
    for act in (
        lambda: model.evaluate(small_data[1], metrics=metrics),
        lambda: run(artifact_dir, config, small_data, metrics=metrics),
    ):
        with pytest.raises(ConfigError) as caught:
            act()
        for part in parts:
            assert part in str(caught.value)
    assert not artifact_dir.exists()


def test_a_run_refuses_a_metric_twice_and_values_that_are_no_numbers(
    artifact_dir: Path, small_data: Pair
) -> None:
    def not_a_number(logits: Any, targets: Any) -> float:
        return float("nan")

    twice = dataclasses.replace(CONFIG, metrics=["recall_class_3", "recall_per_class"])
    with pytest.raises(ConfigError, match="valid_recall_class_3 twice"):
        run(artifact_dir, twice, small_data)
    with pytest.raises(ConfigError, match="not_a_number must give a finite number, got nan"):
        run(artifact_dir, CONFIG, small_data, metrics=[not_a_number])
