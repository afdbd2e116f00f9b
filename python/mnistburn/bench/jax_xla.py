"""JAX: a jitted step with its own random numbers, Adam by hand, donated buffers.

What is fastest is found out: the order of the axes of an image, and whether a batch is gathered
inside the jitted step, from images that are on the device, or by NumPy before it.
"""

import importlib
import time
from dataclasses import dataclass
from typing import Any, Final

import numpy
from numpy.typing import NDArray

from mnistburn.bench import workload
from mnistburn.bench.tasks import Measurement, Prepared, Task, fastest, in_words
from mnistburn.config import AdamConfig, TrainingConfig

jax: Any = importlib.import_module("jax")
jnp: Any = importlib.import_module("jax.numpy")

_SETTINGS: Final = {"channels last": True, "gather in jit": True}
_TRIAL_STEPS: Final = 4
_KEPT: Final = 0.5

# JAX has no types here: arrays, and dictionaries of them, are Any.


def parameters(*, channels_last: bool) -> Any:  # noqa: ANN401
    """Return the first weights, in the order of axes that the network takes.

    Args:
        channels_last: Whether the channels are the last axis of an image.

    Returns:
        The arrays by name.
    """
    weights = workload.first_weights()
    if channels_last:
        for name in ("conv1.weight", "conv2.weight"):
            weights[name] = weights[name].transpose(2, 3, 1, 0)
        first = weights["linear1.weight"]
        by_place = first.reshape(16, 8, 8, first.shape[1]).transpose(1, 2, 0, 3)
        weights["linear1.weight"] = by_place.reshape(first.shape)
    return {name: jnp.array(values) for name, values in weights.items()}


def logits(weights: Any, pixels: Any, key: Any, *, channels_last: bool) -> Any:  # noqa: ANN401
    """Compute the network of the Burn book.

    Args:
        weights: Its parameters.
        pixels: Raw pixels, uint8 of shape ``[batch, 28, 28]``.
        key: What the dropout follows from; None for none.
        channels_last: Whether the channels are the last axis of an image.

    Returns:
        The logits.
    """
    kinds = ("NHWC", "HWIO", "NHWC") if channels_last else ("NCHW", "OIHW", "NCHW")
    keys = iter(jax.random.split(key, 3)) if key is not None else None

    def dropped(x: Any) -> Any:  # noqa: ANN401
        if keys is None:
            return x
        kept = jax.random.bernoulli(next(keys), _KEPT, x.shape)
        return jnp.where(kept, x / _KEPT, 0.0)

    def convolved(x: Any, name: str) -> Any:  # noqa: ANN401
        bias = weights[f"{name}.bias"]
        bias = bias if channels_last else bias[:, None, None]
        kernel = weights[f"{name}.weight"]
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", None, None, kinds) + bias

    x = (pixels.astype(jnp.float32) / 255 - workload.MEAN) / workload.STD
    x = dropped(convolved(x[..., None] if channels_last else x[:, None], "conv1"))
    x = jax.nn.relu(dropped(convolved(x, "conv2")))
    # From 24 by 24 to 8 by 8: the mean of 3 by 3.
    if channels_last:
        x = x.reshape(-1, 8, 3, 8, 3, 16).mean((2, 4))
    else:
        x = x.reshape(-1, 16, 8, 3, 8, 3).mean((3, 5))
    x = x.reshape(-1, 1024) @ weights["linear1.weight"] + weights["linear1.bias"]
    x = jax.nn.relu(dropped(x))
    return x @ weights["linear2.weight"] + weights["linear2.bias"]


def loss_and_hits(
    weights: Any,  # noqa: ANN401
    pixels: Any,  # noqa: ANN401
    targets: Any,  # noqa: ANN401
    key: Any,  # noqa: ANN401
    *,
    channels_last: bool,
) -> Any:  # noqa: ANN401
    """Return the mean cross-entropy, and the number of images classified right."""
    out = logits(weights, pixels, key, channels_last=channels_last)
    chosen = jnp.take_along_axis(jax.nn.log_softmax(out), targets[:, None], 1)
    return -chosen.mean(), (out.argmax(1) == targets).sum()


def _adam(weights: Any, state: Any, gradients: Any, step: Any) -> Any:  # noqa: ANN401
    config, rate = AdamConfig(), TrainingConfig().learning_rate
    first, second = config.beta_1, config.beta_2
    mean = jax.tree.map(lambda m, g: first * m + (1 - first) * g, state[0], gradients)
    square = jax.tree.map(lambda v, g: second * v + (1 - second) * g * g, state[1], gradients)
    size = rate / (1 - first**step)
    scale = 1 / (1 - second**step)
    weights = jax.tree.map(
        lambda w, m, v: w - size * m / (jnp.sqrt(v * scale) + config.epsilon),
        *(weights, mean, square),
    )
    return weights, (mean, square)


@dataclass
class Training:
    """A network in training.

    Attributes:
        images: All images, uint8 of shape ``[count, 28, 28]``.
        targets: Their classes.
        batch_size: The images of a step.
        settings: Which of the settings are on.
    """

    images: NDArray[numpy.uint8]
    targets: NDArray[numpy.int32]
    batch_size: int
    settings: dict[str, bool]

    def __post_init__(self) -> None:
        """Make network, optimizer and the jitted step."""
        channels_last = self.settings["channels last"]
        gradient = jax.value_and_grad(loss_and_hits, has_aux=True)
        root = jax.random.key(1)

        def step(weights: Any, state: Any, number: Any, batch: Any) -> Any:  # noqa: ANN401
            pixels, targets, chosen = batch
            if chosen is not None:
                pixels, targets = pixels[chosen], targets[chosen]
            key = jax.random.fold_in(root, number)
            (loss, hits), gradients = gradient(
                weights, pixels, targets, key, channels_last=channels_last
            )
            weights, state = _adam(weights, state, gradients, number)
            return weights, state, number + 1, loss, hits

        self._step: Any = jax.jit(step, donate_argnums=(0, 1, 2))
        self._weights = parameters(channels_last=channels_last)
        zeros = [jax.tree.map(jnp.zeros_like, self._weights) for _ in range(2)]
        self._state = tuple(zeros)
        self._number = jnp.int32(1)
        self._device_data = (jnp.array(self.images), jnp.array(self.targets))
        self._order = workload.orders()

    def train(self, steps: int) -> Measurement:
        """Do that many steps over different images."""
        order = self._order(steps * self.batch_size).astype(numpy.int32)
        batches = order.reshape(steps, self.batch_size)
        inside = self.settings["gather in jit"]
        last = 0.0
        begin = time.perf_counter()
        for step, chosen in enumerate(batches, start=1):
            batch = (
                (*self._device_data, chosen)
                if inside
                else (self.images[chosen], self.targets[chosen], None)
            )
            self._weights, self._state, self._number, loss, hits = self._step(
                self._weights, self._state, self._number, batch
            )
            if step % workload.STEPS_PER_READING == 0 or step == steps:
                last = float(loss)
                int(hits)
        # The loss is there before the weights are.
        jax.block_until_ready(self._weights)
        return Measurement(len(order), time.perf_counter() - begin, last)


def _forward(settings: dict[str, bool]) -> workload.Forward:
    channels_last = settings["channels last"]
    weights = parameters(channels_last=channels_last)
    compute = jax.jit(lambda pixels: logits(weights, pixels, None, channels_last=channels_last))

    def forward(images: workload.Images) -> NDArray[numpy.float32]:
        return numpy.asarray(compute(images))

    return forward


def prepare(task: Task) -> Prepared:
    """Load, choose the settings and warm up.

    Args:
        task: What to measure.

    Returns:
        What measures it.
    """
    version = str(jax.__version__)
    if task.section == "inference":
        return workload.fastest_inference(task, version, {"channels last": True}, _forward)

    data = workload.training_data()
    images, targets = data.images, data.targets.astype(numpy.int32)

    def timed(settings: dict[str, bool]) -> float:
        training = Training(images, targets, task.images, settings)
        return workload.seconds_of(lambda: training.train(_TRIAL_STEPS))

    chosen = fastest(_SETTINGS, timed)
    training = Training(images, targets, task.images, chosen)
    return workload.prepared_training(task, version, in_words(chosen), training.train)
