"""Connections of nine kinds come and go: well-behaved WebSockets, some that are cut by RST, half-open ones, some that
say no hello, event streams, long polls, HTTP kept alive, slow readers, and garbage. Afterwards the gateway has as many
descriptors, tasks, threads and connections as before, and its memory has not grown; the good ones felt nothing.

Ten minutes of it, with the waits of a real gateway: STENOGRAM_CHURN_MINUTES=10 pytest -n 0 tests/live/test_churn.py
"""

import asyncio
import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import orjson
import pytest
from support.churn.kinds import BAD, BIG, ENDED, GOOD, SESSIONS, Churn, Kind
from support.wire import Wire

from stenogram.api.views.storage import NO_VIEWS

MINUTES = float(os.environ.get("STENOGRAM_CHURN_MINUTES", "0"))
SECONDS = MINUTES * 60 or 2.0
WARM_S = 30.0 if MINUTES else 1.0
AT_ONCE = 4 if MINUTES else 2
"""Connections of each kind."""
SETTLE_S = 150.0 if MINUTES else 40.0
MOST_MB = 16.0 if MINUTES else 60.0
"""More than before. A short run begins before everything has been there once."""
MOST_HANDLERS = 3
"""Of connections that are over; the last ones are forgotten with the next."""
EXACT = ("tasks", "descriptors", "threads", "connections")
TESTS = Path(__file__).parents[1]

pytestmark = [pytest.mark.thorough, pytest.mark.slow, pytest.mark.timeout(300 + 2 * SECONDS + 4 * SETTLE_S)]


class Watched:
    """A gateway in a process of its own that says what it has."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self.url = url

    async def counts(self) -> dict[str, float]:
        """What it has now."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        return dict(orjson.loads(await self.line()))

    async def line(self) -> bytes:
        """What it prints next."""
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            return await self._process.stdout.readline()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Watched]:
    """One that waits for little, unless the run is long."""
    quick = {} if MINUTES else {"slow_after": 0.5, "heartbeat": 2.0}
    settings = {"log": str(tmp_path / "log.db"), "port": 0, "views": NO_VIEWS, "views_in": "gateway", **quick}
    arguments = ["-m", "support.churn.gateway", orjson.dumps(settings).decode(), *([] if MINUTES else ["hasty"])]
    pipe, environment = asyncio.subprocess.PIPE, {**os.environ, "PYTHONPATH": str(TESTS)}
    said = tmp_path / "stderr"
    with said.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, stdin=pipe, stdout=pipe, stderr=stderr, env=environment
        )
    try:
        watched = Watched(process, "")
        watched.url = (await watched.line()).decode().strip()
        yield watched
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    assert said.read_text() == ""


async def test_what_came_and_went_leaves_nothing(gateway: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as http:
        await fill(http, gateway.url)
        await churn(http, gateway.url, WARM_S)
        before = await settled(gateway, None)
        samples = list[dict[str, float]]()
        watching = asyncio.create_task(watch(gateway, samples))
        made = await churn(http, gateway.url, SECONDS)
        watching.cancel()
        after = await settled(gateway, before)
    with capsys.disabled():
        print(f"\nconnections: {dict(made)}, {sum(made.values())} in all in {SECONDS:.0f} s")
        some = samples[:: max(1, len(samples) // 10)]
        for words, counts in (("before", before), *(("", each) for each in some), ("after", after)):
            print(f"{words:8}" + "  ".join(f"{name} {value:7,.0f}" for name, value in counts.items()))
    assert made.keys() == {kind.__name__ for kind in GOOD + BAD}
    assert {name: after[name] for name in EXACT} == {name: before[name] for name in EXACT}
    assert after["handlers"] <= MOST_HANDLERS
    assert after["megabytes"] - before["megabytes"] <= MOST_MB


async def fill(http: aiohttp.ClientSession, url: str) -> None:
    """Sessions to come to, and one with more than a slow reader takes."""
    wire = await Wire.open(http, url, participant="ada", kind="agent")
    for session in (*(f"s{number}" for number in range(SESSIONS)), BIG):
        await wire.command(session, "session.open", {})
    for number in range(200):
        await wire.command(BIG, "message.post", {"message": f"m{number}", "text": "x" * 50_000})
    await wire.close()


async def churn(http: aiohttp.ClientSession, url: str, seconds: float) -> Counter[str]:
    """How many connections of each kind came and went."""
    made, end = Counter[str](), time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for seed in range(AT_ONCE):
            for number, kind in enumerate(GOOD + BAD):
                group.create_task(_come_and_go(kind, Churn(http, url, seed * 100 + number), made, end))
    return made


async def _come_and_go(kind: Kind, churn: Churn, made: Counter[str], end: float) -> None:
    while time.monotonic() < end:
        with contextlib.nullcontext() if kind in GOOD else contextlib.suppress(*ENDED):
            await kind(churn)
        made[kind.__name__] += 1
        await asyncio.sleep(churn.chance.random() / 20)


async def watch(gateway: Watched, samples: list[dict[str, float]]) -> None:
    """Note what it has, until cancelled."""
    while True:
        await asyncio.sleep(min(5.0, SECONDS / 10))
        samples.append(await gateway.counts())


async def settled(gateway: Watched, like: dict[str, float] | None) -> dict[str, float]:
    """What it has once that is as before, or once nothing changes any more."""
    end, known, since = time.monotonic() + SETTLE_S, dict[str, float](), time.monotonic()
    while time.monotonic() < end:
        counts = await gateway.counts()
        exact = {name: counts[name] for name in EXACT}
        if exact != known:
            known, since = exact, time.monotonic()
        if like is not None and all(like[name] == counts[name] for name in EXACT):
            return counts
        if like is None and time.monotonic() - since > SETTLE_S / 5:
            return counts
        await asyncio.sleep(0.2 if like is None else 0.1)
    return await gateway.counts()
