"""A custom loop: Adam by steps."""

from concurrent.futures import ThreadPoolExecutor

import numpy
import pytest

from mnistburn import (
    AdamConfig,
    DataLoader,
    Dataset,
    GradientClippingConfig,
    Model,
    ModelConfig,
    MomentumConfig,
    SgdConfig,
)
from mnistburn.errors import TrainingError


class Adam:
    """Adam as in Kingma and Ba (2014), with the decay and the clipping that Burn applies first."""

    def __init__(self, config: AdamConfig) -> None:
        self.config = config
        self.time = 0
        self.mean: dict[str, numpy.ndarray] = {}
        self.square: dict[str, numpy.ndarray] = {}
        self.largest: dict[str, numpy.ndarray] = {}

    def step(
        self, rate: float, state: dict[str, numpy.ndarray], gradients: dict[str, numpy.ndarray]
    ) -> dict[str, numpy.ndarray]:
        config, self.time = self.config, self.time + 1
        updated = {}
        for name, gradient in gradients.items():
            slope = gradient.astype(numpy.float64)
            if config.grad_clipping is not None and config.grad_clipping.value is not None:
                limit = config.grad_clipping.value
                slope = slope.clip(-limit, limit)
            if config.grad_clipping is not None and config.grad_clipping.norm is not None:
                slope *= min(1.0, config.grad_clipping.norm / numpy.sqrt((slope**2).sum()))
            if config.weight_decay is not None:
                slope = slope + config.weight_decay * state[name]
            mean = self.mean.get(name, 0.0) * config.beta_1 + slope * (1 - config.beta_1)
            square = self.square.get(name, 0.0) * config.beta_2 + slope**2 * (1 - config.beta_2)
            self.mean[name], self.square[name] = mean, square
            if config.amsgrad:
                square = numpy.maximum(self.largest.get(name, square), square)
                self.largest[name] = square
            corrected_mean = mean / (1 - config.beta_1**self.time)
            corrected_square = square / (1 - config.beta_2**self.time)
            change = corrected_mean / (numpy.sqrt(corrected_square) + config.epsilon)
            updated[name] = state[name] - rate * change
        return updated


CONFIGS = {
    "default": AdamConfig(),
    "betas": AdamConfig(beta_1=0.5, beta_2=0.9, epsilon=1e-3),
    "amsgrad": AdamConfig(amsgrad=True),
    "weight decay": AdamConfig(weight_decay=0.1),
    "clipped values": AdamConfig(grad_clipping=GradientClippingConfig(value=1e-3)),
    "clipped norm": AdamConfig(grad_clipping=GradientClippingConfig(norm=0.1)),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_steps_equal_a_reference(name: str, test_data: Dataset) -> None:
    config = CONFIGS[name]
    model = Model(ModelConfig(hidden_size=8), seed=1)
    optimizer, reference = config.init(), Adam(config)
    for step in range(3):
        batch = test_data[step * 16 : step * 16 + 16]
        gradients = model.forward_classification(batch.images, batch.targets).loss.backward()
        expected = reference.step(
            1e-3, model.state_dict(), {key: gradients[key] for key in gradients}
        )
        model = optimizer.step(1e-3, model, gradients)
        for key, value in model.state_dict().items():
            assert numpy.abs(value - expected[key]).max() < 5e-6, (step, key)


def test_the_loss_falls_in_a_custom_loop(train_data: Dataset) -> None:
    model = Model(ModelConfig(hidden_size=32, dropout=0.1), seed=1)
    before = model.evaluate(train_data).loss
    optimizer = AdamConfig().init()
    loader = DataLoader(train_data, batch_size=64, shuffle=42, num_workers=4)
    for _ in range(3):
        for batch in loader:
            out = model.forward_classification(batch.images, batch.targets)
            model = optimizer.step(1e-3, model, out.loss.backward())
    assert model.evaluate(train_data).loss < before - 0.3


def test_the_old_model_stays_valid(test_data: Dataset) -> None:
    images, targets = test_data.images[:16], test_data.targets[:16]
    model = Model(ModelConfig(hidden_size=8), seed=1)
    logits = model.forward(images)
    gradients = model.forward_classification(images, targets).loss.backward()
    updated = AdamConfig().init().step(1e-2, model, gradients)
    assert (model.forward(images) == logits).all()
    assert (updated.forward(images) != logits).any()
    # The gradients are values: a second optimizer takes the same step with them.
    again = AdamConfig().init().step(1e-2, model, gradients)
    assert (again.forward(images) == updated.forward(images)).all()


def test_two_loops_with_the_same_seeds_give_the_same_bits(train_data: Dataset) -> None:
    def weights() -> dict[str, numpy.ndarray]:
        model = Model(ModelConfig(hidden_size=8), seed=1)
        optimizer = AdamConfig().init()
        for batch in DataLoader(train_data[:128], batch_size=32, shuffle=42):
            out = model.forward_classification(batch.images, batch.targets)
            model = optimizer.step(1e-3, model, out.loss.backward())
        return model.state_dict()

    first, second = weights(), weights()
    assert all((first[name] == second[name]).all() for name in first)


def test_loops_in_several_threads_give_the_bits_of_one(train_data: Dataset) -> None:
    def weights(seed: int) -> bytes:
        model = Model(ModelConfig(hidden_size=8), seed=seed)
        optimizer = AdamConfig().init()
        for batch in DataLoader(train_data[:128], batch_size=32, shuffle=seed):
            out = model.forward_classification(*batch, dropout=batch.dropout)
            model = optimizer.step(1e-3, model, out.loss.backward())
        return b"".join(array.tobytes() for array in model.state_dict().values())

    # A thread of the pool that began another's backward pass within its own would wait for itself.
    seeds = range(24)
    expected = [weights(seed) for seed in seeds]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(weights, seeds)) == expected


def test_repr_tells_the_configuration() -> None:
    assert repr(AdamConfig().init()).startswith("Optimizer(AdamConfig(beta_1=0.9")
    assert AdamConfig(beta_1=0.5).init().config == AdamConfig(beta_1=0.5)


def test_an_optimizer_keeps_to_models_of_one_size(test_data: Dataset) -> None:
    optimizer = AdamConfig().init()

    def step(hidden_size: int) -> None:
        model = Model(ModelConfig(hidden_size=hidden_size), seed=1)
        out = model.forward_classification(test_data.images[:4], test_data.targets[:4])
        optimizer.step(1e-3, model, out.loss.backward())

    step(8)
    with pytest.raises(
        TrainingError, match=r"hidden_size 8 and .*, got one with .* hidden_size 9 and"
    ):
        step(9)
    step(8)


def test_an_optimizer_keeps_to_models_of_one_number_of_channels() -> None:
    optimizer = SgdConfig(momentum=MomentumConfig()).init()

    def step(channels: int) -> None:
        model = Model(ModelConfig(hidden_size=8, image_channels=channels), seed=1)
        shape = (4, 28, 28, channels) if channels > 1 else (4, 28, 28)
        out = model.forward_classification(numpy.zeros(shape, numpy.uint8), numpy.arange(4))
        optimizer.step(1e-3, model, out.loss.backward())

    step(1)
    with pytest.raises(TrainingError, match=r"image_channels 1, got one with .* image_channels 3"):
        step(3)
    step(1)
