"""Test-time augmentation: means of probabilities over views, against NumPy."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

import mnistburn
from mnistburn import AugmentationConfig, ConvNetConfig, Dataset, Model, ModelConfig, TrainingConfig
from mnistburn.cli import main
from mnistburn.errors import ConfigError
from mnistburn.views import Augment, View

Pair = tuple[Dataset, Dataset]
Floats = NDArray[numpy.float64]

KINDS: list[tuple[View, ...]] = [("flip",), ("shift",), ("flip", "shift")]


def views_of(images: NDArray[Any], kinds: tuple[View, ...]) -> list[NDArray[Any]]:
    """Return the views, each an array of all images."""
    padding = [(0, 0), (1, 1), (1, 1)] + [(0, 0)] * (images.ndim - 3)
    padded = numpy.pad(images, padding, mode="reflect")
    height, width = images.shape[1:3]
    places = [(1, 1)]
    if "shift" in kinds:
        places += [(0, 1), (2, 1), (1, 0), (1, 2)]
    views = [padded[:, top : top + height, left : left + width] for top, left in places]
    if "flip" in kinds:
        views += [view[:, :, ::-1] for view in views]
    return views


def mean_probabilities(model: Model, images: NDArray[Any], kinds: tuple[View, ...]) -> Floats:
    total = numpy.zeros((len(images), model.config.num_classes))
    views = views_of(images, kinds)
    for view in views:
        logits = model.forward(numpy.ascontiguousarray(view)).astype(numpy.float64)
        exponentials = numpy.exp(logits - logits.max(axis=1, keepdims=True))
        total += exponentials / exponentials.sum(axis=1, keepdims=True)
    return total / len(views)


def sharp(config: Any) -> Model:
    """Return a model whose logits are so large that the views differ in what they say."""
    model = Model(config, seed=3)
    state = model.state_dict()
    model.load_state_dict({name: values * 3 for name, values in state.items()})
    return model


@pytest.fixture(scope="module")
def coloured() -> Dataset:
    generator = numpy.random.default_rng(1)
    images = generator.integers(0, 256, (30, 9, 12, 3), dtype=numpy.uint8)
    return Dataset(images, generator.integers(0, 4, 30))


@pytest.mark.parametrize("kinds", KINDS)
def test_probabilities_are_the_mean_over_shifted_and_mirrored_images(
    kinds: tuple[View, ...], test_data: Dataset, coloured: Dataset
) -> None:
    network = ConvNetConfig.for_data(coloured, num_classes=4, widths=(8,), average=False)
    for model, data in (
        (sharp(ModelConfig(hidden_size=16)), test_data),
        (sharp(network), coloured),
    ):
        expected = mean_probabilities(model, data.images, kinds)
        found = model.predict_proba(data.images, augment=kinds)
        numpy.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        assert (model.predict(data.images, augment=kinds) == expected.argmax(axis=1)).all()
        # The images differ enough from their views for this to be a test.
        plain = model.predict_proba(data.images)
        assert abs(plain - found).max() > 0.1
        of_floats = model.predict_proba((data.images / 255).astype(numpy.float32), augment=kinds)
        numpy.testing.assert_allclose(of_floats, expected, rtol=1e-3, atol=1e-5)

        evaluation = model.evaluate(data, augment=kinds)
        likelihoods = expected[numpy.arange(len(data)), data.targets]
        assert evaluation.loss == pytest.approx(-numpy.log(likelihoods).mean(), rel=1e-4)
        accuracy = (expected.argmax(axis=1) == data.targets).mean()
        assert evaluation.accuracy == pytest.approx(accuracy, abs=1e-9)
        for size in (1, 7, 1000):
            assert model.evaluate(data, size, augment=kinds) == evaluation
        assert (model.predict_proba(data.images, augment=kinds) == found).all()


def test_one_name_is_a_list_of_one(test_data: Dataset) -> None:
    model = sharp(ModelConfig(hidden_size=16))
    listed = model.evaluate(test_data, augment=["shift"])
    assert model.evaluate(test_data, augment="shift") == listed
    assert model.evaluate(test_data, augment=False) == model.evaluate(test_data)
    assert model.predict_proba(test_data.images[:0], augment="flip").shape == (0, 10)


def test_a_probability_of_nearly_nothing_has_a_finite_loss(test_data: Dataset) -> None:
    model = Model(ModelConfig(hidden_size=16), seed=3)
    state = model.state_dict()
    model.load_state_dict({name: values * 30 for name, values in state.items()})
    logits = model.forward(test_data.images)
    assert numpy.ptp(logits, axis=1).max() > 1000
    assert numpy.isfinite(model.evaluate(test_data, augment=("flip", "shift")).loss)


@pytest.mark.parametrize(
    ("augmentation", "kinds"),
    [
        (AugmentationConfig(flip=True), ("flip",)),
        (AugmentationConfig(crop=2), ("shift",)),
        (AugmentationConfig(shift=0.1, rotate=5), ("shift",)),
        (AugmentationConfig(flip=True, crop=1), ("flip", "shift")),
    ],
)
def test_true_takes_the_views_of_the_training_wherever_the_model_is_from(
    tmp_path: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    augmentation: AugmentationConfig,
    kinds: tuple[View, ...],
) -> None:
    config = replace(small_config, augmentation=augmentation)
    test = small_data[1]
    run = mnistburn.train(tmp_path / "run", config, "cpu", data=small_data, progress=False)
    exact = [run.model, mnistburn.load_run(run.artifact_dir).model, run.best_model()]
    exact += [
        Model.load(run.model.save(tmp_path / "model", "default")),
        Model.load(run.model.export(tmp_path / "model.safetensors")),
        Model.load(run.artifact_dir / "checkpoint" / "epoch-0002" / "model.mpk"),
    ]
    expected = run.model.evaluate(test, augment=kinds)
    assert expected != run.model.evaluate(test)
    for model in exact:
        assert model.evaluate(test, augment=True) == model.evaluate(test, augment=kinds)
    resumed = mnistburn.train(
        tmp_path / "run",
        replace(config, num_epochs=3),
        "cpu",
        data=small_data,
        resume=True,
        progress=False,
    )
    assert resumed.model.evaluate(test, augment=True) == resumed.model.evaluate(test, augment=kinds)


def test_what_is_no_choice_is_refused(test_data: Dataset) -> None:
    model = Model(ModelConfig(hidden_size=16), seed=1)
    calls = (
        lambda augment: model.evaluate(test_data, augment=augment),
        lambda augment: model.predict(test_data.images, augment=augment),
    )
    wrong: list[tuple[Any, str]] = [
        (True, r'nothing says that it was trained with .* name the views, as in augment="shift"'),
        ("rotate", r'one or more of flip, shift, got "rotate"'),
        (["flip", 3], r"one or more of flip, shift, got \['flip', 3\]"),
        (1.5, "one or more of flip, shift, got 1.5"),
        ((), "must name at least one of flip, shift, got none"),
    ]
    for call, (augment, message) in itertools.product(calls, wrong):
        with pytest.raises(ConfigError, match=message):
            call(augment)


def test_the_command_averages_over_views(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    def evaluated(*options: object) -> Any:
        command = ("evaluate", tmp_path / "run", "--data", tmp_path / "data.npz", "--split=train")
        done = CliRunner().invoke(main, [str(item) for item in (*command, "--json", *options)])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)["loss"]

    config = replace(small_config, augmentation=AugmentationConfig(crop=1))
    run = mnistburn.train(tmp_path / "run", config, "cpu", data=small_data, progress=False)
    test = small_data[1]
    numpy.savez(tmp_path / "data.npz", images=test.images, labels=test.targets)
    model = run.model
    assert evaluated() == model.evaluate(test).loss
    assert evaluated("--augment") == model.evaluate(test, augment="shift").loss
    both = model.evaluate(test, augment=("flip", "shift")).loss
    assert evaluated("--view=flip", "--view=shift") == both


def test_the_command_predicts_over_views(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    def predicted(*options: object) -> list[float]:
        command = ["predict", tmp_path / "run", "--json", *options]
        done = CliRunner().invoke(main, [str(item) for item in command])
        assert done.exit_code == 0, done.output
        return [row["probability"] for row in json.loads(done.stdout)]

    def expected(images: Any, augment: Augment) -> list[float]:
        values: list[float] = run.model.predict_proba(images, augment=augment).max(axis=1).tolist()
        return values

    config = replace(small_config, augmentation=AugmentationConfig(crop=1))
    run = mnistburn.train(tmp_path / "run", config, "cpu", data=small_data, progress=False)
    test = small_data[1]
    numpy.savez(tmp_path / "data.npz", images=test.images, labels=test.targets)
    numpy.save(tmp_path / "images.npy", test.images)
    Image.fromarray(test.images[3]).save(tmp_path / "three.png")
    sources: list[tuple[tuple[object, ...], Any]] = [
        (("--data", tmp_path / "data.npz", "--split=train", "--index=3"), test.images[3:4]),
        ((tmp_path / "images.npy",), test.images),
        ((tmp_path / "three.png",), [tmp_path / "three.png"]),
    ]
    views: list[tuple[tuple[object, ...], Augment]] = [
        ((), False),
        (("--augment",), "shift"),
        (("--view=flip", "--view=shift"), ("flip", "shift")),
    ]
    for source, images in sources:
        answers = [predicted(*source, *options) for options, _ in views]
        assert answers == [expected(images, augment) for _, augment in views]
        assert len({tuple(answer) for answer in answers}) == len(views)


def test_the_command_names_the_views_that_it_can_take(tmp_path: Path, test_data: Dataset) -> None:
    path = Model(ModelConfig(hidden_size=16), seed=1).save(tmp_path / "model", "default")
    numpy.save(tmp_path / "images.npy", test_data.images[:2])
    command = ["predict", str(path), str(tmp_path / "images.npy"), "--augment"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code != 0
    assert "nothing says that it was trained with" in str(done.output) + str(done.exception)
