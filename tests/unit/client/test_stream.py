"""A stream costs its consumer's memory only up to a bound, and nothing once it is let go."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from stenogram.client import Client
from stenogram.client.transport.event_buffer import MAX_BYTES, MAX_EVENTS
from stenogram.domain.errors import Invalid

if TYPE_CHECKING:
    from unit.client.conftest import FakeGateway

Eventually = Callable[..., Any]


async def test_a_slow_consumer_keeps_a_bounded_buffer_and_misses_nothing(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    gateway.batch = 100
    gateway.fill("trip", 3 * MAX_EVENTS)
    slow = client.session("trip").events()
    quick = client.session("trip").events()
    seen = [(await anext(quick)).version for _ in range(3 * MAX_EVENTS)]
    assert seen == list(range(1, 3 * MAX_EVENTS + 1)), "the slow one does not hold the quick one up"
    assert slow._buffer._count <= MAX_EVENTS
    assert gateway.peer.asked("unsubscribe"), "the slow one has asked for no more"
    assert [(await anext(slow)).version for _ in range(3 * MAX_EVENTS)] == seen
    again = [frame for frame in gateway.peer.asked("subscribe") if frame["after"]]
    assert again, "and took up where it was"
    assert len({frame["sub"] for frame in gateway.peer.asked("subscribe")}) == len(gateway.peer.asked("subscribe")), (
        "under a name of its own each time"
    )


async def test_large_events_fill_the_buffer_by_their_size(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    gateway.batch = 1
    for number in range(12):
        gateway.write("trip", "x.large", {"number": number, "text": "a" * 1_000_000})
    events = client.session("trip").events()
    await eventually(lambda: gateway.peer.asked("unsubscribe"))
    assert events._buffer._bytes <= MAX_BYTES
    assert [(await anext(events)).version for _ in range(12)] == list(range(1, 13))


async def test_a_resting_stream_survives_a_lost_connection(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    gateway.batch = 100
    gateway.fill("trip", 2 * MAX_EVENTS)
    events = client.session("trip").events()
    await eventually(lambda: gateway.peer.asked("unsubscribe"))
    gateway.peer.cut()
    await eventually(lambda: len(gateway.peers) == 2 and client.connected)
    assert [(await anext(events)).version for _ in range(2 * MAX_EVENTS)] == list(range(1, 2 * MAX_EVENTS + 1))


async def test_letting_go_of_a_stream_unsubscribes(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    gateway.fill("trip", 3)
    async for _ in client.session("trip").events():
        break
    gc.collect()
    await eventually(lambda: gateway.peer.asked("unsubscribe"))


async def test_closing_a_stream_ends_it(gateway: FakeGateway, client: Client, eventually: Eventually) -> None:
    gateway.fill("trip", 3)
    async with client.session("trip").events() as events:
        await anext(events)
    await eventually(lambda: gateway.peer.asked("unsubscribe"))
    assert [event async for event in events] == []
    await events.aclose()
    assert len(gateway.peer.asked("unsubscribe")) == 1


async def test_closing_a_stream_wakes_its_consumer(gateway: FakeGateway, client: Client) -> None:
    events = client.session("trip").events()
    waiting = asyncio.create_task(_collect(events))
    await asyncio.sleep(0.01)
    await events.aclose()
    assert await asyncio.wait_for(waiting, 30) == []


async def test_history_alone_has_an_end(gateway: FakeGateway, client: Client) -> None:
    gateway.fill("trip", 25)
    events = client.session("trip").events(follow=False)
    assert len(await _collect(events)) == 25
    assert events.caught_up
    assert events.version == 25
    assert await _collect(events) == []


async def test_an_event_that_cannot_be_read_is_told_and_passed(gateway: FakeGateway, client: Client) -> None:
    gateway.write("trip", "message.posted", {"of a": "later version"})
    gateway.fill("trip", 1)
    events = client.session("trip").events()
    with pytest.raises(Invalid, match=r"message\.posted"):
        await anext(events)
    assert (await anext(events)).version == 2


async def test_each_event_of_the_log_has_a_cursor_to_resume_from(gateway: FakeGateway, client: Client) -> None:
    gateway.batch = 7
    gateway.fill("a", 10)
    gateway.fill("b", 10)
    entries = await _collect(client.events(follow=False))
    assert [entry.event.position for entry in entries] == list(range(1, 21))
    for entry in entries:
        rest = await _collect(client.events(entry.cursor, follow=False))
        assert [each.event.position for each in rest] == list(range(entry.event.position + 1, 21))


async def test_a_cancelled_consumer_loses_nothing(gateway: FakeGateway, client: Client) -> None:
    events = client.session("trip").events()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(events), 0.02)
    gateway.fill("trip", 2)
    assert [(await anext(events)).version for _ in range(2)] == [1, 2]


async def _collect(events: Any) -> list[Any]:
    return [event async for event in events]
