"""Threads that work at the same time get what each gets alone, under a GIL and without one."""

import dataclasses
import hashlib
import subprocess
import sys
import sysconfig
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy
import pytest

import mnistburn
from mnistburn import (
    AdamConfig,
    Callback,
    CosineAnnealingLrSchedulerConfig,
    DataLoader,
    Dataset,
    Gradients,
    Model,
    ModelConfig,
    TrainingConfig,
)
from mnistburn.callbacks import StepEnd
from mnistburn.errors import TrainingError
from mnistburn.likeness import warn_of_unlike

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
Pair = tuple[Dataset, Dataset]
T = TypeVar("T")

pytestmark = pytest.mark.timeout(300)


def together(works: Sequence[Callable[[], T]]) -> list[T]:
    """Do each work in a thread of its own, all from the same moment on; return their results."""
    start = threading.Barrier(len(works), timeout=60)
    results: dict[int, T] = {}
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            start.wait()
            results[number] = works[number]()
        except BaseException as error:  # noqa: BLE001  it is raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error
    return [results[number] for number in range(len(works))]


def bits(model: Model) -> str:
    """Return what all parameters are told apart by."""
    content = b"".join(array.tobytes() for array in model.state_dict().values())
    return hashlib.sha256(content).hexdigest()


def small_model(seed: int) -> Model:
    return Model(ModelConfig(hidden_size=8), seed=seed)


def gradients_of(model: Model, data: Dataset) -> Gradients:
    return model.forward_classification(data.images, data.targets).loss.backward()


@pytest.mark.skipif(not FREE_THREADED, reason="this interpreter has a GIL")
def test_nothing_of_the_package_brings_the_gil_back() -> None:
    script = (
        "import sys, mnistburn\n"
        "for name in mnistburn.__all__: getattr(mnistburn, name)\n"
        "print(sys._is_gil_enabled())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


# Names are imported from their modules when they are first used, here by all threads at once.
FIRST = """
import threading
import mnistburn
names, count = mnistburn.__all__, 8
start, found = threading.Barrier(count), [{} for _ in range(count)]
def look(number):
    start.wait()
    shift = number * len(names) // count
    for name in names[shift:] + names[:shift]:
        found[number][name] = getattr(mnistburn, name)
threads = [threading.Thread(target=look, args=(number,)) for number in range(count)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(all(one.get(name) is getattr(mnistburn, name) for one in found for name in names))
"""


def test_threads_may_be_the_first_to_use_any_name() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


class Losses(Callback):
    """Keeps the losses of a run, which come to the thread that called `train`."""

    def __init__(self) -> None:
        self.found: list[float] = []
        self.threads: set[int] = set()

    def on_step_end(self, event: StepEnd) -> None:
        self.found.append(event.loss)
        self.threads.add(threading.get_ident())


def test_work_of_any_kind_goes_on_side_by_side(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair, test_data: Dataset
) -> None:
    shared = small_model(1)
    path = shared.save(tmp_path / "model")
    folders = iter(range(1000))

    def training(seed: int) -> Callable[[], object]:
        config = dataclasses.replace(small_config, seed=seed)

        def work() -> object:
            losses = Losses()
            folder = tmp_path / f"run-{next(folders)}"
            run = mnistburn.train(
                folder, config, "cpu", data=small_data, callbacks=[losses], progress=False
            )
            assert losses.threads == {threading.get_ident()}
            return losses.found, bits(run.model), bits(mnistburn.load_run(folder).model)

        return work

    def loop(seed: int) -> Callable[[], object]:
        def work() -> object:
            model, optimizer = small_model(seed), AdamConfig().init()
            for batch in DataLoader(test_data, batch_size=32, shuffle=seed):
                out = model.forward_classification(*batch, dropout=batch.dropout)
                model = optimizer.step(1e-3, model, out.loss.backward().clip_by_norm(1.0))
            return bits(model)

        return work

    def loading() -> object:
        return [bits(Model.load(path)) for _ in range(10)]

    def prediction() -> object:
        return [shared.predict_proba(test_data.images).tobytes() for _ in range(10)]

    def evaluation() -> object:
        found = shared.evaluate(test_data, metrics=["f1_macro"])
        return found.loss, found.accuracy, found.metrics, found.confusion.tobytes()

    def data_set() -> object:
        data = Dataset(test_data.images.copy(), test_data.targets.copy())
        halves = data.split(0.5, seed=3)
        return [half.images.tobytes() for half in halves], data.describe().warnings

    works = [training(5), training(6), loop(1), loop(2), loading, prediction, evaluation, data_set]
    alone = [work() for work in works]
    assert len({str(result) for result in alone}) == len(works)
    assert together(works) == alone


def test_threads_that_share_an_optimizer_step_one_after_the_other(test_data: Dataset) -> None:
    model, threads, steps = small_model(1), 4, 25
    gradients = gradients_of(model, test_data)

    def taken(optimizer: mnistburn.Optimizer, times: int) -> list[str]:
        return [bits(optimizer.step(1e-3, model, gradients)) for _ in range(times)]

    # The step of Adam depends on how many there were before it: each is another.
    expected = taken(AdamConfig().init(), threads * steps)
    assert len(set(expected)) == len(expected)
    optimizer = AdamConfig().init()
    found = together([lambda: taken(optimizer, steps)] * threads)
    assert Counter(bits for one in found for bits in one) == Counter(expected)
    for one in found:
        places = [expected.index(bits) for bits in one]
        assert places == sorted(places)


def test_an_optimizer_that_threads_begin_keeps_to_the_model_of_one(test_data: Dataset) -> None:
    models = [Model(ModelConfig(hidden_size=size), seed=1) for size in (8, 9, 10, 11)]
    gradients = [gradients_of(model, test_data) for model in models]
    optimizer = AdamConfig().init()

    def first(number: int) -> Callable[[], str | None]:
        def work() -> str | None:
            try:
                return bits(optimizer.step(1e-3, models[number], gradients[number]))
            except TrainingError as error:
                assert "keeps the state of one model" in str(error)  # noqa: PT017  for all threads
                return None

        return work

    found = together([first(number) for number in range(len(models))])
    assert sum(bits is not None for bits in found) == 1


def test_threads_share_the_steps_of_a_schedule() -> None:
    threads, steps = 4, 500
    config = CosineAnnealingLrSchedulerConfig(num_iters=threads * steps + 1)
    alone, shared = config.init(0.5), config.init(0.5)
    expected = [alone.step() for _ in range(threads * steps)]
    found = together([lambda: [shared.step() for _ in range(steps)]] * threads)
    assert sorted(rate for one in found for rate in one) == sorted(expected)
    assert shared.steps == threads * steps


def test_one_thread_alone_gets_the_gradients_of_a_loss(test_data: Dataset) -> None:
    model = small_model(1)
    for _ in range(10):
        loss = model.forward_classification(test_data.images, test_data.targets).loss

        def backward() -> float | None:
            try:
                return loss.backward().norm()  # noqa: B023  within the round
            except TrainingError as error:
                assert "must be called once" in str(error)  # noqa: PT017  for all threads
                return None

        found = [norm for norm in together([backward] * 4) if norm is not None]
        assert len(found) == 1


def test_threads_look_at_the_same_gradients(test_data: Dataset) -> None:
    model = small_model(1)

    def numbers(gradients: Gradients) -> list[bytes]:
        return [gradients[name].tobytes() for name in gradients.names()]

    key = mnistburn.DropoutKey(1, 1, numpy.arange(len(test_data)))

    def gradients() -> Gradients:
        out = model.forward_classification(test_data.images, test_data.targets, dropout=key)
        return out.loss.backward()

    expected = numbers(gradients())
    for _ in range(10):
        shared = gradients()
        # They are read from the tape's tensors by whoever asks first.
        assert together([lambda: numbers(shared)] * 4) == [expected] * 4  # noqa: B023


def test_each_training_forward_of_a_shared_model_has_masks_of_its_own(test_data: Dataset) -> None:
    threads, calls = 4, 10

    def losses(model: Model, times: int) -> list[float]:
        images, targets = test_data.images, test_data.targets
        return [float(model.forward_classification(images, targets).loss) for _ in range(times)]

    expected = losses(small_model(1), threads * calls)
    shared = small_model(1)
    found = together([lambda: losses(shared, calls)] * threads)
    assert sorted(loss for one in found for loss in one) == sorted(expected)


def test_a_model_whose_weights_are_replaced_is_never_half_of_each(test_data: Dataset) -> None:
    states = [small_model(seed).state_dict() for seed in (1, 2)]
    shared, images = small_model(1), test_data.images[:8]
    expected = {small_model(seed).forward(images).tobytes() for seed in (1, 2)}
    over = threading.Event()

    def replace() -> set[bytes]:
        for round_ in range(100):
            shared.load_state_dict(states[round_ % 2])
        over.set()
        return expected

    def predict() -> set[bytes]:
        found = {shared.forward(images).tobytes()}
        while not over.is_set():
            found.add(shared.forward(images).tobytes())
        return found

    for found in together([replace, predict, predict]):
        assert found <= expected


def test_each_epoch_of_a_shared_loader_is_begun_once(test_data: Dataset) -> None:
    threads, epochs = 4, 4000
    loader = DataLoader(test_data[:1], batch_size=1, shuffle=1)

    def begun() -> list[int]:
        keys = [next(batches).dropout for batches in [iter(loader) for _ in range(epochs)]]
        return [key.epoch for key in keys if key is not None]

    found = together([begun] * threads)
    assert sorted(epoch for one in found for epoch in one) == list(range(1, threads * epochs + 1))
    assert loader.epoch == threads * epochs


def test_threads_share_the_batches_of_an_epoch(test_data: Dataset) -> None:
    for _ in range(20):
        batches = iter(DataLoader(test_data, batch_size=1, shuffle=1))
        found = together([lambda: [key_of(batch) for batch in batches]] * 4)  # noqa: B023
        assert sorted(index for one in found for index in one) == list(range(len(test_data)))


def key_of(batch: mnistburn.Batch) -> int:
    """Return the position of the only image of a batch."""
    assert batch.dropout is not None
    return int(batch.dropout.indices[0])


def test_what_is_odd_about_images_is_told_by_one_of_the_threads(test_data: Dataset) -> None:
    threads, rounds = 4, 500
    training, inverted = test_data.describe(), 255 - test_data.images[:4]
    shape = (28, 28, 1)
    expected = warn_of_unlike(training, inverted, shape)
    told: list[dict[str, object]] = [{} for _ in range(rounds)]
    start = threading.Barrier(threads, timeout=60)

    def tell() -> list[tuple[int, str]]:
        found = []
        for number in range(rounds):
            start.wait()
            warnings = warn_of_unlike(training, inverted, shape, told=told[number])
            found += [(number, warning) for warning in warnings]
        return found

    found = Counter(one for part in together([tell] * threads) for one in part)
    assert expected
    assert found == Counter((number, text) for number in range(rounds) for text in expected)
