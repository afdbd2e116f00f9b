"""PyTorch in eager mode, with the plain settings that are fastest here.

The images lie in memory as bytes, and each batch is gathered from them: no loader, no worker.
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

torch: Any = importlib.import_module("torch")

_SETTINGS: Final = {"channels_last": False, "fused Adam": False, "in place": False}
_TRIAL_STEPS: Final = 4


def network(*, in_place: bool) -> Any:  # noqa: ANN401  PyTorch has no types here
    """Return the network of the Burn book with the first weights.

    Args:
        in_place: Whether dropout and activations overwrite what they are given.

    Returns:
        A module that takes normalised images of shape ``[batch, 1, 28, 28]`` to logits.
    """
    nn = torch.nn
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.Dropout(0.5, inplace=in_place),
        nn.Conv2d(8, 16, 3),
        nn.Dropout(0.5, inplace=in_place),
        nn.ReLU(inplace=in_place),
        nn.AdaptiveAvgPool2d(8),
        nn.Flatten(),
        nn.Linear(1024, 512),
        nn.Dropout(0.5, inplace=in_place),
        nn.ReLU(inplace=in_place),
        nn.Linear(512, 10),
    )
    places = {"conv1": 0, "conv2": 2, "linear1": 7, "linear2": 10}
    weights = {}
    for name, values in workload.first_weights().items():
        layer, kind = name.split(".")
        transposed = layer.startswith("linear") and kind == "weight"
        array = numpy.ascontiguousarray(values.T if transposed else values)
        weights[f"{places[layer]}.{kind}"] = torch.from_numpy(array)
    net.load_state_dict(weights)
    return net


def normalised(pixels: Any) -> Any:  # noqa: ANN401  a tensor
    """Return a batch of raw pixels as the network takes it."""
    scale = 1 / (255 * workload.STD)
    return pixels.unsqueeze(1).float().mul_(scale).sub_(workload.MEAN / workload.STD)


@dataclass
class Training:
    """A network in training.

    Attributes:
        images: All images, uint8 of shape ``[count, 28, 28]``.
        targets: Their classes.
        batch_size: The images of a step.
        settings: Which of the settings are on.
    """

    images: Any
    targets: Any
    batch_size: int
    settings: dict[str, bool]

    def __post_init__(self) -> None:
        """Make network and optimizer."""
        self._net = network(in_place=self.settings["in place"])
        self._format = torch.contiguous_format
        if self.settings["channels_last"]:
            self._format = torch.channels_last
        self._net.train().to(memory_format=self._format)
        adam = AdamConfig()
        self._optimizer = torch.optim.Adam(
            self._net.parameters(),
            lr=TrainingConfig().learning_rate,
            betas=(adam.beta_1, adam.beta_2),
            eps=adam.epsilon,
            fused=self.settings["fused Adam"] or None,
        )
        self._loss = torch.nn.CrossEntropyLoss()
        self._order = workload.orders()

    def step(self, chosen: Any) -> tuple[Any, Any]:  # noqa: ANN401  tensors
        """Do a step over the images with these numbers; return its loss and its logits."""
        x = normalised(self.images[chosen]).to(memory_format=self._format)
        self._optimizer.zero_grad()
        logits = self._net(x)
        loss = self._loss(logits, self.targets[chosen])
        loss.backward()
        self._optimizer.step()
        return loss, logits

    def train(self, steps: int) -> Measurement:
        """Do that many steps over different images."""
        order = torch.from_numpy(self._order(steps * self.batch_size))
        batches = order.split(self.batch_size)
        last = 0.0
        begin = time.perf_counter()
        for step, chosen in enumerate(batches, start=1):
            loss, logits = self.step(chosen)
            if step % workload.STEPS_PER_READING == 0 or step == len(batches):
                last = loss.item()
                (logits.argmax(1) == self.targets[chosen]).sum().item()
        return Measurement(len(order), time.perf_counter() - begin, last)


def fastest_settings(images: Any, targets: Any, batch_size: int) -> dict[str, bool]:  # noqa: ANN401
    """Return the settings of the fastest of some short trainings."""

    def timed(settings: dict[str, bool]) -> float:
        training = Training(images, targets, batch_size, settings)
        return workload.seconds_of(lambda: training.train(_TRIAL_STEPS))

    return fastest(_SETTINGS, timed)


def _forward(settings: dict[str, bool]) -> workload.Forward:
    kind = torch.channels_last if settings["channels_last"] else torch.contiguous_format
    net = network(in_place=settings["in place"]).eval().to(memory_format=kind)

    def forward(images: workload.Images) -> NDArray[numpy.float32]:
        with torch.inference_mode():
            x = normalised(torch.from_numpy(images)).to(memory_format=kind)
            logits: NDArray[numpy.float32] = net(x).numpy()
            return logits

    return forward


def prepare(task: Task) -> Prepared:
    """Load, choose the settings and warm up.

    Args:
        task: What to measure.

    Returns:
        What measures it.
    """
    torch.set_num_threads(task.threads)
    torch.manual_seed(1)
    version = str(torch.__version__)
    if task.section == "inference":
        settings = {"channels_last": False, "in place": False}
        return workload.fastest_inference(task, version, settings, _forward)

    data = workload.training_data()
    images, targets = torch.from_numpy(data.images.copy()), torch.from_numpy(data.targets.copy())
    chosen = fastest_settings(images, targets, task.images)
    training = Training(images, targets, task.images, chosen)
    return workload.prepared_training(task, version, in_words(chosen), training.train)
