"""Tests of what ships: the package needs neither its fakes nor its tests."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def _is_for_tests(name: str) -> bool:
    """Whether a module, by its dotted name or path, is left out of the wheel."""
    parts = name.replace("/", ".").removesuffix(".py").split(".")
    return "fakes" in parts or "golden" in parts or parts[-1] == "conftest" or parts[-1].endswith("_test")


def _imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("mnasnet")}


def test_nothing_that_ships_imports_fakes_or_tests() -> None:
    sources = [path for path in PACKAGE.rglob("*.py") if not _is_for_tests(str(path.relative_to(PACKAGE)))]
    assert len(sources) > 100
    wrong = {
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in sources
        for name in _imported(path)
        if _is_for_tests(name)
    }
    assert not wrong
