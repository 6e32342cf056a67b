"""Limits that no linter checks. They only go down."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 60
REFUSED_NAMES = {"utils", "util", "common", "helpers", "core", "misc", "manager", "base"}


def sources() -> list[Path]:
    return sorted(
        path
        for folder in ("src", "tests", "benchmarks", "reference_model")
        for path in (ROOT / folder).rglob("*.py")
        if ".venv" not in path.parts
    )


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_file_and_its_functions_are_short(path: Path) -> None:
    lines = path.read_text().count("\n")
    assert lines <= MAX_FILE_LINES, f"{lines} lines > {MAX_FILE_LINES}"
    for function in functions(path):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= MAX_FUNCTION_LINES, f"{function.name}: {length} > {MAX_FUNCTION_LINES}"


def test_modules_are_named_for_what_they_know() -> None:
    named = [path for path in sources() if path.stem in REFUSED_NAMES]
    assert named == []


def test_unit_tests_mirror_the_sources() -> None:
    """Every unit test file stands where the module it tests stands."""
    strays = []
    for path in sorted((ROOT / "tests/unit").rglob("test_*.py")):
        folder = path.parent.relative_to(ROOT / "tests/unit")
        name = path.stem.removeprefix("test_")
        source = ROOT / "src/paceline" / folder
        if not (source / f"{name}.py").exists() and not (source / name).is_dir():
            strays.append(str(path.relative_to(ROOT)))
    assert strays == []
