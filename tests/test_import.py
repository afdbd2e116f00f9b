"""What `import mnistburn` costs and does: next to nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, os, sys, threading
before = dict(os.environ)
import logging
handlers = len(logging.getLogger().handlers)
import mnistburn
print(json.dumps({
    "own": sorted(name for name in sys.modules if name.partition(".")[0] == "mnistburn"),
    "modules": sorted(name for name in sys.modules if "." not in name),
    "threads": threading.active_count(),
    "tasks": len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else None,
    "environment": dict(os.environ) == before,
    "handlers": len(logging.getLogger().handlers) - handlers,
    "signals": __import__("signal").getsignal(2) is __import__("signal").default_int_handler,
}))
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("import")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=folder,
        # NumPy's own threads are not the question.
        env={"OPENBLAS_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert done.stderr == ""
    assert list(folder.iterdir()) == []
    content: dict[str, object] = json.loads(done.stdout)
    return content


@pytest.mark.parametrize(
    "name",
    [
        *("tqdm", "click", "matplotlib", "pytest", "torch", "difflib"),
        *("requests", "urllib3", "platformdirs"),
    ],
)
def test_a_module_is_not_imported(state: dict[str, object], name: str) -> None:
    modules = state["modules"]
    assert isinstance(modules, list)
    assert name not in modules


def test_what_is_not_used_is_not_imported(state: dict[str, object]) -> None:
    assert state["own"] == ["mnistburn", "mnistburn._native"]


# Each name in a package that has none of the others yet: modules may not need an order.
FIRST = """
import sys
import mnistburn
for name in mnistburn.__all__:
    for module in [one for one in sys.modules if one.startswith("mnistburn.")]:
        if module != "mnistburn._native":
            del sys.modules[module]
    del sys.modules["mnistburn"]
    import mnistburn
    assert name in dir(mnistburn), name
    value = getattr(mnistburn, name)
    assert getattr(value, "__module__", "mnistburn").startswith("mnistburn"), name
    exec(f"from mnistburn import {name} as again")
    assert again is value, name
from mnistburn import *
print(train is mnistburn.train)
"""


def test_any_name_may_be_the_first_that_is_used() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIRST], capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_an_unknown_name_gets_the_nearest() -> None:
    code = "import mnistburn; mnistburn.Modle"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
    )
    assert "has no attribute 'Modle'. Did you mean: 'Model'?" in done.stderr


def test_nothing_of_the_process_changes(state: dict[str, object]) -> None:
    assert state["threads"] == 1
    assert state["tasks"] in {1, None}
    assert state["environment"] is True
    assert state["handlers"] == 0
    assert state["signals"] is True


def test_every_public_name_exists_and_is_documented() -> None:
    import mnistburn

    assert mnistburn.__all__ == sorted(
        mnistburn.__all__, key=lambda name: (name.lower(), name)
    ) or (len(set(mnistburn.__all__)) == len(mnistburn.__all__))
    for name in mnistburn.__all__:
        value = getattr(mnistburn, name)
        assert name == "__version__" or value.__doc__, name


def test_the_package_is_typed_and_has_its_data() -> None:
    import mnistburn

    folder = Path(mnistburn.__file__).parent
    assert (folder / "py.typed").is_file()
    assert len(list((folder / "data" / "mnist").glob("*.gz"))) == 4


def test_a_debug_build_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    import mnistburn
    from mnistburn import _native

    monkeypatch.setattr(_native, "build_info", lambda: {"profile": "debug"})
    with pytest.warns(RuntimeWarning, match="--release"):
        importlib.reload(mnistburn)
    monkeypatch.undo()
    importlib.reload(mnistburn)
