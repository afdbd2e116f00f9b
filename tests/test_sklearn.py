"""`BurnClassifier` does what scikit-learn expects of a classifier, and takes images as it says."""

import logging
import pickle
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy
import pytest
import sklearn
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler
from sklearn.utils import compute_sample_weight
from sklearn.utils.estimator_checks import parametrize_with_checks

import mnistburn
from mnistburn import (
    AdamWConfig,
    AugmentationConfig,
    ConvNetConfig,
    Model,
    ModelConfig,
    TrainingConfig,
)
from mnistburn.arrays import ImageShape
from mnistburn.sklearn import BurnClassifier

Arrays = tuple[NDArray[Any], NDArray[Any]]


@pytest.fixture(scope="module")
def digits() -> Arrays:
    """Return 300 of the digits of 8 by 8 pixels, from 0 to 16."""
    images, labels = load_digits(return_X_y=True)
    return images[:300], labels[:300]


@pytest.fixture(scope="module")
def fitted(digits: Arrays) -> BurnClassifier:
    return quick().fit(*digits)


@pytest.fixture(autouse=True)
def temporary(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """No folder that a test makes may stay."""
    tmp_path_factory.getbasetemp()  # that of pytest itself stays where it is
    memory = Path("/dev/shm")  # noqa: S108  the folder within is made by tempfile
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield
        assert list(Path(folder).glob("mnistburn-*")) == []


# What fails, and why; `docs/scikit-learn.md` has it for readers.
UNMET = {
    "check_sample_weight_equivalence_on_dense_data": (
        "an image of weight 2 is one image of a batch, and two images would be two of them"
    ),
}


def quick(**parameters: Any) -> BurnClassifier:
    """Return a classifier that trains in a moment."""
    return BurnClassifier(**{"num_epochs": 2, "random_state": 0, **parameters})


# Their features are no images: few numbers on any scale. Eight epochs tell their classes apart.
@parametrize_with_checks(  # type: ignore[untyped-decorator]  # it has no types
    [BurnClassifier(image_shape="pad", num_epochs=8, batch_size=8, random_state=0, threads=1)],
    expected_failed_checks=lambda _: UNMET,
)
def test_the_checks_of_scikit_learn(
    estimator: BurnClassifier, check: Callable[[BurnClassifier], None]
) -> None:
    check(estimator)


def test_a_quarter_of_the_digits_is_told_apart() -> None:
    images, labels = load_digits(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(
        images, labels, stratify=labels, random_state=0
    )
    classifier = BurnClassifier(random_state=0).fit(train, train_labels)
    assert classifier.score(test, test_labels) > 0.97


def test_predictions_agree_with_each_other(digits: Arrays, fitted: BurnClassifier) -> None:
    images, _ = digits
    logits = fitted.decision_function(images)
    exponentials = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    numpy.testing.assert_allclose(fitted.predict_proba(images), expected, rtol=1e-4, atol=1e-7)
    assert (fitted.predict(images) == fitted.classes_[logits.argmax(axis=1)]).all()


def test_it_is_the_training_of_this_package(digits: Arrays, tmp_path: Path) -> None:
    images, labels = digits
    parameters: dict[str, Any] = {"num_epochs": 3, "batch_size": 50, "learning_rate": 1e-3}
    classifier = quick(config="book", **parameters).fit(images, labels)
    pixels = (images.reshape(-1, 8, 8) * (255 / 16)).round().astype(numpy.uint8)
    data = mnistburn.Dataset(pixels, labels, [str(number) for number in range(10)])
    config = TrainingConfig(
        model=ModelConfig.for_data(data), seed=classifier.config_.seed, **parameters
    )
    run = mnistburn.train(tmp_path / "run", config, "cpu", data=(data, data[:50]), progress=False)
    for name, value in run.model.state_dict().items():
        assert (classifier.model_.state_dict()[name] == value).all(), name
    assert classifier.history_["train_loss"] == list(run.history["train_loss"])
    assert not [name for name in classifier.history_ if name.startswith("valid")]


@pytest.mark.parametrize(
    "labels",
    [
        numpy.array(["no", "yes"]),
        numpy.array([-1, 1]),
        numpy.array([False, True]),
        numpy.array(["", "a"], dtype=object),
        numpy.array([0.0, 2.0]),
    ],
)
def test_labels_may_be_anything(digits: Arrays, labels: NDArray[Any]) -> None:
    images, numbers = digits
    own = labels[(numbers > 4).astype(int)]
    classifier = quick(num_epochs=5).fit(images, own)
    assert (classifier.classes_ == labels).all()
    assert classifier.classes_.dtype == labels.dtype
    assert classifier.score(images, own) > 0.9
    margin = classifier.decision_function(images)
    assert margin.shape == (300,)
    assert (classifier.predict(images) == labels[(margin > 0).astype(int)]).all()


class TestImages:
    """What is taken for images, and for black and white."""

    def test_arrays_of_images_are_flat_ones(self, digits: Arrays, fitted: BurnClassifier) -> None:
        images, labels = digits
        squares = images.reshape(-1, 8, 8)
        other = quick().fit(squares, labels)
        assert other.image_shape_ == fitted.image_shape_ == ImageShape(8, 8, 1)
        expected = fitted.predict_proba(images)
        for array in (squares, squares[..., None], squares[:, None], squares.tolist(), images):
            assert (other.predict_proba(array) == expected).all()
        wide = quick(image_shape=(8, 16)).fit(numpy.hstack([images, images]), labels)
        tall = numpy.zeros((1, 16, 8))
        with pytest.raises(ValueError, match="X has images of 16 x 8, but BurnClassifier is expec"):
            wide.predict(tall)

    def test_colours_lie_as_image_shape_says(self) -> None:
        generator = numpy.random.default_rng(1)
        colours = generator.integers(0, 100, (60, 6, 5, 3), dtype=numpy.uint8)
        labels = numpy.arange(60) % 3
        colours[numpy.arange(60), :, :, labels] += 150
        classifier = quick(num_epochs=20).fit(colours, labels)
        assert classifier.image_shape_ == (6, 5, 3)
        assert classifier.pixel_range_ == (0.0, 255.0)
        assert classifier.score(colours, labels) == 1.0
        flat = quick(num_epochs=20, image_shape=(6, 5, 3)).fit(colours.reshape(60, -1), labels)
        first = quick(num_epochs=20).fit(numpy.moveaxis(colours, 3, 1), labels)
        for other in (flat, first):
            assert (other.predict_proba(colours) == classifier.predict_proba(colours)).all()

    @pytest.mark.parametrize(
        ("shape", "features", "part"),
        [
            (None, 20, "X has 20 features, which is no square"),
            (None, 16, "no square of 5 by 5 pixels or more"),
            (None, 3072, r"image_shape=\(32, 32, 3\)"),
            (None, 27, r"image_shape=\(height, width\)"),
            ((4, 5), 64, "image_shape is 4 x 5, 20 values, and X has 64 features"),
            ((8, 8, 3), 64, "image_shape is 8 x 8 x 3, 192 values, and X has 64 features"),
            ("square", 64, "image_shape must be None, 'pad'"),
            ((2, 32), 64, "the height and the width of images must be 5 to 4096"),
        ],
    )
    def test_shapes_that_do_not_fit_are_refused(self, shape: Any, features: int, part: str) -> None:
        images = numpy.zeros((10, features))
        images[::2] = 1.0
        with pytest.raises(ValueError, match=part):
            quick(image_shape=shape).fit(images, numpy.arange(10) % 2)

    def test_padding_fills_a_square_with_black(self, digits: Arrays) -> None:
        images, labels = digits[0][:, 16:36], digits[1]
        padded = numpy.pad(images, ((0, 0), (0, 5)))
        expected = quick().fit(padded, labels).predict_proba(padded)
        assert (
            quick(image_shape="pad").fit(images, labels).predict_proba(images) == expected
        ).all()

    @pytest.mark.parametrize(
        ("change", "pixel_range"),
        [
            (lambda images: images, (0.0, 16.0)),
            (lambda images: images / 16, (0.0, 1.0)),
            (lambda images: (images / 16).astype(numpy.float32), (0.0, 1.0)),
            (lambda images: images.astype(numpy.int64), (0.0, 16.0)),
            (lambda images: images / 8 - 1, (-1.0, 1.0)),
        ],
    )
    def test_black_and_white_follow_a_rule(
        self,
        digits: Arrays,
        fitted: BurnClassifier,
        change: Callable[[NDArray[Any]], NDArray[Any]],
        pixel_range: tuple[float, float],
    ) -> None:
        images, labels = digits
        classifier = quick().fit(change(images), labels)
        assert classifier.pixel_range_ == pixel_range
        assert (classifier.predict_proba(change(images)) == fitted.predict_proba(images)).all()

    def test_dark_images_stay_dark(self, digits: Arrays) -> None:
        classifier = quick(num_epochs=1).fit(digits[0] / 32 + 0.1, digits[1])
        assert classifier.pixel_range_ == (0.0, 1.0)

    def test_raw_pixels_stay_as_they_are(self, digits: Arrays) -> None:
        images = digits[0].astype(numpy.uint8)
        classifier = quick().fit(images, digits[1])
        assert classifier.pixel_range_ == (0.0, 255.0)
        expected = classifier.model_.predict_proba(images.reshape(-1, 8, 8))
        numpy.testing.assert_allclose(classifier.predict_proba(images), expected, rtol=1e-6)

    def test_a_range_that_is_learnt_is_told(
        self, digits: Arrays, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.INFO, logger="mnistburn"):
            quick(num_epochs=1).fit(*digits)
        assert "from 0 to 16, become pixels: 0 is black and 16 is white" in caplog.text
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="mnistburn"):
            quick(num_epochs=1).fit(digits[0] / 16, digits[1])
        assert "become pixels" not in caplog.text

    def test_a_range_that_is_given_is_kept(self, digits: Arrays) -> None:
        images, labels = digits
        dark = quick(pixel_range=(0, 32)).fit(images, labels)
        assert dark.pixel_range_ == (0.0, 32.0)
        assert (
            dark.predict_proba(images) != quick().fit(images, labels).predict_proba(images)
        ).any()
        with pytest.raises(
            ValueError, match=r"within pixel_range=\(0.0, 15.0\), got values from 0"
        ):
            quick(pixel_range=(0, 15)).fit(images, labels)
        for wrong in ((1, 0), (0, numpy.inf), (0,), "0-1"):
            with pytest.raises(ValueError, match="black below white"):
                quick(pixel_range=wrong).fit(images, labels)

    def test_values_of_another_scale_are_told(self, digits: Arrays, fitted: BurnClassifier) -> None:
        images, _ = digits
        with pytest.warns(UserWarning, match="from 0 to 255, and the images of the training 0 to"):
            fitted.predict(images * (255 / 16))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            slightly = fitted.predict(images * 1.05)
        assert (slightly == fitted.predict((images * 1.05).clip(0, 16))).all()


class TestParameters:
    """What the parameters do."""

    def test_a_configuration_gets_the_images_and_the_classes(self, digits: Arrays) -> None:
        config = TrainingConfig(
            model=ConvNetConfig(widths=(8,)),
            optimizer=AdamWConfig(weight_decay=0.1),
            num_epochs=1,
            seed=5,
        )
        classifier = quick(config=config, num_epochs=2).fit(*digits)
        assert isinstance(classifier.config_.model, ConvNetConfig)
        assert classifier.config_.model.image_shape == (8, 8, 1)
        assert classifier.config_.num_epochs == 2
        assert classifier.config_.optimizer == AdamWConfig(weight_decay=0.1)
        without_model = TrainingConfig(num_epochs=1)
        assert isinstance(quick(config=without_model).fit(*digits).config_.model, ModelConfig)

    def test_a_share_may_be_set_aside(self, digits: Arrays) -> None:
        class Losses(mnistburn.Callback):
            found: list[float] = []  # noqa: RUF012  a copy must tell the test too

            def on_epoch_end(self, epoch: Any) -> None:
                self.found.append(epoch.valid_loss)

        classifier = quick(validation_fraction=0.2, callbacks=[Losses()]).fit(*digits)
        assert classifier.history_["valid_loss"] == Losses.found
        assert len(Losses.found) == 2

    def test_a_training_may_stop_early(self, digits: Arrays) -> None:
        stop = mnistburn.EarlyStopping(patience=1, min_delta=10.0)
        with pytest.raises(ValueError, match="needs images that are not trained with"):
            quick(callbacks=[stop]).fit(*digits)
        classifier = quick(callbacks=[stop], validation_fraction=0.1, num_epochs=9).fit(*digits)
        assert len(classifier.history_["valid_loss"]) == 2

    def test_wrong_ones_get_their_errors(self, digits: Arrays) -> None:
        for parameters, part in (
            ({"config": "fats"}, "did you mean 'fast'"),
            ({"num_epochs": 0}, "num_epochs"),
            ({"learning_rate": "x"}, "learning_rate must be"),
            ({"threads": 0}, "threads must be"),
            ({"validation_fraction": 2}, "must be a number above 0 and below 1"),
        ):
            with pytest.raises(ValueError, match=part):
                quick(**parameters).fit(*digits)
        with pytest.raises(mnistburn.errors.DeviceError):
            quick(device="gpu").fit(*digits)

    def test_clones_are_equal_and_the_seed_decides(self, digits: Arrays) -> None:
        config = TrainingConfig(model=ModelConfig(hidden_size=8), num_epochs=2)
        one = quick(config=config, random_state=1).fit(*digits)
        again = clone(one).fit(*digits)
        other = clone(one).set_params(random_state=2).fit(*digits)
        assert one.get_params()["config"] == again.get_params()["config"]
        assert (one.predict_proba(digits[0]) == again.predict_proba(digits[0])).all()
        assert (one.predict_proba(digits[0]) != other.predict_proba(digits[0])).any()

    def test_processes_of_joblib_share_the_cores(
        self, digits: Arrays, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        assert quick(num_epochs=1).fit(*digits).config_.threads == 1
        assert quick(num_epochs=1, threads=2).fit(*digits).config_.threads == 2
        monkeypatch.delenv("OMP_NUM_THREADS")
        assert quick(num_epochs=1).fit(*digits).config_.threads is None

    def test_nobody_is_told_of_a_validation_that_was_not_asked_for(
        self, digits: Arrays, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING, logger="mnistburn"):
            quick(num_epochs=1).fit(*digits)
        assert caplog.text == ""
        assert logging.getLogger("mnistburn").filters == []
        images = digits[0].copy()
        images[7] = 0.0
        with caplog.at_level(logging.WARNING, logger="mnistburn"):
            quick(num_epochs=1).fit(images, digits[1])
        assert "1 of the 300 training images has a single value" in caplog.text


class TestPartialFit:
    """Training in portions."""

    def test_portions_come_to_the_same_kind_of_model(self, digits: Arrays) -> None:
        images, labels = digits
        classifier = quick(batch_size=16)
        for _ in range(15):
            for part in numpy.array_split(numpy.arange(300), 3):
                classifier.partial_fit(images[part], labels[part], classes=numpy.arange(10))
        assert classifier.score(images, labels) > 0.95
        assert classifier.pixel_range_ == (0.0, 16.0)

    def test_it_goes_on_with_what_there_is(self, digits: Arrays) -> None:
        images, labels = digits
        whole, halves = quick(), quick()
        for _ in range(2):
            whole.partial_fit(images, labels, classes=range(10))
        halves.partial_fit(images, labels, classes=range(10))
        halves = pickle.loads(pickle.dumps(halves))  # noqa: S301  its own
        halves.partial_fit(images, labels)
        assert (whole.predict_proba(images) == halves.predict_proba(images)).all()
        fitted = quick().fit(images, labels)
        before = fitted.predict_proba(images)
        fitted.partial_fit(images, labels)
        assert (fitted.predict_proba(images) != before).any()
        fitted.fit(images, labels)
        assert (fitted.predict_proba(images) == before).all()

    def test_its_steps_are_those_of_a_loop_of_ones_own(self, digits: Arrays) -> None:
        images, labels = digits
        config = TrainingConfig(model=ModelConfig(hidden_size=8), learning_rate=1e-2, batch_size=50)
        classifier = quick(config=config)
        classifier.partial_fit(images, labels, classes=range(10))
        # A rate that is set between two calls counts from then on.
        classifier.set_params(learning_rate=1e-3).partial_fit(images, labels)
        pixels = (images.reshape(-1, 8, 8) * (255 / 16)).round().astype(numpy.uint8)
        data = mnistburn.Dataset(pixels, labels)
        seed = classifier.config_.seed
        model = Model(ModelConfig.for_data(data, hidden_size=8), seed=seed)
        optimizer = config.optimizer.init()
        for epoch, rate in ((1, 1e-2), (2, 1e-3)):
            for batch in mnistburn.DataLoader(data, 50, shuffle=seed + epoch):
                out = model.forward_classification(batch.images, batch.targets)
                model = optimizer.step(rate, model, out.loss.backward())
        assert (classifier.model_.forward(pixels) == model.forward(pixels)).all()

    def test_augmentation_changes_what_is_learnt(self, digits: Arrays) -> None:
        config = TrainingConfig(model=ModelConfig(hidden_size=8))
        moved = replace(config, augmentation=AugmentationConfig(rotate=20))
        models = [
            quick(config=one).partial_fit(*digits, classes=range(10)) for one in (config, moved)
        ]
        probabilities = [model.predict_proba(digits[0]) for model in models]
        assert (probabilities[0] != probabilities[1]).any()

    def test_wrong_calls_are_refused(self, digits: Arrays) -> None:
        images, labels = digits
        with pytest.raises(ValueError, match="classes must be passed on the first call"):
            quick().partial_fit(images, labels)
        classifier = quick().partial_fit(images, labels, classes=range(10))
        with pytest.raises(ValueError, match="classes must be those of the first call"):
            classifier.partial_fit(images, labels, classes=range(9))
        with pytest.raises(ValueError, match=r"labels that are not in classes: \[10\]"):
            classifier.partial_fit(images, numpy.full(300, 10))
        with pytest.raises(ValueError, match="learning_rate must be"):
            classifier.set_params(learning_rate=-1).partial_fit(images, labels)
        for changes in (
            {"freeze": ["conv1"]},
            {"label_smoothing": 0.1},
            {"class_weights": "balanced"},
            {"average_decay": 0.9},
            {"grads_accumulation": 2},
            {"limit_batches": 1},
        ):
            config = TrainingConfig(**changes)
            with pytest.raises(ValueError, match=f"the configuration has {next(iter(changes))}="):
                quick(config=config).partial_fit(images, labels, classes=range(10))
        balanced = quick(class_weight="balanced")
        with pytest.raises(ValueError, match="pass a number by label, or use fit"):
            balanced.partial_fit(images, labels, classes=range(10))


class TestWeights:
    """Weights of images and of classes."""

    def test_images_of_weight_0_are_left_out(self, digits: Arrays) -> None:
        images, labels = digits
        weights = numpy.random.default_rng(2).integers(0, 2, len(labels)).astype(float)
        weighted = quick().fit(images, labels, sample_weight=weights)
        counted = weights > 0
        fewer = quick().fit(images[counted], labels[counted])
        assert (weighted.predict_proba(images) == fewer.predict_proba(images)).all()
        # A class may have lost all its images.
        none = quick().fit(images, labels, sample_weight=(labels != 3).astype(float))
        assert list(none.classes_) == list(range(10))

    def test_they_are_those_of_the_data_set(self, digits: Arrays, tmp_path: Path) -> None:
        images, labels = digits
        weights = numpy.random.default_rng(2).uniform(0.1, 2.0, len(labels))
        config = TrainingConfig(model=ModelConfig(hidden_size=8), num_epochs=2)
        classifier = quick(config=config).fit(images, labels, sample_weight=weights)
        pixels = (images.reshape(-1, 8, 8) * (255 / 16)).round().astype(numpy.uint8)
        data = mnistburn.Dataset(pixels, labels, list("0123456789"), weights)
        run = mnistburn.train(
            tmp_path / "run", classifier.config_, "cpu", data=(data, data[:50]), progress=False
        )
        for name, value in run.model.state_dict().items():
            assert (classifier.model_.state_dict()[name] == value).all(), name

    def test_weights_of_classes_are_those_of_their_images(self, digits: Arrays) -> None:
        images, labels = digits
        of_images = numpy.random.default_rng(2).uniform(0.5, 2.0, len(labels))
        for given in ("balanced", {3: 4.0, 5: 0.5}):
            classifier = quick(class_weight=given).fit(images, labels, sample_weight=of_images)
            weights = of_images * compute_sample_weight(given, labels)
            expected = quick().fit(images, labels, sample_weight=weights)
            assert (classifier.predict_proba(images) == expected.predict_proba(images)).all()
            plain = quick().fit(images, labels, sample_weight=of_images)
            assert (classifier.predict_proba(images) != plain.predict_proba(images)).any()

    def test_a_pass_has_them(self, digits: Arrays) -> None:
        images, labels = digits
        weights = numpy.random.default_rng(2).uniform(0.5, 2.0, len(labels))
        first = quick().partial_fit(images, labels, range(10), sample_weight=weights)
        by_class = quick(class_weight=dict(enumerate(numpy.linspace(0.5, 3, 10))))
        by_class.partial_fit(images, labels, range(10))
        of_classes = numpy.linspace(0.5, 3, 10)[labels]
        second = quick().partial_fit(images, labels, range(10), sample_weight=of_classes)
        assert (by_class.predict_proba(images) == second.predict_proba(images)).all()
        assert (first.predict_proba(images) != second.predict_proba(images)).any()

    def test_they_are_routed(self, digits: Arrays) -> None:
        images, labels = digits
        weights = (numpy.arange(len(labels)) % 3 > 0).astype(float)
        with sklearn.config_context(enable_metadata_routing=True):
            classifier = quick(num_epochs=4).set_fit_request(sample_weight=True)
            classifier.set_score_request(sample_weight=False)
            routed = cross_val_score(
                classifier, images, labels, cv=2, params={"sample_weight": weights}
            )
        plain = cross_val_score(quick(num_epochs=4), images, labels, cv=2)
        assert list(routed) != list(plain)

    def test_bad_ones_are_refused(self, digits: Arrays) -> None:
        images, labels = digits
        for weights, message in (
            (numpy.zeros(300), "at least one non-zero"),
            (numpy.full(300, -1.0), "[Nn]egative"),
            (numpy.ones(299), "inconsistent|sample_weight.shape"),
        ):
            with pytest.raises(ValueError, match=message):
                quick().fit(images, labels, sample_weight=weights)
        with pytest.raises(ValueError, match="all weights are 0"):
            quick(class_weight=dict.fromkeys(range(10), 0.0)).fit(images, labels)
        with pytest.raises(ValueError, match="class_weight"):
            quick(class_weight="equal").fit(images, labels)


class TestTools:
    """It works with the tools of scikit-learn and joblib."""

    def test_a_pipeline_scales_before_it(self, digits: Arrays) -> None:
        images, labels = digits
        pipeline = make_pipeline(MinMaxScaler(), quick(num_epochs=10)).fit(images, labels)
        assert pipeline.score(images, labels) > 0.9
        assert pipeline[-1].pixel_range_ == (0.0, 1.0)
        squares = make_pipeline(
            FunctionTransformer(lambda flat: flat.reshape(-1, 8, 8)), quick(num_epochs=10)
        )
        assert squares.fit(images, labels).score(images, labels) > 0.9

    def test_scores_of_cross_validation_are_high(self, digits: Arrays) -> None:
        scores = cross_val_score(quick(num_epochs=20), *digits, cv=3)
        assert scores.min() > 0.8

    def test_a_grid_is_searched_by_two_processes(self, digits: Arrays) -> None:
        images, labels = digits
        grid = {"learning_rate": [1e-6, 1e-2], "config": ["fast", TrainingConfig()]}
        search = GridSearchCV(quick(num_epochs=4), grid, cv=2, n_jobs=2, refit=True)
        search.fit(images, labels)
        assert search.best_params_ == {"learning_rate": 1e-2, "config": "fast"}
        assert search.score(images, labels) > 0.5
        alone = GridSearchCV(quick(num_epochs=4), grid, cv=2).fit(images, labels)
        # Processes and threads do not change a bit.
        key = "mean_test_score"
        assert (search.cv_results_[key] == alone.cv_results_[key]).all()

    def test_it_is_dumped_and_loaded(
        self, digits: Arrays, fitted: BurnClassifier, tmp_path: Path
    ) -> None:
        joblib.dump(fitted, tmp_path / "classifier.joblib")
        loaded = joblib.load(tmp_path / "classifier.joblib")
        expected = fitted.predict_proba(digits[0])
        assert (loaded.predict_proba(digits[0]) == expected).all()
        fitted.model_.save(tmp_path / "digits.mpk")
        model = Model.load(tmp_path / "digits.mpk")
        assert model.class_names == tuple("0123456789")

    def test_ctrl_c_ends_it(self, digits: Arrays) -> None:
        class Interrupt(mnistburn.Callback):
            def on_step_end(self, step: Any) -> None:
                signal.raise_signal(signal.SIGINT)

        # A shell lets what runs in its background ignore it.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                quick(callbacks=[Interrupt()], num_epochs=50).fit(*digits)
        finally:
            signal.signal(signal.SIGINT, before)


def test_without_scikit_learn_the_extra_is_named() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import mnistburn.sklearn"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
    )
    assert "pip install 'mnistburn[sklearn]'" in done.stderr
