"""Whoever ends a stream that is not for them reads no more of it for that, over any face of the gateway."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import jwt
import pytest
from support.wire import Wire

from stenogram.api.server import Gateway

Start = Callable[..., Awaitable[Gateway]]
Commands = list[tuple[str, dict[str, Any]]]

SECRET = "a secret of at least thirty-two bytes"
WORD = "«for-the-team»"
KINDS = {"hotels": "agent", "rooms": "agent", "ana": "user", "ben": "user"}


def token(who: str) -> str:
    """A token with the default scopes."""
    return jwt.encode({"exp": time.time() + 600, "sub": who, "kind": KINDS[who]}, SECRET, "HS256")


def bearer(who: str) -> dict[str, str]:
    """The header that carries it."""
    return {"Authorization": f"Bearer {token(who)}"}


def stop(target: str, kind: str = "cancel", grace: float = 0) -> Commands:
    """A signal that ends what it is aimed at."""
    return [("signal.raise", {"signal": "s1", "kind": kind, "target": target, "grace": grace})]


ENDS: dict[str, Commands] = {
    "cancel the message": stop("message:m1"),
    "cancel the task": stop("task:k1"),
    "cancel the agent": stop("agent:hotels"),
    "cancel the session": stop("session"),
    "cancel the session, with grace": stop("session", grace=0.2),
    "cancel the message, with grace": stop("message:m1", grace=0.2),
    "reroute the task": stop("task:k1", "reroute"),
    "reroute the agent": stop("agent:hotels", "reroute"),
    "task.cancel": [("task.cancel", {"task": "k1"})],
    "task.cancel of the parent": [("task.cancel", {"task": "k0"})],
    "task.reroute": [("task.reroute", {"task": "k1"})],
    "session.close": [("session.close", {})],
    "wait for the lease": [],
}
LAST = {
    "cancel the message": "message.aborted",
    "cancel the message, with grace": "message.aborted",
    "session.close": "session.closed",
}
"""By what an end is seen to be complete; else by the end of the tool call."""
SURFACES = [
    "/v1/sessions/{}",
    "/v1/sessions/{}/events?limit=1000",
    "/v1/sessions/{}/events?limit=1000&reading=folded",
    "/v1/events?limit=1000",
    "/v1/events?limit=1000&reading=folded",
    *[
        f"/v1/views/{view}/{{}}{moment}"
        for view in ("transcript", "timeline", "activity", "usage", "agents", "tasks", "attention", "sessions", "state")
        for moment in ("", "?at={head}")
    ],
    *[f"/v1/views/{view}/{{}}/difference?from=0&to={{head}}" for view in ("usage", "state", "attention")],
    "/v1/search",
]


async def stream(wire: Wire, lease: int) -> None:
    """An agent streams to the team, calls a tool, and works on a task, all of it open."""
    begin: Commands = [
        ("session.open", {}),
        ("presence.join", {"lease": lease}),
        ("task.create", {"task": "k0", "title": "All"}),
        ("task.create", {"task": "k1", "title": "Part", "parent": "k0"}),
        ("task.claim", {"task": "k1"}),
    ]
    for do, data in begin:
        assert (await wire.command("s", do, data))["frame"] == "ack"
    work: Commands = [
        ("message.start", {"message": "m1", "audience": ["agents"]}),
        ("message.delta", {"message": "m1", "index": 0, "text": WORD}),
        ("tool.call", {"call": "c1", "tool": "t", "arguments": WORD, "audience": ["agents"]}),
    ]
    for do, data in work:
        ack = await wire.command("s", do, data, under={"task": "k1", "attempt": 1})
        assert ack["frame"] == "ack", ack


async def page(http: aiohttp.ClientSession, url: str, who: str, accept: str = "*/*") -> str:
    """What an HTTP resource tells somebody; of a stream, what comes until it has caught up."""
    text = ""
    async with http.get(url, headers={"Accept": accept, **bearer(who)}) as response:
        if accept != "text/event-stream":
            assert response.status in (200, 404), await response.text()
            return await response.text()
        while "caught_up" not in text:
            text += (await response.content.readline()).decode()
    return text


async def told(
    http: aiohttp.ClientSession, url: str, who: str, session: str, head: int, position: int
) -> dict[str, str]:
    """Everything that a session at this version and position tells somebody, by surface."""
    found = {}
    for surface in SURFACES:
        place = f"{url}{surface.format(session, head=head)}"
        if "/views/" in surface and "at=" not in surface and "difference" not in surface:
            place += f"?min_position={position}&wait=10"
        found[surface] = await page(http, place, who)
    for reading in ("raw", "folded"):
        events = f"{url}/v1/sessions/{session}/events?reading={reading}"
        found[f"sse {reading}"] = await page(http, events, who, "text/event-stream")
        found[f"ndjson {reading}"] = await page(http, events, who, "application/x-ndjson")
        wire = await Wire.open(http, url, token=token(who))
        await wire.subscribe("f", session=session, reading=reading, dense=False)
        found[f"replay {reading}"] = str((await wire.catch_up("f")).events)
    return found


@pytest.fixture
async def gateway(start: Start) -> Gateway:
    """A gateway that wants tokens, and keeps views."""
    return await start(jwt_secret=SECRET, views="")


@pytest.fixture
async def team(http: aiohttp.ClientSession, gateway: Gateway, request: pytest.FixtureRequest) -> Wire:
    """The agent that streams; where a test waits for its lease, that is short."""
    wire = await Wire.open(http, gateway.url, token=token("hotels"))
    await stream(wire, 3 if "lease" in request.node.name else 3_600)
    return wire


@pytest.mark.parametrize("end", ENDS)
async def test_an_ender_reads_no_more_than_before(
    end: str, http: aiohttp.ClientSession, gateway: Gateway, team: Wire
) -> None:
    wires = {who: await Wire.open(http, gateway.url, token=token(who)) for who in ("ana", "rooms")}
    for who, wire in wires.items():
        for reading in ("raw", "folded"):
            await wire.subscribe("f" if reading == "raw" else "g", session="s", reading=reading, dense=who == "rooms")
            await wire.catch_up("f" if reading == "raw" else "g")
    for do, data in ENDS[end]:
        ack = await wires["ana"].command("s", do, data)
        assert ack["frame"] == "ack", ack
    last = LAST.get(end, "tool.abandoned")
    follower = wires["rooms"].followers["f", "s"]
    await wires["rooms"].until(lambda: any(each["type"] == last for each in follower.events))
    head = follower.at
    await wires["ana"].reach("f", head)
    await wires["ana"].reach("g", head)
    ended = [event for event in follower.events if event["type"] == "message.aborted"]
    assert WORD in str(ended), "the team hears of it"
    for reading in ("f", "g"):
        assert WORD not in str(wires["ana"].followers[reading, "s"].events)
    for surface, text in (await told(http, gateway.url, "ana", "s", head, head)).items():
        assert WORD not in text, surface
        assert "message.aborted" not in text, surface


async def test_an_author_hears_how_somebody_ended_their_message(
    http: aiohttp.ClientSession, gateway: Gateway, team: Wire
) -> None:
    for message, audience in (("m2", ["users"]), ("m3", ["ben"])):
        await team.command("s", "message.start", {"message": message, "audience": audience})
        await team.command("s", "message.delta", {"message": message, "index": 0, "text": message})
    await team.subscribe("f", session="s")
    ana = await Wire.open(http, gateway.url, token=token("ana"))
    await ana.command("s", "signal.raise", {"signal": "s1", "kind": "cancel", "target": "agent:hotels", "grace": 0})
    follower = team.followers["f", "s"]
    await team.until(lambda: any(event["type"] == "signal.expired" for event in follower.events))
    ended = [event for event in follower.events if event["type"] == "message.aborted"]
    assert sorted(event["data"]["message"] for event in ended) == ["m1", "m2", "m3"]


async def test_a_forker_reads_no_more_in_the_fork(http: aiohttp.ClientSession, gateway: Gateway, team: Wire) -> None:
    ana = await Wire.open(http, gateway.url, token=token("ana"))
    ack = await ana.command("fork", "session.fork", {"origin": "s"})
    again = await ana.command("fork-of-fork", "session.fork", {"origin": "fork"})
    for session, forked in (("fork", ack), ("fork-of-fork", again)):
        place = (session, forked["versions"][-1], forked["positions"][-1])
        for surface, text in (await told(http, gateway.url, "ana", *place)).items():
            assert WORD not in text, surface
        assert WORD in str(await told(http, gateway.url, "rooms", *place))


async def test_nothing_is_counted_for_an_ender_that_is_not_for_them(
    http: aiohttp.ClientSession, gateway: Gateway, team: Wire
) -> None:
    ana = await Wire.open(http, gateway.url, token=token("ana"))
    ack = await ana.command("s", "task.cancel", {"task": "k1"})
    place = f"{gateway.url}/v1/views/activity/s?min_position={ack['positions'][-1]}&wait=10"
    text = await page(http, place, "ana")
    assert '"actor":"ana"' in text
    assert '"family":"message"' not in text


THINGS: Commands = [
    ("task.create", {"task": "h1", "title": WORD, "input": WORD, "dedupe_key": "d", "audience": ["agents"]}),
    ("task.claim", {"task": "h1"}),
    ("task.progress", {"task": "h1", "attempt": 1, "note": WORD}),
    ("signal.raise", {"signal": "h2", "kind": "steer", "target": "task:h1", "body": WORD}),
    ("approval.request", {"approval": "h3", "question": WORD, "of": ["ben"]}),
    ("state.merge", {"patch": {"notes": {"a": WORD}}, "audience": ["agents"]}),
    ("state.patch", {"patch": [{"op": "add", "path": "/notes/b", "value": WORD}]}),
    ("task.complete", {"task": "h1", "attempt": 1, "output": WORD}),
    ("floor.move", {"speakers": ["planner"]}),
    ("presence.status", {"status": "working", "activity": WORD}),
    ("state.merge", {"patch": {"more": WORD}}),
    ("task.progress", {"task": "k1", "attempt": 1, "note": WORD}),
    ("task.complete", {"task": "k1", "attempt": 1, "output": WORD}),
    ("presence.leave", {"reason": WORD}),
]
"""Things with an audience, and what an agent without the floor says, everywhere."""


async def test_things_are_told_to_nobody_but_their_audience(
    http: aiohttp.ClientSession, gateway: Gateway, team: Wire
) -> None:
    ana = await Wire.open(http, gateway.url, token=token("ana"))
    await ana.command("s", "state.merge", {"patch": {"plan": "Sea."}})
    frame = {"frame": "subscribe", "sub": "v", "views": [{"view": view, "key": "s"} for view in ("state", "attention")]}
    await ana.send(frame)
    ack: dict[str, Any] = {}
    for do, data in THINGS:
        ack = await team.command("s", do, data)
        assert ack["frame"] == "ack", ack
    fork = await ana.command("fork", "session.fork", {"origin": "s"})
    for session, forked in (("s", ack), ("fork", fork)):
        place = (session, forked["versions"][-1], forked["positions"][-1])
        for surface, text in (await told(http, gateway.url, "ana", *place)).items():
            assert WORD not in text, surface
        theirs = await told(http, gateway.url, "rooms", *place)
        for surface in ("/v1/sessions/{}", "/v1/views/tasks/{}", "/v1/views/state/{}", "/v1/views/transcript/{}"):
            assert WORD in theirs[surface], surface
    refusals = [
        await ana.command("s", "task.create", {"task": "x", "title": "X", "dedupe_key": "d"}),
        await ana.command("s", "task.cancel", {"task": "h1"}),
        await ana.command("s", "approval.answer", {"approval": "h3", "option": "yes"}),
        await ana.command("s", "state.merge", {"patch": {"notes": 1}}),
        await ana.command("s", "state.merge", {"patch": {"plan": 1}, "if_version": 0}),
    ]
    assert [refusal["error"]["code"] for refusal in refusals] == [
        "conflict",
        "not_found",
        "not_found",
        "forbidden",
        "conflict",
    ]
    assert WORD not in str(refusals)
    for subject in ("task:h1", "signal:h2", "approval:h3", "state:/notes", "state:"):
        blind = await ana.command("s", "message.post", {"message": "m9", "text": "Hi."}, expect={subject: 99})
        assert not blind["error"].get("version"), blind
    await ana.command("s", "message.post", {"message": "end", "text": "the end"})
    shown = [each for each in ana.frames if each["frame"] == "view"]
    assert {each["view"] for each in shown} == {"state", "attention"}
    assert WORD not in str(shown)
