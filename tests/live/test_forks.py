"""A fork is a session like any other over every face, and shows nobody what they may not see."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import jwt
import orjson
import pytest
from support.wire import Frame, Wire

from stenogram.api.server import Gateway

Start = Callable[..., Awaitable[Gateway]]
SECRET = "a secret of at least thirty-two bytes"


def token(sub: str, kind: str = "user", *scopes: str) -> str:
    """A token; without scopes it may do everything but audit."""
    claims = {"sub": sub, "kind": kind, "exp": time.time() + 600, **({"scopes": list(scopes)} if scopes else {})}
    return jwt.encode(claims, SECRET, "HS256")


@pytest.fixture
async def gateway(start: Start) -> Gateway:
    """A gateway that wants tokens, and keeps views."""
    return await start(jwt_secret=SECRET, views="")


@pytest.fixture
async def ada(http: aiohttp.ClientSession, gateway: Gateway) -> Wire:
    """Ada, and a session: a message for all, one for the team, one that streams; then a fork of it, and one of that."""
    wire = await Wire.open(http, gateway.url, token=token("ada"))
    agent = await Wire.open(http, gateway.url, token=token("hotels", "agent"))
    await do(wire, "a", "session.open", {"title": "Lisbon"})
    await do(agent, "a", "message.post", {"message": "m1", "text": "«for all»"})
    await do(agent, "a", "message.post", {"message": "m2", "text": "«for the team»", "audience": ["agents"]})
    await do(agent, "a", "message.start", {"message": "m3"})
    for index in range(3):
        await do(agent, "a", "message.delta", {"message": "m3", "index": index, "text": f"{index} "})
    await do(wire, "b", "session.fork", {"origin": "a"})
    await do(agent, "b", "message.post", {"message": "m4", "text": "«in the fork»"})
    await do(wire, "c", "session.fork", {"origin": "b", "at": 10})
    await do(agent, "a", "message.complete", {"message": "m3"})
    return wire


async def do(wire: Wire, session: str, do: str, data: dict[str, Any]) -> Frame:
    """Carry out a command, which must be accepted."""
    answer = await wire.command(session, do, data)
    assert answer["frame"] == "ack", answer
    return answer


TYPES = [
    "session.opened",
    "message.posted",
    "message.posted",
    "message.started",
    "message.delta",
    "message.delta",
    "message.delta",
    "session.forked",
    "message.aborted",
    "message.posted",
    "session.forked",
]


async def test_a_fork_is_followed_from_its_first_version(
    http: aiohttp.ClientSession, gateway: Gateway, ada: Wire
) -> None:
    agent = await Wire.open(http, gateway.url, token=token("flights", "agent"))
    await agent.subscribe("c", session="c")
    follower = await agent.catch_up("c")
    assert [event["type"] for event in follower.events] == TYPES
    assert [event["version"] for event in follower.events] == list(range(1, 12))
    assert {event["session"] for event in follower.events} == {"c"}
    assert [event["position"] for event in follower.events[:7]] == list(range(1, 8))
    live = await do(ada, "c", "message.post", {"message": "m9", "text": "Live."})
    await agent.reach("c", live["versions"][0])
    await agent.subscribe("later", session="c", after=6)
    assert [event["version"] for event in (await agent.catch_up("later")).events] == [7, 8, 9, 10, 11, 12]


async def test_pages_streams_and_readings_of_a_fork(http: aiohttp.ClientSession, gateway: Gateway, ada: Wire) -> None:
    bearer = {"Authorization": f"Bearer {token('flights', 'agent')}"}
    url = f"{gateway.url}/v1/sessions/c"
    paged: list[Frame] = []
    page: Frame = {"to": 0, "caught_up": False}
    while not page["caught_up"]:
        async with http.get(f"{url}/events?limit=3&after={page['to']}", headers=bearer) as response:
            page = await response.json()
        paged += page["events"]
    assert [event["type"] for event in paged] == TYPES
    async with http.get(f"{url}/events?reading=folded", headers=bearer) as response:
        folded = (await response.json())["events"]
    assert [event["type"] for event in folded] == [each for each in TYPES if each != "message.delta"]
    assert folded[5]["data"]["parts"] == [{"kind": "text", "text": "0 1 2 "}]
    streamed: list[Frame] = []
    async with http.get(f"{url}/events", headers={**bearer, "Accept": "text/event-stream"}) as response:
        while len(streamed) < len(TYPES):
            line = (await response.content.readline()).decode()
            streamed += orjson.loads(line[5:]) if line.startswith("data: [") else []
    assert streamed == paged
    async with http.get(url, headers=bearer) as response:
        shown = await response.json()
    assert (shown["title"], shown["version"], shown["open_messages"]) == ("Lisbon", 11, [])
    async with http.get(f"{gateway.url}/v1/sessions", headers=bearer) as response:
        listed = {each["session"]: each["title"] for each in (await response.json())["sessions"]}
    assert listed == {"a": "Lisbon", "b": "Lisbon", "c": "Lisbon"}


async def test_what_is_for_some_stays_so_in_a_fork(http: aiohttp.ClientSession, gateway: Gateway, ada: Wire) -> None:
    await ada.subscribe("c", session="c", dense=False)
    follower = await ada.catch_up("c")
    assert (follower.at, "«for the team»" in str(follower.events)) == (11, False)
    for reading in ("raw", "folded"):
        bearer = {"Authorization": f"Bearer {token('ada')}"}
        async with http.get(f"{gateway.url}/v1/sessions/c/events?reading={reading}", headers=bearer) as response:
            assert "«for the team»" not in await response.text()


async def test_views_of_a_fork_hold_what_it_shares(http: aiohttp.ClientSession, gateway: Gateway, ada: Wire) -> None:
    """As they are, and the same as they were; to each what they may see."""
    last = (await do(ada, "c", "message.post", {"message": "m9", "text": "Live."}))["versions"][0]
    newest = f"min_position={gateway.tenants.open[''].log.position}&wait=10"
    for sub, team in (("ada", False), ("flights", True)):
        bearer = {"Authorization": f"Bearer {token(sub, 'agent' if team else 'user')}"}
        found = []
        for moment in (newest, f"at={last}"):
            url = f"{gateway.url}/v1/views/transcript/c?order=since&{moment}"
            async with http.get(url, headers=bearer) as response:
                body = await response.json()
                assert response.status == 200, body
                found.append(body["rows"])
        assert found[0] == found[1]
        assert [row["entry"] for row in found[0]] == [f"message:m{n}" for n in (1, 2, 3, 4, 9) if team or n != 2]
        async with http.get(f"{gateway.url}/v1/views/sessions/c?{newest}", headers=bearer) as response:
            assert (await response.json())["value"]["messages"] == 4  # what is for some is not counted


async def test_who_forks_may_read_the_origin_and_who_reads_the_fork_need_not(
    http: aiohttp.ClientSession, gateway: Gateway, ada: Wire
) -> None:
    ben = token("ben", "user", "read:b", "write:*")
    wire = await Wire.open(http, gateway.url, token=ben)
    refused = await wire.command("d", "session.fork", {"origin": "a"})
    assert refused["error"]["code"] == "forbidden"
    body = {"id": "c", "do": "session.fork", "data": {"origin": "a"}}
    bearer = {"Authorization": f"Bearer {ben}"}
    async with http.post(f"{gateway.url}/v1/sessions/d/commands", json=body, headers=bearer) as response:
        assert response.status == 403
    await wire.subscribe("b", session="b", dense=False)
    assert "«for all»" in str((await wire.catch_up("b")).events)
    await do(wire, "d", "session.fork", {"origin": "b"})


AUDIENCE = {"audience": ["agents"]}
AUDITORS = {
    "of the fork": ("audit:mine-*", False),
    "of the fork and its origin, not of that one's": ("audit:mine-* audit:b", False),
    "of the fork and its first origin": ("audit:mine-* audit:a", False),
    "of all three": ("audit:mine-* audit:a audit:b", True),
    "of everything": ("audit:*", True),
}


@pytest.mark.parametrize("auditor", AUDITORS)
async def test_an_auditor_reads_of_a_fork_what_they_may_audit_in_each_of_its_origins(
    auditor: str, http: aiohttp.ClientSession, gateway: Gateway, ada: Wire
) -> None:
    scopes, allowed = AUDITORS[auditor]
    eve = token("eve", "user", "read:*", "write:*", *scopes.split())
    bearer = {"Authorization": f"Bearer {eve}"}
    agent = await Wire.open(http, gateway.url, token=token("hotels", "agent"))
    await do(agent, "b", "message.post", {"message": "secret", "text": "«for the team», in b", **AUDIENCE})
    await do(agent, "b", "message.start", {"message": "counted", **AUDIENCE})
    await do(agent, "b", "message.complete", {"message": "counted", "parts": [], "usage": {"«for the team»": 3}})
    wire = await Wire.open(http, gateway.url, token=eve)
    live = [("raw", "mine-1"), ("folded", "mine-1")]
    for reading, session in live:  # before there is such a session
        await wire.subscribe(reading, session=session, reading=reading, dense=False)
        await wire.catch_up(reading)
    forked = await do(wire, "mine-1", "session.fork", {"origin": "b"})
    await do(agent, "mine-1", "message.post", {"message": "m9", "text": "«for the team», in the fork", **AUDIENCE})
    last = await do(agent, "mine-1", "message.post", {"message": "end", "text": "The end."})
    for reading, session in live:
        await wire.reach(reading, last["versions"][0])
        assert ("«for the team»" in str(wire.followers[reading, session].events)) == (auditor == "of everything")
        await wire.subscribe(f"{reading} again", session=session, reading=reading, dense=False)
        assert ("«for the team»" in str((await wire.catch_up(f"{reading} again")).events)) == allowed
    newest, then = f"min_position={last['positions'][0]}&wait=10", f"at={forked['versions'][0]}"
    url = f"{gateway.url}/v1"
    for path in (
        "sessions/mine-1/events?limit=1000",
        "sessions/mine-1/events?limit=1000&reading=folded",
        f"views/transcript/mine-1?{newest}",
        f"views/transcript/mine-1?{then}",
        f"views/transcript?where.session=mine-1&{newest}",
        f"views/usage/mine-1?{newest}",
        f"views/usage/mine-1?{then}",
        f"views/usage/mine-1/difference?from=0&to={forked['versions'][0]}",
        f"views/usage?order=key&{newest}",
    ):
        async with http.get(f"{url}/{path}", headers=bearer) as response:
            text = await response.text()
            assert response.status == 200, text
        assert ("«for the team»" in text) == allowed, path
    streamed = ""
    async with http.get(f"{url}/sessions/mine-1/events", headers={**bearer, "Accept": "text/event-stream"}) as response:
        while "caught_up" not in streamed:
            streamed += (await response.content.readline()).decode()
    assert ("«for the team»" in streamed) == allowed
    told = ""
    async with http.get(f"{url}/views/usage/mine-1", headers={**bearer, "Accept": "text/event-stream"}) as response:
        while '"spoken"' not in told:
            told += (await response.content.readline()).decode()
    ws = await http.ws_connect(f"{gateway.url}/v1/ws")
    await ws.send_json({"frame": "hello", "token": eve})
    await ws.send_json({"frame": "subscribe", "views": [{"view": "usage", "key": "mine-1"}]})
    frame = {"frame": ""}
    while frame["frame"] != "view":
        frame = await ws.receive_json(timeout=30)
    for text in (told, str(frame)):
        assert ("«for the team»" in text) == allowed


async def test_who_audits_a_session_that_is_no_fork_reads_all_of_it(
    http: aiohttp.ClientSession, gateway: Gateway, ada: Wire
) -> None:
    wire = await Wire.open(http, gateway.url, token=token("eve", "user", "read:*", "audit:a"))
    await wire.subscribe("a", session="a")
    assert "«for the team»" in str((await wire.catch_up("a")).events)


@pytest.mark.parametrize("reading", ["raw", "folded"])
async def test_who_follows_a_session_before_it_is_forked_is_told_all_of_it(
    reading: str, http: aiohttp.ClientSession, gateway: Gateway, ada: Wire
) -> None:
    agent = await Wire.open(http, gateway.url, token=token("flights", "agent"))
    await agent.subscribe("later", session="later", reading=reading, dense=reading == "raw")
    await agent.catch_up("later")
    forked = await do(ada, "later", "session.fork", {"origin": "c"})
    follower = await agent.reach("later", forked["versions"][-1])
    wanted = [*TYPES, "session.forked"]
    told = [event["type"] for event in follower.events]
    assert told == [each for each in wanted if reading == "raw" or each != "message.delta"]
