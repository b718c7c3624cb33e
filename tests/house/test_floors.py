"""The floors of the house: who may import whom, as pyproject.toml draws it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_imports_go_downwards_only(root: Path) -> None:
    ran = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--config", "pyproject.toml", "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": ".link", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"A module imports from a floor above its own:\n{ran.stdout}{ran.stderr}"
