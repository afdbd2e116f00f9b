"""What the package is made of: crates of the registry, under licences that deny.toml lists."""

import os
import shutil
import subprocess
import tomllib
from typing import Any, Final

import pytest
from licences import ROOT, Crate, Unfetched, crates_for, is_allowed

DENY: Final[dict[str, Any]] = tomllib.loads((ROOT / "deny.toml").read_text("utf-8"))
ALLOWED: Final = set(DENY["licenses"]["allow"])
# The database of advisories lies on GitHub: a workflow checks those.
DENIER: Final = shutil.which("cargo-deny") or ""
CHECKS: Final = ("licenses", "bans", "sources")
EXCEPTIONS: Final = {one["crate"]: set(one["allow"]) for one in DENY["licenses"]["exceptions"]}


def refused(crates: set[Crate]) -> list[Crate]:
    """Return the crates whose licence deny.toml does not allow."""
    return sorted(
        (
            one
            for one in crates
            if not is_allowed(one.licence, ALLOWED | EXCEPTIONS.get(one.name, set()))
        ),
        key=lambda one: one.name,
    )


@pytest.mark.parametrize("target", DENY["graph"]["targets"])
def test_every_crate_has_a_licence_of_the_list(target: str) -> None:
    try:
        crates = crates_for(target)
    except Unfetched as error:
        reason = f"crates for {target} are not here; `cargo fetch --locked` gets them: {error}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    assert len(crates) > 200
    assert refused(crates) == []
    assert {one.name for one in crates} >= EXCEPTIONS.keys(), (
        "an exception for a crate that is gone"
    )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", True),
        ("GPL-3.0", False),
        ("", False),
        ("MIT OR GPL-3.0", True),
        ("GPL-3.0/MIT", True),
        ("MIT AND GPL-3.0", False),
        ("MIT OR Zlib AND GPL-3.0", True),
        ("(MIT OR Zlib) AND GPL-3.0", False),
        ("GPL-3.0 AND Zlib OR MIT", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("MIT WITH LLVM-exception", False),
    ],
)
def test_an_expression_is_read_as_spdx_says(expression: str, expected: bool) -> None:
    assert is_allowed(expression, ALLOWED) is expected


def test_a_licence_that_is_not_listed_is_told() -> None:
    crate = Crate("colored", "3.1.1", "MPL-2.0")
    other = Crate("other", "1.0.0", "MPL-2.0")
    assert refused({crate, other}) == [other]


@pytest.mark.skipif(not DENIER, reason="cargo-deny is not installed")
def test_cargo_deny_has_no_objection() -> None:
    done = subprocess.run(
        [DENIER, "--offline", "--locked", "check", "--hide-inclusion-graph", *CHECKS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
