"""The comparison benchmark: the controller with stand-ins, and tiny runs of mnistburn itself."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import mnistburn
from mnistburn import Callback, TrainingConfig
from mnistburn.bench import command, machine, ours, peers, table
from mnistburn.bench.controller import Cell, Plan, Row, measure
from mnistburn.bench.peers import OURS, PEERS, Peer
from mnistburn.bench.tasks import Measurement, Task, fastest, steps_lasting
from mnistburn.cli import main
from mnistburn.errors import ConfigError

FAKE = """
import os, sys, time
from mnistburn.bench.tasks import Measurement, Prepared

def prepare(task):
    count = 0
    def measure():
        nonlocal count
        count += 1
        {measure}
        return Measurement(100, 1.0)
    {prepare}
    return Prepared("1.0", "fast", measure)
"""

PLAN = Plan(sections=["training"], threads=[1], batch_sizes=[8], rounds=2, timeout=20)

MakeFake = Callable[..., Peer]


@pytest.fixture
def fake(tmp_path: Path) -> MakeFake:
    """Return a function that makes a peer of lines of Python."""
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])

    def make(name: str = "fake", measure: str = "pass", prepare: str = "pass", **more: Any) -> Peer:
        (tmp_path / f"{name}.py").write_text(FAKE.format(measure=measure, prepare=prepare))
        return Peer(name, name.title(), name, environment={"PYTHONPATH": path}, **more)

    return make


def rows_of(*peers: Peer, plan: Plan = PLAN) -> list[Row]:
    (cell,) = measure(plan, peers)
    return cell.rows


def bench(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["bench", *(str(argument) for argument in arguments)])


def test_peers_are_measured_in_turn(fake: MakeFake, tmp_path: Path) -> None:
    log = tmp_path / "log"
    note = f"open({str(log)!r}, 'a').write(__name__ + ' ')"
    rows = rows_of(fake("first", note, note), fake("second", note, note))
    assert log.read_text().split() == ["first", "second"] * 3
    for row in rows:
        assert (row.version, row.settings, row.error) == ("1.0", "fast", None)
        assert row.measurements == [Measurement(100, 1.0)] * 2


def test_what_a_library_prints_is_no_answer(fake: MakeFake) -> None:
    (row,) = rows_of(fake(measure="print('hello', flush=True); os.write(1, b'there')"))
    assert row.rates == [100.0, 100.0]


def test_a_runner_computes_with_the_threads_and_cores_of_its_task(fake: MakeFake) -> None:
    stock = next(peer for peer in PEERS if peer.name == "stock")
    told = (
        "names = 'RAYON_NUM_THREADS', 'OMP_NUM_THREADS', 'MNISTBURN_KERNELS'; "
        "cores = len(os.sched_getaffinity(0)) if sys.platform == 'linux' else 1; "
        "told = ' '.join(os.environ.get(name, '-') for name in names); "
        "return Prepared(told, str(cores), measure)"
    )
    one = fake(prepare=told)
    (row,) = rows_of(one)
    assert (row.version, row.settings) == ("1 1 -", "1")
    (row,) = rows_of(replace(one, environment={**one.environment, **stock.environment}))
    assert row.version == "1 1 burn"


@pytest.mark.skipif(len(machine.usable_cores()) < 2, reason="takes two cores")
def test_the_fastest_variant_is_taken(fake: MakeFake) -> None:
    slow = "return Measurement(100, 1.0 if os.environ.get('PACE') == 'high' else 2.0)"
    peer = fake(measure=slow, variants=({}, {"PACE": "high"}, {"PACE": "low"}))
    (row,) = rows_of(peer, plan=replace(PLAN, threads=[2]))
    assert row.rates == [100.0, 100.0]
    assert row.settings == "fast, PACE=high"


@pytest.mark.parametrize(
    ("measures", "prepares", "error"),
    [
        ("pass", "raise RuntimeError('no luck')", "ended with status 1: RuntimeError: no luck"),
        ("pass", "sys.exit(3)", "ended with status 3"),
        (
            "if count == 2: print('lost', file=sys.stderr, flush=True); os._exit(4)",
            "pass",
            "ended with status 4: lost",
        ),
        ("return Measurement(0, 1.0)", "pass", "where a figure was due"),
        ("import json; json.dumps = lambda _: 'abc'", "pass", "answered 'abc' where"),
        ("import json; json.dumps = lambda _: '[1]'", "pass", "answered '[1]' where"),
        ("pass", "import json; json.dumps = lambda _: '{\"a\": 1}'", "answered '{\"a\": 1}' where"),
        (
            "print('thinking', file=sys.stderr, flush=True); time.sleep(1000)",
            "pass",
            "no answer within 3 s: thinking",
        ),
    ],
)
def test_a_runner_that_fails_has_an_error_and_the_others_go_on(
    fake: MakeFake, measures: str, prepares: str, error: str
) -> None:
    begin = time.monotonic()
    rows = rows_of(fake("bad", measures, prepares), fake("good"), plan=replace(PLAN, timeout=3))
    assert time.monotonic() - begin < 30
    assert rows[0].error is not None
    assert error in rows[0].error
    assert not rows[0].measured
    assert rows[1].rates == [100.0, 100.0]


@pytest.mark.skipif(sys.platform == "win32", reason="a signal kills there in another way")
def test_a_runner_that_is_killed_says_by_what(fake: MakeFake) -> None:
    (row,) = rows_of(fake(measure="os.kill(os.getpid(), 9)"))
    assert row.error == "ended with signal SIGKILL"


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent to one process")
def test_ctrl_c_ends_all_runners(fake: MakeFake, tmp_path: Path) -> None:
    note = f"open({str(tmp_path)!r} + '/' + str(os.getpid()) + '.pid', 'w').close()"
    fake("idle_peer", prepare=note)
    peer = fake("busy_peer", f"{note}; time.sleep(1000)")
    script = """
from mnistburn.bench.controller import Plan, measure
from mnistburn.bench.peers import Peer
plan = Plan(sections=["training"], threads=[1])
names = "idle_peer", "busy_peer"
list(measure(plan, [Peer(name, name, name) for name in names]))
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, **peer.environment},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("*.pid"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in errors
    runners = [int(path.stem) for path in tmp_path.glob("*.pid")]
    assert len(runners) == 2
    for runner in runners:
        with pytest.raises(ProcessLookupError):
            os.kill(runner, 0)


def test_an_absent_peer_is_listed_with_how_to_install_it(fake: MakeFake) -> None:
    peer = fake(needs=("json", "no_such_module"))
    (cell,) = measure(PLAN, [peer])
    assert not cell.rows[0].measured
    assert table.table(cell)[2] == "  Fake  not installed: pip install json no_such_module"


def cell_of(section: Any, images: int, **seconds: list[float]) -> Cell:
    rows = [
        Row(
            next((peer for peer in PEERS if peer.name == name), Peer(name, name.title(), name)),
            "1.0",
            "eager",
            [Measurement(images * 100, each) for each in given],
        )
        for name, given in seconds.items()
    ]
    return Cell(Task(section, images, 2, 1.5, (0, 1), ""), rows)


def test_the_table_of_training() -> None:
    cell = cell_of("training", 64, mnistburn=[0.5, 1.0, 2.0], other=[2.0, 4.0, 3.2])
    cell.rows.append(Row(Peer("bad", "Bad", "bad"), error="ended with status 1: no luck"))
    assert table.table(cell) == [
        "training, batches of 64 images, 2 threads: images per second",
        "                 median    min     max  ratio  by round  settings",
        "  mnistburn 1.0   6,400  3,200  12,800                   eager",
        "  Other 1.0       2,000  1,600   3,200   3.20      4.00  eager",
        "  Bad            error: ended with status 1: no luck",
    ]


def test_the_table_of_inference() -> None:
    cell = cell_of("inference", 1, mnistburn=[0.1, 0.2, 0.4], other=[0.01, 0.02, 0.02])
    assert table.table(cell) == [
        "inference, 1 image at once, 2 threads: microseconds per call",
        "                 median    min    max  images/s  ratio  by round  settings",
        "  mnistburn 1.0   2,000  1,000  4,000       500                   eager",
        "  Other 1.0         200    100    200     5,000   0.10      0.10  eager",
    ]


def test_without_figures_there_is_no_ratio() -> None:
    cell = cell_of("training", 64, mnistburn=[0.5], other=[1.0])
    cell.rows[0].error = "gone"
    assert cell.ratios(cell.rows[1]) is None


def test_a_busy_machine_is_warned_of() -> None:
    described = machine.describe()
    for load, expected in ((0.1, 0), (None, 0), (1.9, 1)):
        lines = table.heading({**described, "load_before": load})
        assert sum(line.startswith("warning: the load was 1.9") for line in lines) == expected


def test_the_command_measures_mnistburn_and_the_stock_path(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    done = bench(
        *("--peer=stock", "--threads=1", "--batch-size=2,4", "--images=1", "--rounds=2"),
        *("--seconds=0.02", "--json", path),
    )
    assert done.exit_code == 0, done.output
    assert "training, batches of 4 images, 1 thread: images per second" in done.stdout
    assert "inference, 1 image at once, 1 thread: microseconds per call" in done.stdout
    assert table.LEGEND in done.stdout
    content = json.loads(path.read_text("utf-8"))
    assert content["machine"]["usable_cores"] >= 1
    assert content["machine"]["versions"]["numpy"]
    assert content["plan"]["rounds"] == 2
    names = [(task["section"], task["images"]) for task in content["tasks"]]
    assert names == [("training", 2), ("training", 4), ("inference", 1)]
    for task in content["tasks"]:
        assert [peer["peer"] for peer in task["peers"]] == ["mnistburn", "stock"]
        for peer in task["peers"]:
            assert peer["error"] is None
            assert len(peer["measurements"]) == 2
            assert all(each["images_per_second"] > 0 for each in peer["measurements"])
        assert task["peers"][1]["ratio"] > 0


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        (("--peer=pytorhc",), 1, "did you mean 'pytorch'?"),
        (("--threads=0",), 2, "whole numbers above 0"),
        (("--batch-size=1,x",), 2, "whole numbers above 0"),
        (("--threads=100000",), 1, "--threads must be at most"),
        (("--batch-size=64,15001",), 1, "--batch-size must be at most 15000"),
        (("--images=10001",), 1, "--images must be at most 10000"),
        (("--rounds=0",), 2, "--rounds"),
        (("--section=loading",), 2, "--section"),
        (
            ("--json=no/such/folder",),
            1,
            "error: could not open no/such/folder: No such file or directory",
        ),
    ],
)
def test_a_bad_option_is_one_line(arguments: tuple[str, ...], status: int, part: str) -> None:
    done = bench(*arguments)
    assert done.exit_code == status, done.output
    assert part in done.stderr
    assert done.stdout == ""


def test_a_failed_peer_is_a_status(fake: MakeFake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "PEERS", (fake(prepare="sys.exit('no luck')"),))
    done = bench("--section=training", "--threads=1", "--rounds=1")
    assert done.exit_code == 1
    assert "error: ended with status 1: no luck" in done.stdout


def test_all_cores_and_all_sections_unless_asked_for_less() -> None:
    plan = command.planned(
        sections=[], threads=None, batch_sizes=[8], images=[1], rounds=1, seconds=1.0
    )
    assert list(plan.threads) == [len(machine.usable_cores())]
    assert [task.section for task in plan.tasks("")] == ["training", "inference"]
    with pytest.raises(ConfigError, match="no peer"):
        peers.chosen_peers(["tensorflow"])
    assert peers.chosen_peers(["jax"])[0] is OURS


def test_the_rate_of_training_is_what_a_callback_sees(tmp_path: Path) -> None:
    # A callback makes the training wait for it, so both are taken from the same run.
    class Clock(Callback):
        def on_epoch_begin(self, event: object) -> None:
            self.begin = time.perf_counter()

        def on_step_end(self, event: object) -> None:
            self.end = time.perf_counter()

    clock = Clock()
    data = mnistburn.datasets.load("mnist", "train")
    run = mnistburn.train(
        tmp_path / "seen",
        TrainingConfig(num_epochs=1, batch_size=16),
        "cpu",
        data=(data[:640], data[:1]),
        callbacks=[clock],
        progress=False,
    )
    told = sum(run.history.train_steps["seconds"])
    assert told == pytest.approx(clock.end - clock.begin, rel=0.1)

    begin = time.perf_counter()
    task = Task("training", 16, 1, 0.3, (), str(tmp_path))
    prepared = ours.prepare(task)
    middle = time.perf_counter()
    figure = prepared.measure()
    whole = time.perf_counter() - middle
    assert figure.images % 16 == 0
    assert 0.3 * whole < figure.seconds < whole
    assert figure.loss is not None
    assert figure.seconds < middle - begin


def test_steps_are_as_many_as_last_long_enough() -> None:
    calls: list[int] = []

    def timed(steps: int) -> float:
        calls.append(steps)
        return steps * 0.01 + (5.0 if len(calls) == 1 else 0.0)

    assert steps_lasting(1.0, timed) == 100
    # The first call of all is a warm-up.
    assert calls == [1, 1, 2, 4, 8, 16, 32]
    assert steps_lasting(1.0, lambda steps: steps * 10.0, fewest=4) == 4
    assert steps_lasting(1.0, lambda steps: steps * 1e-6, most=1000) == 1000


def test_the_fastest_settings_are_found() -> None:
    def timed(settings: dict[str, bool]) -> float:
        return 3.0 - settings["good"] + settings["bad"]

    assert fastest({"good": False, "bad": False}, timed) == {"good": True, "bad": False}
    assert fastest({"good": True, "bad": True}, timed) == {"good": True, "bad": False}


def test_the_benchmark_is_imported_only_by_its_command() -> None:
    script = (
        "import sys, mnistburn, mnistburn.cli; "
        "print([name for name in sys.modules if name.startswith('mnistburn.bench')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
