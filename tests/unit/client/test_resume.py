"""A stream of events survives the loss of its connection without a gap or a duplicate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stenogram.client import Backoff, Client, HistoryGone
from stenogram.domain.concepts.custom import OpaqueData
from stenogram.domain.errors import BadCursor, NotFound
from stenogram.domain.model import Event

if TYPE_CHECKING:
    from unit.client.conftest import FakeGateway


def number(event: Event) -> int:
    assert isinstance(event.data, OpaqueData)
    number = event.data.value["number"]
    assert isinstance(number, int)
    return number


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, 12), max_size=12),
    count=st.integers(1, 120),
    batch=st.integers(1, 17),
    overlap=st.integers(0, 9),
    whole=st.booleans(),
    in_frames=st.booleans(),
)
def test_the_consumer_sees_each_event_once_whatever_is_cut(
    make_gateway: type[FakeGateway],
    serving: Callable[..., Any],
    cuts: list[int],
    count: int,
    batch: int,
    overlap: int,
    whole: bool,
    in_frames: bool,
) -> None:
    async def follow() -> list[int]:
        gateway = make_gateway()
        gateway.cuts, gateway.batch, gateway.overlap = list(cuts), batch, overlap
        gateway.cut_in_frames = in_frames
        gateway.fill("trip", count // 2)
        seen: list[int] = []
        async with (
            serving(gateway),
            Client(gateway.url, participant="me", backoff=Backoff(0.0005, 0.002)) as client,
        ):
            stream = client.events() if whole else client.session("trip").events()
            gateway.fill("trip", count - count // 2)
            async for each in stream:
                seen.append(number(each if isinstance(each, Event) else each.event))
                if len(seen) >= count:
                    break
        return seen

    assert asyncio.run(asyncio.wait_for(follow(), 40)) == list(range(1, count + 1))


async def test_a_subscription_resumes_after_its_place_and_names_the_epoch(gateway: FakeGateway, client: Client) -> None:
    gateway.fill("trip", 5)
    events = client.session("trip").events()
    assert [number(await anext(events)) for _ in range(5)] == [1, 2, 3, 4, 5]
    gateway.peer.cut()
    gateway.fill("trip", 1)
    await anext(events)
    first, second = (peer.asked("subscribe")[0] for peer in gateway.peers)
    assert (first["after"], "epoch" in first) == (0, False)
    assert (second["after"], second["epoch"]) == (5, "e1")


async def test_what_filters_hide_is_no_gap_and_is_not_read_again(
    gateway: FakeGateway, client: Client, eventually: Callable[..., Any]
) -> None:
    gateway.fill("trip", 30)
    events = client.session("trip").events(types=["message.*"])
    gateway.write("trip", "x.number", {"number": 31})
    await eventually(lambda: events._buffer._queue)
    gateway.peer.cut()
    await eventually(lambda: len(gateway.peers) == 2 and gateway.peer.asked("subscribe"))
    assert gateway.peer.asked("subscribe")[0]["after"] >= 30


async def test_the_end_is_a_place_as_soon_as_it_is_known(
    gateway: FakeGateway, client: Client, eventually: Callable[..., Any]
) -> None:
    gateway.fill("trip", 3)
    events = client.session("trip").events(after="end")
    await eventually(lambda: gateway.peer.asked("subscribe"))
    gateway.write("trip", "x.number", {"number": 4})
    assert number(await anext(events)) == 4
    quiet = client.session("trip").events(after="end", follow=False)
    assert [event async for event in quiet] == []
    assert quiet.version == 4
    gateway.peer.cut()
    gateway.write("trip", "x.number", {"number": 5})
    assert number(await anext(events)) == 5


async def test_an_event_beyond_its_batch_makes_the_subscription_begin_anew(
    gateway: FakeGateway, client: Client, eventually: Callable[..., Any]
) -> None:
    gateway.fill("trip", 3)
    events = client.session("trip").events()
    assert [number(await anext(events)) for _ in range(3)] == [1, 2, 3]
    stray = {**gateway.write("other", "x.number", {"number": 9}), "session": "trip", "version": 9}
    gateway.peer.send({"frame": "events", "sub": "trip", "to": 5, "events": [stray]})
    await eventually(lambda: len(gateway.peer.asked("subscribe")) == 2)
    again = gateway.peer.asked("subscribe")[1]
    assert again["after"] == 3
    assert again["sub"] != "trip", "batches of the old subscription may still be on their way"
    gateway.fill("trip", 1)
    assert (await anext(events)).version == 4


async def test_another_log_is_refused_instead_of_replayed(gateway: FakeGateway, client: Client) -> None:
    gateway.fill("trip", 2)
    events = client.session("trip").events()
    await anext(events)
    await anext(events)
    gateway.refuse_subscription = lambda frame: {"code": "bad_cursor", "detail": "another log", "status": 400}
    gateway.peer.cut()
    with pytest.raises(BadCursor):
        await anext(events)


async def test_history_that_is_gone_is_told_and_the_rest_follows(gateway: FakeGateway, client: Client) -> None:
    gateway.fill("trip", 12)
    gateway.gaps = [{"from": 1, "to": 9}]
    events = client.session("trip").events(after=9)
    with pytest.raises(HistoryGone) as told:
        await anext(events)
    assert (told.value.first, told.value.last) == (1, 9)
    assert [number(await anext(events)) for _ in range(3)] == [10, 11, 12]


async def test_a_refused_subscription_raises_the_refusal(gateway: FakeGateway, client: Client) -> None:
    gateway.refuse_subscription = lambda frame: {"code": "not_found", "detail": "no such session", "status": 404}
    with pytest.raises(NotFound, match="no such session"):
        async for _ in client.session("trip").events():
            pass


async def test_a_busy_gateway_is_asked_again(gateway: FakeGateway, client: Client) -> None:
    answers = [{"code": "busy", "detail": "later", "status": 429, "retry_after": 0.01}]
    gateway.refuse_subscription = lambda frame: answers.pop() if answers else None
    gateway.fill("trip", 1)
    assert number(await anext(client.session("trip").events())) == 1
