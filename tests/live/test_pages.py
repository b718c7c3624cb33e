"""Pages of events: forwards, backwards, the last ones; of a session, of a fork, of the log."""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from support.wire import Wire

from stenogram.api.http import event_routes
from stenogram.api.server import Gateway
from stenogram.client import Client

Open = Callable[..., Awaitable[Wire]]


@pytest.fixture(autouse=True)
def every_event_has_a_time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What arrives in one millisecond shares its time, and so would be in a moment that is told by time."""
    monkeypatch.setattr("stenogram.log.clock.RESOLUTION_S", 0.0)


async def fill(wire: Wire, count: int, session: str = "s") -> None:
    for number in range(count):
        await wire.command(session, "custom.record", {"type": "x.n", "data": {"n": number}})


async def get(http: aiohttp.ClientSession, url: str, **query: Any) -> tuple[int, Any]:
    async with http.get(url, params={name: str(value) for name, value in query.items()}) as response:
        return response.status, await response.json(content_type=None)


def versions(page: dict[str, Any]) -> list[int]:
    return [event["version"] for event in page["events"]]


async def test_a_session_is_read_backwards(http: aiohttp.ClientSession, wire: Wire, gateway: Gateway) -> None:
    await fill(wire, 9)
    url = f"{gateway.url}/v1/sessions/s/events"
    _, page = await get(http, url, before="end", limit=4)
    assert (versions(page), page["to"], page["caught_up"], page["before"]) == ([7, 8, 9, 10], 10, True, 7)
    _, page = await get(http, url, before=page["before"], limit=4)
    assert (versions(page), page["to"], page["caught_up"], page["before"]) == ([3, 4, 5, 6], 6, False, 3)
    _, page = await get(http, url, before=page["before"], limit=4)
    assert (versions(page), "before" in page) == ([1, 2], False)
    _, page = await get(http, url, before=3, limit=2, types="session.*")
    assert (versions(page), "before" in page) == ([1], False)
    _, page = await get(http, url, before=1)
    assert (versions(page), "before" in page) == ([], False)
    assert (await get(http, url, before=11))[0] == 200


async def test_the_last_ones_are_all_of_them(http: aiohttp.ClientSession, wire: Wire, gateway: Gateway) -> None:
    await fill(wire, 149)
    _, page = await get(http, f"{gateway.url}/v1/sessions/s/events", last=120)
    assert (versions(page), page["before"]) == ([*range(31, 151)], 31)
    _, page = await get(http, f"{gateway.url}/v1/sessions/s/events", last=120, limit=3)
    assert versions(page) == [31, 32, 33]


async def test_what_cannot_be_read_backwards_is_refused(
    http: aiohttp.ClientSession, wire: Wire, gateway: Gateway
) -> None:
    url = f"{gateway.url}/v1/sessions/s/events"
    assert (await get(http, url, before=9))[1]["code"] == "bad_cursor"
    assert (await get(http, url, before="x"))[1]["code"] == "bad_cursor"
    async with http.get(url, params={"before": "1"}, headers={"Accept": "text/event-stream"}) as response:
        assert response.status == 400


async def test_the_log_is_read_backwards_by_cursors(http: aiohttp.ClientSession, wire: Wire, gateway: Gateway) -> None:
    await fill(wire, 5)
    read: list[int] = []
    place = "end"
    while place:
        _, page = await get(http, f"{gateway.url}/v1/events", before=place, limit=2)
        read = [*(event["position"] for event in page["events"]), *read]
        place = page.get("before", "")
    assert read == [1, 2, 3, 4, 5, 6]


async def test_a_fork_is_read_backwards_into_its_origin(
    http: aiohttp.ClientSession, wire: Wire, gateway: Gateway
) -> None:
    await fill(wire, 4)
    await wire.command("f", "session.fork", {"origin": "s", "at": 3})
    _, page = await get(http, f"{gateway.url}/v1/sessions/f/events", before="end", limit=3)
    assert versions(page) == [2, 3, 4]
    assert {event["session"] for event in page["events"]} == {"f"}


async def test_large_events_make_smaller_pages(
    http: aiohttp.ClientSession, wire: Wire, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(wire, 9)
    monkeypatch.setattr(event_routes, "PAGE_BYTES", 1)
    monkeypatch.setattr("stenogram.log.sqlite.reading.PAGE_BYTES", 600)
    read: list[int] = []
    place = "end"
    while place:
        _, page = await get(http, f"{gateway.url}/v1/sessions/s/events", before=place, limit=8)
        assert page["events"]
        read = [*versions(page), *read]
        place = page.get("before", "")
    assert read == [*range(1, 11)]


async def test_the_client_reads_pages_backwards(gateway: Gateway) -> None:
    async with Client(gateway.url, participant="hotels") as client, client.session("trip") as session:
        for number in range(4):
            await session.post(str(number))
        page = await session.page(last=2)
        assert [event.version for event in page.events] == [5, 6]
        assert page.before == 5
        page = await session.page(before=page.before, limit=1)
        assert ([event.version for event in page.events], page.before) == ([4], 4)
        assert [event.version for event in (await client.page("trip", before="end", limit=2)).events] == [5, 6]


async def test_a_session_is_shown_as_it_was(http: aiohttp.ClientSession, wire: Wire, gateway: Gateway) -> None:
    await wire.command("s", "session.describe", {"title": "Before"})
    ack = await wire.command("s", "session.describe", {"title": "After"})
    url = f"{gateway.url}/v1/sessions/s"
    _, now = await get(http, url)
    _, then = await get(http, url, at=ack["versions"][0] - 1)
    assert ((now["title"], now["version"]), (then["title"], then["version"])) == (("After", 3), ("Before", 2))
    _, page = await get(http, f"{url}/events", after=1, limit=1)
    assert (await get(http, url, at=page["events"][0]["time"]))[1] == then
    assert (await get(http, url, at=3))[1] == now
    for at in (4, "2999-01-01T00:00:00Z"):
        assert (await get(http, url, at=at))[1]["code"] == "bad_cursor"
    assert (await get(http, url, at=0))[0] == 404
    assert (await get(http, url, at="yesterday"))[1]["code"] == "invalid"


async def test_the_client_shows_a_session_as_it_was(gateway: Gateway) -> None:
    async with Client(gateway.url, participant="hotels") as client, client.session("trip") as session:
        await session.describe(title="Before")
        event = (await session.page(last=1)).events[0]
        await session.describe(title="After")
        assert (await client.show("trip", at=event.version))["title"] == "Before"
        assert (await client.show("trip", at=event.time))["title"] == "Before"
        assert (await client.show("trip"))["title"] == "After"
