"""The workflows: nothing of them is trusted more than it has to be, and what they run is there."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parent.parent
FILES: Final = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS: Final[dict[str, dict[str, Any]]] = {
    path.name: yaml.safe_load(path.read_text("utf-8")) for path in FILES
}
ACTIONLINT: Final = shutil.which("actionlint") or ""
# The jobs that have to show who they are: to sign, and to publish.
SIGNERS: Final = {("release.yml", "attest"), ("release.yml", "publish")}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux has bash and GNU's sed")


def steps() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each step, with the names of its workflow and its job."""
    for name, workflow in WORKFLOWS.items():
        for job, content in workflow["jobs"].items():
            for step in content["steps"]:
                yield name, job, step


SCRIPTS: Final = [
    pytest.param(step["run"], id=f"{job}-{step['name']}")
    for _, job, step in steps()
    if "run" in step
]


def script(job: str, name: str) -> str:
    """Return the script of a step."""
    (found,) = (step["run"] for _, one, step in steps() if (one, step.get("name")) == (job, name))
    return str(found)


def bash(text: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a workflow does."""
    return subprocess.run(
        ["/bin/bash", "-e", "-c", text],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not ACTIONLINT, reason="actionlint is not installed")
def test_actionlint_has_no_objection() -> None:
    done = subprocess.run(
        [ACTIONLINT, *map(str, FILES)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_each_has_the_keys_of_a_workflow() -> None:
    words = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
    ]
    done = subprocess.run([*words, *FILES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_an_audit_of_their_security_has_no_finding() -> None:
    words = [str(Path(sys.executable).with_name("zizmor")), "--offline", "--no-progress"]
    done = subprocess.run([*words, *FILES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_each_says_first_that_it_has_never_run() -> None:
    assert [path.name for path in FILES] == ["ci.yml", "release.yml"]
    for path in FILES:
        assert path.read_text("utf-8").startswith("# This workflow has never run")


def test_actions_are_pinned_to_a_commit_and_say_which_release_that_is() -> None:
    for path in FILES:
        lines = re.findall(r"uses: .*", path.read_text("utf-8"))
        assert len(lines) > 4
        for line in lines:
            assert re.fullmatch(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_one_action_has_one_version() -> None:
    found = {line for path in FILES for line in re.findall(r"uses: (.*)", path.read_text("utf-8"))}
    assert len({line.partition("@")[0] for line in found}) == len(found)


def test_permissions_are_the_least() -> None:
    assert WORKFLOWS["ci.yml"]["permissions"] == {"contents": "read"}
    assert WORKFLOWS["release.yml"]["permissions"] == {}
    for name, workflow in WORKFLOWS.items():
        assert "secrets." not in (ROOT / ".github" / "workflows" / name).read_text("utf-8")
        for job, content in workflow["jobs"].items():
            granted = content.get("permissions", workflow["permissions"])
            if (name, job) in SIGNERS:
                assert granted.keys() <= {"id-token", "attestations"}
                assert not [step for step in content["steps"] if "run" in step], "it runs no code"
            else:
                assert granted == {"contents": "read"}


def test_no_credentials_stay_in_the_checkout() -> None:
    found = [step for _, _, step in steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert len(found) > 6
    assert all(step["with"]["persist-credentials"] is False for step in found)


def test_only_a_tag_is_published() -> None:
    jobs = WORKFLOWS["release.yml"]["jobs"]
    assert jobs["publish"]["needs"] == ["attest"]
    assert jobs["attest"]["if"] == "github.ref_type == 'tag'"
    assert set(jobs["attest"]["needs"]) == jobs.keys() - {"attest", "publish"}


@pytest.mark.parametrize("text", SCRIPTS)
def test_a_script_is_bash_and_takes_no_text_of_the_event(text: str) -> None:
    assert "${{" not in text
    done = subprocess.run(
        ["/bin/bash", "-n"], input=text, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


@pytest.mark.parametrize("text", SCRIPTS)
def test_what_a_script_names_is_there(text: str) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    features = tomllib.loads((ROOT / "Cargo.toml").read_text("utf-8"))["features"]
    assert set(re.findall(r"\bmake ([\w-]+)", text)) <= set(targets)
    for names in re.findall(r"(?:--features |FEATURES=)(\S+)", text):
        assert set(names.split(",")) <= features.keys()
    for path in re.findall(r"(?:python|bash) ([\w.]\S*/\S+)", text):
        assert (ROOT / path).is_file()


@pytest.mark.parametrize(("tag", "code"), [("v0.1.0", 0), ("v0.2.0", 1), ("0.1.0", 1)])
def test_the_tag_is_the_version(tmp_path: Path, tag: str, code: int) -> None:
    manifest = (ROOT / "Cargo.toml").read_text("utf-8")
    manifest = re.sub(r'^version = ".*"$', 'version = "0.1.0"', manifest, flags=re.MULTILINE)
    (tmp_path / "Cargo.toml").write_text(manifest, "utf-8")
    done = bash(script("version", "Compare the tag with Cargo.toml"), tmp_path, GITHUB_REF_NAME=tag)
    assert done.returncode == code, done.stderr
    assert not code or f"the tag is {tag}" in done.stderr


def test_the_pins_come_off(tmp_path: Path) -> None:
    manifest = (ROOT / "Cargo.toml").read_text("utf-8")
    (tmp_path / "Cargo.toml").write_text(manifest, "utf-8")
    first, *_ = script("newest-burn", "Take off the pins of Burn, CubeCL and wgpu").splitlines()
    done = bash(first, tmp_path)
    assert done.returncode == 0, done.stderr
    before = tomllib.loads(manifest)["dependencies"]
    after = tomllib.loads((tmp_path / "Cargo.toml").read_text("utf-8"))["dependencies"]
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"burn", "burn-std", "cubecl-cuda", "cubecl-runtime", "wgpu"}
    assert after["burn"]["version"] == before["burn"]["version"].replace("=", ">=")
    assert after["burn"]["features"] == before["burn"]["features"]


def test_maturin_is_that_of_the_developers(tmp_path: Path) -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    for job in ("build", "others"):
        command = script(job, "Install maturin").replace("python -m pip install", "printf %s")
        found = bash(command, tmp_path).stdout
        assert found in tomllib.loads(text)["project"]["optional-dependencies"]["dev"]


def test_the_rust_of_the_workflows_compiles_the_package() -> None:
    wanted = tomllib.loads((ROOT / "Cargo.toml").read_text("utf-8"))["package"]["rust-version"]
    text = "".join(path.read_text("utf-8") for path in FILES)
    found = set(
        re.findall(r"(?:toolchain install|default|rust:|rust-version:) ?\"?(\d+\.\d+)", text)
    )
    assert len(found) == 1
    assert [int(part) for part in found.pop().split(".")] >= [
        int(part) for part in wanted.split(".")
    ]
