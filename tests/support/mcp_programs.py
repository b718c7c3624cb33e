"""Programs of the Model Context Protocol's makers, at a running server: its conformance suite, and its inspector."""

from __future__ import annotations

import asyncio
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = Path(__file__).with_name("mcp_clients")
PROGRAMS = PACKAGE / "node_modules" / "@modelcontextprotocol"
TIMEOUT_S = 300.0


def pinned_versions() -> dict[str, str]:
    """The versions that are installed, by package."""
    versions: dict[str, str] = json.loads((PACKAGE / "package.json").read_text())["dependencies"]
    return versions


class Done(NamedTuple):
    """How a program has ended."""

    code: int | None
    out: str
    err: str


class Inspector:
    """The inspector's command line: each call starts it, connects to a server, and asks for one thing."""

    def __init__(self, node: str, server: tuple[str, ...], era: str, home: Path) -> None:
        self._node = node
        self._server = server
        self._era = era
        self._home = home

    async def run(self, method: str, *options: str) -> Done:
        """Ask for something."""
        launcher = PROGRAMS / "inspector" / "clients" / "launcher" / "build" / "index.js"
        arguments = ("--cli", *self._server, "--protocol-era", self._era, "--connect-timeout", "60000")
        return await _run(
            self._node, launcher, *arguments, "--format", "json", "--method", method, *options, home=self._home
        )

    async def ask(self, method: str, *options: str) -> Any:
        """Ask for something that there is; the result."""
        done = await self.run(method, *options)
        assert done.code == 0, done
        return json.loads(done.out)["result"]


async def conformance(node: str, url: str, folder: Path, *options: str) -> dict[str, list[dict[str, Any]]]:
    """What the suite has found: the checks of each scenario."""
    suite = PROGRAMS / "conformance" / "dist" / "index.js"
    done = await _run(node, suite, "server", "--url", url, "-o", str(folder), *options, home=folder)
    found = _checks(folder)
    assert found, done
    return found


def _checks(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What the suite has written, a folder for each scenario: `server-ping-2026-01-31T12-00-00-000Z`."""
    files = {re.sub(r"-\d{4}-\d\d-\d\dT.*", "", file.parent.name): file for file in folder.glob("*/checks.json")}
    return {name.removeprefix("server-"): json.loads(file.read_text()) for name, file in files.items()}


async def _run(node: str, program: Path, *arguments: str, home: Path) -> Done:
    process = await asyncio.create_subprocess_exec(
        node,
        str(program),
        *arguments,
        cwd=PACKAGE,
        env={**os.environ, "HOME": str(home)},  # where the inspector keeps what it has seen
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            said, wrong = await process.communicate()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
    return Done(process.returncode, said.decode(), wrong.decode())
