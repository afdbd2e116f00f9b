"""`ConvNetConfig` and its network: against NumPy, in every file format, in training."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, get_args

import numpy
import onnxruntime
import pytest
from click.testing import CliRunner
from reference import conv_net
from reference.conv_net_examples import EXAMPLES, images_of, state_for
from safetensors.numpy import load_file, save_file

import mnistburn
from mnistburn import ConvBlock, ConvNetConfig, Dataset, Model, ModelConfig, TrainingConfig
from mnistburn.cli import main
from mnistburn.errors import ConfigError, DataError, RecordError
from mnistburn.model import Recorder
from mnistburn.networks import Norm, network_from_json


def pixels_given(config: ConvNetConfig) -> ConvNetConfig:
    """Return the configuration with the numbers for pixels that a model of its own has."""
    if config.pixel_mean is not None:
        return config
    channels = config.image_channels
    return dataclasses.replace(config, pixel_mean=(0.5,) * channels, pixel_std=(0.25,) * channels)


@pytest.fixture(params=EXAMPLES)
def config(request: pytest.FixtureRequest) -> ConvNetConfig:
    """Return each of the configurations."""
    return EXAMPLES[request.param]


def state_of(model: Model) -> conv_net.Parameters:
    """Return the parameters in float64."""
    return {name: value.astype(numpy.float64) for name, value in model.state_dict().items()}


def test_logits_are_those_of_the_reference(config: ConvNetConfig) -> None:
    model, images = Model(config, seed=3), images_of(config, 4)
    model.load_state_dict(state_for(config))
    probabilities = model.predict_proba(images)
    expected = conv_net.logits(pixels_given(config), state_of(model), images)
    expected = numpy.exp(expected) / numpy.exp(expected).sum(1, keepdims=True)
    numpy.testing.assert_allclose(probabilities, expected, rtol=2e-5)


def test_gradients_are_the_slopes_of_the_reference(config: ConvNetConfig) -> None:
    model, images = Model(config, seed=3), images_of(config, 5)
    model.load_state_dict(state_for(config))
    targets = numpy.arange(5) % config.num_classes
    out = model.forward_classification(images, targets)
    gradients, state = out.loss.backward(), state_of(model)
    given = pixels_given(config)

    def loss(parameters: conv_net.Parameters) -> float:
        outputs = conv_net.logits(given, parameters, images, training=True)
        return conv_net.cross_entropy(outputs, targets)

    assert math.isclose(float(out.loss), loss(state), rel_tol=1e-5)
    generator = numpy.random.default_rng(1)
    for name in gradients:
        value = state[name]
        gradient = gradients[name].astype(numpy.float64)
        assert gradient.shape == value.shape
        # Beside the steepest direction a random one, which an error in one element can't hide from.
        for direction in (gradient, generator.standard_normal(value.shape)):
            length = numpy.linalg.norm(direction)
            step = 1e-7 * direction / length
            slope = (
                loss({**state, name: value + step}) - loss({**state, name: value - step})
            ) / 2e-7
            expected = float((gradient * direction).sum() / length)
            assert abs(slope - expected) <= 2e-4 * numpy.linalg.norm(gradient) + 1e-7, name


def test_logits_and_gradients_are_those_of_pytorch(config: ConvNetConfig) -> None:
    name = next(name for name, example in EXAMPLES.items() if example == config)
    path = Path(__file__).parent / "fixtures/conv_net" / f"{name}.npz"
    with numpy.load(path) as file:
        content = dict(file)
    model = Model(config)
    model.load_state_dict({name: content[name] for name in model.state_dict()})
    numpy.testing.assert_allclose(model(content["images"]), content["logits"], atol=2e-5)
    out = model.forward_classification(content["images"], content["targets"])
    gradients = out.loss.backward()
    for name in gradients:
        expected = content[f"gradient.{name}"]
        error = numpy.linalg.norm(gradients[name] - expected)
        # A bias before a batch normalisation has no gradient but rounding.
        assert error <= 1e-4 * numpy.linalg.norm(expected) + 1e-7, name
    after = mnistburn.SgdConfig().init().step(0.1, model, gradients).state_dict()
    left = [name for name in after if name not in gradients]
    assert left == [name.removeprefix("after.") for name in content if name.startswith("after.")]
    for name in left:
        numpy.testing.assert_allclose(after[name], content[f"after.{name}"], rtol=1e-5, atol=1e-6)


def test_an_image_has_the_same_bits_in_any_batch(config: ConvNetConfig) -> None:
    model, images = Model(config, seed=3), images_of(config, 70)
    whole = model.predict_proba(images)
    for first, last in ((0, 1), (3, 5), (7, 70)):
        assert numpy.array_equal(model.predict_proba(images[first:last]), whole[first:last])


@pytest.mark.parametrize("recorder", get_args(Recorder))
def test_every_recorder_keeps_the_network(
    config: ConvNetConfig, recorder: Recorder, tmp_path: Path
) -> None:
    model, images = Model(config, seed=3), images_of(config, 3)
    path = model.save(tmp_path / "model", recorder=recorder, precision="full")
    loaded = Model.load(path)
    assert loaded.config == model.config
    assert numpy.array_equal(loaded.predict_proba(images), model.predict_proba(images))
    assert mnistburn.describe(path).config == model.config


@pytest.mark.parametrize("name", ["model.safetensors", "model.npz"])
def test_files_of_other_programs_keep_the_network(
    config: ConvNetConfig, name: str, tmp_path: Path
) -> None:
    model, images = Model(config, seed=3), images_of(config, 3)
    loaded = Model.load(model.export(tmp_path / name))
    assert loaded.config == model.config
    assert numpy.array_equal(loaded.predict_proba(images), model.predict_proba(images))


def test_weights_of_pytorch_load_beside_their_configuration(
    config: ConvNetConfig, tmp_path: Path
) -> None:
    model, images = Model(config, seed=3), images_of(config, 3)
    tensors = load_file(model.export(tmp_path / "ours.safetensors"))
    for name, value in tensors.items():
        if value.ndim == 2:
            tensors[name] = numpy.ascontiguousarray(value.T)
    # As `torch.nn.DataParallel` names them, and without a word of this package.
    path = tmp_path / "theirs.safetensors"
    save_file({f"module.{name}": value for name, value in tensors.items()}, path)
    with pytest.raises(RecordError):
        Model.load(path)
    model.config.save(tmp_path / "config.json")
    loaded = Model.load(path)
    assert loaded.config == model.config
    assert numpy.array_equal(loaded.predict_proba(images), model.predict_proba(images))


def test_onnxruntime_gives_the_same_logits(config: ConvNetConfig, tmp_path: Path) -> None:
    model, images = Model(config, seed=3), images_of(config, 3)
    path = model.export(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(path))
    (outputs,) = session.run(None, {"pixels": images})
    chances = numpy.exp(outputs) / numpy.exp(outputs).sum(1, keepdims=True)
    numpy.testing.assert_allclose(chances, model.predict_proba(images), rtol=1e-4)


def test_a_record_without_what_is_beside_it_is_refused(tmp_path: Path) -> None:
    path = Model(EXAMPLES["widths"], seed=3).save(tmp_path / "model.mpk")
    (tmp_path / "model.mpk.meta.json").unlink()
    with pytest.raises(RecordError, match=r"configuration of its network .* \.meta\.json"):
        Model.load(path)


def test_a_run_takes_the_pixels_of_its_images_and_resumes_to_the_same_bits(tmp_path: Path) -> None:
    images = mnistburn.datasets.load("mnist", "train")[:200]
    data = (images[:150], images[150:])
    network = ConvNetConfig.for_data(images, widths=(4, 8), hidden_sizes=(8,), dropout=0.25)
    config = TrainingConfig(model=network, num_epochs=2, learning_rate=3e-3, batch_size=32)
    whole = mnistburn.train(tmp_path / "whole", config, "cpu", data=data, progress=False)
    trained = whole.config.model
    assert isinstance(trained, ConvNetConfig)
    assert trained.pixel_mean == pytest.approx([data[0].images.mean() / 255.0])
    assert trained.pixel_std == pytest.approx([data[0].images.std() / 255.0])
    assert whole.model.config == trained

    directory = tmp_path / "parts"
    once = dataclasses.replace(config, num_epochs=1, threads=1)
    mnistburn.train(directory, once, "cpu", data=data, progress=False)
    again = dataclasses.replace(config, threads=3)
    mnistburn.train(directory, again, "cpu", data=data, progress=False, resume=True)
    files = [path / "model.mpk" for path in (tmp_path / "whole", directory)]
    assert files[0].read_bytes() == files[1].read_bytes()
    loaded = mnistburn.load_run(directory)
    assert loaded.model.config == trained
    assert loaded.model.evaluate(data[1]) == whole.model.evaluate(data[1])


def test_twenty_epochs_have_the_same_bits_on_any_threads_and_after_a_resume(tmp_path: Path) -> None:
    images = mnistburn.datasets.load("mnist", "train")[:300]
    data = (images[:230], images[230:])
    blocks = [
        ConvBlock(channels=16, norm="batch"),
        ConvBlock(channels=16, pool=True, norm="group"),
        ConvBlock(channels=24),
        ConvBlock(channels=24, norm="batch", residual=1),
        ConvBlock(channels=32, pool=True),
    ]
    config = TrainingConfig(
        model=ConvNetConfig.for_data(images, blocks=blocks, hidden_sizes=(16,), dropout=0.25),
        optimizer=mnistburn.AdamWConfig(),
        augmentation=mnistburn.AugmentationConfig(flip=True, shift=0.1),
        num_epochs=20,
        batch_size=48,
        learning_rate=3e-3,
    )

    def outcome(name: str, *threads: int) -> tuple[bytes, dict[str, list[float]]]:
        """Train twenty epochs; with two numbers of threads seven with the first of them."""
        for count in threads:
            epochs = 20 if count == threads[-1] else 7
            setup = dataclasses.replace(config, num_epochs=epochs, threads=count)
            resume = count != threads[0]
            run = mnistburn.train(
                tmp_path / name, setup, "cpu", data=data, progress=False, resume=resume
            )
        steps = run.history.train_steps
        kept = {name: list(steps[name]) for name in ("epoch", "step", "loss", "accuracy")}
        return (tmp_path / name / "model.mpk").read_bytes(), kept

    one = outcome("one", 1)
    assert len(one[1]["loss"]) == 20 * 5
    assert all(map(math.isfinite, one[1]["loss"]))
    assert outcome("two", 2) == one
    assert outcome("four", 4) == one
    assert outcome("resumed", 2, 4) == one


BATCH = ConvNetConfig(blocks=[ConvBlock(channels=8, pool=True, norm="batch")], num_classes=3)
RUNNING = ("blocks.0.batch_norm.running_mean", "blocks.0.batch_norm.running_var")


def test_a_model_keeps_its_running_statistics_and_the_step_gives_one_with_others() -> None:
    model, images = Model(BATCH, seed=1), images_of(BATCH, 6)
    before, logits = model.state_dict(), model(images)
    loss = model.forward_classification(images, numpy.arange(6) % 3).loss
    stepped = mnistburn.SgdConfig().init().step(0.1, model, loss.backward())
    assert all(numpy.array_equal(before[name], model.state_dict()[name]) for name in before)
    assert numpy.array_equal(model(images), logits)
    for name, first in zip(RUNNING, (0.0, 1.0), strict=True):
        assert numpy.all(before[name] == first)
        assert not numpy.any(stepped.state_dict()[name] == first)


def test_running_statistics_of_two_devices_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    images = mnistburn.datasets.load("mnist", "train")[:100]
    # A step that leaves the parameters as they are.
    config = TrainingConfig(
        model=dataclasses.replace(BATCH, num_classes=10),
        optimizer=mnistburn.SgdConfig(),
        learning_rate=1e-30,
        batch_size=25,
        num_epochs=1,
    )
    data = (images[:25], images[25:])
    states = [
        mnistburn.train(
            tmp_path / name, config, device, data=data, progress=False
        ).model.state_dict()
        for name, device in (("one", "cpu"), ("two", ["cpu", "cpu"]))
    ]
    for name in RUNNING:
        assert not numpy.all(states[0][name] == states[0][name][0])
        numpy.testing.assert_allclose(states[1][name], states[0][name], rtol=1e-5, atol=1e-6)


def test_a_frozen_layer_normalises_by_its_running_statistics_and_keeps_them(
    tmp_path: Path,
) -> None:
    images = mnistburn.datasets.load("mnist", "train")[:60]
    network = dataclasses.replace(BATCH, num_classes=10)
    start = Model(network, seed=1)
    start.load_state_dict(state_for(network))
    config = TrainingConfig(num_epochs=1, batch_size=60, optimizer=mnistburn.SgdConfig())
    run = mnistburn.train(
        tmp_path / "run",
        config,
        "cpu",
        data=(images, images),
        start=start,
        freeze=["blocks"],
        progress=False,
    )
    before, after = start.state_dict(), run.model.state_dict()
    assert all(numpy.array_equal(before[name], after[name]) for name in RUNNING)
    assert not numpy.array_equal(before["output.weight"], after["output.weight"])
    # Its one step had the logits of inference.
    first_loss = run.history.train_steps["loss"][0]
    assert first_loss == pytest.approx(start.evaluate(images).loss, rel=1e-5)


def test_variances_below_zero_are_refused() -> None:
    model = Model(BATCH)
    state = model.state_dict()
    state[RUNNING[1]][2] = -0.5
    with pytest.raises(RecordError, match=r"running_var must hold variances .* -0\.5 at index 2"):
        model.load_state_dict(state)


def test_pytorch_s_count_of_batches_is_passed_over(tmp_path: Path) -> None:
    model, images = Model(BATCH, seed=3), images_of(BATCH, 3)
    tensors = load_file(model.export(tmp_path / "model.safetensors"))
    for name, value in tensors.items():
        if value.ndim == 2:
            tensors[name] = numpy.ascontiguousarray(value.T)
    tensors["blocks.0.batch_norm.num_batches_tracked"] = numpy.array(7)
    path = tmp_path / "theirs.safetensors"
    save_file(tensors, path)
    model.config.save(tmp_path / "config.json")
    assert numpy.array_equal(Model.load(path)(images), model(images))
    # Elsewhere it is no part of this network.
    tensors["output.num_batches_tracked"] = numpy.array(7)
    save_file(tensors, path)
    with pytest.raises(RecordError, match="num_batches_tracked"):
        Model.load(path)


def test_configurations_of_earlier_versions_have_flags_for_group_normalisation() -> None:
    norms: list[tuple[bool, Norm | None]] = [(True, "group"), (False, None)]
    for flag, norm in norms:
        block = {"channels": 8, "norm": flag}
        config = network_from_json(json.dumps({"ConvNet": {"blocks": [block]}}))
        assert config == ConvNetConfig(blocks=[ConvBlock(channels=8, norm=norm)])
    with pytest.raises(ConfigError, match='norm must be "group", "batch" or null'):
        ConvNetConfig(blocks=[ConvBlock(channels=8, norm="layer")])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["group.bin", "group.mpk", "group.json", "group.safetensors"])
def test_files_of_versions_without_batch_normalisation_load(name: str) -> None:
    loaded = Model.load(Path(__file__).parent / "fixtures/conv_net_records" / name)
    blocks = [
        ConvBlock(channels=4, pool=True),
        ConvBlock(channels=4, norm="group", residual=1),
    ]
    assert isinstance(loaded.config, ConvNetConfig)
    assert list(loaded.config.blocks or ()) == blocks
    # It was saved as it was initialised, from this seed.
    for key, value in Model(loaded.config, seed=5).state_dict().items():
        numpy.testing.assert_allclose(loaded.state_dict()[key], value, rtol=1e-3, atol=1e-4)


def test_hidden_layers_of_one_size_have_masks_of_their_own() -> None:
    config = ConvNetConfig(widths=(4,), hidden_sizes=(64, 64), dropout=0.5)
    model, images = Model(config, seed=5), images_of(config, 1)
    # Each feature of the first layer goes to one of the second alone.
    state = {name: numpy.zeros_like(value) for name, value in model.state_dict().items()}
    for index in (0, 1):
        state[f"hidden.{index}.bias"][:] = 1.0
    state["hidden.1.weight"][:] = numpy.eye(64)
    state["output.weight"][:] = numpy.arange(640).reshape(64, 10)
    model.load_state_dict(state)
    gradients = model.forward_classification(images, [0]).loss.backward()
    kept = [gradients[f"hidden.{index}.bias"] != 0.0 for index in (0, 1)]
    both = kept[0].sum(), kept[1].sum()
    assert both[0] < both[1] < 64


def test_defaults_are_those_of_the_core() -> None:
    assert network_from_json('{"ConvNet": {}}') == ConvNetConfig()
    text = '{"ConvNet": {"blocks": [{"channels": 4}]}}'
    assert network_from_json(text) == ConvNetConfig(blocks=[ConvBlock(channels=4)])


def test_json_has_the_network_under_its_name(config: ConvNetConfig) -> None:
    assert list(json.loads(config.to_json())) == ["ConvNet"]
    assert ConvNetConfig.from_json(config.to_json()) == config
    training = TrainingConfig(model=config)
    assert TrainingConfig.from_json(training.to_json()) == training
    with pytest.raises(ConfigError, match=r"ConvNetConfig\.from_json"):
        ModelConfig.from_json(config.to_json())


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no block": ({"blocks": []}, "a list of 1 to 64 blocks"),
    "a number": ({"blocks": [3]}, "blocks must be a list of ConvBlock"),
    "both": (
        {"blocks": [ConvBlock(channels=2)], "widths": (2,)},
        "left out where there are widths",
    ),
    "widths of text": ({"widths": ("8",)}, "widths must be a list of 1 to 32 whole numbers"),
    "an even kernel": ({"blocks": [ConvBlock(channels=2, kernel_size=4)]}, "3 or 5"),
    "a channel too few": ({"blocks": [ConvBlock(channels=0)]}, r"blocks\[0\].channels"),
    "pooled away": (
        {"blocks": [ConvBlock(channels=2, pool=True)] * 5},
        "such that a pixel is left of images of 28 x 28 x 1",
    ),
    "a residual of another shape": (
        {"blocks": [ConvBlock(channels=2, residual=1)]},
        r"blocks\[0\].residual must be 0",
    ),
    "a residual from before": (
        {"blocks": [ConvBlock(channels=1, residual=2)]},
        r"blocks\[0\].residual must be 0",
    ),
    "pixels of other channels": ({"pixel_mean": (0.1, 0.2)}, "1 numbers in 0..1"),
    "a deviation of 0": ({"pixel_std": (0.0,)}, "pixel_std must be 1 numbers"),
    "layers too large together": (
        {"blocks": [ConvBlock(channels=4096)] * 32},
        "at most 2\\^30 weights in all",
    ),
    "a layer too large": (
        {"average": False, "hidden_sizes": (1 << 20,), "widths": (4096,)},
        "at most 2\\^30 weights",
    ),
}


@pytest.mark.parametrize(("settings", "message"), BAD.values(), ids=BAD.keys())
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ConvNetConfig(**settings)


def test_the_command_line_trains_it(tmp_path: Path) -> None:
    images = mnistburn.datasets.load("mnist", "train")[:60]
    numpy.savez(
        tmp_path / "data.npz",
        x_train=images.images[:40],
        y_train=images.targets[:40],
        x_test=images.images[40:],
        y_test=images.targets[40:],
    )
    options = ["--data", str(tmp_path / "data.npz"), "--num-epochs", "1", "--no-progress"]
    run = ["train", str(tmp_path / "run"), *options, "--device", "cpu"]
    done = CliRunner().invoke(main, [*run, "--network", "conv-net", "--widths", "4,8"])
    assert done.exit_code == 0, done.output
    config = mnistburn.load_run(tmp_path / "run").model.config
    assert isinstance(config, ConvNetConfig)
    assert [block.channels for block in config.blocks or ()] == [4, 4, 8, 8]
    wrong = CliRunner().invoke(main, [*run, "--network", "conv-net", "--hidden-size", "8"])
    assert wrong.exit_code == 2
    assert "--hidden-size is no setting of the network 'conv-net'" in wrong.output
    wrong = CliRunner().invoke(main, [*run, "--network", "conv-net", "--widths", "4;8"])
    assert wrong.exit_code == 1
    assert "16,32,64" in wrong.output


def test_images_that_do_not_fit_are_refused() -> None:
    images = Dataset.from_numpy(numpy.zeros((4, 10, 10), numpy.uint8), [0, 1, 0, 1])
    with pytest.raises(DataError, match="the model's 28 x 28, got 10 x 10"):
        Model(EXAMPLES["widths"], seed=1).evaluate(images)
