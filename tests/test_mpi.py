"""Several processes that MPI joins train as one; each test starts real ones with mpiexec."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
from mpi_ranks import run_ranks, weights_of
from PIL import Image

import mnistburn
from mnistburn import Dataset, ModelConfig, Mpi, SgdConfig, TrainingConfig
from mnistburn.errors import ConfigError

pytest.importorskip("mpi4py")
pytestmark = pytest.mark.timeout(180)

# 230 images in batches of 64 leave 38 for the last one of an epoch.
CONFIG = TrainingConfig(
    model=ModelConfig(hidden_size=16), num_epochs=2, batch_size=64, learning_rate=1e-3
)


def job(config: TrainingConfig = CONFIG, **settings: Any) -> dict[str, Any]:
    return {"config": json.loads(config.to_json()), **settings}


def alone(out: Path, config: TrainingConfig, images: int = 230) -> mnistburn.TrainingResult:
    """Train as the ranks do, in this process alone."""
    train = mnistburn.datasets.load("mnist", "train")[:images]
    valid = mnistburn.datasets.load("mnist", "test")[:70]
    return mnistburn.train(out / "run", config, "cpu", data=(train, valid), progress=False)


class TestBits:
    """What the ranks compute."""

    def test_two_ranks_are_one_but_for_rounding_after_a_hundred_steps(self, tmp_path: Path) -> None:
        # A step of SGD is as large as the gradient: Adam's makes a rounding of nothing a step.
        config = TrainingConfig(
            model=ModelConfig(hidden_size=16),
            optimizer=SgdConfig(),
            num_epochs=25,
            batch_size=64,
            learning_rate=0.01,
        )
        expected = alone(tmp_path / "alone", config)
        assert len(expected.history.train_steps["loss"]) == 100
        ranks, done = run_ranks(2, tmp_path / "two", job(config))
        assert done.returncode == 0, done.stderr
        for rank in (0, 1):
            found = numpy.load(tmp_path / "two" / f"{rank}.npz")
            for name, values in expected.model.state_dict().items():
                assert numpy.abs(found[name] - values).max() < 1e-5
        for columns, name in (
            (ranks[0]["history"], "valid_loss"),
            (ranks[1]["history"], "valid_loss"),
        ):
            assert numpy.allclose(columns[name], expected.history[name], rtol=1e-5)
            assert columns["valid_accuracy"] == list(expected.history["valid_accuracy"])
        losses = ranks[0]["train_steps"]["loss"]
        assert numpy.allclose(losses, expected.history.train_steps["loss"], rtol=1e-4, atol=1e-6)

    def test_one_rank_has_the_bits_of_a_run_without(self, tmp_path: Path) -> None:
        (rank,), done = run_ranks(1, tmp_path / "one", job())
        assert done.returncode == 0, done.stderr
        expected = alone(tmp_path / "alone", CONFIG)
        assert rank["weights"] == weights_of(expected.model)
        assert rank["train_steps"]["loss"] == list(expected.history.train_steps["loss"])

    def test_the_same_number_of_ranks_has_the_same_bits_twice(self, tmp_path: Path) -> None:
        seen = [run_ranks(3, tmp_path / name, job())[0] for name in ("first", "second")]
        hashes = {rank["weights"] for ranks in seen for rank in ranks}
        assert len(hashes) == 1
        assert len(seen[0]) == 3

    @pytest.mark.parametrize(
        "settings",
        [
            {},
            # The last batch of 3 images leaves one of the four parts without.
            {"images": 195, "metric": True},
            {"weighted": True, "patience": 1},
        ],
        ids=["plain", "few", "weighted"],
    )
    def test_parts_give_any_number_of_ranks_the_same_bits(
        self, tmp_path: Path, settings: dict[str, Any]
    ) -> None:
        content = json.loads(CONFIG.to_json())
        content |= {"average_decay": 0.9, "grads_accumulation": 2, "metrics": ["top_2_accuracy"]}
        blocks = [{"channels": 8, "norm": "batch", "pool": True}]
        content["model"] = {"ConvNet": {"blocks": blocks, "num_classes": 10}}
        asked = {"config": content, "parts": 4, **settings}
        seen = [run_ranks(ranks, tmp_path / str(ranks), asked) for ranks in (1, 2, 4)]
        for ranks, done in seen:
            assert done.returncode == 0, done.stderr
            assert "error" not in ranks[0], ranks[0]
        (first, *_), *others = (ranks for ranks, _ in seen)
        names = ("weights", "history", "train_steps", "valid_steps", "model_epoch", "ended")
        for ranks in others:
            for rank in ranks:
                assert {name: rank[name] for name in names} == {name: first[name] for name in names}
        assert first["history"]["valid_top_2_accuracy"]

    def test_a_stopped_run_goes_on_with_another_number_of_ranks(self, tmp_path: Path) -> None:
        (expected, *_), _ = run_ranks(2, tmp_path / "whole", job(parts=4))
        out = tmp_path / "resumed"
        stopped, _ = run_ranks(2, out, job(parts=4, stop_at=3))
        assert {rank["ended"] for rank in stopped} == {"stopped"}
        # The callbacks are called on rank 0 alone.
        assert [rank["callbacks"] for rank in stopped] == [3, 0]
        resumed, done = run_ranks(4, out, job(parts=4, resume=True))
        assert done.returncode == 0, done.stderr
        assert {rank["weights"] for rank in resumed} == {expected["weights"]}
        assert resumed[3]["train_steps"] == expected["train_steps"]
        # Rank 0 keeps the run, and the others leave nothing.
        assert {rank["directory"] for rank in resumed} == {str(out / "run")}
        run = mnistburn.load_run(out / "run")
        assert list(run.history.train_steps["loss"]) == expected["train_steps"]["loss"]

    def test_verify_says_why_another_number_of_processes_has_other_bits(
        self, tmp_path: Path
    ) -> None:
        ranks, _ = run_ranks(2, tmp_path, job())
        assert "error" not in ranks[0]
        train = mnistburn.datasets.load("mnist", "train")[:230]
        valid = mnistburn.datasets.load("mnist", "test")[:70]
        found = mnistburn.verify(tmp_path / "run", data=(train, valid), progress=False)
        assert "the run was shared by several processes" in " ".join(found.reasons)


class TestFailures:
    """What happens where one rank can't go on: none waits for it."""

    @pytest.mark.parametrize(
        ("settings", "of_rank_0", "of_rank_1"),
        [
            (
                {"other_data_on": 1},
                "the training data must be the same on all ranks, got ",
                "the training data must be the same on all ranks, got ",
            ),
            ({"no_data_on": 1}, "rank 1 failed: DataError: ", "DataError: "),
            ({"no_data_on": 0}, "DataError: ", "rank 0 failed: DataError: "),
            (
                {"metric": True, "metric_fails_on": 1},
                "rank 1 failed: ValueError: no such metric",
                "ValueError: no such metric",
            ),
            (
                {"raise_at": 2},
                "ValueError: a callback of its own",
                "rank 0 failed: ValueError: a callback of its own",
            ),
            (
                {"parts": 3},
                "parts must be a multiple of the number of ranks, 2, got 3; use 4",
                "parts",
            ),
        ],
    )
    def test_all_ranks_end_and_tell_the_cause(
        self, tmp_path: Path, settings: dict[str, Any], of_rank_0: str, of_rank_1: str
    ) -> None:
        ranks, done = run_ranks(2, tmp_path, job(**settings))
        assert done.returncode == 0, done.stderr
        assert of_rank_0 in ranks[0]["error"]
        assert of_rank_1 in ranks[1]["error"]

    def test_a_killed_rank_ends_all_and_the_run_goes_on(self, tmp_path: Path) -> None:
        dying = job(parts=2, metric=True, dies_on=1)
        ranks, done = run_ranks(2, tmp_path / "killed", dying)
        assert done.returncode != 0
        assert not ranks
        # It died in the first validation, before there was a checkpoint.
        resumed, done = run_ranks(2, tmp_path / "killed", job(parts=2, resume=True))
        assert done.returncode == 0, done.stderr
        expected, _ = run_ranks(1, tmp_path / "whole", job(parts=2))
        assert {rank["weights"] for rank in resumed} == {expected[0]["weights"]}

    def test_an_interrupt_of_one_rank_stops_all_at_the_same_step(self, tmp_path: Path) -> None:
        ranks, done = run_ranks(2, tmp_path, job(interrupt_at=5))
        assert done.returncode == 0, done.stderr
        assert {rank["ended"] for rank in ranks} == {"interrupted"}
        assert len({len(rank["train_steps"]["loss"]) for rank in ranks}) == 1
        assert len(ranks[0]["train_steps"]["loss"]) < 8


class TestCommandLine:
    """`mnistburn train --distributed mpi`."""

    def start(self, *arguments: str, ranks: int = 2) -> subprocess.CompletedProcess[str]:
        scripts = Path(sys.executable).parent
        command = ["mpiexec", "-n", str(ranks), str(scripts / "mnistburn"), "train", *arguments]
        environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run(
            command, capture_output=True, text=True, timeout=90, check=False, env=environment
        )

    def test_it_prints_once(self, tmp_path: Path) -> None:
        options = ("--num-epochs", "1", "--limit-batches", "3", "--no-progress")
        done = self.start(str(tmp_path / "run"), "--distributed", "mpi", "--parts", "2", *options)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("validation accuracy: ") == 1
        assert done.stderr.count("classes: ") == 1
        assert mnistburn.load_run(tmp_path / "run").history.num_epochs == 1

    def test_a_warning_is_printed_once(self, tmp_path: Path) -> None:
        picture = Image.fromarray(numpy.full((28, 28), 7, numpy.uint8))
        for name in ("train/a/1", "train/b/1", "test/a/1", "test/b/1"):
            path = tmp_path / "pictures" / f"{name}.png"
            path.parent.mkdir(parents=True)
            picture.save(path)
        (tmp_path / "pictures" / "train" / "a" / "broken.png").write_bytes(b"no picture")
        options = ("--num-epochs", "1", "--no-progress", "--data", str(tmp_path / "pictures"))
        done = self.start(str(tmp_path / "run"), "--distributed", "mpi", "--parts", "2", *options)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("broken.png") == 1

    def test_an_error_is_printed_once(self, tmp_path: Path) -> None:
        done = self.start(str(tmp_path / "run"), "--distributed", "mpi", "--data", "missing")
        assert done.returncode == 1
        assert done.stderr.count("error: ") == 1

    def test_parts_need_ranks(self, tmp_path: Path) -> None:
        done = self.start(str(tmp_path / "run"), "--parts", "2", ranks=1)
        assert done.returncode == 2
        assert "add --distributed mpi" in done.stderr


class TestArguments:
    """What `distributed` may be."""

    @pytest.mark.parametrize(
        ("variable", "way_out"),
        [
            ("OMPI_COMM_WORLD_SIZE", "start the program with the mpiexec of that library"),
            ("SLURM_STEP_NUM_TASKS", "pass srun --mpi=pmi2 for MPICH"),
        ],
    )
    def test_another_launcher_is_told(self, tmp_path: Path, variable: str, way_out: str) -> None:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "import mnistburn; mnistburn.train('run', distributed='mpi')",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=tmp_path,
            env=os.environ | {variable: "4"},
        )
        assert f"started 4 processes ({variable})" in done.stderr
        assert "each would train by itself" in done.stderr
        assert way_out in done.stderr
        assert not (tmp_path / "run").exists()

    def test_mpi4py_is_asked_for(
        self, tmp_path: Path, small_data: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "mpi4py", None)
        with pytest.raises(ConfigError, match=r"pip install 'mnistburn\[mpi\]'"):
            mnistburn.train(tmp_path / "run", CONFIG, data=small_data, distributed="mpi")

    @pytest.mark.parametrize("value", ["MPI", 2, True])
    def test_anything_else_is_refused(
        self, tmp_path: Path, small_data: tuple[Dataset, Dataset], value: object
    ) -> None:
        with pytest.raises(ConfigError, match='distributed must be "mpi", an Mpi or None, got'):
            mnistburn.train(
                tmp_path / "run",
                CONFIG,
                data=small_data,
                distributed=value,  # type: ignore[arg-type]
            )

    @pytest.mark.parametrize("parts", [0, -1, 1.5, "2", True])
    def test_parts_are_a_number(self, parts: Any) -> None:
        with pytest.raises(ConfigError, match="parts"):
            Mpi(parts=parts)
