"""The client and a real gateway: crashes, restarts, cut wires, tokens, slow readers."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from stenogram.client import Backoff, Client, ClientClosed
from stenogram.domain.concepts.custom import OpaqueData
from stenogram.domain.concepts.messages import MessageAborted, MessageCompleted, MessageDelta, MessagePosted
from stenogram.domain.errors import BadCursor, Conflict, Forbidden, NoChange, NotFound, Unauthenticated
from stenogram.domain.model import Event
from stenogram.domain.parts import text_of

if TYPE_CHECKING:
    from live.conftest import Process

    from stenogram.api.server import Gateway

Serve = Callable[..., Awaitable["Process"]]
Start = Callable[..., Awaitable["Gateway"]]
SECRET = "a secret of at least thirty-two bytes"
QUICK = {"base": 0.01, "cap": 0.1}
pytestmark = pytest.mark.reconnects


@pytest.fixture
async def hotels(gateway: Gateway) -> AsyncIterator[Client]:
    """The agent `hotels`."""
    async with Client(gateway.url, participant="hotels") as client:
        yield client


@pytest.fixture
async def ann(gateway: Gateway) -> AsyncIterator[Client]:
    """The user `ann`."""
    async with Client(gateway.url, participant="ann", kind="user") as client:
        yield client


async def test_an_agent_works_and_a_person_watches(hotels: Client, ann: Client) -> None:
    async with hotels.session("trip-7", title="Lisbon in May") as session, ann.watch("trip-7") as watched:
        await session.status("working", "Comparing hotels")
        await session.post("Found three.", to=["users"])
        async with session.stream_message(to=["users"]) as message:
            for word in ("Casa ", "Azul ", "is ", "best."):
                await message.write(word)
        async with session.tool("book", {"hotel": "Casa Azul"}) as call:
            call.result = {"booked": True}
        await session.state.merge({"hotel": {"name": "Casa Azul"}})
        assert await watched.state.wait(lambda value: "hotel" in value, timeout=30) == {"hotel": {"name": "Casa Azul"}}
        assert watched.present["hotels"].activity == "Comparing hotels"
        said = [event async for event in watched.events(types=["message.*"], reading="folded", follow=False)]
        assert [type(event.data) for event in said] == [MessagePosted, *[type(event.data) for event in said[1:]]]
        assert isinstance(said[-1].data, MessageCompleted)
        assert text_of(said[-1].data.parts) == "Casa Azul is best."


async def test_what_is_hidden_is_no_gap(hotels: Client, ann: Client) -> None:
    async with hotels.session("trip") as session:
        for number in range(20):
            await session.post(f"{number}", to=["users"] if number % 5 == 0 else ["agents"])
        seen = [event async for event in ann.session("trip").events(types=["message.*"], follow=False)]
        assert [text_of(event.data.parts) for event in seen if isinstance(event.data, MessagePosted)] == [
            "0",
            "5",
            "10",
            "15",
        ]


async def test_an_exception_inside_a_message_keeps_what_was_said(hotels: Client) -> None:
    async def stream() -> None:
        async with session.stream_message() as message:
            await message.write("Casa")
            raise ValueError("secret")

    async with hotels.session("trip") as session:
        with pytest.raises(ValueError, match="secret"):
            await stream()
        last = [event async for event in session.events(types=["message.*"], follow=False)][-1]
    assert isinstance(last.data, MessageAborted)
    assert (text_of(last.data.parts), last.data.reason) == ("Casa", "ValueError")


async def test_two_who_change_the_same_thing_do_not_lose_a_change(hotels: Client, ann: Client) -> None:
    async def add(client: Client, times: int) -> int:
        conflicts = 0
        async with client.session("trip") as session:
            for _ in range(times):
                while True:
                    seen = session.state.version
                    try:
                        await session.state.merge({"n": session.state.get("/n", 0) + 1}, if_unchanged={"/n": seen})
                        break
                    except Conflict as conflict:
                        conflicts += 1
                        await session.live.reached(conflict.extra["version"])
            return conflicts

    async with ann.session("trip", join=False) as session:
        await asyncio.gather(add(hotels, 30), add(ann, 30))
        assert await session.state.wait(lambda value: value.get("n") == 60, timeout=30)


async def test_refusals_are_the_domains(hotels: Client, ann: Client) -> None:
    with pytest.raises(NotFound):
        await hotels.session("nowhere").post("Hello?")
    async with hotels.session("trip") as session, ann.session("trip") as other:
        with pytest.raises(NoChange):
            await session.do("presence.join", {})
        async with session.stream_message(message="m1"):
            with pytest.raises(Forbidden):
                await other.do("message.delta", {"message": "m1", "index": 0, "text": "not mine"})
        with pytest.raises(Conflict):
            await session.do("message.post", {"message": "m9", "text": "x"}, expect={"message:m1": 0})
        with pytest.raises(BadCursor):
            await anext(session.events(after=10_000))
        with pytest.raises(BadCursor):
            await anext(session.events(after=1, epoch="another"))


async def test_the_http_side_answers_as_the_same_participant(hotels: Client) -> None:
    async with hotels.session("trip", title="Lisbon") as session:
        await session.state.merge({"n": 1})
        found = await hotels.sessions(prefix="tr")
        assert [each["session"] for each in found["sessions"]] == ["trip"]
        assert (await hotels.show("trip"))["state"] == {"n": 1}
        page = await hotels.page("trip", after=1, limit=1)
        assert ([event.version for event in page.events], page.to, page.caught_up) == ([2], 2, False)
    with pytest.raises(NotFound):
        await hotels.show("nowhere")


@pytest.mark.thorough
async def test_a_crash_of_the_gateway_costs_nothing(serve: Serve) -> None:
    gateways = [await serve()]
    url = gateways[0].url
    port = int(url.rpartition(":")[2])
    words = [f"{number} " for number in range(120)]
    async with (
        Client(url, participant="hotels", backoff=Backoff(**QUICK)) as hotels,
        Client(url, participant="ann", kind="user", backoff=Backoff(**QUICK)) as ann,
        hotels.session("trip") as session,
    ):
        watching = asyncio.create_task(_until_completed(ann.session("trip").events()))
        async with session.stream_message(window=0) as message:
            for number, word in enumerate(words):
                await message.write(word)
                await asyncio.sleep(0.002)
                if number == 40:
                    await gateways[-1].kill()
                    gateways.append(await serve(port=port))
                if number == 80:
                    assert await gateways[-1].terminate() == 0
                    await serve(port=port)
        seen = await asyncio.wait_for(watching, 40)
    assert [event.version for event in seen] == list(range(1, len(seen) + 1))
    deltas = [event.data for event in seen if isinstance(event.data, MessageDelta)]
    assert [delta.index for delta in deltas] == list(range(len(deltas)))
    assert "".join(delta.text for delta in deltas) == "".join(words)


class Wires:
    """A proxy that cuts each connection after a random number of bytes, often enough more than one frame has."""

    def __init__(self, url: str, seed: int) -> None:
        self.cuts = 0
        self.cutting = True
        self._port = int(url.rpartition(":")[2])
        self._random = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, in both directions."""
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._port)
        left = [self._random.randrange(300, 150_000) if self.cutting else 1 << 60]
        ways = [self._copy(reader, ours, left), self._copy(theirs, writer, left)]
        tasks = [asyncio.create_task(way) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in (ours, writer):
            each.transport.abort()

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, left: list[int]) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(4_096):
                target.write(data[: left[0]])
                left[0] -= len(data)
                if left[0] <= 0:
                    self.cuts += 1
                    return
                await target.drain()


@pytest.mark.parametrize("seed", range(4))
async def test_cut_wires_neither_lose_nor_repeat_anything(start: Start, seed: int) -> None:
    gateway = await start(log="memory:")
    wires = Wires(gateway.url, seed)
    server = await asyncio.start_server(wires.handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    count = 2_000
    async with (
        server,
        Client(gateway.url, participant="starter") as starter,
        Client(url, participant="writer", backoff=Backoff(0.001, 0.01)) as writer,
        Client(url, participant="reader", backoff=Backoff(0.001, 0.01)) as reader,
    ):
        async with starter.session("trip", join=False):
            pass
        raw = asyncio.create_task(_numbers(reader.session("trip").events(), count))
        whole = asyncio.create_task(_numbers(reader.events(), count))
        for number in range(0, count, 20):
            await asyncio.gather(
                *(writer.session("trip").record("x.number", {"number": number + each}) for each in range(20))
            )
        assert await asyncio.wait_for(raw, 30) == list(range(count))
        assert await asyncio.wait_for(whole, 30) == list(range(count))
        assert wires.cuts > 5
        wires.cutting = False


@pytest.mark.thorough
async def test_a_slow_reader_harms_nobody(serve: Serve) -> None:
    process = await serve()
    count = 30_000
    async with (
        Client(process.url, participant="writer") as writer,
        Client(process.url, participant="reader") as reader,
        writer.session("trip", join=False) as session,
    ):
        slow = reader.session("trip").events(types=["x.*"])
        quick = asyncio.create_task(_numbers(reader.session("trip").events(types=["x.*"]), count))
        for number in range(0, count, 1_000):
            await asyncio.gather(*(session.record("x.number", {"number": number + each}) for each in range(1_000)))
        assert await asyncio.wait_for(quick, 40) == list(range(count))
        assert slow._buffer._count <= 4_096
        assert await asyncio.wait_for(_numbers(slow, count), 40) == list(range(count))


async def test_tokens_are_checked_and_renewed(start: Start) -> None:
    gateway = await start(jwt_secret=SECRET)
    minted: list[str] = []

    def mint() -> str:
        minted.append(_token(lifetime=4))
        return minted[-1]

    with pytest.raises(Unauthenticated):
        await Client(gateway.url, token=_token(key="another secret of at least thirty-two bytes")).connect()
    with pytest.raises(Unauthenticated):
        await Client(gateway.url, participant="hotels").connect()
    async with Client(gateway.url, token=mint, backoff=Backoff(**QUICK)) as client:
        assert client.participant == "hotels"
        async with client.session("trip-1") as session:
            events = session.events(types=["x.*"])
            async with asyncio.timeout(30):
                while len(minted) < 2 or not client.connected:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await session.record("x.number", {"number": 1})
            assert await _numbers(events, 1) == [1]
        with pytest.raises(Forbidden):
            async with client.session("secret-1"):
                pass


async def test_closing_leaves_nothing_behind(gateway: Gateway) -> None:
    before = asyncio.all_tasks()
    client = Client(gateway.url, participant="hotels")
    async with client, client.session("trip") as session:
        following = asyncio.create_task(_numbers(session.events(), 1))
    assert await following == []
    with pytest.raises(ClientClosed):
        await session.post("too late")
    left = [task for task in asyncio.all_tasks() - before if "stenogram/client" in str(task.get_stack())]
    assert not left


def _token(lifetime: float = 600, key: str = SECRET) -> str:
    claims = {
        "sub": "hotels",
        "kind": "agent",
        "scopes": ["read:*", "write:trip-*"],
        "exp": time.time() + lifetime,
    }
    return jwt.encode(claims, key, algorithm="HS256")


async def _until_completed(events: Any) -> list[Event]:
    seen: list[Event] = []
    async for event in events:
        seen.append(event)
        if isinstance(event.data, MessageCompleted):
            break
    return seen


async def _numbers(events: Any, count: int) -> list[int]:
    seen: list[int] = []
    async for each in events:
        data = (each if isinstance(each, Event) else each.event).data
        if isinstance(data, OpaqueData):
            number = data.value["number"]
            assert isinstance(number, int)
            seen.append(number)
        if len(seen) == count:
            break
    return seen
