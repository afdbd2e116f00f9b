"""The history of a run on disk: it grows by appending, and survives a kill at any moment."""

import dataclasses
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mnistburn
from mnistburn import Callback, Dataset, ModelConfig, TrainingConfig, TrainingResult
from mnistburn.callbacks import EpochEnd, StepEnd
from mnistburn.errors import ArtifactError
from mnistburn.live_file import LIVE_FILE

Pair = tuple[Dataset, Dataset]
Moment = tuple[int, int]

OLDER = Path(__file__).parent / "fixtures" / "runs" / "history_in_state"

CONFIG = TrainingConfig(model=ModelConfig(hidden_size=1), num_epochs=3, batch_size=10)


@pytest.fixture(scope="module")
def data(test_data: Dataset) -> Pair:
    """Return images for four training steps and two validation steps an epoch."""
    return test_data[:36], test_data[36:52]


def run(directory: Path, config: TrainingConfig | None, data: Pair, **more: Any) -> TrainingResult:
    return mnistburn.train(directory, config, "cpu", data=data, progress=False, **more)


def files(directory: Path) -> dict[str, bytes]:
    found = directory.rglob("*")
    return {str(path.relative_to(directory)): path.read_bytes() for path in found if path.is_file()}


def measured(result: TrainingResult) -> dict[str, dict[str, list[float]]]:
    """Return the history without its columns of times."""
    return {
        table: {name: column for name, column in columns.items() if "second" not in name}
        for table, columns in dataclasses.asdict(result.history).items()
    }


def assert_same(one: TrainingResult, other: TrainingResult) -> None:
    assert measured(one) == measured(other)
    assert (one.best_epoch, one.ended) == (other.best_epoch, other.ended)
    weights = other.model.state_dict()
    for name, values in one.model.state_dict().items():
        assert values.tobytes() == weights[name].tobytes(), name


class KilledAfter(Callback):
    """Copies a run's files after a step: that is what a kill leaves then."""

    def __init__(self, run: Path, moment: Moment, copy: Path) -> None:
        self.run, self.moment, self.copy = run, moment, copy

    def on_step_end(self, event: StepEnd) -> None:
        if (event.epoch, event.step) == self.moment:
            shutil.copytree(self.run, self.copy, ignore=shutil.ignore_patterns(".mnistburn-lock"))


@pytest.fixture
def killed(tmp_path: Path, data: Pair) -> Callable[..., tuple[Path, TrainingResult]]:
    """Return what starts a run, and gives its files as of a moment and what became of it."""

    def start(moment: Moment, **more: Any) -> tuple[Path, TrainingResult]:
        path = tmp_path / "killed"
        copies = KilledAfter(tmp_path / "whole", moment, path)
        return path, run(tmp_path / "whole", CONFIG, data, callbacks=[copies], **more)

    return start


class CountsBytes(Callback):
    """Counts the bytes that each epoch has written: what a file holds beyond what it held."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.before: dict[str, bytes] = {}
        self.written: dict[int, int] = {}

    def on_epoch_end(self, event: EpochEnd) -> None:
        now = files(self.run)
        self.written[event.epoch] = 0
        for name, content in now.items():
            before = self.before.get(name, b"")
            appended = content.startswith(before)
            self.written[event.epoch] += len(content) - (len(before) if appended else 0)
        self.before = now


def test_a_checkpoint_writes_what_happened_since_the_last_one(tmp_path: Path, data: Pair) -> None:
    counts = CountsBytes(tmp_path)
    run(tmp_path, dataclasses.replace(CONFIG, num_epochs=40), data, callbacks=[counts])
    # Numbers have more digits or fewer.
    assert counts.written[40] <= counts.written[4] + 500


def test_a_run_that_is_over_has_the_same_history_in_rows_and_in_columns(
    tmp_path: Path, data: Pair
) -> None:
    result = run(tmp_path, CONFIG, data)
    rows = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    columns = json.loads((tmp_path / "history.json").read_text())
    for kind, table in (
        ("train_step", "train_steps"),
        ("valid_step", "valid_steps"),
        ("epoch", "epochs"),
    ):
        found = [row[kind] for row in rows if kind in row]
        expected = columns[table]
        assert {name: [row[name] for row in found] for name in expected} == expected
        assert expected == getattr(result.history, table)


@pytest.mark.parametrize(("moment", "epochs"), [((2, 1), 1), ((3, 4), 2)])
def test_the_history_of_a_killed_run_is_seen_up_to_its_checkpoint(
    killed: Callable[..., tuple[Path, TrainingResult]], moment: Moment, epochs: int
) -> None:
    path, whole = killed(moment)
    assert not (path / "history.json").exists()
    found = mnistburn.load_run(path)
    assert (found.ended, found.history.num_epochs) == ("interrupted", epochs)
    for table, columns in dataclasses.asdict(whole.history).items():
        rows = sum(epoch <= epochs for epoch in columns["epoch"])
        expected = {name: column[:rows] for name, column in columns.items()}
        assert getattr(found.history, table) == expected
    assert found.seconds == pytest.approx(sum(found.history["seconds"]))


@pytest.mark.parametrize("moment", [(1, 2), (2, 1), (3, 3)])
@pytest.mark.parametrize("left", [b"", b'{"train_step":{"epoch":2,"st', b"\0\xff\n" * 500])
def test_a_killed_run_goes_on_with_the_same_history(
    killed: Callable[..., tuple[Path, TrainingResult]], data: Pair, moment: Moment, left: bytes
) -> None:
    path, whole = killed(moment)
    # Rows reach the disk before the checkpoint that names them.
    with (path / "history.jsonl").open("ab") as file:
        file.write(left)
    if moment > (1, 4):
        assert mnistburn.load_run(path).history.num_epochs == moment[0] - 1
    assert_same(run(path, None, data, resume=True), whole)
    assert_same(mnistburn.load_run(path), whole)
    lines = (path / "history.jsonl").read_text().splitlines()
    assert len(lines) == len((path.parent / "whole" / "history.jsonl").read_text().splitlines())


def test_a_run_that_goes_on_from_its_end_and_is_killed_shows_no_older_history(
    tmp_path: Path, data: Pair
) -> None:
    longer = dataclasses.replace(CONFIG, num_epochs=5)
    run(tmp_path / "run", CONFIG, data)
    for moment, epochs in (((4, 2), 3), ((5, 2), 4)):
        copy = tmp_path / f"killed-{moment[0]}"
        copies = KilledAfter(tmp_path / "run", moment, copy)
        shutil.copytree(tmp_path / "run", tmp_path / "before", dirs_exist_ok=True)
        run(tmp_path / "run", longer, data, resume=True, callbacks=[copies])
        assert mnistburn.load_run(copy).history.num_epochs == epochs
        shutil.rmtree(tmp_path / "run")
        shutil.copytree(tmp_path / "before", tmp_path / "run")


def test_checkpoints_within_an_epoch_keep_their_steps(
    killed: Callable[..., tuple[Path, TrainingResult]], data: Pair
) -> None:
    class Stops(Callback):
        def on_step_end(self, event: StepEnd) -> bool:
            return (event.epoch, event.step) == (2, 3)

    path, whole = killed((2, 1))
    stopped = run(path, None, data, resume=True, callbacks=[Stops()])
    assert stopped.ended == "stopped"
    assert stopped.history.train_steps["step"] == [1, 2, 3, 4, 1, 2, 3]
    shutil.copytree(path, path.parent / "lost")
    (path.parent / "lost" / "history.json").unlink()
    found = mnistburn.load_run(path.parent / "lost")
    assert found.history.train_steps == stopped.history.train_steps
    assert_same(run(path, None, data, resume=True), whole)


def test_damaged_rows_of_the_last_checkpoint_are_computed_again(
    killed: Callable[..., tuple[Path, TrainingResult]],
    data: Pair,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path, whole = killed((3, 2))
    rows = path / "history.jsonl"
    rows.write_bytes(rows.read_bytes()[:-5] + b"9.9}}")
    assert mnistburn.load_run(path).history.num_epochs == 1
    with caplog.at_level(logging.WARNING):
        resumed = run(path, None, data, resume=True)
    assert "history.jsonl is not as it was written" in caplog.text
    assert_same(resumed, whole)


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_lost_rows_are_an_error_that_names_the_file_and_the_model_that_is_left(
    killed: Callable[..., tuple[Path, TrainingResult]], data: Pair, damage: str
) -> None:
    path, _ = killed((3, 2))
    rows = path / "history.jsonl"
    content = rows.read_bytes()
    if damage == "gone":
        rows.unlink()
    else:
        rows.write_bytes(content[:20] + b"9" + content[21:] if damage == "changed" else content[:9])
    before = files(path)
    # What a killed run left unfinished goes when the run is opened to go on.
    del before[LIVE_FILE]
    uses: list[Callable[[], TrainingResult]] = [
        lambda: mnistburn.load_run(path),
        lambda: run(path, None, data, resume=True),
    ]
    for use in uses:
        with pytest.raises((ArtifactError, OSError), match=r"history\.jsonl") as caught:
            use()
        assert str(path / "checkpoint" / "epoch-0002" / "model.mpk") in str(caught.value)
    after = files(path)
    after.pop(".mnistburn-lock", None)
    assert after == before
    # The error's way out.
    started = run(path.parent / "new", CONFIG, data, start=path / "checkpoint/epoch-0002/model.mpk")
    assert started.history.num_epochs == 3


def test_a_run_that_is_over_needs_no_rows(tmp_path: Path, data: Pair) -> None:
    result = run(tmp_path, CONFIG, data)
    (tmp_path / "history.jsonl").unlink()
    assert_same(mnistburn.load_run(tmp_path), result)
    assert mnistburn.load_run(tmp_path, epoch="best").history == result.history


def test_rows_that_somebody_removes_meanwhile_are_written_again(tmp_path: Path, data: Pair) -> None:
    class Removes(Callback):
        def on_step_end(self, event: StepEnd) -> None:
            if (event.epoch, event.step) == (2, 2):
                (tmp_path / "history.jsonl").unlink()

    result = run(tmp_path, CONFIG, data, callbacks=[Removes()])
    (tmp_path / "history.json").unlink()
    assert_same(mnistburn.load_run(tmp_path), result)


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """Return a run that was killed in its second epoch, of a version without a file of rows."""
    return shutil.copytree(OLDER, tmp_path / "older")


def test_an_older_run_whose_state_holds_its_history_goes_on(
    older: Path, tmp_path: Path, data: Pair
) -> None:
    first = mnistburn.load_run(older)
    assert (first.ended, first.history.num_epochs) == ("interrupted", 1)
    content = json.loads((OLDER / "checkpoint" / "epoch-0001" / "state.json").read_text())
    assert first.history.epochs == content["state"]["history"]["epochs"]

    copies = KilledAfter(older, (3, 1), tmp_path / "killed")
    longer = dataclasses.replace(CONFIG, num_epochs=4)
    resumed = run(older, longer, data, resume=True, callbacks=[copies])
    whole = run(tmp_path / "whole", longer, data)
    assert (resumed.ended, resumed.history.num_epochs) == ("completed", 4)
    # The first epoch is that of another machine: its last bits may be others.
    for table, columns in measured(whole).items():
        for name, column in columns.items():
            assert measured(resumed)[table][name] == pytest.approx(column, rel=1e-4), name
    assert resumed.history.train_steps["loss"][:4] == first.history.train_steps["loss"]
    assert mnistburn.load_run(tmp_path / "killed").history.num_epochs == 2
    assert_same(run(tmp_path / "killed", None, data, resume=True), resumed)
    # All its files are known as the run's.
    assert run(older, CONFIG, data).history.num_epochs == 3


def test_a_strangers_file_in_the_place_of_the_rows_is_kept(older: Path, data: Pair) -> None:
    (older / "history.jsonl").write_text("mine")
    before = files(older)
    with pytest.raises(ArtifactError, match=r"history\.jsonl"):
        run(older, None, data, resume=True)
    after = files(older)
    for name in (".mnistburn-lock", "train.log"):
        after.pop(name, None)
        before.pop(name, None)
    assert after == before
