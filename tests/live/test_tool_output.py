"""What a tool puts out is streamed to those who follow, joined for those who read folded, and returned whole."""

from typing import Any

import aiohttp
import pytest
from support.wire import Wire

from stenogram.api.server import Gateway


async def output(wire: Wire, *texts: str, first: int = 0, call: str = "c1") -> None:
    """Stream these pieces."""
    for index, text in enumerate(texts, first):
        answer = await wire.command("s", "tool.output", {"call": call, "index": index, "text": text})
        assert answer["frame"] == "ack", answer


async def page(http: aiohttp.ClientSession, gateway: Gateway, reading: str) -> list[tuple[Any, ...]]:
    """The events about the call, as a page has them: type, place, and what they say."""
    async with http.get(f"{gateway.url}/v1/sessions/s/events?reading={reading}") as response:
        return told((await response.json())["events"])


def told(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What events about calls say."""
    calls = [(event, event["data"]) for event in events if event["type"].startswith("tool.")]
    return [
        (event["type"], event["version"], data.get("first"), data.get("text", data.get("output")))
        for event, data in calls
    ]


@pytest.fixture
async def calling(wire: Wire) -> Wire:
    """A call has put out two lines, with something else in between."""
    await wire.command("s", "tool.call", {"call": "c1", "tool": "bash"})
    await output(wire, "one\n")
    await wire.command("s", "message.post", {"message": "m1", "text": "It runs."})
    await output(wire, "two\n", first=1)
    return wire


async def test_the_output_of_an_open_call_is_joined_and_that_of_a_finished_one_left_out(
    calling: Wire, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    raw = [("tool.called", 2, None, None), ("tool.output", 3, None, "one\n"), ("tool.output", 5, None, "two\n")]
    assert await page(http, gateway, "raw") == raw
    assert await page(http, gateway, "folded") == [raw[0], ("tool.output", 5, 0, "one\ntwo\n")]
    await calling.command("s", "tool.return", {"call": "c1", "deltas": 2})
    returned = ("tool.returned", 6, None, "one\ntwo\n")
    assert await page(http, gateway, "raw") == [*raw, returned]
    assert await page(http, gateway, "folded") == [raw[0], returned]


@pytest.mark.parametrize("reading", ["raw", "folded"])
async def test_who_follows_gets_every_piece_once(calling: Wire, reading: str) -> None:
    await calling.subscribe("f", session="s", reading=reading, dense=False)
    follower = calling.followers["f", "s"]
    await calling.until(lambda: follower.caught_up is not None)
    await output(calling, "three\n", "four\n", first=2)
    await calling.command("s", "tool.return", {"call": "c1"})
    await calling.until(lambda: follower.events[-1]["type"] == "tool.returned")
    pieces = [event["data"] for event in follower.events if event["type"] == "tool.output"]
    assert "".join(each["text"] for each in pieces) == "one\ntwo\nthree\nfour\n"
    expected = 0
    for each in pieces:
        assert each.get("first", each["index"]) == expected
        expected = each["index"] + 1
    assert follower.events[-1]["data"]["deltas"] == expected


async def test_a_piece_that_is_sent_again_is_acknowledged_and_another_one_refused(calling: Wire) -> None:
    again = await calling.command("s", "tool.output", {"call": "c1", "index": 0, "text": "one\n"})
    assert (again["frame"], again["versions"], again["repeated"]) == ("ack", [3], True)
    other = await calling.command("s", "tool.output", {"call": "c1", "index": 1, "text": "else"})
    assert (other["frame"], other["error"]["code"]) == ("refused", "conflict")
    early = await calling.command("s", "tool.output", {"call": "c1", "index": 9, "text": "x"})
    assert (early["error"]["code"], early["error"]["expected"]) == ("conflict", 2)


async def test_a_session_is_shown_with_what_its_open_calls_have_put_out(
    calling: Wire, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    async with http.get(f"{gateway.url}/v1/sessions/s") as response:
        (call,) = (await response.json())["open_calls"]
    assert call == {"call": "c1", "caller": "hotels", "tool": "bash", "task": None, "since": 2, "output": "one\ntwo\n"}
