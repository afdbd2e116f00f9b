"""The modules of the package import each other one way: no two of them are in a circle."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import mnistburn

ROOT = Path(mnistburn.__file__).parent
MODULES = {
    ".".join(("mnistburn", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in ROOT.rglob("*.py")
}


def imports(tree: ast.AST, *, of_types: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports of a module, those within functions too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            if of_types:
                yield from imports(node, of_types=True)
        else:
            yield from imports(node, of_types=of_types)


def imported(name: str, *, of_types: bool) -> set[str]:
    """Return the modules that one imports, with the packages around them, which come first."""
    found = set()
    for node in imports(ast.parse(MODULES[name].read_text("utf-8")), of_types=of_types):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            assert not node.level, f"{name} has a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for path in names:
            parts = path.split(".")
            found |= {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    # The package itself imports a module when one of its names is first used.
    own = {name[:place] for place, letter in enumerate(name) if letter == "."}
    return (found & set(MODULES)) - {"mnistburn", name} - own


@pytest.mark.parametrize("of_types", [False, True], ids=["at run time", "for types"])
def test_no_modules_import_each_other_in_a_circle(of_types: bool) -> None:
    assert len(MODULES) > 30
    arrows = {name: imported(name, of_types=of_types) for name in MODULES if name != "mnistburn"}
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))
