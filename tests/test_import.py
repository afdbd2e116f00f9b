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
