"""How the source is written: small files and functions, docstrings, the right kind of import, no prints."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LINES_OF_A_FILE = 400  # the guideline is 250
LINES_OF_A_FUNCTION = 50  # the guideline is 30

Trees = dict[str, ast.Module]


@pytest.fixture(scope="module")
def package(root: Path, package_files: list[Path]) -> Trees:
    """The package's modules, parsed, by path."""
    return {str(file.relative_to(root)): ast.parse(file.read_text()) for file in package_files}


@pytest.fixture(scope="module")
def outside(root: Path, outside_files: list[Path]) -> Trees:
    """The modules of tests, benchmarks, examples and docs, parsed, by path."""
    return {str(file.relative_to(root)): ast.parse(file.read_text()) for file in outside_files}


def test_no_file_is_too_long(root: Path, package_files: list[Path]) -> None:
    sizes = {str(file.relative_to(root)): file.read_text().count("\n") for file in package_files}
    long = [f"{name} ({lines} lines)" for name, lines in sizes.items() if lines > LINES_OF_A_FILE]
    assert not long, f"One noun per file, at most {LINES_OF_A_FILE} lines: {long}"


def test_no_function_is_too_long(package: Trees) -> None:
    long = [
        f"{name}:{function.lineno} {function.name} ({_length(function)} lines)"
        for name, tree in package.items()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and _length(function) > LINES_OF_A_FUNCTION
    ]
    assert not long, f"At most {LINES_OF_A_FUNCTION} lines a function, its docstring aside: {long}"


def test_every_module_says_what_it_is(package: Trees, outside: Trees) -> None:
    silent = [name for name, tree in {**package, **outside}.items() if not ast.get_docstring(tree)]
    assert not silent, f"These modules have no docstring: {silent}"


def test_imports_inside_the_package_are_relative(package: Trees, rooms: list[str]) -> None:
    absolute = _absolute_imports_of(package, {"stenogram", *rooms})
    assert not absolute, f"Inside the package write `from ..domain import …`: {absolute}"


def test_imports_outside_the_package_are_absolute(outside: Trees, rooms: list[str]) -> None:
    bare = _absolute_imports_of(outside, set(rooms))
    relative = [f"{name}:{line}" for name, line, _, level in _imports(outside) if level]
    assert not bare + relative, f"Outside the package write `from stenogram.domain import …`: {bare + relative}"


def test_only_the_command_line_prints(package: Trees) -> None:
    prints = [
        f"{name}:{node.lineno}"
        for name, tree in package.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        if not name.startswith("cli/")
    ]
    assert not prints, f"The package logs or raises; only cli/ prints: {prints}"


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The function's lines from `def` on, without its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    return lines - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def _imports(trees: Trees) -> Iterator[tuple[str, int, str, int]]:
    """Every import: file, line, the first part of the imported name, and the number of leading dots."""
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield name, node.lineno, alias.name.split(".")[0], 0
            elif isinstance(node, ast.ImportFrom):
                yield name, node.lineno, (node.module or "").split(".")[0], node.level


def _absolute_imports_of(trees: Trees, tops: set[str]) -> list[str]:
    return [f"{name}:{line} imports {top}" for name, line, top, level in _imports(trees) if not level and top in tops]
