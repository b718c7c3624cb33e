"""A soak: recorded teams play in twenty sessions at once, through two gateways over one log. Players and followers are
cut at random moments and go on at the other gateway. In every other phase, processes beside them read pages of the past
all the while: views, sessions and events as they were, differences.

No follower has a gap or sees an event twice, each ends with exactly what is in the log, no command is refused, a page
of the past is the same whenever and wherever it is asked for, and in a long run memory is flat. What acks took in the
two kinds of phases, and the memory of each gateway over time, are printed.

Half an hour of it, with every recording that a folder has:

    STENOGRAM_SOAK_MINUTES=30 STENOGRAM_RECORDINGS=folder pytest -n 0 tests/live/test_soak.py
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import orjson
import pytest
from support.soak import (
    Acks,
    Digest,
    DigestFollower,
    Follow,
    Memory,
    Phase,
    Play,
    Readers,
    by_socket,
    by_stream,
    follow_moving,
    report,
)
from support.wire import Frame
from who_and_when import read_recording

from stenogram.log.postgres import Database, PostgresEngine

if TYPE_CHECKING:
    from live.conftest import Process

    Serve = Callable[..., Awaitable[Process]]

MINUTES = float(os.environ.get("STENOGRAM_SOAK_MINUTES", "0.08"))
ROOT = Path(__file__).parents[2]
SHARED = os.environ.get("STENOGRAM_RECORDINGS", str(ROOT.parent / "shared" / "data" / "who-and-when"))
RECORDINGS = [ROOT / "tests" / "data" / "recording.json", *sorted(Path(SHARED).glob("*.json"))]
SESSIONS = 20
EACH_S = 0.1
"""Seconds from one command of a session to the next."""
PHASE_S = 60.0
SETTLE_S = 2.0
"""At the beginning of a phase nothing is measured: pages that were asked for before are still on their way."""
LONG_MINUTES = 5.0
"""From when on memory must be flat: caches are full by then."""

pytestmark = [pytest.mark.thorough, pytest.mark.postgres, pytest.mark.timeout(300 + 100 * MINUTES), pytest.mark.slow]


async def test_followers_end_equal_to_the_log_and_no_command_is_refused(
    serve: Serve, fresh_log: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    log = fresh_log()
    gateways = [await serve(log=log) for _ in range(2)]
    urls = [gateway.url for gateway in gateways]
    memory = Memory([gateway.process.pid for gateway in gateways])
    async with _client() as http, Readers.started(urls, 2) as readers:
        soak = Soak(http, urls)
        await soak.run(memory, readers)
        seen = await readers.ended()
    with capsys.disabled():
        print(report(soak.acks, soak.phases, memory))
        print(soak.words(seen))
    await soak.compare(log)
    assert soak.acks.refusals == []
    assert not any("Traceback" in gateway.stderr for gateway in gateways)
    assert seen["pages"] > 0
    if MINUTES >= LONG_MINUTES:
        assert seen["again"] > 0
        assert memory.grown() == []


@asynccontextmanager
async def _client() -> AsyncIterator[aiohttp.ClientSession]:
    """Without limits on connections or on the length of a line."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, read_bufsize=2**22, timeout=timeout) as http:
        yield http


class Soak:
    """Teams that play, and those who follow them."""

    def __init__(self, http: aiohttp.ClientSession, urls: list[str]) -> None:
        self.acks = Acks()
        self.phases: list[Phase] = []
        self._http = http
        self._urls = urls
        self._plays: list[Play] = []
        self._followers: list[DigestFollower] = []
        self._recordings = itertools.cycle(map(read_recording, RECORDINGS))
        self._over = asyncio.Event()

    async def run(self, memory: Memory, readers: Readers) -> None:
        """Play for the time, then let everyone come to the end."""
        whole = [DigestFollower() for _ in self._urls]
        async with asyncio.TaskGroup() as following:
            for number, follower in enumerate(whole):
                self._follow(following, follower, by_socket, number)
            async with asyncio.TaskGroup() as playing:
                for number in range(SESSIONS):
                    playing.create_task(self._play(number, following))
                playing.create_task(self._conduct(memory, readers))
            total = sum(play.version for play in self._plays)
            async with asyncio.timeout(60):
                await asyncio.gather(*(follower.over.wait() for follower in self._followers if follower.session))
                await asyncio.gather(*(follower.reach(total) for follower in whole))

    def _follow(self, group: asyncio.TaskGroup, follower: DigestFollower, follow: Follow, first: int) -> None:
        self._followers.append(follower)
        gateways = [*self._urls[first % 2 :], *self._urls[: first % 2]]
        group.create_task(follow_moving(self._http, gateways, follow, follower))

    async def _play(self, number: int, following: asyncio.TaskGroup) -> None:
        """One session after the other."""
        for turn in itertools.count():
            if self._over.is_set():
                return
            where = itertools.cycle(self._urls)
            play = Play(next(self._recordings), f"soak-{number}-{turn}", self._http, where.__next__, self.acks)
            self._plays.append(play)
            async with asyncio.TaskGroup() as group:
                group.create_task(play.perform(EACH_S, self._over))
                await play.opened.wait()
                for each, follow in enumerate((by_socket, by_stream)):
                    self._follow(following, DigestFollower(play.session), follow, number + each)

    async def _conduct(self, memory: Memory, readers: Readers) -> None:
        """Phase after phase, and what is measured meanwhile."""
        pairs = max(1, round(MINUTES * 60 / PHASE_S / 2))
        seconds = MINUTES * 60 / pairs / 2
        for reading in [False, True] * pairs:
            begin = time.monotonic()
            while (now := time.monotonic()) < begin + seconds:
                await readers.tell(reading=reading, sessions={play.session: play.version for play in self._plays})
                memory.look()
                await asyncio.sleep(min(1.0, begin + seconds - now))
            self.phases.append(Phase(reading, begin + min(SETTLE_S, seconds / 4), time.monotonic()))
        self._over.set()

    async def compare(self, log: str) -> None:
        """Everyone was given what is in the log, each event once, in order."""
        kept: dict[str | None, Digest] = defaultdict(Digest)
        engine = PostgresEngine(Database(log), read_only=True)
        await engine.open()
        try:
            position = 0
            while records := await engine.read_log(position, 5_000):
                for record in records:
                    event: Frame = orjson.loads(record.wire())
                    position += 1
                    assert record.position == position
                    kept[None].add(event)
                    kept[record.session].add(event)
        finally:
            await engine.close()
        assert {play.session: play.version for play in self._plays} == {
            session: digest.count for session, digest in kept.items() if session is not None
        }
        for follower in self._followers:
            assert follower.gaps == []
            assert str(follower.given) == str(kept[follower.session]), follower.session

    def words(self, seen: dict[str, float]) -> str:
        """What happened, for people."""
        acks, events = self.acks, max(follower.given.count for follower in self._followers)
        given = sum(follower.given.count for follower in self._followers)
        cuts = sum(follower.cuts for follower in self._followers)
        return (
            f"{len(self._plays)} sessions, {events:,} events; {given:,} deliveries to {len(self._followers)} "
            f"followers, {cuts:,} cuts; {len(acks):,} acks, {acks.moves:,} moves in the midst of a command, "
            f"{acks.repeated:,} answers to repeats; {len(acks.refusals)} refusals, dismissals: {acks.dismissals}\n"
            f"pages of the past: {seen['pages']:,}, {seen['again']:,} of them again, {seen['megabytes']:,.0f} MB; "
            f"{seen['later']:,} were put off"
        )
