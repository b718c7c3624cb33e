"""Each module has one identity: `stenogram.domain` is never loaded a second time as `domain`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

AT_START = (*sys.path,)  # before any test ran: those of projections look for modules where they are
IMPORT_EVERYTHING = """
import importlib, json, pkgutil, sys
from pathlib import Path

import stenogram

for module in pkgutil.walk_packages(stenogram.__path__, "stenogram."):
    importlib.import_module(module.name)

names = {}
for name, module in list(sys.modules.items()):
    if file := getattr(module, "__file__", None):
        names.setdefault(str(Path(file).resolve()), []).append(name)
print(json.dumps(names))
"""


def test_every_module_is_loaded_once_and_under_stenogram(root: Path, package_files: list[Path], tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"Importing every module of the package failed:\n{ran.stderr}"
    names: dict[str, list[str]] = json.loads(ran.stdout.splitlines()[-1])
    for file in package_files:
        expected = ".".join(["stenogram", *file.relative_to(root).with_suffix("").parts]).removesuffix(".__init__")
        loaded = names.get(str(file), [])
        assert loaded == [expected], f"{file.relative_to(root)} should be loaded as {expected} only, but is {loaded}."


def test_the_root_is_not_on_the_import_path(root: Path) -> None:
    on_path = [entry for entry in AT_START if Path(entry).resolve() == root]
    assert not on_path, (
        "The root of the repository is on sys.path, so `domain` would be a second `stenogram.domain`. "
        "Run `pytest` or `make test`, not `python -m pytest`, and leave the root out of PYTHONPATH."
    )
