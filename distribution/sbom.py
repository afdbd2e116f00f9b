"""The components of a wheel, as CycloneDX: ``python distribution/sbom.py --features python``.

It names the crates that are linked, each with its licence and the hash of the lock file, Rust's
standard library, and what pip installs beside the wheel. maturin's own list has crates of features
that are off, and the directory that the wheel was built in. The same sources give the same bytes.
"""

import argparse
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
NAME: Final = "mnistburn.cdx.json"

Components = list[dict[str, Any]]


def cargo_tree(features: str, target: str) -> list[tuple[int, str, str, str]]:
    """Return what is linked, as a tree: depth, name, version and licence of each crate."""
    command = ["cargo", "tree", "--locked", f"--features={features}", f"--target={target}"]
    form = ["--edges=normal,no-proc-macro", "--prefix=depth", "--format=\t{p}\t{l}"]
    done = subprocess.run(  # noqa: S603  the features are Cargo's to check
        [*command, *form], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode:
        message = f"Cargo cannot tell what is linked with the features {features}: {done.stderr}"
        raise SystemExit(message)
    rows = []
    for line in done.stdout.splitlines():
        depth, package, licence = line.removesuffix(" (*)").split("\t")
        crate, version = package.split()[:2]
        rows.append((int(depth), crate, version.removeprefix("v"), licence.replace("/", " OR ")))
    return rows


def crates(features: str, target: str) -> tuple[Components, dict[str, set[str]]]:
    """Return the crates that are linked, and for each what it depends on, by reference.

    The first is the package itself.
    """
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text("utf-8"))["package"]
    checksums = {(one["name"], one["version"]): one.get("checksum") for one in lock}
    found: dict[str, dict[str, Any]] = {}
    edges: dict[str, set[str]] = {}
    above: list[str] = []
    for depth, crate, version, licence in cargo_tree(features, target):
        url = f"pkg:cargo/{crate}@{version.replace('+', '%2B')}"
        found[url] = {
            "type": "library",
            "bom-ref": url,
            "name": crate,
            "version": version,
            "licenses": [{"expression": licence}],
            "purl": url,
        }
        if checksum := checksums[crate, version]:
            found[url]["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        edges.setdefault(url, set())
        above[depth:] = [url]
        if depth:
            edges[above[depth - 1]].add(url)
    return list(found.values()), edges


def compiler() -> dict[str, str]:
    """Return what `rustc -vV` tells."""
    text = subprocess.run(
        ["rustc", "-vV"],  # noqa: S607  Cargo takes the same
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


def standard_library(release: str) -> dict[str, Any]:
    """Return the component that Rust itself links."""
    url = f"pkg:generic/rust-std@{release}"
    return {
        "type": "library",
        "bom-ref": url,
        "name": "rust-std",
        "version": release,
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
        "purl": url,
    }


def name(requirement: str) -> str:
    """Return which package a requirement is about."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


def python_packages() -> Components:
    """Return what pip installs beside the wheel; the versions are the user's."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted: dict[str, list[str]] = {name(line): [line] for line in project["dependencies"]}
    required = set(wanted)
    for extra, lines in project["optional-dependencies"].items():
        if extra in {"dev", "docs"}:
            continue
        for line in lines:
            mark = " and " if ";" in line else "; "
            wanted.setdefault(name(line), []).append(f"{line}{mark}extra == '{extra}'")
    return [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{one}",
            "name": one,
            "scope": "required" if one in required else "optional",
            "purl": f"pkg:pypi/{one}",
            "properties": [{"name": "mnistburn:requirement", "value": line} for line in lines],
        }
        for one, lines in wanted.items()
    ]


def bill_of_materials(features: str, target: str | None = None) -> dict[str, Any]:
    """Return the list of components as a CycloneDX document.

    Args:
        features: Features of the crate, with commas between them.
        target: What the wheel is built for, as Rust names it; this machine if left out.
    """
    rust = compiler()
    target = target or rust["host"]
    (own, *linked), edges = crates(features, target)
    std = standard_library(rust["release"])
    beside = python_packages()
    reference = f"pkg:pypi/{own['name']}@{own['version']}"
    depends = {reference: edges.pop(own["bom-ref"]), **edges}
    depends[reference] |= {std["bom-ref"], *(one["bom-ref"] for one in beside)}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {**own, "bom-ref": reference, "purl": reference},
            "properties": [
                {"name": "mnistburn:features", "value": features},
                {"name": "mnistburn:target", "value": target},
            ],
        },
        "components": sorted([*linked, std, *beside], key=lambda one: str(one["purl"])),
        "dependencies": [
            {"ref": one, "dependsOn": sorted(depends[one])} for one in sorted(depends)
        ],
    }


def main(arguments: list[str]) -> None:
    """Print the list."""
    parser = argparse.ArgumentParser(description="Print the list of components of a wheel.")
    parser.add_argument(
        "--features", required=True, help="features of the crate, as in python,wgpu"
    )
    parser.add_argument("--target", help="what the wheel is built for (this machine)")
    options = parser.parse_args(arguments)
    print(json.dumps(bill_of_materials(options.features, options.target), indent=1))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
