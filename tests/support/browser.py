"""Node's packages and a browser, for tests of what runs in pages."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from stenogram.api.server import Gateway

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "web" / "client"
EXAMPLE = ROOT / "examples" / "web"
ServePage = Callable[[Path], Awaitable[str]]
"""Serves a folder; returns its origin."""
StartForPages = Callable[..., Awaitable[Gateway]]
"""Starts a gateway, with views, for pages of these origins."""
OpenPage = Callable[..., Awaitable[Any]]
"""Opens an address in a browser; returns Playwright's page."""


def find_node() -> str | None:
    """Node's own program."""
    return shutil.which("node") if shutil.which("npm") else None


def find_chromium() -> str | None:
    """A Chromium of the system's: what Playwright brings of its own may be not for this machine."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


def install_packages(folder: Path) -> None:
    """What the folder's package-lock.json names; once, also for several processes."""
    lock, modules = folder / "package-lock.json", folder / "node_modules"
    with (folder / ".npmrc").open() as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        made = modules / ".installed"  # as `make test` does
        if not made.exists() or made.stat().st_mtime < lock.stat().st_mtime:
            run(folder, "npm", "ci", "--no-audit", "--no-fund")
            made.touch()


def run(folder: Path, *command: str, timeout: float = 600.0, **env: str) -> str:
    """Run a command there; what it printed. Fails with that if it fails."""
    done = subprocess.run(
        command, cwd=folder, timeout=timeout, capture_output=True, text=True, env={**os.environ, **env}, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-20_000:]}\n{done.stderr[-5_000:]}"
    return done.stdout
