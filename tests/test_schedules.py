"""Schedules one after the other, warm-up, and lengths that follow from the run."""

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

import mnistburn
from mnistburn import (
    CosineAnnealingLrSchedulerConfig,
    Dataset,
    ExponentialLrSchedulerConfig,
    LinearLrSchedulerConfig,
    ModelConfig,
    NoamLrSchedulerConfig,
    OneCycleLrSchedulerConfig,
    ReduceOnPlateauLrSchedulerConfig,
    SequentialLrSchedulerConfig,
    StepLrSchedulerConfig,
    TrainingConfig,
    WarmUpLrSchedulerConfig,
)
from mnistburn.config import LearningRateSchedule
from mnistburn.config.schedules import SCHEDULES, schedule_from
from mnistburn.errors import ConfigError

FIXTURES = Path(__file__).parent / "fixtures/schedules"
SEQUENCES = json.loads((FIXTURES / "sequential.json").read_text())
RATE = 0.02

# Each kind, and within others; for 10 steps.
EVERY: list[LearningRateSchedule] = [
    ExponentialLrSchedulerConfig(gamma=0.8),
    CosineAnnealingLrSchedulerConfig(),
    LinearLrSchedulerConfig(final_lr=1e-3),
    NoamLrSchedulerConfig(warmup_steps=3, model_size=8),
    OneCycleLrSchedulerConfig(),
    StepLrSchedulerConfig(step_size=2),
    WarmUpLrSchedulerConfig(num_iters=4),
    SequentialLrSchedulerConfig(schedules=[None], milestones=[]),
]
EVERY += [WarmUpLrSchedulerConfig(num_iters=3, after=schedule) for schedule in EVERY]
EVERY += [
    SequentialLrSchedulerConfig(schedules=[EVERY[index], None, EVERY[-1]], milestones=[4, 5])
    for index in range(8)
]


def training(schedule: LearningRateSchedule, **changes: Any) -> TrainingConfig:
    config = TrainingConfig(
        model=ModelConfig(hidden_size=1),
        num_epochs=2,
        batch_size=1,
        learning_rate=RATE,
        lr_scheduler=schedule,
    )
    return dataclasses.replace(config, **changes)


def train(path: Path, config: TrainingConfig | None, data: Dataset, **options: Any) -> Any:
    return mnistburn.train(path, config, "cpu", data=(data, data[:1]), progress=False, **options)


def rates(schedule: LearningRateSchedule, steps: int) -> list[float]:
    going = schedule.init(RATE, num_steps=steps)
    return [going.step() for _ in range(steps)]


@pytest.mark.parametrize("case", SEQUENCES, ids=lambda case: json.dumps(case["config"])[:60])
def test_rates_are_those_of_pytorch(case: dict[str, Any]) -> None:
    schedule = schedule_from(case["config"])
    assert schedule is not None
    assert rates(schedule, 30) == pytest.approx(case["rates"], rel=1e-9)


def test_a_run_uses_them(artifact_dir: Path, test_data: Dataset) -> None:
    case = SEQUENCES[1]
    schedule = schedule_from(case["config"])
    assert schedule is not None
    run = train(artifact_dir, training(schedule), test_data[:15])
    assert run.history.train_steps["learning_rate"] == rates(schedule, 30)
    assert rates(schedule, 30) == pytest.approx(case["rates"], rel=1e-9)


def test_every_kind_is_here() -> None:
    # A plateau goes by epochs, and has tests of its own.
    every = {type(schedule) for schedule in EVERY} | {ReduceOnPlateauLrSchedulerConfig}
    assert every == set(SCHEDULES.values())


@pytest.mark.parametrize("number", range(len(EVERY)))
def test_a_schedule_is_read_back_equal(number: int) -> None:
    config = training(EVERY[number])
    assert TrainingConfig.from_json(config.to_json()) == config
    assert hash(TrainingConfig.from_json(config.to_json())) == hash(config)
    content = json.loads(config.to_json())["lr_scheduler"]
    assert schedule_from(content) == EVERY[number]


@pytest.mark.parametrize("number", range(len(EVERY)))
def test_a_copy_goes_on_alike(number: int) -> None:
    going = EVERY[number].init(RATE, num_steps=10)
    expected = rates(EVERY[number], 10)
    for step in range(10):
        assert going.steps == step
        assert copy.deepcopy(going).step() == expected[step]
        assert going.step() == expected[step]


@pytest.mark.parametrize("number", range(len(EVERY)))
def test_a_resumed_run_has_the_rates_of_one_never_stopped(
    number: int, artifact_dir: Path, test_data: Dataset
) -> None:
    class StopAfter(mnistburn.Callback):
        left = 7

        def on_step_end(self, event: object) -> bool:
            self.left -= 1
            return self.left == 0

    config = training(EVERY[number])
    stopped = train(artifact_dir, config, test_data[:5], callbacks=[StopAfter()])
    assert stopped.ended == "stopped"
    # The configuration may be given again, its lengths those of the run.
    resumed = train(artifact_dir, config, test_data[:5], resume=True)
    assert resumed.history.train_steps["learning_rate"] == rates(EVERY[number], 10)


def test_a_length_that_is_not_given_is_that_of_the_run(
    artifact_dir: Path, test_data: Dataset
) -> None:
    inner = CosineAnnealingLrSchedulerConfig()
    schedule = SequentialLrSchedulerConfig(
        schedules=[LinearLrSchedulerConfig(final_lr=0.0), inner, OneCycleLrSchedulerConfig()],
        milestones=[2, 5],
    )
    whole = WarmUpLrSchedulerConfig(num_iters=3, after=schedule)
    # Seven images in batches of two are four steps; in five epochs twenty.
    config = training(whole, batch_size=2, num_epochs=5)
    used = train(artifact_dir, config, test_data[:7]).config.lr_scheduler.after.schedules
    assert [part.num_iters for part in used] == [2, 3, 12]
    # A run that goes on for longer keeps what it began with.
    longer = train(
        artifact_dir, dataclasses.replace(config, num_epochs=6), test_data[:7], resume=True
    )
    assert [part.num_iters for part in longer.config.lr_scheduler.after.schedules] == [2, 3, 12]
    given = dataclasses.replace(inner, num_iters=9)
    alone = train(artifact_dir / "other", training(given), test_data[:7]).config
    assert alone.lr_scheduler == given


def test_another_schedule_for_a_run_that_goes_on_is_refused(
    artifact_dir: Path, test_data: Dataset
) -> None:
    config = training(CosineAnnealingLrSchedulerConfig(), num_epochs=1)
    train(artifact_dir, config, test_data[:5])
    for other in (
        CosineAnnealingLrSchedulerConfig(num_iters=9),
        CosineAnnealingLrSchedulerConfig(min_lr=1e-4),
        OneCycleLrSchedulerConfig(),
    ):
        with pytest.raises(ConfigError, match="may change only"):
            train(artifact_dir, training(other), test_data[:5], resume=True)


WARNINGS: dict[str, tuple[LearningRateSchedule, str]] = {
    "cosine": (
        CosineAnnealingLrSchedulerConfig(num_iters=8),
        "after 9 of 10 steps the rate starts",
    ),
    "cosine to the end": (CosineAnnealingLrSchedulerConfig(num_iters=9), ""),
    "cosine beyond": (CosineAnnealingLrSchedulerConfig(num_iters=90), ""),
    "cosine of the run": (CosineAnnealingLrSchedulerConfig(), ""),
    "line": (LinearLrSchedulerConfig(final_lr=0.0, num_iters=5), "after 6 of 10 steps the rate st"),
    "line to the end": (LinearLrSchedulerConfig(final_lr=0.0, num_iters=9), ""),
    "one cycle": (OneCycleLrSchedulerConfig(num_iters=9), "after 9 of 10 steps the rate stays"),
    "one cycle to the end": (OneCycleLrSchedulerConfig(num_iters=10), ""),
    "warm-up": (WarmUpLrSchedulerConfig(num_iters=2), ""),
    "warm-up and cosine": (
        WarmUpLrSchedulerConfig(num_iters=2, after=CosineAnnealingLrSchedulerConfig(num_iters=5)),
        "after 8 of 10 steps the rate starts again",
    ),
    "warm-up and the rest": (
        WarmUpLrSchedulerConfig(num_iters=2, after=CosineAnnealingLrSchedulerConfig()),
        "",
    ),
    "too long a warm-up": (
        WarmUpLrSchedulerConfig(num_iters=10),
        "never used: it begins after 10 steps, and the run has 10",
    ),
    "too late": (
        SequentialLrSchedulerConfig(
            schedules=[None, StepLrSchedulerConfig(step_size=2)], milestones=[11]
        ),
        "never used: it begins after 11 steps, and the run has 10",
    ),
    "exponential": (ExponentialLrSchedulerConfig(gamma=0.5), ""),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_a_schedule_that_does_not_fit_the_run_is_told(
    name: str, artifact_dir: Path, test_data: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    schedule, words = WARNINGS[name]
    with caplog.at_level("WARNING", logger="mnistburn"):
        train(artifact_dir, training(schedule), test_data[:5])
    told = [line.message for line in caplog.records if "schedule" in line.message]
    assert len(told) == bool(words), told
    assert all(words in message for message in told), told


untyped = cast("Any", mnistburn)

ERRORS: dict[str, tuple[Callable[[], object], tuple[str, ...]]] = {
    "no length": (
        lambda: CosineAnnealingLrSchedulerConfig().init(0.1),
        ("must know its length", "num_iters"),
    ),
    "no steps": (
        lambda: CosineAnnealingLrSchedulerConfig().init(0.1, num_steps=0),
        ("num_steps", "from 1", "0"),
    ),
    "a rate that does not fit": (
        lambda: LinearLrSchedulerConfig(final_lr=0.0).init(2.0, num_steps=5),
        ("does not fit a learning_rate of 2",),
    ),
    "a rate of 0": (lambda: WarmUpLrSchedulerConfig(num_iters=5).init(0.0), ("learning_rate", "0")),
    "warm-up: no steps": (
        lambda: WarmUpLrSchedulerConfig(num_iters=0),
        ("WarmUp.num_iters", "from 1", "0"),
    ),
    "warm-up: from 0": (
        lambda: WarmUpLrSchedulerConfig(num_iters=5, start_factor=0.0),
        ("WarmUp.start_factor", "above 0 and at most 1"),
    ),
    "warm-up: after a name": (
        lambda: untyped.WarmUpLrSchedulerConfig(num_iters=5, after="cosine"),
        ("after must be None or one of", "'cosine'"),
    ),
    "warm-up: a plateau": (
        lambda: WarmUpLrSchedulerConfig(num_iters=5, after=ReduceOnPlateauLrSchedulerConfig()),
        ("WarmUp.after", "ReduceOnPlateau"),
    ),
    "sequential: a plateau": (
        lambda: SequentialLrSchedulerConfig(
            schedules=[None, ReduceOnPlateauLrSchedulerConfig()], milestones=[3]
        ),
        ("schedules[1]", "ReduceOnPlateau"),
    ),
    "sequential: one": (
        lambda: untyped.SequentialLrSchedulerConfig(schedules=EVERY[0], milestones=[]),
        ("schedules must be a list", "Exponential"),
    ),
    "sequential: none": (
        lambda: SequentialLrSchedulerConfig(schedules=[], milestones=[]),
        ("Sequential.schedules", "at least one schedule", "[]"),
    ),
    "sequential: a number": (
        lambda: untyped.SequentialLrSchedulerConfig(schedules=[None, 0.1], milestones=[3]),
        ("schedules[1] must be None or one of", "0.1"),
    ),
    "sequential: a milestone too few": (
        lambda: SequentialLrSchedulerConfig(schedules=[None, None], milestones=[]),
        ("Sequential.milestones", "a list of 1 increasing", "[]"),
    ),
    "sequential: not increasing": (
        lambda: SequentialLrSchedulerConfig(schedules=[None] * 3, milestones=[4, 4]),
        ("Sequential.milestones", "increasing", "[4,4]"),
    ),
    "sequential: from 0": (
        lambda: SequentialLrSchedulerConfig(schedules=[None] * 2, milestones=[0]),
        ("Sequential.milestones", "from 1 on", "[0]"),
    ),
    "a bad part": (
        lambda: TrainingConfig.from_json(
            '{"lr_scheduler": {"Sequential": {"schedules": [{"Step": {}}], "milestones": []}}}'
        ),
        ("lr_scheduler.Sequential.schedules[0].Step.step_size must be given",),
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_is_wrong_is_told(name: str) -> None:
    act, words = ERRORS[name]
    with pytest.raises(ConfigError) as caught:
        act()
    for word in words:
        assert word in str(caught.value), str(caught.value)
