"""The code in the client's guide and the examples run, against a real gateway."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hansard.client import Client
from hansard.domain.catalogue import _registered

if TYPE_CHECKING:
    from hansard.api.server import Gateway

ROOT = Path(__file__).parents[2]
DOCUMENTED = "http://127.0.0.1:8600"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture
async def registry() -> AsyncIterator[None]:
    """What the guide registers is forgotten afterwards."""
    before = dict(_registered)
    yield
    _registered.clear()
    _registered.update(before)


@pytest.mark.usefixtures("registry")
async def test_the_guide_runs_from_top_to_bottom(gateway: Gateway) -> None:
    program, *snippets = BLOCK.findall((ROOT / "docs/client.md").read_text())
    await run(sys.executable, "-c", program.replace(DOCUMENTED, gateway.url))
    async with (
        Client(gateway.url, participant="hotels") as client,
        client.session("trip-7") as session,
    ):
        names = {"client": client, "session": session, "__name__": "guide"}
        for snippet in snippets:
            code = compile(snippet, "docs/client.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if inspect.isawaitable(made := eval(code, names)):
                await made


async def test_the_streaming_agent_runs(gateway: Gateway) -> None:
    assert "Said message" in await example("streaming_agent.py", gateway)


async def test_the_compare_and_set_runs(gateway: Gateway) -> None:
    assert "Booked 5 of 5 seats." in await example("compare_and_set.py", gateway)


async def test_the_watcher_resumes(gateway: Gateway, tmp_path: Path) -> None:
    place = str(tmp_path / "place")
    async with Client(gateway.url, participant="hotels") as client:
        session = client.session("trip-7")
        await session.do("session.open", {})
        await session.post("Found three.")
        first = await example("resuming_watcher.py", gateway, HANSARD_PLACE=place, HANSARD_SECONDS="1.5")
        assert versions(first) == [1, 2]
        await session.post("Found another.")
        await session.close()
        assert versions(await example("resuming_watcher.py", gateway, HANSARD_PLACE=place)) == [3, 4]


def test_every_example_is_run() -> None:
    assert {path.name for path in (ROOT / "examples").glob("*.py")} >= {
        "streaming_agent.py",
        "compare_and_set.py",
        "resuming_watcher.py",
    }


def versions(said: str) -> list[int]:
    """The versions that the watcher printed."""
    return [int(found) for found in re.findall(r"^ *(\d+) \S+: ", said, re.MULTILINE)]


async def example(name: str, gateway: Gateway, **environment: str) -> str:
    """Run an example; what it printed."""
    return await run(sys.executable, str(ROOT / "examples" / name), HANSARD_URL=gateway.url, **environment)


async def run(*command: str, **environment: str) -> str:
    """Run a program to its good end; what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment},
    )
    async with asyncio.timeout(30):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()
