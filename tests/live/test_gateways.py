"""Several gateways over one log: nobody who follows skips an event, sees one twice, or sees them in another order.

Three runs of each, with four times the events:

    STENOGRAM_RUNS=3 STENOGRAM_EACH=600 pytest tests/live/test_gateways.py
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import aiohttp
import orjson
import psycopg
import pytest
from support.wire import Follower, ReconnectingWriter, Wire, audit, follow_reconnecting, workload

from stenogram.api.delivery.log_cursor import write_cursor
from stenogram.log.postgres import Database, PostgresEngine
from stenogram.log.postgres.address import Address
from stenogram.log.records import Record

if TYPE_CHECKING:
    from live.conftest import Process

    Serve = Callable[..., Awaitable[Process]]

RUNS = int(os.environ.get("STENOGRAM_RUNS", "1"))
EACH = int(os.environ.get("STENOGRAM_EACH", "120"))
WRITERS = 16
SESSIONS = ("s0", "s1", "s2", "hot")
PATIENCE = 50 + EACH // 2
"""Seconds, on a machine that has much else to do."""

pytestmark = [pytest.mark.thorough, pytest.mark.postgres, pytest.mark.timeout(2 * PATIENCE)]

# Mid-insert: it has its position and its row, and has not committed.
ROGUE = """
    WITH moved AS (UPDATE {log}.log SET position = position + 1 RETURNING position)
    INSERT INTO {log}.event (position, session, version, subject, type, data, key, time)
    SELECT position, 'rogue', 1, 'custom', 'x.rogue', %s, NULL, 0 FROM moved
"""


@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.parametrize("pooler", ["no", "yes"], ids=["listening", "polling"])
async def test_every_follower_sees_each_event_once_in_one_order(
    http: aiohttp.ClientSession, serve: Serve, fresh_log: Callable[[], str], pooler: str, run: int
) -> None:
    log = f"{fresh_log()}&pooler={pooler}"
    urls = [(await serve(log=log)).url for _ in range(2)]
    setup = await Wire.open(http, urls[0], participant="setup")
    for name in SESSIONS:
        await setup.command(name, "session.open", {})
    writers = [ReconnectingWriter(f"w{n}", workload(f"w{n}", (SESSIONS[n % 3], "hot"), EACH)) for n in range(WRITERS)]
    places: list[str | None] = [*SESSIONS, None]
    followers = [(url, session, Follower(whole=session is None)) for url in urls for session in places]
    total = len(SESSIONS) + WRITERS * EACH + 1
    async with asyncio.TaskGroup() as tasks:
        following = [
            tasks.create_task(
                follow_reconnecting(
                    http, partial(str, url), follower, {"session": session} if session else {"all": True}
                )
            )
            for url, session, follower in followers
        ]
        async with asyncio.TaskGroup() as writing:
            for number, writer in enumerate(writers):
                writing.create_task(writer.run(http, partial(str, urls[number % 2])))
            await _until(lambda: sum(len(writer.acks) for writer in writers) > total // 4)
            await _hold_a_rogue_transaction(log)
        await _until(
            lambda: all(len(follower.events) == total for _, session, follower in followers if session is None)
        )
        of_sessions = 2 * (total - 1)  # nobody follows the rogue's
        await _until(lambda: sum(len(follower.events) for _, session, follower in followers if session) == of_sessions)
        for task in following:
            task.cancel()
        setup.cut()
    records = await stored(log)
    audit(records, writers)
    assert len(records) == total
    for _, session, follower in followers:
        expected = [orjson.loads(record.wire()) for record in records if session in (None, record.session)]
        assert follower.gaps == []
        assert follower.events == expected
    assert not any(writer.refusals for writer in writers)


async def test_a_place_that_one_gateway_gave_is_good_at_another(
    http: aiohttp.ClientSession, serve: Serve, fresh_log: Callable[[], str]
) -> None:
    """Also where the other one has not heard of it yet."""
    log = f"{fresh_log()}&pooler=yes"
    urls = [(await serve(log=log)).url for _ in range(2)]
    wires = [await Wire.open(http, url, participant="hotels", kind="agent") for url in urls]
    await wires[0].command("s", "session.open", {})
    for number in range(30):
        ack = await wires[number % 2].command("s", "message.post", {"text": f"{number}", "message": f"m{number}"})
        (version,), (position,) = ack["versions"], ack["positions"]
        other = wires[1 - number % 2]
        await other.subscribe(f"s{number}", session="s", after=version)
        await other.subscribe(
            f"all{number}", all=True, after=write_cursor(other.welcome["epoch"], position), at=position
        )
        for sub in (f"s{number}", f"all{number}"):
            await other.catch_up(sub)
            await other.unsubscribe(sub)
        assert other.frames == []
        page = await http.get(f"{urls[1 - number % 2]}/v1/sessions/s", params={"participant": "hotels"})
        assert (await page.json())["version"] >= version


@pytest.mark.parametrize("do", ["state.increment", "message.post", "task.claim"])
async def test_a_command_that_races_with_itself_is_done_once(
    http: aiohttp.ClientSession, serve: Serve, fresh_log: Callable[[], str], do: str
) -> None:
    """It is sent through both gateways, a few milliseconds apart, as by a client that was moved in between."""
    log = fresh_log()
    urls = [(await serve(log=log, heartbeat=60)).url for _ in range(2)]
    wires = [await Wire.open(http, url, participant="hotels", kind="agent") for url in urls]
    await wires[0].command("s", "session.open", {})
    commands, ids = [], {f"n{number}" for number in range(EACH)}
    for thing in sorted(ids):
        if do == "task.claim":
            await wires[0].command("s", "task.create", {"task": thing, "title": "T"})
        data = {"state.increment": {"path": "/n"}, "message.post": {"message": thing, "text": "x"}}.get(do)
        commands.append({"frame": "command", "id": thing, "session": "s", "do": do, "data": data or {"task": thing}})
    chosen = random.Random(7)

    async def send(wire: Wire) -> None:
        for first in range(0, EACH, 3):
            await wire.send(*commands[first : first + 3])
            await asyncio.sleep(chosen.random() / 125)

    async with asyncio.TaskGroup() as sending:
        for wire in wires:
            sending.create_task(send(wire))
            sending.create_task(wire.until(partial(_all_answered, wire, ids), PATIENCE))
    for command in commands:
        first, second = sorted((wire.answers[str(command["id"])] for wire in wires), key=lambda ack: "repeated" in ack)
        assert first["frame"] == "ack", first
        assert second == {**first, "repeated": True}
    assert {record.key for record in await stored(log)} >= ids


def _all_answered(wire: Wire, ids: set[str]) -> bool:
    return ids <= wire.answers.keys()


async def stored(log: str) -> list[Record]:
    """Everything in the log."""
    engine = PostgresEngine(Database(log), read_only=True)
    await engine.open()
    try:
        return await engine.read_log(0, 10**6)
    finally:
        await engine.close()


async def _hold_a_rogue_transaction(log: str) -> None:
    address = Address.parse(log)
    data = b'{"id":"rogue","type":"x.rogue","time":"2026-01-01T00:00:00.000000Z","actor":"rogue","data":{}}'
    async with await psycopg.AsyncConnection.connect(address.conninfo) as rogue:
        await rogue.execute(ROGUE.format(log=f'"{address.schema}"').encode(), [data])
        await asyncio.sleep(2)


async def _until(done: Callable[[], bool]) -> None:
    for _ in range(100 * PATIENCE):
        if done():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it takes too long")
