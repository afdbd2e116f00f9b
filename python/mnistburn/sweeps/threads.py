"""Trials in threads of this process: training computes without the GIL."""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from mnistburn.datasets.loading import LoadedPair
from mnistburn.sweeps.halving import Direction, SuccessiveHalving
from mnistburn.sweeps.trial import FINISHED, Trial
from mnistburn.sweeps.trial_run import TrialTask, run_trial

__all__ = ["InOrder", "run_in_threads"]


class InOrder:
    """Halves successively as if the trials ran one after the other, whatever the number of threads.

    At a rung a trial is compared with those of lower numbers alone, and waits for those of them
    that may yet come as far. They never wait for it, so that the wait has an end.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        num_epochs: Sequence[int],
        halving: SuccessiveHalving | None,
        direction: Direction,
    ) -> None:
        """Judge trials.

        Args:
            trials: All trials of the sweep, also those that ended in an earlier part of it.
            num_epochs: The length of each.
            halving: The rule; None for none.
            direction: Which way the metric is better.
        """
        self._halving = halving
        self._direction = direction
        self._changed = threading.Condition()
        self._stopped = False
        self._values = {
            trial.number: dict(enumerate(trial.values, start=1))
            for trial in trials
            if trial.ended in FINISHED
        }
        self._over = set(self._values)
        self._rungs = {
            trial.number: () if halving is None else tuple(halving.rungs(length))
            for trial, length in zip(trials, num_epochs, strict=True)
        }

    def goes_on(self, number: int, epoch: int, value: float) -> bool:
        """Take the metric of an epoch of a trial, and tell whether the trial goes on."""
        with self._changed:
            self._values.setdefault(number, {})[epoch] = value
            self._changed.notify_all()
            if self._halving is None or epoch not in self._rungs[number]:
                return not self._stopped
            earlier = [other for other in self._rungs if other < number]
            self._changed.wait_for(
                lambda: (
                    self._stopped
                    or all(
                        other in self._over or epoch in self._values.get(other, {})
                        for other in earlier
                    )
                )
            )
            if self._stopped:
                return False
            others = [
                self._values[other][epoch]
                for other in earlier
                if epoch in self._values.get(other, {})
            ]
            return self._halving.keeps(value, others, self._direction)

    def stopped(self) -> bool:
        """Tell whether the sweep is stopped."""
        return self._stopped

    def stop(self) -> None:
        """Stop the sweep."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def end(self, number: int) -> None:
        """Take note that a trial is over."""
        with self._changed:
            self._over.add(number)
            self._changed.notify_all()


def run_in_threads(
    tasks: Sequence[TrialTask],
    data: LoadedPair,
    devices: Sequence[str],
    judge: InOrder,
    ended: Callable[[Trial], None],
) -> bool:
    """Train trials, as many at a time as there are devices; Ctrl-C stops them all.

    Args:
        tasks: The trials, in the order of their numbers.
        data: The images.
        devices: Where each of the trials that run at the same time computes.
        judge: What decides whether a trial goes on.
        ended: Called with each trial that is over.

    Returns:
        Whether Ctrl-C was pressed.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed twice.
    """
    free: queue.SimpleQueue[str] = queue.SimpleQueue()
    for device in devices:
        free.put(device)

    def run(task: TrialTask) -> Trial | None:
        if judge.stopped():
            return None
        device = free.get()
        try:
            return run_trial(task, data, device, judge)
        finally:
            judge.end(task.trial.number)
            free.put(device)

    executor = ThreadPoolExecutor(len(devices), thread_name_prefix="mnistburn-trial")
    try:
        waiting: list[Future[Trial | None]] = [executor.submit(run, task) for task in tasks]
        while waiting:
            try:
                # With a limit, as Windows does not interrupt a wait without one.
                for future in wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED).done:
                    trial = future.result()
                    if trial is not None:
                        ended(trial)
                    # Where Ctrl-C comes before this, the trial is told of again.
                    waiting.remove(future)
            except KeyboardInterrupt:
                if judge.stopped():
                    raise
                judge.stop()
        return judge.stopped()
    finally:
        judge.stop()
        executor.shutdown(wait=False, cancel_futures=True)
