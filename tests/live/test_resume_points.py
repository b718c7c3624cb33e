"""Whoever resumes in another log than the one in which it left off is told, whichever way it came and comes back: also
in a session, whose versions look the same in both."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from support.wire import Closed, Follower, SseReader, Wire

from stenogram.api.server import Gateway
from stenogram.client import Client
from stenogram.domain.errors import BadCursor

Start = Callable[..., Awaitable[Gateway]]
Give = Callable[[aiohttp.ClientSession, Gateway], Awaitable[str]]
HEAD = 5


async def written(http: aiohttp.ClientSession, gateway: Gateway) -> Wire:
    """A connection to a session with `HEAD` events."""
    wire = await Wire.open(http, gateway.url, participant="ada", kind="user")
    await wire.command("s", "session.open", {})
    for number in range(HEAD - 1):
        await wire.command("s", "message.post", {"message": f"m{number}", "text": gateway.place})
    return wire


# -- what is given out to resume from


async def from_a_frame(http: aiohttp.ClientSession, gateway: Gateway) -> str:
    return str((await first_frames(http, gateway))[0]["resume"])


async def from_caught_up(http: aiohttp.ClientSession, gateway: Gateway) -> str:
    return str((await first_frames(http, gateway))[1]["resume"])


async def from_a_bye(http: aiohttp.ClientSession, gateway: Gateway) -> str:
    wire = await Wire.open(http, gateway.url, participant="bob", kind="user")
    await wire.subscribe(session="s")
    await wire.catch_up("s")
    (connection,) = [each for each in gateway.websocket_server._connections if each.principal.participant == "bob"]
    connection.fail(RuntimeError("broken"))
    with pytest.raises(Closed) as closed:
        await wire.until(lambda: False)
    assert closed.value.bye is not None
    return str(closed.value.bye["resume"]["s"])


async def from_a_page(http: aiohttp.ClientSession, gateway: Gateway) -> str:
    async with http.get(f"{gateway.url}/v1/sessions/s/events") as response:
        return str((await response.json())["resume"])


async def from_lines(http: aiohttp.ClientSession, gateway: Gateway) -> str:
    headers = {"Accept": "application/x-ndjson"}
    async with http.get(f"{gateway.url}/v1/sessions/s/events", headers=headers) as response:
        return response.headers["Stenogram-Resume"]


async def from_a_stream(http: aiohttp.ClientSession, gateway: Gateway) -> str:
    async with SseReader.open(http, f"{gateway.url}/v1/sessions/s/events", Follower()) as stream:
        await stream.reach(HEAD)
        return stream.last


async def from_the_client(http: aiohttp.ClientSession, gateway: Gateway) -> str:
    async with Client(gateway.url, participant="ada", kind="user") as client:
        return (await client.session("s").page()).resume


async def first_frames(http: aiohttp.ClientSession, gateway: Gateway) -> list[dict[str, Any]]:
    """The events and the end of history, as they come."""
    wire = await Wire.open(http, gateway.url, participant="ada", kind="user")
    await wire.send({"frame": "subscribe", "session": "s"})
    frames: list[dict[str, Any]] = []
    while len(frames) < 2:
        content = orjson.loads(await wire.ws.receive_str(timeout=30))
        frames += content if isinstance(content, list) else [content]
    return frames


# -- how it is given back; each answers the versions that came, or the code of the refusal


async def to_a_subscription(http: aiohttp.ClientSession, gateway: Gateway, place: str) -> Any:
    wire = await Wire.open(http, gateway.url, participant="ada", kind="user")
    follower = await wire.subscribe(session="s", after=place, at=HEAD)
    async with asyncio.timeout(30):
        while not wire.frames and follower.caught_up is None:
            await wire.step()
    return wire.frames[0]["error"]["code"] if wire.frames else follower.places


async def to_a_stream(http: aiohttp.ClientSession, gateway: Gateway, place: str) -> Any:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": place}
    async with http.get(f"{gateway.url}/v1/sessions/s/events", headers=headers) as response:
        if response.status != 200:
            return (await response.json())["code"]
        stream = SseReader(response, Follower(HEAD))
        while stream.follower.caught_up is None:
            await stream.step()
        return stream.follower.places


async def to_a_page(http: aiohttp.ClientSession, gateway: Gateway, place: str) -> Any:
    async with http.get(f"{gateway.url}/v1/sessions/s/events", params={"after": place}) as response:
        answer = await response.json()
        return answer["code"] if response.status != 200 else [each["version"] for each in answer["events"]]


async def to_a_page_before(http: aiohttp.ClientSession, gateway: Gateway, place: str) -> Any:
    async with http.get(f"{gateway.url}/v1/sessions/s/events", params={"before": place}) as response:
        answer = await response.json()
        return answer["code"] if response.status != 200 else [each["version"] for each in answer["events"]][HEAD - 1 :]


async def to_the_client(http: aiohttp.ClientSession, gateway: Gateway, place: str) -> Any:
    async with Client(gateway.url, participant="ada", kind="user") as client:
        try:
            return [each.version for each in (await client.session("s").page(place)).events]
        except BadCursor as refused:
            return refused.code


GIVEN = (from_a_frame, from_caught_up, from_a_bye, from_a_page, from_lines, from_a_stream, from_the_client)
TAKEN = (to_a_subscription, to_a_stream, to_a_page, to_a_page_before, to_the_client)


async def test_a_place_to_resume_from_is_good_in_its_own_log_and_in_no_other(
    http: aiohttp.ClientSession, start: Start, tmp_path: Path
) -> None:
    here, there = await start(), await start(log=str(tmp_path / "other.db"))
    wires = [await written(http, here), await written(http, there)]
    assert wires[0].welcome["epoch"] != wires[1].welcome["epoch"]
    for given in GIVEN:
        place = await given(http, here)
        for taken in TAKEN:
            assert await taken(http, here, place) == [], (given.__name__, taken.__name__, place)
            assert await taken(http, there, place) == "bad_cursor", (given.__name__, taken.__name__, place)


async def test_a_bare_version_is_taken_for_what_it_is(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    await written(http, gateway)
    for taken in TAKEN:
        assert await taken(http, gateway, str(HEAD)) == []


async def test_a_cursor_of_the_log_is_no_place_in_a_session_nor_the_other_way_round(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    await written(http, gateway)
    async with http.get(f"{gateway.url}/v1/events") as response:
        cursor = (await response.json())["to"]
    for taken in TAKEN:
        assert await taken(http, gateway, cursor) == "bad_cursor"
    place = await from_a_page(http, gateway)
    async with http.get(f"{gateway.url}/v1/events", params={"after": place}) as response:
        assert (await response.json())["code"] == "bad_cursor"
