"""Where the house stands and which Python files belong to it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository, which is also the package."""
    return ROOT


@pytest.fixture(scope="session")
def pyproject() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="session")
def in_wheel(pyproject: dict[str, Any]) -> list[str]:
    """The root's files and folders that make up the package, as the wheel's configuration names them."""
    names: list[str] = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    return list(dict.fromkeys(name.split("/")[0] for name in names))  # of `web` there are parts


@pytest.fixture(scope="session")
def rooms(in_wheel: list[str]) -> list[str]:
    """The package's folders."""
    return [name for name in in_wheel if not Path(name).suffix]


@pytest.fixture(scope="session")
def package_files(in_wheel: list[str]) -> list[Path]:
    """Every Python file of the package."""
    return sorted(file for name in in_wheel for file in _python_files(ROOT / name))


@pytest.fixture(scope="session")
def outside_files() -> list[Path]:
    """Every Python file of tests, benchmarks, examples and docs."""
    folders = ("tests", "benchmarks", "examples", "docs")
    return sorted(file for name in folders for file in _python_files(ROOT / name))


def _python_files(path: Path) -> Iterator[Path]:
    if path.suffix == ".py":
        yield path
    for folder, _, files in os.walk(path):
        yield from (Path(folder, name) for name in files if name.endswith(".py"))
