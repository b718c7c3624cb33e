"""What users install: `stenogram/` and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


def _build(source: Path, target: str, out: Path) -> Path:
    # -P keeps the source, where the build runs, off the import path.
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "hatchling", "build", "-t", target, "-d", str(out)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"hatchling could not build the {target}:\n{ran.stderr}"
    (built,) = out.iterdir()
    return built


def _files_of_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert len(names) == len(set(names)), "The wheel holds some files twice."
    return set(names)


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in a wheel built from the working tree."""
    return _files_of_wheel(_build(root, "wheel", tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def sdist(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist built from the working tree."""
    return _build(root, "sdist", tmp_path_factory.mktemp("sdist"))


def test_the_wheel_puts_only_stenogram_into_site_packages(wheel: set[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    strangers = {top for top in tops if top != "stenogram" and not top.endswith(".dist-info")}
    assert not strangers, f"The wheel would put {sorted(strangers)} into site-packages."


def test_the_wheel_holds_every_module(wheel: set[str], root: Path, package_files: list[Path]) -> None:
    expected = {f"stenogram/{file.relative_to(root)}" for file in package_files} | {"stenogram/py.typed"}
    assert expected <= wheel, f"Missing from the wheel: {sorted(expected - wheel)}."


def test_the_wheel_holds_the_console_and_its_client(wheel: set[str], root: Path) -> None:
    listing = ["git", "ls-files", "web/console", "web/client/src"]
    files = subprocess.run(listing, cwd=root, capture_output=True, text=True, check=True)
    expected = {f"stenogram/{name}" for name in files.stdout.splitlines()}
    assert "stenogram/web/console/index.html" in expected
    modules = {f"stenogram/web/{file.name}" for file in (root / "web").glob("*.py")}
    assert {name for name in wheel if name.startswith("stenogram/web/")} == expected | modules


def test_the_sdist_builds_the_same_wheel(wheel: set[str], sdist: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "source"
    unpacked.mkdir()
    subprocess.run(["tar", "-xf", sdist, "-C", unpacked], check=True)
    (source,) = unpacked.iterdir()
    assert _files_of_wheel(_build(source, "wheel", tmp_path / "out")) == wheel
