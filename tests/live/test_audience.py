"""What is not meant for someone reaches them over no face of the gateway, in no reading."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import jwt
import pytest
from support.wire import Wire

from stenogram.api.delivery.log_cursor import write_cursor
from stenogram.api.server import Gateway

Start = Callable[..., Awaitable[Gateway]]

SECRET = "a secret of at least thirty-two bytes"
VIEWERS: dict[str, dict[str, Any]] = {
    "author": {"sub": "planner", "kind": "agent"},
    "agent": {"sub": "hotels", "kind": "agent"},
    "service": {"sub": "exporter", "kind": "service"},
    "user": {"sub": "ana", "kind": "user"},
    "named": {"sub": "ben", "kind": "user"},
    "auditor": {"sub": "auditor", "kind": "user", "scopes": ["read:*", "audit:*"]},
    "part": {"sub": "part", "kind": "user", "scopes": ["read:*", "audit:s"]},
}
AUDIENCES: dict[str, list[str] | None] = {
    "for-all": None,
    "for-users": ["users"],
    "for-agents": ["agents"],
    "for-ben": ["ben"],
    "for-ben-and-agents": ["agents", "ben"],
}
SEES = {
    "author": set(AUDIENCES),
    "agent": {"for-all", "for-agents", "for-ben-and-agents"},
    "service": {"for-all", "for-agents", "for-ben-and-agents"},
    "user": {"for-all", "for-users"},
    "named": {"for-all", "for-users", "for-ben", "for-ben-and-agents"},
    "auditor": set(AUDIENCES),
    "part": set(AUDIENCES),
}


def token(viewer: str) -> str:
    """A viewer's token."""
    return jwt.encode({"exp": time.time() + 600, **VIEWERS[viewer]}, SECRET, "HS256")


def bearer(viewer: str) -> dict[str, str]:
    """The header that carries it."""
    return {"Authorization": f"Bearer {token(viewer)}"}


def told(raw: str) -> set[str]:
    """Of which audiences' words anything stands in what came over the wire."""
    return {audience for audience in AUDIENCES if f"«{audience}»" in raw}


async def play(wire: Wire) -> int:
    """Everything that has an audience, once for each of them; some messages stay open. The last version."""
    head = 0
    for name, audience in AUDIENCES.items():
        for_them: dict[str, Any] = {} if audience is None else {"audience": audience}
        text = f"«{name}»"
        for do, data in (
            ("message.post", {"message": f"p-{name}", "text": text, **for_them}),
            ("message.start", {"message": f"s-{name}", **for_them}),
            ("message.delta", {"message": f"s-{name}", "index": 0, "text": text}),
            ("message.delta", {"message": f"s-{name}", "index": 1, "text": text}),
            ("message.start", {"message": f"c-{name}", **for_them}),
            ("message.delta", {"message": f"c-{name}", "index": 0, "text": text}),
            ("message.complete", {"message": f"c-{name}"}),
            ("message.start", {"message": f"a-{name}", **for_them}),
            ("message.delta", {"message": f"a-{name}", "index": 0, "text": text}),
            ("message.abort", {"message": f"a-{name}"}),
            ("tool.call", {"call": f"t-{name}", "tool": "t", "arguments": text, **for_them}),
            ("tool.return", {"call": f"t-{name}", "result": text}),
            ("custom.record", {"type": "x.note", "data": {"text": text}, **for_them}),
        ):
            ack = await wire.command("s", do, data)
            assert ack["frame"] == "ack", ack
            head = ack["versions"][-1]
    return head


@pytest.fixture
async def gateway(start: Start) -> Gateway:
    """A gateway that wants tokens."""
    return await start(jwt_secret=SECRET)


@pytest.fixture
async def author(http: aiohttp.ClientSession, gateway: Gateway) -> Wire:
    """The planner, in an open session."""
    wire = await Wire.open(http, gateway.url, token=token("author"))
    await wire.command("s", "session.open", {})
    return wire


SUBSCRIPTIONS: list[dict[str, Any]] = [
    {"session": "s"},
    {"session": "s", "reading": "folded"},
    {"session": "s", "types": ["message.*"]},
    {"all": True},
    {"all": True, "reading": "folded"},
]


def expected(viewer: str, subscription: dict[str, Any]) -> set[str]:
    """Over the whole log only the right to audit all of it counts."""
    whole = subscription.get("all") and viewer == "part"
    return SEES["user"] if whole else SEES[viewer]


@pytest.mark.parametrize("live", [False, True])
async def test_websockets_tell_each_viewer_their_own_and_no_more(
    live: bool, http: aiohttp.ClientSession, gateway: Gateway, author: Wire
) -> None:
    """All viewers share the names of their subscriptions, and so their frames where they may."""
    head = 0 if live else await play(author)
    heard: dict[tuple[str, int], list[str]] = {}
    sockets: dict[str, aiohttp.ClientWebSocketResponse] = {}
    for viewer in VIEWERS:
        ws = sockets[viewer] = await http.ws_connect(f"{gateway.url}/v1/ws")
        await ws.send_json({"frame": "hello", "token": token(viewer)})
        for number, subscription in enumerate(SUBSCRIPTIONS):
            await ws.send_json({"frame": "subscribe", "sub": str(number), **subscription})
            heard[viewer, number] = []
    head = head or await play(author)
    await author.command("s", "custom.record", {"type": "x.end", "data": {"end": head}})
    await author.command("s", "message.post", {"message": "end", "text": "the end"})
    for viewer, ws in sockets.items():
        left = set(range(len(SUBSCRIPTIONS)))
        while left:
            frame = await ws.receive_json(timeout=30)
            for each in frame if isinstance(frame, list) else [frame]:
                if each["frame"] == "events":
                    raw = str(each)
                    heard[viewer, int(each["sub"])].append(raw)
                    if "the end" in raw:
                        left.discard(int(each["sub"]))
    for (viewer, number), raws in heard.items():
        assert told("".join(raws)) == expected(viewer, SUBSCRIPTIONS[number]), (viewer, SUBSCRIPTIONS[number])


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_pages_tell_each_viewer_their_own_and_no_more(
    viewer: str, http: aiohttp.ClientSession, gateway: Gateway, author: Wire
) -> None:
    head = await play(author)
    for path in ("/v1/sessions/s/events", "/v1/events"):
        for reading in ("raw", "folded"):
            for accept in ("application/json", "application/x-ndjson"):
                url = f"{gateway.url}{path}?reading={reading}&limit=1000"
                async with http.get(url, headers={"Accept": accept, **bearer(viewer)}) as response:
                    assert told(await response.text()) == expected(viewer, {"all": path == "/v1/events"})
                    if accept == "application/json":
                        whole = path == "/v1/events"
                        to = write_cursor(author.welcome["epoch"], head) if whole else head
                        assert (await response.json())["to"] == to


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_streams_tell_each_viewer_their_own_and_no_more(
    viewer: str, http: aiohttp.ClientSession, gateway: Gateway, author: Wire
) -> None:
    await play(author)
    await author.command("s", "message.post", {"message": "end", "text": "the end"})
    for path in ("/v1/sessions/s/events", "/v1/events"):
        for reading in ("raw", "folded"):
            raw = ""
            headers = {"Accept": "text/event-stream", **bearer(viewer)}
            async with http.get(f"{gateway.url}{path}?reading={reading}", headers=headers) as response:
                while "the end" not in raw:
                    raw += (await response.content.readline()).decode()
            assert told(raw) == expected(viewer, {"all": path == "/v1/events"})


@pytest.mark.parametrize("viewer", VIEWERS)
async def test_a_session_that_is_shown_keeps_open_messages_to_their_audience(
    viewer: str, http: aiohttp.ClientSession, gateway: Gateway, author: Wire
) -> None:
    await play(author)
    async with http.get(f"{gateway.url}/v1/sessions/s", headers=bearer(viewer)) as response:
        assert told(await response.text()) == SEES[viewer]


async def test_a_folded_run_does_not_carry_what_another_viewer_saw(
    http: aiohttp.ClientSession, gateway: Gateway, author: Wire
) -> None:
    """The same frame would join the deltas of a hidden message and of one for all."""
    wires = {}
    for viewer in ("user", "agent"):
        wires[viewer] = await Wire.open(http, gateway.url, token=token(viewer))
        await wires[viewer].subscribe("f", session="s", reading="folded", dense=False)
        await wires[viewer].catch_up("f")
    await author.command("s", "message.start", {"message": "open"})
    await author.command("s", "message.start", {"message": "hidden", "audience": ["agents"]})
    frames = [
        {
            "frame": "command",
            "id": f"d{message}{index}",
            "session": "s",
            "do": "message.delta",
            "data": {"message": message, "index": index, "text": f"«{message}»"},
        }
        for index in range(5)
        for message in ("open", "hidden")
    ]
    await author.send(*frames)
    for viewer, wire in wires.items():
        await wire.reach("f", 12)
        said = [event for event in wire.followers["f", "s"].events if event["type"] == "message.delta"]
        text = "".join(event["data"]["text"] for event in said)
        assert ("«hidden»" in text) == (viewer == "agent")
        assert text.count("«open»") == 5
