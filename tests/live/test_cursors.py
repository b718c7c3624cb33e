"""A cursor of the whole log is opaque: whatever the gateway puts inside, everyone hands it on and nobody reads it."""

from __future__ import annotations

import asyncio
import base64
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
import orjson
import pytest
from support.wire import Follower, PageReader, SseReader, Wire
from support.wire.reconnecting import follow_reconnecting

from stenogram.api.delivery import log_cursor
from stenogram.client import Backoff, Client, LogEntry

if TYPE_CHECKING:
    from stenogram.api.server import Gateway

Start = Callable[..., Awaitable["Gateway"]]
SESSIONS = ("a", "b", "c")


@pytest.fixture(autouse=True)
def quiet() -> None:
    """That a connection was lost may be told."""


class Codec(NamedTuple):
    """Another inside of cursors."""

    pack: Callable[[str, int], str]
    unpack: Callable[[str], tuple[str, int] | None]


def _reversed(cursor: str) -> tuple[str, int] | None:
    epoch, _, number = cursor[::-1].rpartition(".")
    return (epoch, int(number)) if number.isdecimal() else None


def _encoded(cursor: str) -> tuple[str, int] | None:
    try:
        position, epoch = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        return None
    return epoch, position


def _scrambled(seed: int) -> Codec:
    """A permutation of numbers that keeps no order, and behind it the epoch."""
    size, factor = 2**61 - 1, random.Random(seed).randrange(3, 2**60)
    back = pow(factor, -1, size)

    def unpack(cursor: str) -> tuple[str, int] | None:
        number, _, epoch = cursor.partition("~")
        return (epoch, int(number, 36) * back % size) if number.isalnum() and epoch else None

    return Codec(lambda epoch, position: f"{_in_base_36(position * factor % size)}~{epoch}", unpack)


def _in_base_36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"


CODECS = {
    "as it is": Codec(log_cursor._pack, log_cursor._unpack),
    "reversed": Codec(lambda epoch, position: f"{epoch}.{position}"[::-1], _reversed),
    "base64": Codec(
        lambda epoch, position: base64.urlsafe_b64encode(orjson.dumps([position, epoch])).rstrip(b"=").decode(),
        _encoded,
    ),
    **{f"scrambled {seed}": _scrambled(seed) for seed in range(3)},
}


@pytest.fixture(params=CODECS, autouse=True)
def codec(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them in turn."""
    codec = CODECS[request.param]
    monkeypatch.setattr(log_cursor, "_pack", codec.pack)
    monkeypatch.setattr(log_cursor, "_unpack", codec.unpack)


@pytest.fixture
async def gateway(start: Start, codec: None) -> Gateway:
    """A gateway of this codec."""
    return await start(log="memory:")


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[Client]:
    """A client of it that comes back quickly."""
    async with Client(gateway.url, participant="reader", kind="service", backoff=Backoff(0.001, 0.01)) as client:
        yield client


async def say(client: Client, count: int) -> None:
    """Events in several sessions in turn."""
    for number in range(count):
        await client.session(SESSIONS[number % 3]).record("x.n", {"number": number})


async def open_sessions(client: Client) -> None:
    for session in SESSIONS:
        async with client.session(session, join=False, follow=False):
            pass


def cut_all(gateway: Gateway) -> None:
    for socket in tuple(gateway.websocket_server._connections):
        socket.abort()


def positions(entries: list[LogEntry]) -> list[int]:
    return [entry.event.position for entry in entries]


async def test_a_stream_goes_on_over_cut_connections(gateway: Gateway, client: Client) -> None:
    await open_sessions(client)
    taken: list[LogEntry] = []
    async with Client(gateway.url, participant="writer") as writer, client.events() as events:
        writing = asyncio.create_task(say(writer, 150))
        while len(taken) < 153:
            taken.append(await asyncio.wait_for(anext(events), 30))
            if len(taken) % 40 == 0:
                cut_all(gateway)
        await writing
    assert positions(taken) == list(range(1, 154))


async def test_every_event_has_a_cursor_from_which_the_rest_follows(client: Client) -> None:
    await open_sessions(client)
    await say(client, 20)
    entries = [entry async for entry in client.events(follow=False)]
    for entry in entries:
        rest = [each async for each in client.events(entry.cursor, follow=False)]
        assert positions(rest) == list(range(entry.event.position + 1, 24))
    wanted = [entry async for entry in client.events(entries[4].cursor, types=["session.*"], follow=False)]
    assert wanted == []


async def test_the_end_can_be_resumed(gateway: Gateway, client: Client) -> None:
    await open_sessions(client)
    async with client.events("end") as events, client.events("end", follow=False) as nothing:
        assert [entry async for entry in nothing] == []
        cut_all(gateway)
        await say(client, 5)
        assert positions([await asyncio.wait_for(anext(events), 30) for _ in range(5)]) == [4, 5, 6, 7, 8]
    rest = [entry async for entry in client.events(nothing.cursor, follow=False)]
    assert positions(rest) == [4, 5, 6, 7, 8]


async def test_what_a_filter_leaves_out_is_passed(gateway: Gateway, client: Client) -> None:
    await open_sessions(client)
    await say(client, 30)
    async with client.events(types=["x.other"], follow=False) as none:
        assert [entry async for entry in none] == []
    assert [entry async for entry in client.events(none.cursor, follow=False)] == []


async def test_pages_streams_and_sockets_hand_on_the_same_place(
    http: aiohttp.ClientSession, gateway: Gateway, client: Client
) -> None:
    await open_sessions(client)
    await say(client, 27)
    url, whole = f"{gateway.url}/v1/events", list(range(1, 31))
    pages = PageReader(http, url, Follower(whole=True))
    await pages.next(limit=11)
    follower, last = pages.follower, str(pages.place)
    async with SseReader.open(http, url, follower, last=last) as stream:
        await stream.reach(30)
    assert follower.places == whole
    rest = PageReader(http, url, Follower(12, whole=True), _cursor(client, 12))
    while not rest.caught_up:
        await rest.next(limit=7)
    assert rest.follower.places == whole[12:]
    wire = await Wire.open(http, gateway.url, participant="w", kind="service")
    again = await wire.subscribe("again", all=True, after=stream.last, at=30)
    await wire.catch_up("again")
    assert (again.places, again.place) == ([], stream.last)
    async with http.get(url, params={"last": "4"}) as answer:
        assert [event["position"] for event in (await answer.json())["events"]] == whole[-4:]


def _cursor(client: Client, position: int) -> str:
    return log_cursor.write_cursor(client.epoch, position)


async def test_a_stubborn_reader_gets_through(http: aiohttp.ClientSession, gateway: Gateway, client: Client) -> None:
    await open_sessions(client)
    follower = Follower(whole=True)
    reading = asyncio.create_task(follow_reconnecting(http, lambda: gateway.url, follower, {"all": True}))
    for _ in range(4):
        await say(client, 10)
        cut_all(gateway)
    async with asyncio.timeout(40):
        while follower.at < 43:  # noqa: ASYNC110  (the reader has no event to wait for)
            await asyncio.sleep(0.01)
    reading.cancel()
    await asyncio.wait([reading])
    assert follower.places == list(range(1, 44))


@pytest.mark.thorough
async def test_the_command_line_follows_the_log(gateway: Gateway, client: Client) -> None:
    await open_sessions(client)
    await say(client, 17)
    whole = list(range(1, 21))
    assert await tail(gateway, "--after", _cursor(client, 6)) == whole[6:]
    assert await tail(gateway, "-n", "3") == whole[-3:]
    assert await tail(gateway, "--after", "0") == whole


async def tail(gateway: Gateway, *options: str) -> list[int]:
    command = ("-m", "stenogram", "tail", *options, "--no-follow", "--json", "--log", gateway.url)
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert process.returncode == 0
    return [orjson.loads(line)["position"] for line in said.splitlines()]
