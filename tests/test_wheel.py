"""What a wheel says of itself: what it is made of, and nothing about who built it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any, Final

import pytest

from mnistburn import _native

ROOT: Final = Path(__file__).parent.parent
SCRIPTS: Final = ROOT / "distribution"
EXTENSION: Final = Path(str(_native.__file__))
# A panic in a crate tells its file, and so does the extension: `burn-tensor-0.21.0/src/...`.
SOURCE: Final = re.compile(
    rb"(?:registry[/\\]src[/\\][^/\\]+|crates)[/\\]([\w-]+?)-(\d+\.\d+\.[\w.+-]+)[/\\]"
)


def components(features: str, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "sbom.py"), f"--features={features}", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    content: dict[str, Any] = json.loads(done.stdout)
    return content


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    return components("python,wgpu,cuda")


def linked(bill: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the names and versions of the crates."""
    return {
        (one["name"], one["version"])
        for one in bill["components"]
        if one["purl"].startswith("pkg:cargo/")
    }


def test_every_crate_that_the_extension_names_is_listed(bill: dict[str, Any]) -> None:
    found = {(a.decode(), b.decode()) for a, b in SOURCE.findall(EXTENSION.read_bytes())}
    assert len(found) > 50
    assert found <= linked(bill)


def test_every_crate_that_is_linked_is_locked_and_has_the_hash_of_the_lock_file(
    bill: dict[str, Any],
) -> None:
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text("utf-8"))["package"]
    locked = {(one["name"], one["version"]): one.get("checksum") for one in lock}
    assert linked(bill) <= locked.keys()
    for one in bill["components"]:
        if one["purl"].startswith("pkg:cargo/"):
            assert [each["content"] for each in one["hashes"]] == [
                locked[one["name"], one["version"]]
            ]
            assert one["licenses"][0]["expression"]


def closure() -> set[tuple[str, str]]:
    """Return what Cargo's resolver reaches from the package, without what only builds or tests it.

    It takes features that are off for on where another crate mentions them: it reaches too much,
    and never too little.
    """
    command = ["cargo", "metadata", "--locked", "--offline", "--features=python,wgpu,cuda"]
    triple = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    host = re.findall(r"^host: (.+)$", triple, re.MULTILINE)[0]
    done = subprocess.run(
        [*command, "--format-version=1", f"--filter-platform={host}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    content = json.loads(done.stdout)
    crates = {one["id"]: one for one in content["packages"]}
    nodes = {one["id"]: one["deps"] for one in content["resolve"]["nodes"]}
    seen: set[str] = set()
    waiting = [content["resolve"]["root"]]
    while waiting:
        one = waiting.pop()
        if one in seen or any("proc-macro" in each["kind"] for each in crates[one]["targets"]):
            continue
        seen.add(one)
        waiting += [
            each["pkg"]
            for each in nodes[one]
            if any(kind["kind"] is None for kind in each["dep_kinds"])
        ]
    return {(crates[one]["name"], crates[one]["version"]) for one in seen}


def test_nothing_is_listed_that_only_builds_or_tests_the_package(bill: dict[str, Any]) -> None:
    reached = closure()
    assert linked(bill) <= reached
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text("utf-8"))["package"]
    others = {"divan", "burn-derive", "serde_derive", "cc"}
    assert others <= {one["name"] for one in lock}
    assert not others & {name for name, _ in linked(bill)}


def test_a_wheel_for_the_cpu_lists_less(bill: dict[str, Any]) -> None:
    few, all_of_them = linked(components("python")), linked(bill)
    assert few < all_of_them
    names = {name for name, _ in all_of_them - few}
    assert {"wgpu", "burn-wgpu", "burn-cuda", "cudarc"} <= names


def test_what_depends_on_what_is_told(bill: dict[str, Any]) -> None:
    graph = {one["ref"]: set(one["dependsOn"]) for one in bill["dependencies"]}
    (root,) = (ref for ref in graph if ref.startswith("pkg:pypi/mnistburn@"))
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text("utf-8"))
    named = {*manifest["dependencies"], *manifest["target"]["cfg(unix)"]["dependencies"]}
    direct = {re.split("[/@]", ref)[1] for ref in graph[root] if ref.startswith("pkg:cargo/")}
    if sys.platform == "win32":
        named.remove("libc")
    assert direct == named
    reached, waiting = set(), [root]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += graph.get(ref, ())
    assert reached == {root, *(one["bom-ref"] for one in bill["components"])}


def test_what_pip_installs_is_listed(bill: dict[str, Any]) -> None:
    found = {
        each["value"]: one["scope"]
        for one in bill["components"]
        for each in one.get("properties", ())
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert [one for one, scope in found.items() if scope == "required"] == project["dependencies"]
    assert "uvicorn>=0.30; extra == 'demo'" in found
    cuda = "nvidia-cuda-nvrtc==13.0.*; sys_platform == 'linux' and extra == 'cuda'"
    assert found[cuda] == "optional"
    assert not [one for one in found if "'dev'" in one or "pytest" in one]


def test_the_list_is_the_same_each_time_and_names_no_folder(bill: dict[str, Any]) -> None:
    assert components("python,wgpu,cuda") == bill
    text = json.dumps(bill)
    for folder in (ROOT, Path.home()):
        assert f"{folder}/" not in text


def test_a_feature_that_does_not_exist_is_told() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "sbom.py"), "--features=python,opencl"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "with the features python,opencl" in done.stderr
    assert "Traceback" not in done.stderr


PATHS: Final = """
import sys
sys.path.insert(0, sys.argv[1])
import build_paths
print(build_paths.compiler_flags().replace(build_paths.SEPARATOR, chr(10)))
"""


def compile_and_run(folder: Path, flags: list[str]) -> tuple[bytes, str]:
    """Compile a program of a crate and its dependency; return the binary and its panic."""
    for name, text in {
        "registry/src/index/part-1.0.0/lib.rs": "pub fn of(x: Option<u8>) -> u8 { x.unwrap() }",
        "checkout/main.rs": "fn main() { assert!(part::of(Some(1)) == 1); part::of(None); }",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    library, program = folder / "registry/src/index/part-1.0.0/lib.rs", folder / "checkout/main.rs"
    rustc = ["rustc", "--edition=2024", "-O", "-Cstrip=symbols", *flags]
    for command in (
        [*rustc, "--crate-type=rlib", "--crate-name=part", str(library), "-o", "libpart.rlib"],
        [*rustc, "--extern=part=libpart.rlib", str(program), "-o", "program"],
    ):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    done = subprocess.run(
        [str(folder / "program")], capture_output=True, text=True, check=False, env={}
    )
    return (folder / "program").read_bytes(), done.stderr


@pytest.mark.parametrize("renamed", [True, False])
def test_the_compiler_renames_the_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renamed: bool
) -> None:
    home = tmp_path / "a home"
    sources = home / "registry" / "src" / "index"
    sources.mkdir(parents=True)
    monkeypatch.setenv("CARGO_HOME", str(home))
    monkeypatch.setenv("RUSTFLAGS", "-Ccodegen-units=1")
    monkeypatch.delenv("CARGO_ENCODED_RUSTFLAGS", raising=False)
    done = subprocess.run(
        [sys.executable, "-c", PATHS, str(SCRIPTS)], capture_output=True, text=True, check=True
    )
    flags = done.stdout.splitlines()
    assert flags[0] == "-Ccodegen-units=1"
    content, panic = compile_and_run(home, flags if renamed else flags[:1])
    assert (str(tmp_path).encode() in content) is not renamed
    assert ("/crates/part-1.0.0/lib.rs" in panic) is renamed, panic


def wheel_of(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / "mnistburn-0.1.0-cp311-abi3-linux_x86_64.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


LISTED: Final = {
    "mnistburn-0.1.0.dist-info/sboms/mnistburn.cdx.json": b'{"components": [{"name": "burn"}]}'
}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (LISTED, None),
        ({}, "has no .dist-info/sboms/mnistburn.cdx.json"),
        (dict.fromkeys(LISTED, b'{"components": []}'), "does not name Burn"),
        (
            {**LISTED, "mnistburn/_native.abi3.so": f"\0{ROOT}/src/lib.rs\0".encode()},
            f"names folders of this machine (1):\n  {ROOT}/src/lib.rs\n",
        ),
        (
            {**LISTED, "mnistburn/_native.abi3.so": f"x{Path.home()}/.cargo/x.rs\0".encode()},
            "`make wheel` builds one that does not",
        ),
        ({**LISTED, "mnistburn/_native.abi3.so": b"/crates/burn-0.21.0/src/lib.rs"}, None),
    ],
)
def test_a_wheel_is_checked(tmp_path: Path, files: dict[str, bytes], message: str | None) -> None:
    wheel = wheel_of(tmp_path, files)
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "wheel.py"), "--check", str(wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (message is not None), done.stderr
    assert (message or "") in done.stderr
    assert "Traceback" not in done.stderr


FAKE: Final = """
import json, os, pathlib, sys, zipfile
options = dict(one.split("=", 1) for one in sys.argv if "=" in one)
with zipfile.ZipFile(pathlib.Path(options["--out"]) / "a-1-py3-none-any.whl", "w") as wheel:
    wheel.write(options["--sbom-include"], "a-1.dist-info/sboms/mnistburn.cdx.json")
    wheel.writestr("options.json", json.dumps(sys.argv[1:3] + sys.argv[7:-1]))
    flags = os.environ["CARGO_ENCODED_RUSTFLAGS"].split(chr(31))
    wheel.writestr("flags.json", json.dumps([flag.rpartition("=")[2] for flag in flags]))
    wheel.writestr("text", os.environ.get("TEXT", ""))
"""


@pytest.mark.parametrize("text", ["", f"{ROOT}/src/lib.rs"])
def test_the_script_builds_with_maturin_and_keeps_what_passes(tmp_path: Path, text: str) -> None:
    (tmp_path / "maturin.py").write_text(FAKE, "utf-8")
    out = tmp_path / "out"
    command = [sys.executable, str(SCRIPTS / "wheel.py"), "--features=python", f"--out={out}"]
    done = subprocess.run(
        [*command, "--zig", "--compatibility", "manylinux_2_28"],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "TEXT": text},
        capture_output=True,
        text=True,
        check=False,
    )
    if text:
        assert "text of a-1-py3-none-any.whl names folders of this machine (1):" in done.stderr
        assert not out.exists()
        return
    assert done.returncode == 0, done.stderr
    wheel = out / "a-1-py3-none-any.whl"
    assert done.stdout.splitlines()[-1] == str(wheel)
    with zipfile.ZipFile(wheel) as archive:
        options = json.loads(archive.read("options.json"))
        assert options[:2] == ["build", "--release"]
        assert options[-3:] == ["--zig", "--compatibility", "manylinux_2_28"]
        assert {"/crates", "/mnistburn", "/cargo"} <= set(json.loads(archive.read("flags.json")))
        assert json.loads(archive.read("a-1.dist-info/sboms/mnistburn.cdx.json")) == components(
            "python"
        )


def test_the_targets_for_wheels_use_the_script() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    assert text.count("distribution/wheel.py --features") == 2
    assert "/maturin build" not in text
    sbom = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["maturin"]["sbom"]
    assert sbom == {"rust": False}


DATE: Final = """
import sys
sys.path.insert(0, sys.argv[1])
import wheel
print(wheel.source_date())
"""


def source_date(folder: Path, **environment: str) -> str:
    """Return the time that files of a wheel get, which is built of a copy of the scripts."""
    shutil.copytree(SCRIPTS, folder / "distribution", dirs_exist_ok=True)
    given = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    return subprocess.run(
        [sys.executable, "-c", DATE, str(folder / "distribution")],
        env={**given, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def test_files_of_a_wheel_are_as_old_as_the_commit(tmp_path: Path) -> None:
    # As old as a zip archive can say, where the sources are no checkout.
    assert source_date(tmp_path) == "315532800"
    identity = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
    for command in (["init", "--quiet"], [*identity, "commit", "--quiet", "--allow-empty", "-mx"]):
        date = {"GIT_COMMITTER_DATE": "1234567890 +0100"}
        subprocess.run(["git", *command], cwd=tmp_path, env={**os.environ, **date}, check=True)  # noqa: S607
    assert source_date(tmp_path) == "1234567890"
    assert source_date(tmp_path, SOURCE_DATE_EPOCH="1700000000") == "1700000000"


def test_what_differs_in_two_wheels_is_named(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, reproducible as r; "
        "print(r.differences(*map(pathlib.Path, sys.argv[1:])))"
    )

    def told(*members: tuple[str, str, int]) -> str:
        other = tmp_path / "other.whl"
        with zipfile.ZipFile(other, "w") as archive:
            for name, content, year in members:
                archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), content)
        one = tmp_path / "one.whl"
        if not one.exists():
            other.rename(one)
            other = one
        return subprocess.run(
            [sys.executable, "-c", script, str(one), str(other)],
            cwd=SCRIPTS,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    a, b = ("a", "1", 2000), ("b", "2", 2000)
    assert told(a, b) == "[]"
    assert told(a, b) == "[]"
    assert told(a, ("b", "3", 2000)) == "['b']"
    assert told(("a", "1", 2001), b) == "['a']"
    assert told(a) == "['b']"
    assert told(b, a) == "['the order or the compression of one.whl']"
