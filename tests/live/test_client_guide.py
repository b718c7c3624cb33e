"""The code in the client's guide and the examples run, against a real gateway."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stenogram.client import Client
from stenogram.domain.catalogue import _registered

if TYPE_CHECKING:
    from stenogram.api.server import Gateway

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
async def test_the_guide_runs_from_top_to_bottom(start: Callable[..., Awaitable[Gateway]]) -> None:
    gateway = await start(views="")
    snippets = await first_program("docs/how-to/use-the-client.md", gateway)
    async with (
        Client(gateway.url, participant="hotels") as client,
        client.session("trip-7") as session,
    ):
        await run_snippets("docs/how-to/use-the-client.md", snippets, client=client, session=session)


async def test_the_agents_guide_runs_from_top_to_bottom(gateway: Gateway) -> None:
    snippets = await first_program("docs/how-to/run-an-agent.md", gateway)
    async with (
        Client(gateway.url, participant="hotels") as client,
        Client(gateway.url, participant="ann", kind="user") as other,
        client.agent(session="trip-8") as agent,
        other.session("trip-8") as ann,
    ):
        await run_snippets("docs/how-to/run-an-agent.md", snippets, agent=agent, ann=ann, asyncio=asyncio)


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
        first = await example("resuming_watcher.py", gateway, STENOGRAM_PLACE=place, STENOGRAM_SECONDS="1.5")
        assert versions(first) == [1, 2]
        await session.post("Found another.")
        await session.close()
        assert versions(await example("resuming_watcher.py", gateway, STENOGRAM_PLACE=place)) == [3, 4]


async def test_the_workers_do_what_is_delegated(gateway: Gateway) -> None:
    workers = [example("worker.py", gateway, STENOGRAM_NAME=name, STENOGRAM_SECONDS="0.1") for name in ("one", "two")]
    planned, *worked = await asyncio.gather(example("delegate.py", gateway), *workers)
    assert "The plan is message" in planned
    assert sum(said.count("is completed") for said in worked) == 3


async def test_the_interruptions_reach_the_writer(gateway: Gateway) -> None:
    said = await example("interrupt.py", gateway)
    assert "Steered: closed." in said
    assert "The writer has stopped: cancelled." in said


async def test_the_approval_is_answered(gateway: Gateway) -> None:
    assert "The answer is: book." in await example("approval.py", gateway)


def test_every_example_is_run() -> None:
    run = set(re.findall(r"[a-z_]+\.py", Path(__file__).read_text()))
    assert run >= {path.name for path in (ROOT / "examples").glob("*.py")}


async def first_program(page: str, gateway: Gateway) -> list[str]:
    """Run the program at the top of a page; the snippets below it."""
    program, *snippets = BLOCK.findall((ROOT / page).read_text())
    await run(sys.executable, "-c", program.replace(DOCUMENTED, gateway.url))
    return snippets


async def run_snippets(page: str, snippets: list[str], **given: object) -> None:
    """Run snippets one after the other, in one set of names."""
    names = {"__name__": "guide", **given}
    for snippet in snippets:
        code = compile(snippet, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if inspect.isawaitable(made := eval(code, names)):
            await made


def versions(said: str) -> list[int]:
    """The versions that the watcher printed."""
    return [int(found) for found in re.findall(r"^ *(\d+) \S+: ", said, re.MULTILINE)]


async def example(name: str, gateway: Gateway, **environment: str) -> str:
    """Run an example; what it printed."""
    return await run(sys.executable, str(ROOT / "examples" / name), STENOGRAM_URL=gateway.url, **environment)


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
