"""The examples run, against a real gateway, also a second time on the same log."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.pages import ROOT, run

from stenogram.client import Client

if TYPE_CHECKING:
    from stenogram.api.server import Gateway


async def test_the_streaming_agent_runs(gateway: Gateway) -> None:
    assert "Said message" in await example("streaming_agent.py", gateway)


async def test_the_compare_and_set_runs(gateway: Gateway) -> None:
    assert "Booked 5 of 5 seats." in await example("compare_and_set.py", gateway)


async def test_the_watcher_resumes(gateway: Gateway, tmp_path: Path) -> None:
    place = str(tmp_path / "place")
    async with Client(gateway.url, participant="hotels") as client:
        session = client.session("stream")
        await session.do("session.open", {})
        await session.post("Found three.")
        first = await example("resuming_watcher.py", gateway, STENOGRAM_PLACE=place, STENOGRAM_SECONDS="6")
        assert versions(first) == [1, 2]
        await session.post("Found another.")
        await session.close()
        assert versions(await example("resuming_watcher.py", gateway, STENOGRAM_PLACE=place)) == [3, 4]


async def test_the_workers_do_what_is_delegated(gateway: Gateway) -> None:
    workers = [example("worker.py", gateway, STENOGRAM_NAME=name, STENOGRAM_SECONDS="0.1") for name in ("one", "two")]
    planned, *worked = await asyncio.gather(example("delegate.py", gateway), *workers)
    assert "The plan is message" in planned
    assert sum(said.count("is completed") for said in worked) == 3


async def test_the_worker_serves_every_trip(gateway: Gateway) -> None:
    """Started by `serve_trips.py`; how it ends is tested with its processes."""
    command = sys.executable, str(ROOT / "examples" / "serve_trips.py")
    environment = {**os.environ, "STENOGRAM_URL": gateway.url, "STENOGRAM_SECONDS": "0"}
    worker = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL, env=environment)
    try:
        async with Client(gateway.url, participant="ann", kind="user") as client, client.session("trip-1") as session:
            task = await session.tasks.create("Find a hotel", {"kind": "hotel"})
            async with asyncio.timeout(40):
                assert (await session.tasks.result(task))["hotel"] == "Casa Azul"
    finally:
        worker.terminate()
        assert await asyncio.wait_for(worker.wait(), 40) == 0


async def test_the_interruptions_reach_the_writer(gateway: Gateway) -> None:
    said = await example("interrupt.py", gateway)
    assert "Steered: closed." in said
    assert "The writer has stopped: cancelled." in said


async def test_the_approval_is_answered(gateway: Gateway) -> None:
    assert "The answer is: book." in await example("approval.py", gateway)


@pytest.mark.parametrize("name", ["approval.py", "compare_and_set.py", "interrupt.py", "streaming_agent.py"])
@pytest.mark.thorough
async def test_an_example_runs_again_on_the_same_log(gateway: Gateway, name: str) -> None:
    for _ in range(2):
        assert await example(name, gateway)


@pytest.mark.thorough
async def test_the_delegation_runs_again_on_the_same_log(gateway: Gateway) -> None:
    worker = asyncio.create_task(example("worker.py", gateway, STENOGRAM_SECONDS="0.1"))
    first = await example("delegate.py", gateway)
    await worker
    assert "'chores' is closed" in await example("worker.py", gateway)
    assert await example("delegate.py", gateway) == first
    async with Client(gateway.url, participant="ann", kind="user") as client:
        assert (await client.show("chores"))["title"] == "Lisbon in May"


def test_every_example_is_run() -> None:
    run = set(re.findall(r"[a-z_]+\.py", Path(__file__).read_text()))
    assert run >= {path.name for path in (ROOT / "examples").glob("*.py")}


def versions(said: str) -> list[int]:
    """The versions that the watcher printed."""
    return [int(found) for found in re.findall(r"^ *(\d+) \S+: ", said, re.MULTILINE)]


async def example(name: str, gateway: Gateway, **environment: str) -> str:
    """Run an example; what it printed."""
    return await run(sys.executable, str(ROOT / "examples" / name), STENOGRAM_URL=gateway.url, **environment)
