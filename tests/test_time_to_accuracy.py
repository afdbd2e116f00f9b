"""benches/accuracy: the controller with stand-ins, and a tiny training of mnistburn."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

FOLDER = Path(__file__).parent.parent / "benches" / "accuracy"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return the module of the controller; the processors of the tests stay theirs."""
    monkeypatch.syspath_prepend(str(FOLDER))
    cores = os.sched_getaffinity(0) if sys.platform == "linux" else None
    yield importlib.import_module("time_to_accuracy")
    if cores is not None:
        os.sched_setaffinity(0, cores)
    for name in ("time_to_accuracy", "targets"):
        sys.modules.pop(name, None)


def stand_in(tmp_path: Path, name: str, body: str) -> list[str]:
    """Return the command of a script that finds its seed in `seed`."""
    script = tmp_path / f"{name}.py"
    script.write_text(
        "import json, os, sys\n"
        "seed = int(sys.argv[-1].removeprefix('--seed='))\n"
        f"open({str(tmp_path / 'order')!r}, 'a').write(f'{name}{{seed}} ')\n{body}\n"
    )
    return [sys.executable, str(script)]


def test_both_sides_train_in_turns_for_each_seed(bench: Any, tmp_path: Path) -> None:
    told: list[Any] = []
    plan = {
        "mnist-99.0": {
            "mnistburn": stand_in(
                tmp_path, "a", "print('hello'); print(json.dumps({'accuracy': 0.98 + seed / 100}))"
            ),
            "pytorch": stand_in(
                tmp_path, "b", "print(json.dumps({'accuracy': int(os.environ['OMP_NUM_THREADS'])}))"
            ),
        }
    }
    out = tmp_path / "out"
    trials = bench.measure(plan, [0, 1, 2], 1, out, told.append)
    assert (tmp_path / "order").read_text().split() == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert told == trials
    assert [trial.accuracy for trial in trials[::2]] == pytest.approx([0.98, 0.99, 1.0])
    assert [trial.accuracy for trial in trials[1::2]] == [1.0] * 3
    assert (out / "mnist-99.0-mnistburn-1.log").read_text().startswith("hello\n")
    content = json.loads((out / "results.json").read_text("utf-8"))
    assert (content["seeds"], content["threads"]) == ([0, 1, 2], 1)
    assert content["machine"]["cpu"]
    assert content["machine"]["name"]
    assert [trial["seconds"] for trial in content["trials"]] == [trial.seconds for trial in trials]
    assert all(trial.seconds > 0 for trial in trials)
    heading, ours, theirs = bench.summary(trials)
    assert heading.split() == ["target", "side", "accuracy", "seconds", "reached"]
    assert ours.startswith("mnist-99.0    mnistburn  99.000 +- 1.000 %")
    # 0.99 itself counts.
    assert ours.endswith("2 of 3")
    assert theirs.startswith("mnist-99.0    pytorch    100.000 +- 0.000 %")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("sys.exit('no luck')", "it ended with status 1: no luck"),
        ("print('done')", "its last line must be JSON with the accuracy, got 'done'"),
        ("pass", "its last line must be JSON with the accuracy, got ''"),
        ("print('[1]')", "must be JSON with the accuracy"),
        ("print('{}')", "must be JSON with the accuracy"),
        ("print('{\"accuracy\": 99.1}')", "its accuracy must be in 0..1, got 99.1"),
        ("print('{\"accuracy\": NaN}')", "its accuracy must be in 0..1, got nan"),
    ],
)
def test_a_training_that_fails_is_told_and_the_others_go_on(
    body: str, error: str, bench: Any, tmp_path: Path
) -> None:
    good = stand_in(tmp_path, "good", "print(json.dumps({'accuracy': 0.5}))")
    plan = {"mnist-99.5": {"mnistburn": stand_in(tmp_path, "bad", body), "pytorch": good}}
    trials = bench.measure(plan, [1], 1, tmp_path / "out", lambda _: None)
    assert [trial.accuracy for trial in trials] == [None, 0.5]
    assert error in trials[0].error
    _, bad, other = bench.summary(trials)
    assert bad.endswith("0 of 1, 1 failed")
    assert other.split()[2:4] == ["50.000", "%"]
    assert other.endswith("0 of 1")


def test_a_python_that_does_not_exist_is_told(bench: Any, tmp_path: Path) -> None:
    plan = {"mnist-99.0": {"pytorch": [str(tmp_path / "nowhere"), "x.py"]}}
    (trial,) = bench.measure(plan, [1], 1, tmp_path / "out", lambda _: None)
    assert "nowhere" in trial.error


def test_the_command_measures_what_its_options_say(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def commands(*arguments: Any) -> dict[str, list[str]]:
        seen.append(arguments)
        return {"mnistburn": stand_in(tmp_path, "a", "print(json.dumps({'accuracy': 0.991}))")}

    monkeypatch.setattr(bench, "commands", commands)
    options = ["--targets=mnist-99.0,cifar-90.0", "--seeds=4,7", "--threads=1", "--peer=none"]
    assert bench.main([*options, "--cifar=pictures", f"--out={tmp_path / 'out'}"]) == 0
    assert [(target.name, *rest) for target, *rest in seen] == [
        ("mnist-99.0", "pictures", 1, None),
        ("cifar-90.0", "pictures", 1, None),
    ]
    assert (tmp_path / "order").read_text().split() == ["a4", "a7", "a4", "a7"]
    told = capsys.readouterr().out
    assert "1 threads, seeds 4,7\n" in told
    assert "mnist-99.0 mnistburn seed 4: 99.10 % in " in told
    assert str(tmp_path / "out") in told


def test_a_failure_is_the_exit_status(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = {"mnistburn": stand_in(tmp_path, "a", "sys.exit(3)")}
    monkeypatch.setattr(bench, "commands", lambda *_: bad)
    assert bench.main(["--targets=mnist-99.0", "--seeds=1", f"--out={tmp_path / 'out'}"]) == 1


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--targets=mnist"], "there is no target 'mnist'; the targets are mnist-99.0, "),
        (["--targets=cifar-90.0"], "needs --cifar FOLDER"),
        (["--seeds=a"], "--seeds must be whole numbers"),
        (["--threads=0"], "--threads"),
    ],
)
def test_wrong_options_are_refused(
    options: list[str], part: str, bench: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        bench.main(options)
    assert caught.value.code == 2
    assert part in capsys.readouterr().err


def test_each_target_has_a_recipe_and_a_script(bench: Any) -> None:
    from mnistburn.recipes import RECIPES

    for target in bench.TARGETS.values():
        assert target.recipe in RECIPES
        assert (FOLDER / "pytorch" / target.script).is_file()
        both = bench.commands(target, "pictures", 2, "other")
        assert list(both) == ["mnistburn", "pytorch"]
        assert both["pytorch"][0] == "other"
        assert {command[-1] for command in both.values()} == {"--threads=2"}
        assert list(bench.commands(target, "pictures", 2, None)) == ["mnistburn"]
        if target.data is None:
            assert "pictures" in both["mnistburn"]
            assert "pictures" in both["pytorch"]


def test_mnistburn_trains_through_its_public_functions(bench: Any, tmp_path: Path) -> None:
    generator = numpy.random.default_rng(3)
    labels = numpy.arange(40) % 2
    images = (generator.integers(0, 40, (40, 28, 28)) + labels[:, None, None] * 150).astype("u1")
    data = tmp_path / "greys.npz"
    numpy.savez(data, x_train=images, y_train=labels, x_test=images[:10], y_test=labels[:10])
    command = [sys.executable, str(FOLDER / "ours.py"), str(data), "--recipe=fast"]
    log = tmp_path / "log"
    seconds, accuracy = bench.train([*command, "--threads=1", "--num-epochs=60"], 5, 1, log)
    assert seconds > 0
    assert accuracy == 1.0
    assert "60 epochs, validated after each: [" in log.read_text("utf-8")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "--seed" in done.stderr
