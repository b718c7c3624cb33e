"""A primary takes over that has not got the last commits: a gateway that had acknowledged them does not serve on."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import aiohttp
import pytest
from support.postgres import PostgresServer
from support.wire import Wire

from stenogram.api.delivery.log_cursor import write_cursor

if TYPE_CHECKING:
    from live.conftest import Process

    Serve = Callable[..., Awaitable[Process]]

pytestmark = [pytest.mark.thorough, pytest.mark.postgres]


async def test_a_gateway_does_not_go_on_where_its_events_were_lost(
    http: aiohttp.ClientSession, serve: Serve, server: PostgresServer
) -> None:
    """It stands still while another gateway writes as much to the new primary as was lost: positions tell nothing."""
    first = await serve(log=server.url)
    wire = await Wire.open(http, first.url, participant="hotels", kind="agent")
    await wire.command("s", "session.open", {})
    copy = await asyncio.to_thread(server.copy_data)
    lost = await _say(wire, "lost")
    async with http.get(f"{first.url}/v1/sessions/s/events") as response:
        left_at = (await response.json())["resume"]
    first.process.send_signal(signal.SIGSTOP)
    await asyncio.to_thread(server.fall_back, copy)
    second = await serve(log=server.url)
    other = await Wire.open(http, second.url, participant="flights", kind="agent")
    assert await _say(other, "other") == lost
    first.process.send_signal(signal.SIGCONT)
    for gateway in (first, second):
        async with asyncio.timeout(40):
            assert await gateway.process.wait() == 1
        assert "not the one that was known" in gateway.stderr
    await _check_what_is_served(http, await serve(log=server.url), wire.welcome["epoch"], lost, left_at)
    for each in (wire, other):
        each.cut()


async def _say(wire: Wire, word: str) -> list[int]:
    """Three messages; returns their positions."""
    posts = [{"message": f"{word}-{number}", "text": word} for number in range(3)]
    answers = [await wire.command("s", "message.post", post) for post in posts]
    return [position for answer in answers for position in answer["positions"]]


async def _check_what_is_served(
    http: aiohttp.ClientSession, gateway: Process, epoch: str, lost: list[int], left_at: str
) -> None:
    """What the second gateway acknowledged is there, and no place that was given out before leads to another event."""
    wire = await Wire.open(http, gateway.url, participant="hotels", kind="agent")
    assert wire.welcome["epoch"] != epoch
    for place in (
        {"session": "s", "after": left_at},
        {"session": "s", "after": 2, "epoch": epoch},
        {"all": True, "after": write_cursor(epoch, lost[0])},
    ):
        await wire.send({"frame": "subscribe", "sub": "old", **place})
        assert (await wire.refusal())["error"]["code"] == "bad_cursor"
    page = await http.get(f"{gateway.url}/v1/sessions/s/events", params={"participant": "hotels"})
    said = [event["data"]["message"] for event in (await page.json())["events"][1:]]
    assert said == ["other-0", "other-1", "other-2"]
    wire.cut()
    assert await gateway.terminate() == 0
