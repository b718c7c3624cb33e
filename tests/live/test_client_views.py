"""Views through the Python client."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.client import Client
from stenogram.domain.errors import BadCursor, NotFound
from stenogram.domain.json.patch import apply_patch

Start = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def client(start: Start) -> Any:
    """A client of a gateway that keeps views."""
    gateway = await start(views="")
    async with Client(gateway.url, participant="hotels") as client:
        yield client


async def test_views_are_read_as_they_are_and_as_they_were(client: Client) -> None:
    async with client.session("trip-7", title="Lisbon", labels={"stage": "planning"}) as session:
        await session.status("working")
        posted = await session.post("Rooms?")
        arriving: Any = {"min_position": posted.position, "wait": 10}
        board = await session.view("agents").get(**arriving)
        hotels = board.value["agents"]["hotels"]
        assert (hotels["status"], board.version) == ("working", None)
        assert board.position >= posted.position
        then = await session.view("agents").get(at=2)
        assert (then.value["agents"]["hotels"]["status"], then.version) == ("idle", 2)
        patch = await session.view("agents").difference(2)
        changed = apply_patch(then.value, patch).value
        assert changed == (await session.view("agents").get()).value
        (row,) = (await session.view("transcript").rows(**arriving)).rows
        assert row["parts"] == [{"kind": "text", "text": "Rooms?"}]
        spans = await session.view("timeline").rows(order="-began", limit=1, **arriving)
        assert (spans.rows[0]["lane"], spans.next is not None) == ("message", True)
        listed = await client.view("sessions").rows(where={"status": "open"}, **arriving)
        assert [each["key"] for each in listed.rows] == ["trip-7"]
        await client.view("facets").rows(**arriving)
        for found in (
            await client.search("lis", labels={"stage": "planning"}),
            await client.search(participant="hotels", status="open", order="opened"),
        ):
            assert [each["key"] for each in found.rows] == ["trip-7"]
        assert (await client.search("porto")).rows == []
        with pytest.raises(NotFound):
            await client.view("agents", "nowhere").get()
        with pytest.raises(BadCursor):
            await session.view("agents").get(at=99)


async def test_a_document_is_followed(client: Client) -> None:
    async with client.session("trip-7") as session, session.view("state").follow() as changes:
        async with asyncio.timeout(40):
            assert (await anext(changes)).value is None
            for number in range(5):
                await session.do("state.merge", {"patch": {"count": number}})
                document = await anext(changes)
                assert document.value["value"] == {"count": number}
                assert document == await session.view("state").get()
            values = asyncio.create_task(anext(changes))
            await asyncio.sleep(0)
        values.cancel()


async def test_nobody_is_present_in_a_closed_session(client: Client) -> None:
    async with client.session("trip-7") as session:
        await session.tasks.create("Book")
        ack = await session.close()
        agents = await session.view("agents").get(min_position=ack.positions[-1], wait=10)
        await client.view("sessions").rows(min_position=ack.positions[-1], wait=10)
        found = await client.search(participant="hotels")
        shown = await client.show("trip-7")
    assert [each["present"] for each in shown["participants"]] == [False]
    assert agents.value["agents"]["hotels"]["present"] is False
    assert [each["value"]["participants"]["hotels"]["present"] for each in found.rows] == [False]


async def test_who_follows_what_cannot_be_followed_is_told(client: Client) -> None:
    async with client.view("nothing", "trip-7").follow() as changes:
        with pytest.raises(NotFound, match="no view 'nothing'"):
            await anext(changes)


async def test_the_rows_of_a_session_are_followed(client: Client) -> None:
    async with client.session("trip-7") as session, session.view("tasks").follow() as changes:
        async with asyncio.timeout(40):
            assert (await anext(changes)).value == {}
            for number in range(3):
                await session.tasks.create("Book", task=f"t-{number}")
                rows = (await anext(changes)).value
                assert list(rows) == [f"t-{each}" for each in range(number + 1)]
        patch = await session.view("tasks").difference((await session.page(last=1)).to - 1)
        assert [(each["op"], each["path"]) for each in patch] == [("add", "/t-2")]


async def test_a_document_is_followed_over_the_loss_of_the_gateway(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, held_port: int
) -> None:
    settings = Settings(log=str(tmp_path / "log.db"), port=held_port, drain=0.5)
    seen: list[Any] = []

    async def watch(client: Client) -> None:
        async with client.view("state", "trip-7").follow() as changes:
            async for document in changes:
                seen.append(document.value and document.value["value"])

    async with asyncio.TaskGroup() as tasks:
        async with running(settings) as first:
            client = Client(first.url, participant="ada", kind="user")
            await client.connect()
            watching = tasks.create_task(watch(client))
            await client.do("trip-7", "session.open", {})
            await client.do("trip-7", "state.merge", {"patch": {"a": 1}})
            await _until(lambda: seen[-1:] == [{"a": 1}])
        async with running(settings):
            await client.do("trip-7", "state.merge", {"patch": {"a": 2}})
            await _until(lambda: seen[-1:] == [{"a": 2}])
            await client.aclose()
        await watching
    caplog.clear()  # the client has said that it lost its gateway
    assert seen == [each for n, each in enumerate(seen) if n == 0 or each != seen[n - 1]]


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(40):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
