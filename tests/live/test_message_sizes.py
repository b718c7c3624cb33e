"""How large messages are, both ways: one bad frame costs one frame, and a client is sent none larger than it takes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import orjson
import pytest
from support.wire import Closed, Wire

from stenogram.api.delivery.websocket_encoder import MAX_MESSAGE_BYTES, MIN_MESSAGE_BYTES
from stenogram.api.server import Gateway

Open = Callable[..., Awaitable[Wire]]
Start = Callable[..., Awaitable[Gateway]]


def post(id: str, text: str, session: str = "s") -> dict[str, Any]:
    """A command that posts a message."""
    data = {"message": id, "text": text}
    return {"frame": "command", "id": id, "session": session, "do": "message.post", "data": data}


class Sized(Wire):
    """Measures the messages that come."""

    largest = 0

    async def step(self) -> None:
        receive = self.ws.receive

        async def measured() -> aiohttp.WSMessage:
            message = await receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                self.largest = max(self.largest, len(message.data.encode()))
            return message

        self.ws.receive = measured  # type: ignore[assignment, method-assign]
        try:
            await super().step()
        finally:
            self.ws.receive = receive  # type: ignore[method-assign]


# -- from the client


async def test_one_bad_frame_costs_one_frame(wire: Wire) -> None:
    """Half of an emoji, as JavaScript's `slice` leaves it, among good commands."""
    frames = [orjson.dumps(post(f"m{number}", "Hello.")) for number in range(256)]
    frames[100] = frames[100].replace(b"Hello.", rb"Hello \ud83d")
    frames[200] = frames[200].replace(b'"Hello."', b"Hello.")
    await wire.raw(b"[%s]" % b",".join(frames))
    await wire.until(lambda: len(wire.answers) == 257)  # with the one that opened the session
    refused = {id for id, answer in wire.answers.items() if answer["frame"] == "refused"}
    assert refused == {"m100", "m200"}
    assert wire.answers["m100"]["error"]["code"] == "invalid"
    assert wire.answers["m255"]["versions"] == [255]


async def test_a_bad_frame_that_comes_alone_is_answered_by_its_id(wire: Wire) -> None:
    for number in range(120):  # and is no reason to end the connection, as bad commands are none
        await wire.raw(orjson.dumps(post(f"m{number}", "Hello.")).replace(b"Hello.", rb"\udc00"))
    await wire.until(lambda: len(wire.answers) == 121)
    assert (await wire.command("s", "message.post", {"message": "m", "text": "x"}))["versions"] == [2]


async def test_a_frame_of_no_kind_is_answered_by_its_id(wire: Wire) -> None:
    await wire.send({**post("m1", "x"), "frame": "comand"}, post("m2", "x"))
    await wire.until(lambda: {"m1", "m2"} <= wire.answers.keys())
    assert (wire.answers["m1"]["error"]["code"], wire.answers["m2"]["frame"]) == ("invalid", "ack")


async def test_a_bad_body_is_refused(http: aiohttp.ClientSession, gateway: Gateway, wire: Wire) -> None:
    body = orjson.dumps({"id": "c", "do": "message.post", "data": {"message": "m", "text": "T"}})
    url = f"{gateway.url}/v1/sessions/s/commands"
    async with http.post(url, data=body.replace(b'"T"', rb'"\ud83d"')) as response:
        assert (response.status, (await response.json(content_type=None))["code"]) == (400, "invalid")
    async with http.post(url, data=body) as response:
        assert (await response.json())["versions"] == [2]


@pytest.mark.parametrize("size", [1_100_000, 20_000_000])
async def test_a_message_too_large_is_told_why_before_the_end(wire: Wire, size: int) -> None:
    follower = await wire.subscribe(session="s")
    await wire.catch_up("s")
    with contextlib.suppress(ConnectionError):
        await wire.raw(orjson.dumps(post("m", "x" * size)))
    closed = await wire.closed()
    assert closed.code == 1009
    assert closed.bye is not None
    assert (closed.bye["code"], "1048576" in closed.bye["reason"]) == ("too_large", True)
    assert str(closed.bye["resume"]["s"]).endswith(f"v{follower.at}")


async def test_a_hello_too_large_is_told_why(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    wire = Wire(await http.ws_connect(f"{gateway.url}/v1/ws"))
    await wire.raw(orjson.dumps({"frame": "hello", "token": "x" * 1_100_000}))
    assert (await wire.closed()).code == 1009
    assert wire.frames[0]["error"]["code"] == "too_large"


# -- to the client


async def test_a_client_is_sent_no_message_larger_than_it_takes(
    http: aiohttp.ClientSession, gateway: Gateway, wire: Wire
) -> None:
    small = await Sized.open(http, gateway.url, participant="small", frame_bytes=200_000)
    assert small.welcome["limits"]["sent_frame_bytes"] == MIN_MESSAGE_BYTES
    assert wire.welcome["limits"]["sent_frame_bytes"] == MAX_MESSAGE_BYTES
    live = await small.subscribe("live", session="s")
    await small.catch_up("live")
    text = "\x01" * 170_000
    for each in (post("m1", "before"), post("m2", text), post("m3", "x" * 100_000), post("m4", "behind")):
        await wire.send(each)
    past = await small.subscribe("past", session="s")
    for name, follower in (("live", live), ("past", past)):
        await small.reach(name, 5)
        assert [event["version"] for event in follower.events] == [1, 2, 3, 4, 5]
        (omitted,) = [event for event in follower.events if "omitted" in event]
        assert (omitted["version"], "data" in omitted, omitted["type"]) == (3, False, "message.posted")
        assert omitted["omitted"] > 1_000_000
    assert small.largest <= MIN_MESSAGE_BYTES
    async with http.get(f"{gateway.url}/v1/sessions/s/events?after=2&limit=1") as response:
        (whole,) = (await response.json())["events"]
    assert whole["data"]["parts"][0]["text"] == text
    follower = await wire.subscribe(session="s")
    await wire.reach("s", 5)
    assert follower.events[2] == whole


async def test_answers_of_one_turn_are_cut_to_size(http: aiohttp.ClientSession, gateway: Gateway, wire: Wire) -> None:
    await wire.command("s", "state.merge", {"patch": {"a": "x" * 8_000}})
    small = await Sized.open(http, gateway.url, participant="small", frame_bytes=MIN_MESSAGE_BYTES)
    merge = {"frame": "command", "session": "s", "do": "state.merge", "data": {"patch": {"a": 1}, "if_version": 1}}
    await small.send(*[{**merge, "id": f"c{number}"} for number in range(100)])
    await small.until(lambda: len(small.answers) == 100)
    assert {answer["error"]["code"] for answer in small.answers.values()} == {"conflict"}
    assert 100_000 < small.largest <= MIN_MESSAGE_BYTES


async def test_an_ack_names_the_first_places_and_the_last(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stenogram.api.transport.replies.MAX_PLACES", 3)
    for number in range(5):
        await wire.command("s", "task.create", {"task": f"t{number}", "title": "T"})
    ack = await wire.command("s", "session.close", {})
    assert (ack["versions"], ack["positions"]) == ([7, 8, 12], [7, 8, 12])


async def test_a_document_that_is_too_large_is_left_out(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(views="")
    wire = await Wire.open(http, gateway.url, participant="hotels", kind="agent")
    await wire.command("s", "session.open", {})
    await wire.command("s", "state.merge", {"patch": {"a": "x" * 200_000}})
    small = await Sized.open(http, gateway.url, participant="small", frame_bytes=MIN_MESSAGE_BYTES)
    await small.send({"frame": "subscribe", "sub": "v", "views": [{"view": "state", "key": "s"}]})

    def last() -> dict[str, Any]:
        return next((each for each in reversed(small.frames) if each["frame"] == "view"), {})

    await small.until(lambda: "omitted" in last())
    assert (last()["etag"], "value" in last(), last()["omitted"] > 200_000) == ("", False, True)
    await wire.command("s", "state.merge", {"patch": {"a": "short"}})
    await small.until(lambda: "value" in last())
    assert last()["value"]["value"] == {"a": "short"}
    assert small.largest <= MIN_MESSAGE_BYTES


@pytest.mark.parametrize("bytes", [0, MIN_MESSAGE_BYTES - 1, True, "1000000"])
async def test_a_client_takes_what_cannot_be_cut(bytes: Any, http: aiohttp.ClientSession, gateway: Gateway) -> None:
    with pytest.raises(Closed) as closed:
        await Wire.open(http, gateway.url, participant="a", frame_bytes=bytes)
    assert closed.value.code == 4500


async def test_a_gateway_drains_past_one_that_sent_too_much(
    http: aiohttp.ClientSession, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stenogram.api.transport.inbox.UNREAD_LINGER_TICKS", 10_000)
    gateway = await start()
    wire = await Wire.open(http, gateway.url, participant="a")
    await wire.raw(b"x" * 2_000_000)
    await wire.until(lambda: wire.bye is not None)
    async with asyncio.timeout(30):
        await gateway.websocket_server.drain()
