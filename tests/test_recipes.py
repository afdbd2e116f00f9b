"""The recipes: what they are made of, in Python and on the command line."""

import json
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner

import mnistburn
from mnistburn import (
    ConvNetConfig,
    Dataset,
    Model,
    ModelConfig,
    TrainingConfig,
)
from mnistburn.cli import main
from mnistburn.errors import ConfigError, DataError
from mnistburn.recipes import RECIPES, expected_seconds


@pytest.fixture(scope="module")
def colours() -> Dataset:
    """Return forty pictures of two classes, twenty of them bright on the left."""
    pixels = numpy.random.default_rng(3).integers(0, 90, (40, 20, 24, 3), dtype=numpy.uint8)
    pixels[::2, :, :12] += 150
    targets = numpy.arange(40) % 2
    return Dataset.from_numpy(pixels, targets, class_names=["bright", "dark"])


def test_book_is_the_default_configuration() -> None:
    assert mnistburn.recipe("book") == TrainingConfig(model=ModelConfig())


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_fits_its_data_and_is_read_back(name: str, colours: Dataset) -> None:
    config = mnistburn.recipe(name, colours)
    assert config.model is not None
    assert config.model.image_shape == (20, 24, 3)
    assert config.model.num_classes == 2
    assert TrainingConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "book"])
def test_the_learning_rate_ends_with_the_training(name: str, colours: Dataset) -> None:
    for length in ({}, {"num_epochs": 3}, {"num_epochs": 2, "batch_size": 7}):
        config = mnistburn.recipe(name, colours, **length)
        assert all(getattr(config, key) == value for key, value in length.items())
        steps = config.num_epochs * -(-len(colours) // config.batch_size)
        assert config.lr_scheduler is not None
        schedule = config.lr_scheduler.init(config.learning_rate, num_steps=steps)
        rates = [schedule.step() for _ in range(steps)]
        assert max(rates) == pytest.approx(config.learning_rate, rel=0.1)
        assert rates[-1] < 0.1 * config.learning_rate
        assert min(rates) == rates[-1]


def test_a_small_data_set_gets_more_epochs(colours: Dataset) -> None:
    few = mnistburn.recipe("pictures", colours[:10]).num_epochs
    more = mnistburn.recipe("pictures", colours).num_epochs
    assert few == 4 * more


@pytest.mark.parametrize("shape", [(8, 9, 3), (28, 28, 1), (40, 32, 3), (200, 240, 3)])
def test_many_pictures_get_a_network_of_their_size(
    shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnistburn.recipes._MANY", 30)
    pixels = numpy.random.default_rng(1).integers(0, 256, (30, *shape), dtype=numpy.uint8)
    pixels = pixels if shape[2] == 3 else pixels[..., 0]
    many = Dataset.from_numpy(pixels, numpy.arange(30) % 3)
    config = mnistburn.recipe("pictures", many).model
    few = mnistburn.recipe("pictures", many[:29]).model
    assert isinstance(config, ConvNetConfig)
    assert isinstance(few, ConvNetConfig)
    assert config.image_shape == few.image_shape == shape
    assert config.blocks
    assert few.blocks
    assert all(block.norm for block in config.blocks)
    assert not any(block.norm for block in few.blocks)
    # Whatever the size of the pictures.
    model = Model(config)
    assert model.num_params < 1_500_000
    assert model.forward(pixels[:2]).shape == (2, 3)


def test_pictures_learns_pictures(colours: Dataset, tmp_path: Path) -> None:
    config = mnistburn.recipe("pictures", colours, num_epochs=8)
    assert isinstance(config.model, ConvNetConfig)
    run = mnistburn.train(tmp_path, config, "cpu", data=(colours, colours), progress=False)
    assert run.history["valid_accuracy"][-1] > 0.9


def test_the_time_that_it_takes_is_that_of_its_fastest_step(
    colours: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = mnistburn.recipe("fast", colours, num_epochs=3, batch_size=10)
    # Three steps of 0.5, 0.25 and 1 s, as the clock has it.
    clock = iter([0.0, 0.5, 1.0, 1.25, 2.0, 3.0])
    monkeypatch.setattr("mnistburn.recipes.time.perf_counter", lambda: next(clock))
    assert expected_seconds(config, colours) == pytest.approx(0.25 * 4 * 3)


@pytest.mark.parametrize("name", ["quick", "fst", 3])
def test_an_unknown_recipe_is_named_with_the_others(name: object) -> None:
    with pytest.raises(ConfigError, match="the recipes are book, fast, accurate, pictures"):
        mnistburn.recipe(name)  # type: ignore[arg-type]


def test_data_without_images_are_refused(colours: Dataset) -> None:
    with pytest.raises(DataError, match="at least one image"):
        mnistburn.recipe("fast", colours[:0])


def test_the_command_line_lists_prints_and_trains(colours: Dataset, tmp_path: Path) -> None:
    listed = CliRunner().invoke(main, ["recipes"])
    assert [line.split()[0] for line in listed.output.splitlines()] == list(RECIPES)
    printed = CliRunner().invoke(main, ["recipes", "fast"])
    assert TrainingConfig.from_json(printed.output) == mnistburn.recipe("fast")

    numpy.savez(
        tmp_path / "data.npz",
        x_train=colours.images,
        y_train=colours.targets,
        x_test=colours.images[:8],
        y_test=colours.targets[:8],
    )
    words = ["train", str(tmp_path / "run"), "--data", str(tmp_path / "data.npz"), "--no-progress"]
    words += ["--device", "cpu", "--recipe", "pictures"]
    done = CliRunner().invoke(main, [*words, "--num-epochs", "2", "--learning-rate", "0.002"])
    assert done.exit_code == 0, done.output
    assert "recipe pictures: 2 epochs of 40 images, about" in done.output
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["learning_rate"] == 0.002
    assert config["lr_scheduler"]["CosineAnnealing"]["num_iters"] == 4
    other = CliRunner().invoke(main, [*words, "--num-epochs", "1", "--widths", "4,8"])
    assert other.exit_code == 0, other.output
    network = mnistburn.load_run(tmp_path / "run").model.config
    assert isinstance(network, ConvNetConfig)
    assert [block.channels for block in network.blocks or ()] == [4, 4, 8, 8]
    refused = CliRunner().invoke(main, [*words, "--resume"])
    assert refused.exit_code == 2
    assert "leave out --resume" in refused.output
