"""Runs that start from a trained model, and frozen parameters."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner, Result

import mnistburn
from mnistburn import (
    AdamWConfig,
    ConvBlock,
    ConvNetConfig,
    Dataset,
    Model,
    ModelConfig,
    TrainingConfig,
    TrainingResult,
)
from mnistburn.cli import main
from mnistburn.errors import ArtifactError, ConfigError, DataError

Pair = tuple[Dataset, Dataset]

QUICK = TrainingConfig(num_epochs=1, batch_size=64, learning_rate=1e-3)


def run(directory: Path, config: TrainingConfig | None, data: Pair, **more: Any) -> TrainingResult:
    """Train without progress on the CPU."""
    return mnistburn.train(directory, config, "cpu", data=data, **{"progress": False, **more})


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def of_classes(data: Dataset, classes: range, each: int) -> Dataset:
    """Return so many images of each of these digits, which are the names of their classes."""
    chosen = numpy.concatenate([numpy.flatnonzero(data.targets == c)[:each] for c in classes])
    names = [str(digit) for digit in classes]
    return Dataset(data.images[chosen], data.targets[chosen] - classes.start, class_names=names)


def before_first_step(result: TrainingResult) -> dict[str, Any]:
    return Model.load(result.artifact_dir / "start.mpk").state_dict()


def assert_same_weights(first: dict[str, Any], second: dict[str, Any], *names: str) -> None:
    for name in names or first:
        assert first[name].tobytes() == second[name].tobytes(), name


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, small_data: Pair) -> TrainingResult:
    config = replace(QUICK, model=ModelConfig(hidden_size=16, dropout=0.25))
    return run(tmp_path_factory.mktemp("base") / "run", config, small_data)


def test_what_was_learnt_of_some_digits_helps_with_few_images_of_others(tmp_path: Path) -> None:
    train, test = (mnistburn.datasets.load("mnist", split=split) for split in ("train", "test"))
    low, high = range(5), range(5, 10)
    block = ConvBlock(channels=16, norm="group", pool=True)
    network = ConvNetConfig(
        blocks=(block, replace(block, channels=32)), average=False, num_classes=5
    )
    config = TrainingConfig(num_epochs=3, batch_size=32, learning_rate=5e-3)
    many = of_classes(train, low, 500), of_classes(test, low, 20)
    base = run(tmp_path / "base", replace(config, model=network), many)
    few = of_classes(train, high, 10), of_classes(test, high, 100)
    config = replace(config, batch_size=16)
    for seed in (1, 2):
        seeded = replace(config, seed=seed)
        scratch = run(tmp_path / "scratch", replace(seeded, model=network), few)
        started = run(tmp_path / "run", replace(seeded, freeze=["blocks"]), few, start=base)
        accuracies = [result.history["valid_accuracy"][-1] for result in (scratch, started)]
        assert accuracies[1] > accuracies[0] + 0.08, accuracies
        before, after = base.model.state_dict(), started.model.state_dict()
        frozen = [name for name in before if name.startswith("blocks.")]
        assert_same_weights(before, after, *frozen)
        assert started.start is not None
        assert started.start.output_layer == "initialised"


def test_a_run_starts_from_a_model_a_result_a_run_and_a_file(
    tmp_path: Path, base: TrainingResult, small_data: Pair
) -> None:
    weights = base.model.state_dict()
    directory = base.artifact_dir
    files = [
        base.model.save(tmp_path / "base.bin", "bin"),
        base.model.export(tmp_path / "base.safetensors"),
        base.model.export(tmp_path / "base.npz"),
    ]
    values = b"".join(values.astype("<f4").tobytes() for values in weights.values())
    starts: list[tuple[Any, Path | None]] = [(base.model, None), (base, directory)]
    starts += [(str(directory), directory), *((file, file) for file in files)]
    expected: dict[str, Any] | None = None
    for start, path in starts:
        started = run(tmp_path / "run", QUICK, small_data, start=start)
        assert started.config.model == base.config.model
        assert_same_weights(weights, before_first_step(started))
        assert started.start is not None
        assert started.start.path == path
        assert started.start.sha256 == hashlib.sha256(values).hexdigest()
        assert started.start.output_layer == "kept"
        assert mnistburn.load_run(started.artifact_dir).start == started.start
        expected = expected or started.model.state_dict()
        assert_same_weights(expected, started.model.state_dict())
    assert base.start is None


def test_a_half_precision_file_is_a_start_as_it_is_read(
    tmp_path: Path, base: TrainingResult, small_data: Pair
) -> None:
    file = base.artifact_dir / "model.mpk"
    started = run(tmp_path / "run", None, small_data, start=file, freeze=["conv1"])
    assert_same_weights(Model.load(file).state_dict(), before_first_step(started))
    assert started.config.freeze == ("conv1",)


def test_a_run_may_start_from_the_one_in_its_own_directory(
    tmp_path: Path, base: TrainingResult, small_data: Pair
) -> None:
    directory = shutil.copytree(base.artifact_dir, tmp_path / "run")
    started = run(directory, QUICK, small_data, start=directory)
    assert_same_weights(base.model.state_dict(), before_first_step(started))


def test_other_classes_get_a_new_output_layer_which_is_said(
    tmp_path: Path, base: TrainingResult, small_data: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    fewer = of_classes(small_data[0], range(5, 8), 10), of_classes(small_data[1], range(5, 8), 5)
    letters = [chr(ord("a") + number) for number in range(10)]
    named = [Dataset(part.images, part.targets, class_names=letters) for part in small_data]
    reasons = ("start has 10 classes and the run 3", "those of the run a, b, c")
    for data, reason in zip((fewer, (named[0], named[1])), reasons, strict=True):
        caplog.clear()
        with caplog.at_level("INFO", logger="mnistburn"):
            started = run(tmp_path / "run", QUICK, data, start=base)
        assert "the output layer, linear2, is initialised anew" in caplog.text
        assert reason in caplog.text
        classes = data[0].num_classes
        assert started.config.model == replace(base.model.config, num_classes=classes)
        fresh = Model(started.model.config, seed=started.config.seed).state_dict()
        begun, weights = before_first_step(started), base.model.state_dict()
        assert_same_weights(fresh, begun, "linear2.weight", "linear2.bias")
        assert_same_weights(weights, begun, *(name for name in weights if "linear2" not in name))


def test_a_conv_net_keeps_the_normalisation_it_was_trained_with(
    tmp_path: Path, small_data: Pair
) -> None:
    network = ConvNetConfig(widths=(8,))
    dark = [
        Dataset(part.images // 4, part.targets, class_names=part.class_names) for part in small_data
    ]
    base = run(tmp_path / "base", replace(QUICK, model=network), (dark[0], dark[1]))
    pixels = base.model.config
    assert isinstance(pixels, ConvNetConfig)
    for config in (QUICK, replace(QUICK, model=network)):
        started = run(tmp_path / "run", config, small_data, start=base)
        assert started.config.model == pixels
        resumed = run(tmp_path / "run", replace(config, num_epochs=2), small_data, resume=True)
        assert resumed.model.config == pixels


@pytest.mark.parametrize("lost", ["nothing", "checkpoints"])
def test_a_resumed_run_needs_the_start_no_more(
    tmp_path: Path, base: TrainingResult, small_data: Pair, lost: str
) -> None:
    start = base.model.save(tmp_path / "base", "default")
    config = replace(QUICK, num_epochs=2, freeze=["conv1"], optimizer=AdamWConfig())
    whole = run(tmp_path / "whole", config, small_data, start=start)
    half = run(tmp_path / "run", replace(config, num_epochs=1), small_data, start=start)
    start.unlink()
    if lost == "checkpoints":
        shutil.rmtree(half.artifact_dir / "checkpoint")
        (half.artifact_dir / "history.json").unlink()
    resumed = run(half.artifact_dir, config, small_data, resume=True)
    assert_same_weights(whole.model.state_dict(), resumed.model.state_dict())
    assert resumed.start == half.start


def test_a_resumed_run_takes_its_own_start_alone(
    tmp_path: Path, base: TrainingResult, small_data: Pair
) -> None:
    run(tmp_path / "run", QUICK, small_data, start=base)
    run(tmp_path / "run", None, small_data, start=base, resume=True)
    with pytest.raises(ArtifactError, match="leave start out to go on with the run"):
        run(tmp_path / "run", None, small_data, start=Model(base.model.config), resume=True)
    with pytest.raises(ConfigError, match=r'freeze was \[\] at its start, got \["conv1"\]'):
        run(tmp_path / "run", None, small_data, freeze=["conv1"], resume=True)


def test_what_does_not_fit_is_refused_with_both_and_a_way_out(
    tmp_path: Path, base: TrainingResult, small_data: Pair
) -> None:
    config = replace(QUICK, model=ModelConfig(hidden_size=32))
    with pytest.raises(ConfigError, match=r"hidden_size 16.*hidden_size 32.*leave model out"):
        run(tmp_path / "run", config, small_data, start=base)
    wide = [numpy.pad(part.images, ((0, 0), (0, 0), (2, 2))) for part in small_data]
    data = tuple(Dataset(wide[i], part.targets) for i, part in enumerate(small_data))
    with pytest.raises(DataError, match=r"28 x 32.* 28 x 28.*resize the images") as refused:
        run(tmp_path / "run", QUICK, (data[0], data[1]), start=base)
    # What the message says works: the network takes images of any size.
    assert "pass model=ModelConfig(" in str(refused.value)
    model = replace(base.model.config, image_width=32)
    started = run(tmp_path / "run", replace(QUICK, model=model), (data[0], data[1]), start=base)
    assert started.model.config == model
    with pytest.raises(ConfigError, match=r"start must be a Model.*got 3"):
        run(tmp_path / "other", QUICK, small_data, start=3)
    with pytest.raises(FileNotFoundError, match=r"no\.mpk"):
        run(tmp_path / "other", QUICK, small_data, start="no.mpk")
    with pytest.raises(ArtifactError, match="holds no run"):
        run(tmp_path / "other", QUICK, small_data, start=tmp_path)
    assert not (tmp_path / "other").exists()


def test_freeze_is_part_of_the_configuration(tmp_path: Path) -> None:
    config = TrainingConfig(freeze=["conv1", "linear1.weight"])
    assert TrainingConfig.from_json(config.to_json()) == config
    assert config.freeze == ("conv1", "linear1.weight")
    assert "freeze" not in TrainingConfig().to_json()
    config.save(tmp_path / "config.json")
    assert TrainingConfig.load(tmp_path / "config.json") == config
    for wrong in ("conv1", 3, [1], None):
        if wrong is None:
            assert TrainingConfig(freeze=wrong).freeze == ()  # type: ignore[arg-type]
            continue
        with pytest.raises(ConfigError, match="freeze must be a list of names of parameters"):
            TrainingConfig(freeze=wrong)  # type: ignore[arg-type]


def test_unknown_names_and_nothing_to_train_are_refused(tmp_path: Path, small_data: Pair) -> None:
    with pytest.raises(ConfigError, match=r'got "convl"; did you mean "conv1"\? the parameters'):
        run(tmp_path / "run", QUICK, small_data, freeze=["convl"])
    with pytest.raises(ConfigError, match="freeze must leave parameters to train"):
        run(tmp_path / "run", QUICK, small_data, freeze=["conv1", "conv2", "linear1", "linear2"])
    assert not (tmp_path / "run").exists()


def test_the_command_starts_from_a_run_and_says_so(
    tmp_path: Path, base: TrainingResult, small_data: Pair
) -> None:
    data = tmp_path / "data.npz"
    part = of_classes(small_data[0], range(4), 10)
    numpy.savez(data, images=part.images, labels=part.targets)
    options = ("--data", data, "--device=cpu", "--no-progress", "--num-epochs=1")
    directory = tmp_path / "run"
    start = ("--start", base.artifact_dir, "--freeze=conv1", "--freeze=conv2")
    done = command("train", directory, *options, *start, "--dropout=0.1")
    assert done.exit_code == 0, done.output
    started = mnistburn.load_run(directory)
    assert started.config.model == replace(base.model.config, num_classes=4, dropout=0.1)
    assert started.config.freeze == ("conv1", "conv2")
    name = f"{base.artifact_dir}, the output layer initialised anew for other classes"
    assert f"started from {name}" in done.output
    assert "frozen: conv1, conv2" in done.output
    shown = command("show", directory).output
    assert f"start         {name}" in shown
    assert "frozen        conv1, conv2" in shown

    done = command("train", directory, *options, *start, "--recipe=fast")
    assert done.exit_code == 0, done.output
    started = mnistburn.load_run(directory)
    assert started.config.model == replace(base.model.config, num_classes=4)
    assert started.config.learning_rate != QUICK.learning_rate

    done = command("train", tmp_path / "other", *options, *start[:2], "--network=conv-net")
    assert done.exit_code == 1
    assert "start must be a model of the run's network" in done.output
