"""What a run that is on says of itself: its speed, the time left, and the file for `watch`."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

import mnistburn
from mnistburn import Callback, Dataset, TrainingConfig
from mnistburn.callbacks import EpochBegin, EpochEnd, StepEnd
from mnistburn.live_file import LIVE_FILE, LiveFile
from mnistburn.live_metrics import LiveMetrics
from mnistburn.progress import duration

Pair = tuple[Dataset, Dataset]

START = {
    "kind": "start",
    "epoch": 1,
    "num_epochs": 3,
    "train_steps": 10,
    "valid_steps": 2,
    "train_images": 1000,
    "valid_images": 200,
    "device": "cpu",
}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def epoch_start(epoch: int, step: int = 0) -> dict[str, Any]:
    return {"kind": "epoch_start", "epoch": epoch, "step": step}


def train_step(epoch: int, step: int, loss: float = 1.0, accuracy: float = 0.5) -> dict[str, Any]:
    return {
        "kind": "train_step",
        "epoch": epoch,
        "step": step,
        "images": 100 * step,
        "loss": loss,
        "accuracy": accuracy,
        "learning_rate": 0.01,
        "seconds": 1.0,
    }


def test_speed_and_time_left_follow_from_the_events() -> None:
    clock = Clock()
    live = LiveMetrics(100, clock)
    live.take(START)
    live.take(epoch_start(1))
    assert live.images_per_second is None
    assert live.seconds_left is None
    assert math.isnan(live.loss)
    for step in range(1, 6):
        clock.now += 1
        live.take(train_step(1, step, loss=step, accuracy=step / 10))
    assert live.images_per_second == pytest.approx(100)
    assert (live.loss, live.accuracy) == pytest.approx((3.0, 0.3))
    # 500 images of this epoch, 1,000 of each other, and of each validation 200 at that speed.
    assert live.seconds_left == pytest.approx((500 + 2000 + 3 * 200) / 100)


def test_a_timed_validation_counts_as_long_as_it_took() -> None:
    clock = Clock()
    live = LiveMetrics(100, clock)
    for event in (START, epoch_start(1)):
        live.take(event)
    for step in range(1, 11):
        clock.now += 1
        live.take(train_step(1, step))
    live.take({"kind": "valid_step", "epoch": 1, "step": 1, "images": 100})
    assert live.validating
    clock.now += 0.5
    live.take({"kind": "valid_step", "epoch": 1, "step": 2, "images": 200})
    assert live.seconds_left == pytest.approx((2000 + 3 * 200) / 100 - 0.5)
    live.take({"kind": "epoch_end", "epoch": 1})
    live.take(epoch_start(2))
    for step in range(1, 11):
        clock.now += 0.5
        live.take(train_step(2, step))
    assert not live.validating
    assert live.seconds_left == pytest.approx(1000 / 200 + 2 * 0.5)


def test_the_speed_is_that_of_the_last_ten_seconds() -> None:
    clock = Clock()
    live = LiveMetrics(100, clock)
    for event in ({**START, "train_images": 100_000}, epoch_start(1)):
        live.take(event)
    for step in range(1, 101):
        clock.now += 0.1
        live.take(train_step(1, step))
    for step in range(101, 121):
        clock.now += 1
        live.take(train_step(1, step))
    assert live.images_per_second == pytest.approx(100, rel=0.02)


def test_an_epoch_that_goes_on_after_a_resume_has_the_means_of_the_rest() -> None:
    live = LiveMetrics(100, Clock())
    for event in (START, epoch_start(2, step=4), train_step(2, 5, loss=7.0, accuracy=0.25)):
        live.take(event)
    assert (live.epoch, live.images) == (2, 500)
    assert (live.loss, live.accuracy) == (7.0, 0.25)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (7.4, "0:07"), (750, "12:30"), (3900, "1:05:00")]
)
def test_a_duration_is_shown_as_a_clock_does(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def lines(directory: Path) -> list[dict[str, Any]]:
    text = (directory / LIVE_FILE).read_text("utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


class Follower:
    """Metrics and file that take the same events."""

    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        self.live = LiveMetrics(100, self.clock)
        self.file = LiveFile(directory, self.live, resume=False, clock=self.clock)

    def take(self, *events: dict[str, Any]) -> None:
        for event in events:
            self.live.take(event)
            self.file.show(event)


def test_the_file_gets_a_line_a_second_with_the_means_since_the_one_before(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    follower.take(START, epoch_start(1))
    first = lines(tmp_path)
    assert [list(line) for line in first] == [["start"], ["now"]]
    assert (first[1]["now"]["epoch"], first[1]["now"]["images_of_line"]) == (1, 0)
    assert first[0]["start"]["older_run"] is None
    assert first[0]["start"]["device"] == "cpu"
    for step in range(1, 10):
        follower.clock.now += 0.4
        follower.take(train_step(1, step, loss=step, accuracy=step / 10))
    _, _, *rows = [line.get("now", {}) for line in lines(tmp_path)]
    assert [row["step"] for row in rows] == [3, 6, 9]
    assert [row["images_of_line"] for row in rows] == [300, 300, 300]
    assert [row["loss"] for row in rows] == pytest.approx([2, 5, 8])
    assert rows[-1]["mean_loss"] == pytest.approx(5)
    assert rows[-1]["images_per_second"] == pytest.approx(250)
    # A new epoch begins anew: what was before is in the history.
    follower.take(epoch_start(2))
    assert len(lines(tmp_path)) == 2
    follower.file.close()
    assert list(tmp_path.iterdir()) == []


def test_the_file_stays_small_in_an_epoch_of_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mnistburn.live_file._MOST_LINES", 8)
    follower = Follower(tmp_path)
    follower.take({**START, "train_images": 10**6}, epoch_start(1))
    losses = [float(step * step % 7) for step in range(1, 101)]
    for step, loss in enumerate(losses, 1):
        follower.clock.now += 1
        follower.take(train_step(1, step, loss=loss))
    _, *rows = [line.get("now", {}) for line in lines(tmp_path)]
    assert len(rows) < 8
    assert rows[-1]["step"] == 100
    # No image is lost.
    assert sum(row["images_of_line"] for row in rows) == 10_000
    weighted = sum(row["loss"] * row["images_of_line"] for row in rows)
    assert weighted / 10_000 == pytest.approx(sum(losses) / 100)


def test_numbers_that_json_lacks_are_left_out(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    follower.take(START, epoch_start(1))
    follower.clock.now += 2
    follower.take(train_step(1, 1, loss=math.inf))
    text = (tmp_path / LIVE_FILE).read_text("utf-8")
    assert "Infinity" not in text
    assert lines(tmp_path)[-1]["now"]["loss"] is None


def test_a_reader_in_the_way_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = Follower(tmp_path)
    follower.take(START, epoch_start(1))

    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(13, "in use")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        follower.take(epoch_start(2))
    assert lines(tmp_path)[-1]["now"]["epoch"] == 1
    follower.clock.now += 2
    follower.take(train_step(2, 1))
    assert [line["now"]["epoch"] for line in lines(tmp_path)[1:]] == [2, 2]
    follower.file.close()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "none")
    follower.take(START, epoch_start(1))
    follower.clock.now += 2
    follower.take(train_step(1, 1))
    follower.file.close()
    assert list(tmp_path.iterdir()) == []


class Looks(Callback):
    """Keeps what is in the file at each event."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.seen: list[list[dict[str, Any]]] = []

    def on_epoch_begin(self, event: EpochBegin) -> None:
        self.seen.append(lines(self.directory))

    def on_epoch_end(self, event: EpochEnd) -> None:
        self.seen.append(lines(self.directory))


def test_a_training_has_the_file_while_it_is_on_and_not_after(
    artifact_dir: Path, small_data: Pair, small_config: TrainingConfig
) -> None:
    looks = Looks(artifact_dir)
    for _ in range(2):
        mnistburn.train(
            artifact_dir, small_config, "cpu", data=small_data, callbacks=[looks], progress=False
        )
        assert not (artifact_dir / LIVE_FILE).exists()
    assert len(looks.seen) == 8
    starts = [seen[0]["start"] for seen in looks.seen]
    assert {start["train_images"] for start in starts} == {256}
    # The second run takes the place of the first one.
    assert [start["older_run"] is None for start in starts] == [True] * 4 + [False] * 4
    with pytest.raises(LookupError):
        mnistburn.train(
            artifact_dir, small_config, "cpu", data=small_data, callbacks=[Fails()], progress=False
        )
    assert not (artifact_dir / LIVE_FILE).exists()


class Fails(Callback):
    def on_step_end(self, event: StepEnd) -> None:
        raise LookupError


def test_what_a_killed_run_left_is_in_nobodys_way(
    artifact_dir: Path, small_data: Pair, small_config: TrainingConfig
) -> None:
    def train(**options: Any) -> mnistburn.TrainingResult:
        return mnistburn.train(artifact_dir, small_config, "cpu", progress=False, **options)

    train(data=small_data)
    (artifact_dir / LIVE_FILE).write_text("left\n")
    assert mnistburn.load_run(artifact_dir).ended == "completed"
    train(data=small_data)
    assert not (artifact_dir / LIVE_FILE).exists()
    assert not list(artifact_dir.glob("*.tmp")) + list(artifact_dir.glob(".*.tmp"))
