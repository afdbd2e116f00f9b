"""Trials on a Ray cluster, by Ray Tune."""

import contextlib
import logging
import os
import queue
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final, cast

import ray
import ray.tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.logger import JsonLoggerCallback
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

from mnistburn.datasets.loading import LoadedPair
from mnistburn.sweeps.halving import Direction, SuccessiveHalving
from mnistburn.sweeps.trial import FINISHED, Trial
from mnistburn.sweeps.trial_run import TrialTask, holds_run, kept_trial, run_trial

__all__ = ["run_on_ray"]

_GO_ON: Final = True
_STOP: Final = False

# What Tune prints and writes beside the runs, which have all that itself.
_QUIET: Final = {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}

# The names of what Tune is told of each epoch.
_EPOCH: Final = "epoch"
_VALUE: Final = "value"
_TRIAL: Final = "trial"


class _Bell:
    """Rings when the sweep is stopped, on whichever machine a trial runs."""

    def __init__(self) -> None:
        import asyncio  # noqa: PLC0415  of this actor alone

        self._rung = asyncio.Event()

    async def ring(self) -> None:
        self._rung.set()

    async def heard(self) -> None:
        await self._rung.wait()


_BellActor: Any = ray.remote(num_cpus=0)(_Bell)


class _Courier:
    """Takes the epochs of a trial to Tune, and its answers back."""

    def __init__(self) -> None:
        self.reports: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._stopped = threading.Event()

    def goes_on(self, number: int, epoch: int, value: float) -> bool:  # noqa: ARG002
        self.reports.put({_EPOCH: epoch, _VALUE: value})
        return self.answers.get()

    def stopped(self) -> bool:
        return self._stopped.is_set()

    def stop(self) -> None:
        self._stopped.set()
        self.answers.put(_STOP)


class _TuneTrainable(ray.tune.Trainable):
    """A trial, in an actor of Ray: a step is an epoch."""

    def setup(
        self,
        config: dict[str, Any],
        tasks: dict[int, TrialTask] | None = None,
        data: LoadedPair | None = None,
        device: str = "cpu",
        bell: Any = None,  # noqa: ANN401  a handle of an actor
    ) -> None:
        if tasks is None or data is None:  # Tune's signature has no arguments of one's own
            message = "a trial needs its task and its data"
            raise ValueError(message)
        task = tasks[config["number"]]
        self._courier = _Courier()
        self._thread = threading.Thread(target=self._run, args=(task, data, device))
        threading.Thread(target=self._listen, args=(bell,), daemon=True).start()
        self._begun = False

    def _run(self, task: TrialTask, data: LoadedPair, device: str) -> None:
        trial = run_trial(task, data, device, self._courier)
        last = {_EPOCH: trial.epochs, _VALUE: trial.values[-1]} if trial.values else {}
        self._courier.reports.put({**last, _TRIAL: trial.to_json_object(), "done": True})

    def _listen(self, bell: Any) -> None:  # noqa: ANN401
        # The sweep may be over, and the actor gone.
        with contextlib.suppress(ray.exceptions.RayError):
            ray.get(bell.heard.remote())
            self._courier.stop()

    def step(self) -> dict[str, Any]:
        if self._begun:
            self._courier.answers.put(_GO_ON)
        else:
            self._begun = True
            self._thread.start()
        return self._courier.reports.get()

    def cleanup(self) -> None:
        if self._begun:
            self._courier.answers.put(_STOP)
            self._thread.join()


class _Recorder(ray.tune.Callback):
    """Tells of the trials that are over, as Tune hears of them."""

    def __init__(
        self,
        tasks: dict[int, TrialTask],
        ended: Callable[[Trial], None],
        stopper: "_Stopper",
    ) -> None:
        self._tasks = tasks
        self._ended = ended
        self._stopper = stopper
        self.told: set[int] = set()
        self.pruned: set[int] = set()
        self.failures: dict[int, str] = {}

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:  # noqa: ARG002, ANN401
        number = trial.config["number"]
        found = (trial.last_result or {}).get(_TRIAL)
        if found is not None and number not in self.told:
            self.told.add(number)
            directory = self._tasks[number].trial.directory.parent
            self._ended(Trial.from_json_object(found, directory))
        elif found is None and not self._stopper.stop_all():
            self.pruned.add(number)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:  # noqa: ARG002, ANN401
        lines = str(trial.get_error() or "its actor died").strip().splitlines()
        self.failures[trial.config["number"]] = lines[-1]


class _Stopper(ray.tune.Stopper):
    """Ends the sweep when it is stopped."""

    def __init__(self) -> None:
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:  # noqa: ARG002  Tune's own
        return False

    def stop_all(self) -> bool:
        return self._stopped


def run_on_ray(
    tasks: Sequence[TrialTask],
    data: LoadedPair,
    *,
    trials: Sequence[Trial],
    device: str,
    workers: int | None,
    halving: SuccessiveHalving | None,
    ended: Callable[[Trial], None],
) -> bool:
    """Train trials on a Ray cluster; Ctrl-C stops them all.

    Args:
        tasks: The trials, in the order of their numbers.
        data: The images.
        trials: All trials of the sweep, also those that ended in an earlier part of it.
        device: Where each trial computes.
        workers: How many run at the same time; None for as many as the cluster has room for.
        halving: The rule; None for none.
        ended: Called with each trial that is over.

    Returns:
        Whether Ctrl-C was pressed.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed twice.
    """
    if not tasks:
        return False
    by_number = {task.trial.number: task for task in tasks}
    stopper = _Stopper()
    recorder = _Recorder(by_number, ended, stopper)
    # Tune's own notes go where all machines see them, and are gone with the sweep.
    notes = tempfile.TemporaryDirectory(prefix=".ray-", dir=tasks[0].trial.directory.parent)
    with _quietly(), _cluster(), notes:
        bell = _BellActor.remote()
        trainable = ray.tune.with_parameters(
            _TuneTrainable, tasks=by_number, data=data, device=device, bell=bell
        )
        tuner = ray.tune.Tuner(
            ray.tune.with_resources(trainable, _resources(tasks, device)),
            param_space={"number": ray.tune.grid_search(list(by_number))},
            tune_config=ray.tune.TuneConfig(
                scheduler=_scheduler(tasks, trials, halving), max_concurrent_trials=workers
            ),
            run_config=ray.tune.RunConfig(
                name="sweep",
                storage_path=notes.name,
                # Without this one Tune warns that it finds no results.
                callbacks=[recorder, JsonLoggerCallback()],  # type: ignore[no-untyped-call]
                stop=stopper,
                # A run has checkpoints of its own.
                checkpoint_config=ray.tune.CheckpointConfig(checkpoint_at_end=False),
                verbose=0,
            ),
        )
        with ThreadPoolExecutor(1) as executor:
            # Off the main thread, where Tune would take Ctrl-C for itself.
            fitted = executor.submit(tuner.fit)

            def stop() -> None:
                stopper.stop()
                ray.get(bell.ring.remote())

            interrupted = _wait(fitted, stop)
        ray.kill(bell)
    for number, task in by_number.items():
        if number in recorder.failures:
            ended(kept_trial(task, "failed", recorder.failures[number]))
        elif number in recorder.pruned:
            ended(kept_trial(task, "pruned"))
        elif number not in recorder.told and holds_run(task):
            ended(kept_trial(task, "interrupted"))
    return interrupted


def _wait(fitted: Future[Any], stop: Callable[[], None]) -> bool:
    """Wait for a sweep; Ctrl-C stops it, which is returned, and a second one raises."""
    stopped = False
    while not fitted.done():
        try:
            # With a limit, as Windows does not interrupt a wait without one.
            wait([fitted], timeout=1.0)
        except KeyboardInterrupt:
            if stopped:
                raise
            stopped = True
            stop()
    fitted.result()
    return stopped


@contextlib.contextmanager
def _cluster() -> Iterator[None]:
    """Join the cluster that there is, or start one on this machine meanwhile."""
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.WARNING}
    with tempfile.TemporaryDirectory(prefix="ray-", dir=_SHORT, ignore_cleanup_errors=True) as own:
        try:
            ray.init(address="auto", **quiet)
        except ConnectionError:
            ray.init(address="local", include_dashboard=False, _temp_dir=own, **quiet)
        try:
            yield
        finally:
            ray.shutdown()


# The names of sockets must be short, which the folder for temporary files of macOS is not.
_SHORT: Final = None if sys.platform == "win32" else "/tmp"  # noqa: S108  a fresh folder in it


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep Tune from printing meanwhile; warnings are logged."""
    # A cluster of its own makes Ray set that one too.
    before = {name: os.environ.get(name) for name in (*_QUIET, "RAY_AUTH_MODE")}
    logger = logging.getLogger("ray.tune")
    level = logger.level
    os.environ.update(_QUIET)
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _resources(tasks: Sequence[TrialTask], device: str) -> dict[str, float]:
    resources = {"CPU": float(max(task.config.threads or 1 for task in tasks))}
    return resources if device.startswith("cpu") else {**resources, "GPU": 1.0}


def _scheduler(
    tasks: Sequence[TrialTask], trials: Sequence[Trial], halving: SuccessiveHalving | None
) -> TrialScheduler:
    """Return Tune's ASHA, which knows the trials of an earlier part of the sweep."""
    if halving is None:
        return FIFOScheduler()  # type: ignore[no-untyped-call]
    direction: Direction = tasks[0].direction
    longest = max(task.config.num_epochs for task in tasks)
    scheduler = AsyncHyperBandScheduler(
        time_attr=_EPOCH,
        metric=_VALUE,
        mode=direction,
        max_t=max(longest, halving.min_epochs),
        grace_period=halving.min_epochs,
        reduction_factor=halving.factor,
        stop_last_trials=False,
    )
    for trial in trials:
        if trial.ended in FINISHED:
            known, controller = TuneTrial("earlier", stub=True), cast("Any", None)
            scheduler.on_trial_add(controller, known)
            for epoch, value in enumerate(trial.values, start=1):
                scheduler.on_trial_result(controller, known, {_EPOCH: epoch, _VALUE: value})
    return scheduler
