"""A forked child computes, or says why it can't."""

import math
import multiprocessing
import os
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

import mnistburn
from mnistburn import AdamConfig, Callback, DataLoader, Dataset, Model, TrainingConfig
from mnistburn.errors import DeviceError

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.timeout(60),
    # Python warns of it from 3.12 on; that it works all the same is what is tested.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

Pair = tuple[Dataset, Dataset]


def in_child(work: Any) -> Any:
    """Return what the function returns in a forked child, or its exception."""

    def run(answers: Connection) -> None:
        try:
            answers.send(work())
        except Exception as error:  # noqa: BLE001  it is the answer
            answers.send(error)

    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=run, args=(sender,))
    child.start()
    assert receiver.poll(50), "the child hangs"
    answer = receiver.recv()
    child.join()
    return answer


def test_a_child_predicts_and_trains_as_its_parent(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    model = Model(seed=1)
    expected = model.forward(small_data[1].images)

    def losses(name: str) -> list[float]:
        run = mnistburn.train(tmp_path / name, small_config, "cpu", data=small_data, progress=False)
        return run.history.train_steps["loss"]

    trained = losses("parent")
    assert (in_child(lambda: model.forward(small_data[1].images)) == expected).all()
    assert in_child(lambda: losses("child")) == trained


def test_a_child_loops_as_its_parent(small_data: Pair) -> None:
    def weights() -> bytes:
        model, optimizer = Model(seed=1), AdamConfig().init()
        for batch in DataLoader(small_data[1], batch_size=32, shuffle=1):
            out = model.forward_classification(*batch, dropout=batch.dropout)
            model = optimizer.step(1e-3, model, out.loss.backward())
        return b"".join(array.tobytes() for array in model.state_dict().values())

    # The thread that forks is one of those that compute from its first step on.
    expected = weights()
    assert in_child(weights) == expected
    assert in_child(lambda: in_child(weights)) == expected
    assert weights() == expected


def test_a_child_of_a_process_in_training_says_how_to_start_it(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    model = Model(seed=1)
    answers = []

    class Fork(Callback):
        def on_epoch_end(self, event: object) -> None:
            answers.append(in_child(lambda: model.predict(small_data[1].images)))

    mnistburn.train(
        tmp_path / "run", small_config, "cpu", data=small_data, callbacks=[Fork()], progress=False
    )
    assert all(isinstance(answer, DeviceError) for answer in answers)
    assert "spawn" in str(answers[0])


def test_a_child_cannot_train_on_several_devices_and_says_so(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    def train(name: str, *devices: str) -> list[float]:
        run = mnistburn.train(
            tmp_path / name, small_config, devices, data=small_data, progress=False
        )
        return run.history.train_steps["loss"]

    expected = train("parent", "cpu")
    answer = in_child(lambda: train("child", "cpu", "cpu"))
    assert isinstance(answer, DeviceError)
    assert "spawn" in str(answer)
    assert in_child(lambda: train("alone", "cpu")) == expected


def test_a_child_lets_go_of_a_loss_of_its_parent(small_data: Pair) -> None:
    # So many classes that their sum is computed by several threads.
    model = Model(mnistburn.ModelConfig(num_classes=70_000, hidden_size=64), seed=1)
    images, targets = small_data[1].images[:2], small_data[1].targets[:2]
    losses = [model.forward_classification(images, targets).loss]

    def let_go() -> int:
        losses.clear()
        return len(model.forward(images))

    assert in_child(let_go) == 2
    assert math.isfinite(float(losses[0]))
