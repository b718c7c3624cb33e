"""The root is the package: the wheel's list, the links and the folders agree."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path

FILES_OF_A_FOLDER = 16  # the guideline is 15
FORMER_NAME = "han" + "sard"


def test_the_wheel_names_every_room_that_exists(root: Path, in_wheel: list[str]) -> None:
    folders = {path.parent.name for path in root.glob("*/__init__.py")}
    modules = {path.name for path in root.glob("*.py")}
    expected = folders | modules | {"py.typed"}
    assert set(in_wheel) == expected, (
        "The wheel's only-include in pyproject.toml and the root differ. "
        f"Missing from only-include: {sorted(expected - set(in_wheel))}; "
        f"named there but not at the root: {sorted(set(in_wheel) - expected)}."
    )


def test_every_room_is_linked_and_nothing_else(root: Path, in_wheel: list[str]) -> None:
    # Python keeps what it has compiled of __init__.py and __main__.py beside the links.
    links = {path.name for path in (root / ".link" / "stenogram").iterdir()} - {"__pycache__"}
    assert links == set(in_wheel), (
        ".link/stenogram and the wheel's only-include differ. "
        f"To link: {[f'ln -s ../../{name} .link/stenogram/{name}' for name in sorted(set(in_wheel) - links)]}; "
        f"to remove: {sorted(links - set(in_wheel))}."
    )


def test_each_link_leads_to_its_namesake(root: Path, in_wheel: list[str]) -> None:
    for name in in_wheel:
        link = root / ".link" / "stenogram" / name
        assert link.is_symlink(), f"{link} is a copy, not a link (was the clone made with core.symlinks=false?)"
        assert os.readlink(link) == f"../../{name}", f"{link} leads elsewhere than ../../{name}"


def test_the_sdist_holds_the_whole_package(pyproject: dict[str, object], in_wheel: list[str]) -> None:
    sdist = pyproject["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"]  # type: ignore[index]
    missing = set(in_wheel) - {name.split("/")[0] for name in sdist}
    assert not missing, f"The sdist's only-include in pyproject.toml lacks {sorted(missing)}."


def test_folders_of_tests_are_no_packages(root: Path) -> None:
    tests = root / "tests"
    found = [path for path in tests.rglob("__init__.py") if not path.is_relative_to(tests / "support")]
    inits = sorted(str(path.relative_to(root)) for path in found)
    assert not inits, f"Remove {inits}: pytest's importlib mode wants none, and tests import nothing but tests/support."


def test_no_folder_is_a_hall(root: Path, package_files: list[Path]) -> None:
    sizes = Counter(str(file.relative_to(root).parent) for file in package_files if file.name != "__init__.py")
    halls = {folder: count for folder, count in sizes.items() if count > FILES_OF_A_FOLDER}
    assert not halls, f"At most {FILES_OF_A_FOLDER} files a folder; give these wings: {halls}"


def test_the_former_name_is_nowhere(root: Path) -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    files = [name for name in tracked.stdout.split("\0") if name and (root / name).is_file()]
    found = [name for name in files if FORMER_NAME in (root / name).read_bytes().decode(errors="ignore").lower()]
    assert not found + [name for name in files if FORMER_NAME in name.lower()], f"The former name is in {found}."
