"""Gateways are killed and stopped, PostgreSQL's backends are ended, the server crashes: under load from clients that
connect again. Nothing that was acknowledged is lost, nothing is there twice, everyone who follows sees all of it once,
and the views that the gateways keep meanwhile are what a fresh fold comes to.

    make chaos        15 rounds; prints how long each fault kept clients from being acknowledged
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
import orjson
import psycopg
import pytest
from support.postgres import PostgresServer
from support.wire import Follower, ReconnectingWriter, Wire, audit, follow_reconnecting, workload

from stenogram.log.postgres import Database, PostgresEngine
from stenogram.log.records import Record

if TYPE_CHECKING:
    from live.conftest import Process, Verify

    Serve = Callable[..., Awaitable[Process]]

ROUNDS = int(os.environ.get("STENOGRAM_ROUNDS", "4"))
PAUSE = float(os.environ.get("STENOGRAM_PAUSE", "2.5"))
WRITERS = 8
SESSIONS = ("s0", "s1", "hot")
PATIENCE = 2.0
"""Seconds after which a client gives up a connection that says nothing."""

pytestmark = [pytest.mark.thorough, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(240 + 30 * ROUNDS)]


class Outage(NamedTuple):
    """What a fault did to the clients: the longest time in which none of them, and in which one of them, was
    acknowledged anything."""

    fault: str
    of_all: float
    of_one: float


class Town:
    """A server, two gateways that share its log, and clients that find them at fixed ports."""

    def __init__(self, server: PostgresServer, serve: Serve) -> None:
        self.server = server
        self._serve = serve
        self._ports: list[int] = []
        self.gateways: list[Process] = []

    @property
    def urls(self) -> list[str]:
        """The gateways' addresses, whether they live or not."""
        return [f"http://127.0.0.1:{port}" for port in self._ports]

    async def open(self) -> None:
        """Start both gateways."""
        self.gateways = [await self._serve(log=self.server.url) for _ in range(2)]
        self._ports = [int(gateway.url.rpartition(":")[2]) for gateway in self.gateways]

    async def _start(self, port: int) -> Process:
        return await self._serve(log=self.server.url, port=port)

    async def kill_a_gateway(self) -> None:
        number = random.randrange(2)
        await self.gateways[number].kill()
        await asyncio.sleep(0.5)
        self.gateways[number] = await self._start(self._ports[number])

    async def end_the_backends(self) -> None:
        async with await psycopg.AsyncConnection.connect(self.server.url, autocommit=True) as admin:
            for _ in range(3):
                await admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stenogram'"
                )
                await asyncio.sleep(0.1)

    async def crash_the_server(self) -> None:
        await asyncio.to_thread(self.server.stop, "immediate")
        await asyncio.sleep(0.5)
        await asyncio.to_thread(self.server.start)

    async def pause_a_gateway(self) -> None:
        process = random.choice(self.gateways).process
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(PAUSE)
        process.send_signal(signal.SIGCONT)

    async def crash_the_server_and_kill_a_gateway(self) -> None:
        await asyncio.gather(self.crash_the_server(), self.kill_a_gateway())

    def faults(self) -> Iterator[Callable[[], Awaitable[None]]]:
        """Each in turn, for ever."""
        while True:
            yield self.kill_a_gateway
            yield self.end_the_backends
            yield self.crash_the_server
            yield self.pause_a_gateway
            yield self.crash_the_server_and_kill_a_gateway


async def test_nothing_acknowledged_is_lost_or_doubled(
    http: aiohttp.ClientSession,
    serve: Serve,
    server: PostgresServer,
    verify_views: Verify,
    capsys: pytest.CaptureFixture[str],
) -> None:
    town = Town(server, serve)
    await town.open()
    setup = await Wire.open(http, town.urls[0], participant="setup")
    for name in SESSIONS:
        await setup.command(name, "session.open", {})
    setup.cut()
    stop = asyncio.Event()
    writers = [
        ReconnectingWriter(
            f"w{n}", _until(stop, workload(f"w{n}", (SESSIONS[n % 2], "hot"), 10**6)), patience=PATIENCE, turn=200
        )
        for n in range(WRITERS)
    ]
    followers: list[tuple[str | None, Follower]] = [(session, Follower()) for session in SESSIONS]
    followers += [(None, Follower(whole=True)) for _ in range(2)]
    outages: list[Outage] = []
    async with _following(http, town, followers):
        async with asyncio.TaskGroup() as writing:
            for number, writer in enumerate(writers):
                writing.create_task(writer.run(http, _alternating(town.urls, number)))
            for _, fault in zip(range(ROUNDS), town.faults(), strict=False):
                outages.append(await _measured(fault, writers))
            stop.set()
        records = await _stored(server)
        audit(records, writers)
        await _reached(followers, len(records))
    await verify_views(server.url)
    for session, follower in followers:
        assert follower.gaps == []
        assert follower.events == [
            orjson.loads(record.wire()) for record in records if session in (None, record.session)
        ]
    with capsys.disabled():
        print(_report(outages, writers))


async def _measured(fault: Callable[[], Awaitable[None]], writers: list[ReconnectingWriter]) -> Outage:
    """Let the fault happen under load, and wait until everyone is acknowledged again."""
    loop = asyncio.get_running_loop()
    await _acknowledged(writers, 20)
    begin = loop.time()
    await fault()
    await _acknowledged(writers, 20)
    end = loop.time()
    each = [[begin, *[time for time in writer.times if begin <= time <= end], end] for writer in writers]
    everyone = sorted(time for times in each for time in times)
    return Outage(fault.__name__, _longest(everyone), max(map(_longest, each)))


def _longest(times: list[float]) -> float:
    return max(after - before for before, after in pairwise(times))


async def _acknowledged(writers: list[ReconnectingWriter], number: int) -> None:
    """Wait until every writer has been acknowledged so many commands more."""
    goals = [len(writer.acks) + number for writer in writers]
    for _ in range(6_000):
        if all(len(writer.acks) >= goal for writer, goal in zip(writers, goals, strict=True)):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"no progress: {[(w.name, len(w.acks), dict(w.refusals)) for w in writers]}")


async def _reached(followers: list[tuple[str | None, Follower]], position: int) -> None:
    for _ in range(3_000):
        if all(follower.at >= position for session, follower in followers if session is None):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"followers stand at {[follower.at for _, follower in followers]}, not at {position}")


@asynccontextmanager
async def _following(
    http: aiohttp.ClientSession, town: Town, followers: list[tuple[str | None, Follower]]
) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        following = [
            tasks.create_task(
                follow_reconnecting(
                    http,
                    _alternating(town.urls, number),
                    follower,
                    {"session": session} if session else {"all": True},
                    PATIENCE,
                )
            )
            for number, (session, follower) in enumerate(followers)
        ]
        yield
        for task in following:
            task.cancel()


def _alternating(urls: list[str], number: int) -> Callable[[], str]:
    """Another gateway at each connection."""
    turns = iter(range(number, 10**9))
    return lambda: urls[next(turns) % len(urls)]


def _until(stop: asyncio.Event, commands: Iterator[dict[str, object]]) -> Iterator[dict[str, object]]:
    for command in commands:
        if stop.is_set():
            return
        yield command


async def _stored(server: PostgresServer) -> list[Record]:
    engine = PostgresEngine(Database(server.url), read_only=True)
    await engine.open()
    try:
        return await engine.read_log(0, 10**7)
    finally:
        await engine.close()


def _report(outages: list[Outage], writers: list[ReconnectingWriter]) -> str:
    acknowledged = sum(len(writer.acks) for writer in writers)
    repeated = sum(writer.repeated for writer in writers)
    refused = sum(writer.refusals.total() for writer in writers)
    lines = [f"{'fault':<40}{'nobody acknowledged':>22}{'one client':>14}"]
    lines += [f"{each.fault:<40}{each.of_all:>20.2f} s{each.of_one:>12.2f} s" for each in outages]
    lines.append(f"{acknowledged:,} commands acknowledged, 0 lost, 0 twice; {repeated:,} repeats, {refused:,} refusals")
    return "\n" + "\n".join(lines)
