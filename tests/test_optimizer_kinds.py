"""SGD and AdamW: their steps against a reference in NumPy, trainings, resume, configurations."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from reference import guide
from reference.guide import Parameters
from reference.optimizers import AdamW, Sgd

import mnistburn
from mnistburn import (
    AdaGradConfig,
    AdamConfig,
    AdamWConfig,
    Callback,
    Dataset,
    GradientClippingConfig,
    Model,
    ModelConfig,
    MomentumConfig,
    MuonConfig,
    RmsPropConfig,
    SgdConfig,
    TrainingConfig,
    _native,
)
from mnistburn.config.optimizers import OPTIMIZERS, OptimizerConfig

Pair = tuple[Dataset, Dataset]
Case = tuple[OptimizerConfig, Callable[[], Sgd | AdamW], str]

# The configuration, its reference, and the case beside it that lacks the option.
CASES: dict[str, Case] = {
    "sgd": (SgdConfig(), Sgd, ""),
    "sgd decay": (SgdConfig(weight_decay=0.1), lambda: Sgd(weight_decay=0.1), "sgd"),
    "sgd values": (
        SgdConfig(gradient_clipping=GradientClippingConfig(value=1e-3)),
        lambda: Sgd(clip_value=1e-3),
        "sgd",
    ),
    "sgd norms": (
        SgdConfig(gradient_clipping=GradientClippingConfig(norm=0.05)),
        lambda: Sgd(clip_norm=0.05),
        "sgd",
    ),
    "sgd momentum": (
        SgdConfig(momentum=MomentumConfig(momentum=0.8, dampening=0.0)),
        lambda: Sgd(momentum=0.8),
        "sgd",
    ),
    "sgd dampening": (
        SgdConfig(momentum=MomentumConfig(momentum=0.8, dampening=0.5)),
        lambda: Sgd(momentum=0.8, dampening=0.5),
        "sgd momentum",
    ),
    "sgd nesterov": (
        SgdConfig(momentum=MomentumConfig(momentum=0.8, dampening=0.0, nesterov=True)),
        lambda: Sgd(momentum=0.8, nesterov=True),
        "sgd momentum",
    ),
    "sgd all": (
        SgdConfig(
            weight_decay=0.1,
            momentum=MomentumConfig(momentum=0.7, dampening=0.3, nesterov=True),
            gradient_clipping=GradientClippingConfig(norm=0.05),
        ),
        lambda: Sgd(0.1, momentum=0.7, dampening=0.3, nesterov=True, clip_norm=0.05),
        "sgd nesterov",
    ),
    "adamw": (AdamWConfig(), AdamW, ""),
    "adamw betas": (
        AdamWConfig(beta_1=0.5, beta_2=0.9, epsilon=1e-2),
        lambda: AdamW(beta_1=0.5, beta_2=0.9, epsilon=1e-2),
        "adamw",
    ),
    "adamw decay": (AdamWConfig(weight_decay=0.5), lambda: AdamW(weight_decay=0.5), "adamw"),
    "adamw no decay": (
        AdamWConfig(weight_decay=0.0),
        lambda: AdamW(weight_decay=0.0),
        "adamw decay",
    ),
    "adamw cautious": (
        AdamWConfig(weight_decay=0.5, cautious_weight_decay=True),
        lambda: AdamW(weight_decay=0.5, cautious=True),
        "adamw decay",
    ),
    # With so short a memory, the largest second moment is often an earlier one.
    "adamw forgetful": (AdamWConfig(beta_2=0.5), lambda: AdamW(beta_2=0.5), "adamw"),
    "adamw amsgrad": (
        AdamWConfig(beta_2=0.5, amsgrad=True),
        lambda: AdamW(beta_2=0.5, amsgrad=True),
        "adamw forgetful",
    ),
    "adamw values": (
        AdamWConfig(grad_clipping=GradientClippingConfig(value=1e-4)),
        lambda: AdamW(clip_value=1e-4),
        "adamw",
    ),
    "adamw norms": (
        AdamWConfig(grad_clipping=GradientClippingConfig(norm=1e-3)),
        lambda: AdamW(clip_norm=1e-3),
        "adamw",
    ),
}


def rate_of(name: str) -> float:
    return 0.1 if name.startswith("sgd") else 1e-2


def as_floats(values: Any) -> Parameters:
    return {name: values[name].astype(numpy.float64) for name in values}


@pytest.mark.parametrize("name", CASES)
def test_steps_equal_the_reference(name: str, test_data: Dataset) -> None:
    config, make, _ = CASES[name]
    optimizer, reference = config.init(), make()
    model = Model(ModelConfig(hidden_size=5), seed=1)
    expected = as_floats(model.state_dict())
    for step in range(3):
        part = test_data[step * 16 : step * 16 + 16]
        gradients = model.forward_classification(part.images, part.targets).loss.backward()
        # The gradients have tests of their own: here both take the same ones.
        expected = reference.step(rate_of(name), expected, as_floats(gradients))
        model = optimizer.step(rate_of(name), model, gradients)
        for key, values in model.state_dict().items():
            assert numpy.abs(values - expected[key]).max() < 1e-6, (step, key)


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name][2]])
def test_every_option_changes_these_steps(name: str, test_data: Dataset) -> None:
    option, without = CASES[name][1](), CASES[CASES[name][2]][1]()
    model = Model(ModelConfig(hidden_size=5), seed=1)
    first = second = as_floats(model.state_dict())
    for step in range(3):
        part = test_data[step * 16 : step * 16 + 16]
        out = model.forward_classification(part.images, part.targets)
        gradients = as_floats(out.loss.backward())
        first = option.step(rate_of(name), first, gradients)
        second = without.step(rate_of(name), second, gradients)
    assert max(numpy.abs(first[key] - second[key]).max() for key in first) > 1e-4


TRAINED = ["sgd", "sgd all", "adamw cautious", "adamw amsgrad"]


def training(name: str, **changes: Any) -> TrainingConfig:
    config = TrainingConfig(
        model=ModelConfig(hidden_size=12, dropout=0.0),
        optimizer=CASES[name][0],
        num_epochs=2,
        batch_size=48,
        seed=7,
        learning_rate=rate_of(name),
        num_workers=0,
    )
    return dataclasses.replace(config, **changes)


def train(path: Path, config: TrainingConfig | None, data: Pair, **options: Any) -> Any:
    return mnistburn.train(path, config, "cpu", data=data, progress=False, **options)


@pytest.mark.parametrize("name", TRAINED)
def test_a_training_equals_the_reference(
    name: str, artifact_dir: Path, train_data: Dataset, test_data: Dataset
) -> None:
    data = train_data[:128]
    run = train(artifact_dir, training(name), (data, test_data[:10]))
    parameters, reference = guide.initial_parameters(10, 12, seed=7), CASES[name][1]()
    losses = []
    for epoch in (1, 2):
        order = guide.epoch_order(128, 7, epoch)
        for indices in (order[:48], order[48:96], order[96:]):
            tape = guide.forward(parameters, guide.normalise(data.images[indices]))
            losses.append(guide.cross_entropy(tape.logits, data.targets[indices]))
            gradients = guide.backward(parameters, tape, data.targets[indices])
            parameters = reference.step(rate_of(name), parameters, gradients)
    assert run.history.train_steps["loss"] == pytest.approx(losses, rel=1e-4)


class StopAfter(Callback):
    """Stops at a step."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def on_step_end(self, event: object) -> bool:
        self.left -= 1
        return self.left == 0


@pytest.mark.parametrize("name", TRAINED)
@pytest.mark.parametrize("steps", [1, 4])
def test_a_resumed_run_has_the_bits_of_one_never_stopped(
    name: str, steps: int, artifact_dir: Path, small_data: Pair
) -> None:
    config = training(name, model=ModelConfig(hidden_size=12))
    whole = train(artifact_dir / "whole", config, small_data)
    path = artifact_dir / "stopped"
    stopped = train(path, config, small_data, callbacks=[StopAfter(steps)])
    assert stopped.ended == "stopped"
    resumed = train(path, None, small_data, resume=True)
    assert resumed.config == config
    for key, values in whole.model.state_dict().items():
        assert values.tobytes() == resumed.model.state_dict()[key].tobytes(), key
    for file in ("model.mpk", "optim.mpk"):
        place = Path("checkpoint", "epoch-0002", file)
        assert (path / place).read_bytes() == (artifact_dir / "whole" / place).read_bytes(), file


@pytest.mark.parametrize("name", TRAINED)
def test_two_devices_share_the_steps(name: str, artifact_dir: Path, small_data: Pair) -> None:
    config = training(name)
    one = train(artifact_dir / "one", config, small_data)
    two = mnistburn.train(
        artifact_dir / "two", config, ["cpu", "cpu"], data=small_data, progress=False
    )
    losses = one.history.train_steps["loss"]
    assert two.history.train_steps["loss"] == pytest.approx(losses, rel=1e-3)


DEFAULTS: list[tuple[str, Any]] = [(config._kind, config) for config in OPTIMIZERS.values()]


@pytest.mark.parametrize(("kind", "config"), DEFAULTS)
def test_python_defaults_are_the_defaults_of_rust(kind: str, config: Any) -> None:
    rust = json.loads(_native.complete_config(kind, "{}"))
    python = config()._json_object()
    assert {item.name for item in dataclasses.fields(config)} == set(rust)
    # Every value is there, so that none of Rust's own is taken.
    assert python.keys() == rust.keys()
    assert json.loads(_native.complete_config(kind, json.dumps(python))) == rust
    assert config._from_checked(rust) == config()


def test_python_defaults_of_momentum_are_the_defaults_of_rust() -> None:
    rust = json.loads(_native.complete_config("sgd", '{"momentum": {}}'))["momentum"]
    assert {item.name: item.default for item in dataclasses.fields(MomentumConfig)} == rust


@pytest.mark.parametrize("name", CASES)
def test_a_configuration_is_read_back_equal(name: str, tmp_path: Path) -> None:
    config = CASES[name][0]
    assert type(config).from_json(config.to_json()) == config
    whole = training(name)
    whole.save(tmp_path / "config.json")
    assert TrainingConfig.load(tmp_path / "config.json") == whole
    assert hash(TrainingConfig.from_json(whole.to_json())) == hash(whole)


def test_json_of_an_optimizer_has_the_name_of_its_kind_but_for_adam() -> None:
    def written(optimizer: OptimizerConfig) -> Any:
        return json.loads(TrainingConfig(optimizer=optimizer).to_json())["optimizer"]

    assert written(AdamConfig()) == json.loads(AdamConfig().to_json())
    assert "beta_1" in written(AdamConfig())
    assert written(AdamWConfig()) == {"AdamW": json.loads(AdamWConfig().to_json())}
    assert written(SgdConfig(weight_decay=0.5, momentum=MomentumConfig())) == {
        "Sgd": {
            "weight_decay": {"penalty": 0.5},
            "momentum": {"momentum": 0.9, "dampening": 0.1, "nesterov": False},
            "gradient_clipping": None,
        }
    }


def test_adam_may_be_named_as_the_others_are() -> None:
    config = TrainingConfig.from_json('{"optimizer": {"Adam": {"beta_1": 0.5}}}')
    assert config == TrainingConfig(optimizer=AdamConfig(beta_1=0.5))


def test_an_optimizer_tells_its_configuration() -> None:
    optimizer = SgdConfig(momentum=MomentumConfig()).init()
    assert optimizer.config == SgdConfig(momentum=MomentumConfig())
    assert repr(optimizer).startswith("Optimizer(SgdConfig(weight_decay=None, momentum=Momentum")


@pytest.mark.parametrize("config", [RmsPropConfig(), AdaGradConfig(), MuonConfig()])
def test_the_number_of_threads_changes_no_bit(
    config: OptimizerConfig, artifact_dir: Path, small_data: Pair
) -> None:
    # Linear weights of some size, whose products several threads share.
    def weights(threads: int) -> dict[str, bytes]:
        changes = {"optimizer": config, "num_epochs": 1, "threads": threads}
        whole = training("adamw", model=ModelConfig(hidden_size=256), **changes)
        run = train(artifact_dir / str(threads), whole, small_data)
        return {name: values.tobytes() for name, values in run.model.state_dict().items()}

    one = weights(1)
    assert weights(2) == one
    assert weights(4) == one
