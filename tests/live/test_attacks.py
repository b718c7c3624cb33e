"""One client that takes all it can get, and what others feel of it: by what comes in between, not by the clock.

`benchmarks/run.py --only attacks` measures the same in time, with each side in a process of its own.
"""

import asyncio
import contextlib
import math
import time
import tracemalloc
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType
from support.wire import Wire

from stenogram.api.access.rate_limit import FRAMES_AT_ONCE, FRAMES_PER_SECOND
from stenogram.api.server import Gateway
from stenogram.api.transport import pending_commands
from stenogram.log.log import Log

pytestmark = pytest.mark.thorough

Open = Callable[..., Awaitable[Wire]]
Start = Callable[..., Awaitable[Gateway]]
PING = 0x9
HEARTBEAT = {"frame": "heartbeat"}


def post(session: str, text: str = "Hello.") -> dict[str, Any]:
    data = {"message": str(uuid.uuid4()), "text": text}
    return {"frame": "command", "id": str(uuid.uuid4()), "session": session, "do": "message.post", "data": data}


def log_of(gateway: Gateway) -> Log:
    return gateway.tenants.open[""].log


@pytest.fixture
async def bystander(connect: Open) -> Wire:
    """A connection whose session `quiet` is open."""
    wire = await connect("bystander")
    assert (await wire.command("quiet", "session.open", {}))["frame"] == "ack"
    return wire


@contextlib.asynccontextmanager
async def read_on(wire: Wire) -> AsyncIterator[None]:
    """Read what comes meanwhile."""

    async def read() -> None:
        while True:
            await wire.step()

    reading = asyncio.create_task(read())
    yield
    reading.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await reading


async def count_acks(bystander: Wire, until: "asyncio.Future[Any]") -> int:
    """How many commands of a bystander, one after the other, are answered until then."""
    acks = 0
    while not until.done():
        assert (await bystander.command("quiet", "message.post", post("")["data"]))["frame"] == "ack"
        acks += 1
    return acks


@pytest.fixture
async def gate_of_writes(gateway: Gateway, bystander: Wire, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Nothing is written before it is set."""
    engine, go_on = log_of(gateway).engine, asyncio.Event()
    write = engine.write

    async def held(batch: Any) -> None:
        await go_on.wait()
        await write(batch)

    monkeypatch.setattr(engine, "write", held)
    return go_on


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(40):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_thousands_of_commands_in_flight_keep_nobody_waiting_behind_them(
    gateway: Gateway, wire: Wire, bystander: Wire, gate_of_writes: asyncio.Event
) -> None:
    log, many = log_of(gateway), [post("s") for _ in range(60 * 64)]
    async with read_on(wire):
        sending = asyncio.create_task(_send_each(wire, many, 64))
        await until(lambda: log.waiting >= 1_000)
        await asyncio.sleep(0.1)
        before, waiting = log.position, log.waiting
        asked = asyncio.create_task(bystander.command("quiet", "message.post", post("")["data"]))
        await until(lambda: log.waiting > waiting)
        gate_of_writes.set()
        assert (await asked)["positions"][0] - before < 800
        await sending
        await until(lambda: all(each["id"] in wire.answers for each in many))
    assert [wire.answers[each["id"]]["versions"][0] for each in many] == list(range(2, len(many) + 2))


async def test_one_connection_does_not_fill_the_queue(
    gateway: Gateway, wire: Wire, bystander: Wire, gate_of_writes: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_commands, "MAX_BYTES", 100_000)
    log, sent = log_of(gateway), [post("s", "x" * 20_000) for _ in range(100)]
    async with read_on(wire):
        sending = asyncio.create_task(_send_each(wire, sent, 1))
        await until(lambda: log.waiting >= 5)
        await asyncio.sleep(0.1)
        assert log.waiting <= 7
        gate_of_writes.set()
        assert (await bystander.command("quiet", "message.post", post("")["data"]))["frame"] == "ack"
        await sending
        await until(lambda: all(each["id"] in wire.answers for each in sent))
    assert {wire.answers[each["id"]]["frame"] for each in sent} == {"ack"}


async def _send_each(wire: Wire, frames: list[dict[str, Any]], at_once: int) -> None:
    for first in range(0, len(frames), at_once):
        await wire.send(*frames[first : first + at_once])


async def test_pings_beyond_the_rate_wait(gateway: Gateway, http: aiohttp.ClientSession, bystander: Wire) -> None:
    ws = await http.ws_connect(f"{gateway.url}/v1/ws", autoping=False)
    await ws.send_json({"frame": "hello", "protocol": 1, "participant": "pinging", "kind": "agent"})
    assert (await ws.receive_json())["frame"] == "welcome"
    began, pongs = time.monotonic(), 0

    async def count_pongs(enough: float = math.inf) -> None:
        nonlocal pongs
        while pongs <= enough and (await ws.receive()).type is WSMsgType.PONG:
            pongs += 1

    sending = asyncio.create_task(_ping(ws, 4 * FRAMES_AT_ONCE))
    await asyncio.wait_for(count_pongs(enough=FRAMES_AT_ONCE / 2), 30)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(count_pongs(), 1)
    took = time.monotonic() - began
    sending.cancel()
    assert pongs < FRAMES_AT_ONCE + FRAMES_PER_SECOND * (took + 0.2)
    assert not ws.closed
    assert await count_acks(bystander, asyncio.ensure_future(asyncio.sleep(0.1))) > 0


async def _ping(ws: aiohttp.ClientWebSocketResponse, number: int) -> None:
    for _ in range(number):
        await ws.ping()


async def test_what_waits_is_answered_and_its_client_is_not_taken_for_silent(
    http: aiohttp.ClientSession, start: Start
) -> None:
    gateway = await start(heartbeat=0.6)  # less would be less than a gateway stands still unnoticed
    wire = await Wire.open(http, gateway.url, participant="beating", kind="agent")
    beats = FRAMES_AT_ONCE + 3 * FRAMES_PER_SECOND
    for _ in range(beats // 50):
        await wire.send(*[HEARTBEAT] * 50)
    assert (await wire.command("s", "session.open", {}))["frame"] == "ack"
    assert [frame["frame"] for frame in wire.frames] == ["heartbeat"] * beats


async def test_one_that_rests_for_long_is_not_taken_for_silent(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(heartbeat=0.6, batch=FRAMES_AT_ONCE)
    wire = await Wire.open(http, gateway.url, participant="beating", kind="agent")
    for _ in range(2):  # the second is followed by two seconds in which nothing is read
        await wire.send(*[HEARTBEAT] * FRAMES_AT_ONCE)
    assert (await wire.command("s", "session.open", {}))["frame"] == "ack"


async def test_a_client_s_own_heartbeats_are_never_refused(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(commands_per_second=1)
    wire = await Wire.open(http, gateway.url, participant="beating", kind="agent")
    posts = [post("s") for _ in range(60)]
    await wire.send(*posts)  # at once: one by one, a slow machine may stay within the rate
    await wire.until(lambda: len(wire.answers) == len(posts))
    assert wire.answers[posts[-1]["id"]]["error"]["code"] == "busy"
    for _ in range(100):
        await wire.send(HEARTBEAT)
    await wire.until(lambda: len(wire.frames) == 100)
    assert {frame["frame"] for frame in wire.frames} == {"heartbeat"}


async def test_pings_before_the_hello_are_answered(gateway: Gateway, http: aiohttp.ClientSession) -> None:
    ws = await http.ws_connect(f"{gateway.url}/v1/ws", autoping=False)
    for _ in range(3):
        await ws.ping(b"there?")
        assert (await ws.receive()).type is WSMsgType.PONG
    await ws.send_json({"frame": "hello", "protocol": 1, "participant": "pinging", "kind": "agent"})
    assert (await ws.receive_json())["frame"] == "welcome"


async def test_others_go_on_while_large_patches_are_applied(wire: Wire, bystander: Wire) -> None:
    patches, state = 5, {"list": [0] * 300_000, "one": {"n": 0}}
    assert (await wire.command("s", "state.merge", {"patch": state}))["frame"] == "ack"
    patch = [{"op": "copy", "from": "/one", "path": "/list/-"}, {"op": "remove", "path": "/list/0"}] * 100
    sent: list[dict[str, Any]] = [
        {"frame": "command", "id": f"p{number}", "session": "s", "do": "state.patch", "data": {"patch": patch}}
        for number in range(patches)
    ]
    for each in sent:
        await wire.send(each)
    done = asyncio.ensure_future(wire.until(lambda: all(each["id"] in wire.answers for each in sent), 60))
    acks = await count_acks(bystander, done)
    assert [wire.answers[each["id"]]["versions"] for each in sent] == [[3], [4], [5], [6], [7]]
    assert acks > 3 * patches


async def test_others_go_on_while_a_large_state_is_changed_a_little(wire: Wire, bystander: Wire) -> None:
    changes = 15
    assert (await wire.command("s", "state.merge", {"patch": {"list": [0] * 400_000}}))["frame"] == "ack"
    change = {"session": "s", "do": "state.increment", "data": {"path": "/list/5"}}
    for number in range(changes):
        await wire.send({"frame": "command", "id": f"i{number}", **change})
    done = asyncio.ensure_future(wire.until(lambda: f"i{changes - 1}" in wire.answers, 60))
    assert await count_acks(bystander, done) > changes


async def test_subscriptions_to_sessions_that_do_not_exist_leave_nothing_behind(gateway: Gateway, wire: Wire) -> None:
    feed = gateway.tenants.open[""].feed
    for number in range(300):
        await wire.subscribe(f"s-{number}", session=f"absent-{number}")
        await wire.catch_up(f"s-{number}")
        await wire.unsubscribe(f"s-{number}")
    await wire.subscribe("one", session="absent")
    await wire.catch_up("one")
    assert list(feed._topics) == ["absent"]
    await wire.unsubscribe("one")
    assert (await wire.command("s", "message.post", post("")["data"]))["frame"] == "ack"
    assert not feed._topics


async def test_a_connection_full_of_subscriptions_takes_little_memory(gateway: Gateway, connect: Open) -> None:
    wires = [await connect(f"reader-{number}") for number in range(3)]
    await _subscribe_to_absent(wires[0])  # what is made once
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        await _subscribe_to_absent(wires[1])
        await _subscribe_to_absent(wires[2])
        assert tracemalloc.get_traced_memory()[0] - before < 2 * 2 * 2**20
    finally:
        tracemalloc.stop()


async def _subscribe_to_absent(wire: Wire) -> None:
    """As many as a connection may have, each with the longest filter that there is; the client's part counts, too."""
    for number in range(100):
        types = [f"t{number}.{each}.".ljust(128, "x") for each in range(64)]
        await wire.subscribe(f"s{number}", session=f"absent-{id(wire)}-{number}", types=types)
        await wire.catch_up(f"s{number}")


async def test_a_fork_at_a_time_and_others_in_between(wire: Wire, bystander: Wire) -> None:
    forks = 16
    for _ in range(8):
        await wire.send(*[post("s") for _ in range(250)])
    await wire.until(lambda: len(wire.answers) >= 2_000)
    sent = [f"f{number}" for number in range(forks)]
    for number, id in enumerate(sent):
        data = {"origin": "s", "at": 100 * (number + 1)}
        await wire.send({"frame": "command", "id": id, "session": f"s-{id}", "do": "session.fork", "data": data})
    done = asyncio.ensure_future(wire.until(lambda: all(id in wire.answers for id in sent), 60))
    acks = await count_acks(bystander, done)
    assert {wire.answers[id]["frame"] for id in sent} == {"ack"}
    assert acks >= 3
