"""What processes beside a gateway have in common: they end when the gateway does, and when their loop is stuck."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stenogram.api.processes import watched_process
from stenogram.api.processes.watched_process import WatchedProcess

PROGRAM = """
import asyncio, sys, time
from stenogram.api.processes.child import Line

async def run(line):
    end = asyncio.Event()
    line.listen(lambda said: line.say({"heard": said.decode().strip()}), end.set, stuck_s=1.5)
    line.say({"first": line.said})
    if line.said == "block":
        time.sleep(600)
    await end.wait()

line = Line()
line.said = line.first()
if line.said is not None:
    asyncio.run(run(line))
"""


async def until(holds: Callable[[], bool], within: float = 30.0) -> None:
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A program that says what it hears, and blocks its loop when it is told to."""
    (tmp_path / "a_child.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "a_child"


async def test_it_hears_everything_in_order_and_ends_when_it_is_to(program: str) -> None:
    said: list[dict[str, str]] = []
    process = WatchedProcess(program, ["hello", "one"], said.append)
    process.tell("two")  # before it runs
    running = asyncio.create_task(process.run())
    async with asyncio.timeout(30):
        await until(lambda: {"heard": '"two"'} in said)
        process.end()
        assert await running == "ended with 0"
    heard = [each for each in said if each]
    assert heard == [{"first": "hello"}, {"heard": '"one"'}, {"heard": '"two"'}]
    assert process.pid is None


async def test_one_whose_loop_is_stuck_ends(program: str) -> None:
    process = WatchedProcess(program, ["block"])
    async with asyncio.timeout(60):
        assert await process.run() == "ended with 1"


@pytest.mark.parametrize("who", ["the process", "the gateway"])
@pytest.mark.thorough
async def test_one_that_says_nothing_while_either_stands_still_goes_on(
    program: str, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[dict[str, str]] = []
    process = WatchedProcess(program, ["hello"], said.append)
    running = asyncio.create_task(process.run())
    async with asyncio.timeout(60):
        await until(lambda: {"first": "hello"} in said)
        assert process.pid
        if who == "the process":  # for longer than its loop may be stuck
            os.kill(process.pid, signal.SIGSTOP)
            await asyncio.sleep(4)
            os.kill(process.pid, signal.SIGCONT)
        else:  # for longer than the process may be silent
            monkeypatch.setattr(watched_process, "SILENT_S", 2.5)
            await until(lambda: said[-1] == {})
            time.sleep(4)  # noqa: ASYNC251
        process.tell("still here")
        await until(lambda: {"heard": '"still here"'} in said)
        process.end()
        assert await running == "ended with 0"


async def test_one_that_is_cancelled_is_killed(program: str) -> None:
    said: list[dict[str, str]] = []
    process = WatchedProcess(program, ["hello"], said.append)
    running = asyncio.create_task(process.run())
    async with asyncio.timeout(30):
        await until(lambda: bool(said))
        running.cancel()
        await asyncio.wait([running])
    assert process.pid is None


def test_one_without_a_gateway_does_nothing(program: str) -> None:
    ran = subprocess.run([sys.executable, "-m", program], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert ran.stdout == b""
