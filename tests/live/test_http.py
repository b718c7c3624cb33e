"""The plain HTTP routes and server-sent events."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from jsonschema_rs import validator_for
from support.open_requests import until_open
from support.wire import Follower, PageReader, SseReader, Wire

from stenogram.api.access.tokens import ANONYMOUS
from stenogram.api.delivery.log_cursor import write_cursor
from stenogram.api.server import Gateway

Open = Callable[..., Awaitable[Wire]]
Start = Callable[..., Awaitable[Gateway]]


async def call(http: aiohttp.ClientSession, method: str, url: str, **more: Any) -> tuple[int, Any]:
    """Status and JSON body."""
    async with http.request(method, url, **more) as response:
        return response.status, await response.json(content_type=None)


async def say(wire: Wire, count: int, session: str = "s") -> int:
    """Record custom events; the session's version afterwards."""
    data = {"type": "x.n", "data": {}}
    answers = [await wire.command(session, "custom.record", data) for _ in range(count)]
    return int(answers[-1]["versions"][0])


# -- commands


async def test_a_command_is_answered_with_its_places(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url = f"{gateway.url}/v1/sessions/s/commands"
    command = {"id": "c1", "do": "session.open", "data": {}}
    ack = {"id": "c1", "session": "s", "versions": [1], "positions": [1]}
    assert await call(http, "POST", url, json=command) == (200, ack)
    assert await call(http, "POST", url, json=command) == (200, {**ack, "repeated": True})
    status, problem = await call(http, "POST", url, json={**command, "id": "c2"})
    assert (status, problem["code"]) == (409, "conflict")
    data = {"type": "x.n", "data": {}}
    by_producer = {"id": "c3", "do": "custom.record", "data": data, "producer": {"id": "p", "epoch": 1, "seq": 0}}
    assert (await call(http, "POST", url, json=by_producer))[0] == 200
    status, problem = await call(http, "POST", url, json={**by_producer, "id": "c4", "expect": {"": 1}})
    assert (status, problem.get("repeated")) == (200, True)


async def test_who_acts_is_said_in_the_query_of_an_open_gateway(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url = f"{gateway.url}/v1/sessions/s/commands?participant=hotels&kind=agent"
    await call(http, "POST", url, json={"id": "c1", "do": "session.open", "data": {}})
    await call(http, "POST", url, json={"id": "c2", "do": "presence.join", "data": {}})
    _, shown = await call(http, "GET", f"{gateway.url}/v1/sessions/s")
    assert [(each["id"], each["kind"]) for each in shown["participants"]] == [("hotels", "agent")]


# -- sessions


async def test_sessions_are_listed_a_page_at_a_time(
    http: aiohttp.ClientSession, connect: Open, gateway: Gateway
) -> None:
    wire = await connect()
    names = [f"trip-{number}" for number in range(5)] + ["other"]
    for name in names:
        await wire.command(name, "session.open", {"title": f"The {name}", "labels": {"kind": "test"}})
    await wire.command("trip-1", "session.close", {})
    found, after = [], ""
    while True:
        _, page = await call(http, "GET", f"{gateway.url}/v1/sessions?limit=2&after={after}&prefix=trip-")
        found += page["sessions"]
        if "next" not in page:
            break
        after = page["next"]
    assert [each["session"] for each in found] == names[:5]
    assert (found[1]["status"], found[1]["title"], found[1]["version"]) == ("closed", "The trip-1", 2)
    assert found[0]["labels"] == {"kind": "test"}


async def test_a_session_is_shown_as_it_is_now(http: aiohttp.ClientSession, wire: Wire, gateway: Gateway) -> None:
    await wire.command("s", "state.merge", {"patch": {"hotel": "Casa"}})
    await wire.command("s", "message.start", {"message": "m1"})
    await wire.command("s", "message.delta", {"message": "m1", "index": 0, "text": "so far"})
    status, shown = await call(http, "GET", f"{gateway.url}/v1/sessions/s")
    assert (status, shown["version"], shown["state"], shown["state_version"]) == (200, 4, {"hotel": "Casa"}, 2)
    (message,) = shown["open_messages"]
    assert message["parts"] == [{"kind": "text", "text": "so far"}]
    assert (await call(http, "GET", f"{gateway.url}/v1/sessions/none"))[0] == 404


async def test_a_full_session_is_as_it_is_described(http: aiohttp.ClientSession, wire: Wire, gateway: Gateway) -> None:
    for do, data in (
        ("session.label", {"set": {"kind": "trip"}}),
        ("presence.join", {"name": "Hotels", "about": {"model": "m"}}),
        ("task.create", {"task": "t", "title": "Book", "input": {"city": "Porto"}}),
        ("task.claim", {"task": "t"}),
        ("message.start", {"message": "m", "kind": "progress"}),
        ("message.delta", {"message": "m", "index": 0, "text": "hm", "part": "reasoning"}),
        ("signal.raise", {"signal": "g", "kind": "cancel", "target": "agent:hotels", "grace": 60}),
        ("approval.request", {"approval": "a", "question": "Book?", "options": ["yes", "no"], "within": 60}),
        ("floor.move", {"speakers": ["hotels"]}),
    ):
        answer = await wire.command("s", do, data)
        assert answer["frame"] == "ack", answer["error"]["detail"]
    _, document = await call(http, "GET", f"{gateway.url}/openapi.json")
    _, shown = await call(http, "GET", f"{gateway.url}/v1/sessions/s")
    described = validator_for({"$ref": "#/components/schemas/Session", "components": document["components"]})
    assert [str(error) for error in described.iter_errors(shown)] == []
    for name in ("participants", "tasks", "open_messages", "open_signals", "open_approvals", "speakers", "labels"):
        assert shown[name], name


# -- pages


async def test_pages_go_on_until_caught_up(http: aiohttp.ClientSession, wire: Wire, gateway: Gateway) -> None:
    head = await say(wire, 25)
    for path in ("/v1/sessions/s/events", "/v1/events"):
        pages = PageReader(http, gateway.url + path, Follower(whole=path == "/v1/events"))
        while not pages.caught_up:
            await pages.next(limit=7)
        assert pages.follower.places == list(range(1, head + 1))
    _, page = await call(http, "GET", f"{gateway.url}/v1/sessions/s/events?after=end")
    resume = f"{wire.welcome['epoch']}.v{head}"
    assert page == {"session": "s", "events": [], "to": head, "resume": resume, "head": head, "caught_up": True}
    async with http.get(f"{gateway.url}/v1/sessions/s/events", headers={"Accept": "application/x-ndjson"}) as response:
        lines = (await response.text()).splitlines()
        assert (len(lines), response.headers["Stenogram-To"], response.headers["Stenogram-Caught-Up"]) == (
            26,
            "26",
            "true",
        )


async def test_a_page_may_wait_for_the_next_event(http: aiohttp.ClientSession, wire: Wire, gateway: Gateway) -> None:
    head = await say(wire, 1)
    for path, after in (("/v1/sessions/s/events", str(head)), ("/v1/events", "end")):
        waiting = asyncio.create_task(call(http, "GET", f"{gateway.url}{path}?after={after}&wait=30&participant=waits"))
        await until_open(gateway, "waits")
        await wire.command("t", "session.open", {})
        await say(wire, 1)
        _, page = await asyncio.wait_for(waiting, 20)
        assert page["events"]
    _, page = await call(http, "GET", f"{gateway.url}/v1/sessions/s/events?after=end&wait=0.1")
    assert (page["events"], page["caught_up"]) == ([], True)


async def test_what_is_committed_and_not_yet_told_of_is_not_shown(
    http: aiohttp.ClientSession, wire: Wire, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever saw it could not go on from there over a socket, nor over HTTP."""
    engine = gateway.tenants.open[""].log.engine
    write, committed, told = engine.write, asyncio.Event(), asyncio.Event()

    async def slow(batch: Any) -> None:
        await write(batch)
        committed.set()
        await told.wait()

    monkeypatch.setattr(engine, "write", slow)
    saying = asyncio.create_task(say(wire, 1))
    await committed.wait()
    for path in ("/v1/sessions/s/events", "/v1/events"):
        for after in ("0", "end"):
            _, page = await call(http, "GET", f"{gateway.url}{path}?after={after}")
            assert page["to"] == (write_cursor(wire.welcome["epoch"], 1) if path == "/v1/events" else 1)
            assert page["caught_up"]
    told.set()
    assert await saying == 2
    _, page = await call(http, "GET", f"{gateway.url}/v1/sessions/s/events?after=1")
    assert page["to"] == 2


@pytest.mark.parametrize(
    ("path", "code", "status"),
    [
        ("/v1/sessions/s/events?after=99", "bad_cursor", 404),
        ("/v1/sessions/s/events?after=-1", "bad_cursor", 404),
        ("/v1/sessions/s/events?after=1.0", "bad_cursor", 404),
        ("/v1/sessions/s/events?after=%D9%A3", "bad_cursor", 404),
        ("/v1/events?after=1", "bad_cursor", 404),
        ("/v1/events?after=feed.1", "bad_cursor", 404),
        ("/v1/sessions/s/events?after=", "bad_cursor", 404),
        ("/v1/sessions/s/events?limit=0", "invalid", 400),
        ("/v1/sessions/s/events?limit=1001", "invalid", 400),
        ("/v1/sessions/s/events?limit=x", "invalid", 400),
        ("/v1/sessions/s/events?wait=-1", "invalid", 400),
        ("/v1/sessions/s/events?wait=31", "invalid", 400),
        ("/v1/sessions/s/events?wait=nan", "invalid", 400),
        ("/v1/sessions/s/events?types=*", "invalid", 400),
        ("/v1/sessions/s/events?reading=cooked", "invalid", 400),
        ("/v1/sessions/s/events?more=1", "invalid", 400),
        ("/v1/sessions/s/events?limit=1&limit=2", "invalid", 400),
        ("/v1/sessions/a%20b/events", "invalid", 400),
        ("/v1/sessions/a%2Fb", "invalid", 400),
        ("/v1/sessions/s?more=1", "invalid", 400),
        ("/v1/sessions?prefix=%20", "invalid", 400),
        ("/v1/sessions/none", "not_found", 404),
        ("/v1/nothing", "not_found", 404),
        ("/nothing", "not_found", 404),
        ("/v1/sessions/s/commands", "method_not_allowed", 405),
        ("/v1/ws", "invalid", 400),
    ],
)
async def test_bad_requests_are_problems(
    path: str, code: str, status: int, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    async with http.get(gateway.url + path) as response:
        assert response.content_type == "application/problem+json"
        problem = await response.json(content_type=None)
        assert (response.status, problem["status"], problem["code"]) == (status, status, code)
        assert problem.keys() >= {"type", "title", "detail"}


# -- server-sent events


async def test_a_stream_begins_with_history_and_follows(
    http: aiohttp.ClientSession, wire: Wire, gateway: Gateway
) -> None:
    head = await say(wire, 3)
    async with SseReader.open(http, f"{gateway.url}/v1/sessions/s/events", Follower()) as stream:
        await stream.reach(head)
        block = await stream.step()
        assert block is not None
        place = f"{wire.welcome['epoch']}.v{head}"
        assert (block.event, block.id, block.data) == ("caught_up", place, {"version": head, "position": head})
        head = await say(wire, 3)
        await stream.reach(head)
        assert stream.follower.places == list(range(1, head + 1))
        assert stream.comments == ["welcome"]


async def test_a_stream_of_the_log_and_of_some_types(http: aiohttp.ClientSession, wire: Wire, gateway: Gateway) -> None:
    await say(wire, 3)
    async with SseReader.open(http, f"{gateway.url}/v1/events", Follower(whole=True)) as stream:
        await stream.reach(4)
        assert stream.last == write_cursor(wire.welcome["epoch"], 4)
        block = await stream.step()
        assert block is not None
        assert block.data == {"position": 4, "to": stream.last}
    url = f"{gateway.url}/v1/sessions/s/events?types=session.*,message.posted"
    async with SseReader.open(http, url, Follower(dense=False)) as stream:
        await stream.reach(4)
        assert stream.follower.places == [1]


async def test_last_event_id_takes_precedence(http: aiohttp.ClientSession, wire: Wire, gateway: Gateway) -> None:
    head = await say(wire, 5)
    url = f"{gateway.url}/v1/sessions/s/events?after=0"
    async with SseReader.open(http, url, Follower(3), last="3") as stream:
        await stream.reach(head)
        assert stream.follower.places == [4, 5, 6]


@pytest.mark.parametrize("path", ["/v1/sessions/s/events", "/v1/events"])
async def test_what_it_takes_precedence_over_is_checked_all_the_same(
    http: aiohttp.ClientSession, wire: Wire, gateway: Gateway, path: str
) -> None:
    for accept in ("application/json", "text/event-stream"):
        headers = {"Accept": accept, "Last-Event-ID": "end"}
        status, problem = await call(http, "GET", f"{gateway.url}{path}?after=", headers=headers)
        assert (status, problem["code"]) == (404, "bad_cursor")


async def test_a_quiet_stream_has_heartbeats(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(heartbeat=0.2)
    async with SseReader.open(http, f"{gateway.url}/v1/sessions/s/events", Follower()) as stream:
        await stream.step()
        async with asyncio.timeout(30):
            while "heartbeat" not in stream.comments:
                line = await stream.response.content.readline()
                if line.startswith(b":"):
                    stream.comments.append(line[1:].decode().strip())


async def test_a_stream_from_nowhere_is_refused_and_the_connection_stays(gateway: Gateway) -> None:
    """As often as one likes, on one connection."""
    host, _, port = gateway.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    ask = f"GET /v1/sessions/s/events?after=9 HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n".encode()
    for _ in range(1_500):
        writer.write(ask)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("HTTP/1.1 404")
        size = next(int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length"))
        assert b"bad_cursor" in await reader.readexactly(size)
    writer.close()
    await writer.wait_closed()


async def test_http_1_0_has_no_streams(gateway: Gateway) -> None:
    host, _, port = gateway.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /v1/sessions/s/events HTTP/1.0\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.0 400")
    writer.close()
    await writer.wait_closed()


async def test_a_stream_that_is_cut_leaves_nothing_behind(
    http: aiohttp.ClientSession, wire: Wire, gateway: Gateway
) -> None:
    for _ in range(5):
        async with SseReader.open(http, f"{gateway.url}/v1/sessions/s/events", Follower()) as stream:
            await stream.reach(1)
            assert stream.response.connection is not None
            assert stream.response.connection.transport is not None
            stream.response.connection.transport.abort()
    for _ in range(2_000):
        if not len(gateway.sse_server) and not gateway.tenants.open[""].feed._topics:
            break
        await say(wire, 1)
        await asyncio.sleep(0.01)
    assert not len(gateway.sse_server)
    assert not gateway.tenants.open[""].feed._topics


# -- probes


async def test_probes(http: aiohttp.ClientSession, wire: Wire, gateway: Gateway) -> None:
    assert await call(http, "GET", f"{gateway.url}/health") == (200, {"status": "alive"})
    status, ready = await call(http, "GET", f"{gateway.url}/ready")
    assert (status, ready["status"], ready["position"]) == (200, "ready", 1)
    status, document = await call(http, "GET", f"{gateway.url}/openapi.json")
    assert (status, document["openapi"]) == (200, "3.1.0")


# -- ending


async def test_whoever_waits_is_let_go_at_once_when_the_gateway_ends(
    http: aiohttp.ClientSession, start: Start, tmp_path: Any
) -> None:
    from stenogram.api.server import running
    from stenogram.api.settings import Settings

    del start
    patient = Settings(log=str(tmp_path / "end.db"), port=0, drain=600.0, heartbeat=60.0)
    async with asyncio.timeout(25), running(patient) as gateway:
        wire = await Wire.open(http, gateway.url, participant="a")
        await wire.command("s", "session.open", {})
        await wire.subscribe(session="s")
        await wire.catch_up("s")
        silent = await http.ws_connect(f"{gateway.url}/v1/ws")  # says no hello
        host, _, port = gateway.url.removeprefix("http://").rpartition(":")
        idle = socket.create_connection((host, int(port)))
        idle.sendall(f"GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        asked = f"{gateway.url}/v1/sessions/s/events?after=end&wait=30&participant=waits"
        waiting = asyncio.create_task(call(http, "GET", asked))
        streamed = asyncio.create_task(_stream_to_its_end(http, gateway.url))
        for who in ("waits", ANONYMOUS):
            await until_open(gateway, who)
        ended = asyncio.create_task(wire.closed())
    assert (await waiting)[1]["events"] == []
    stream = await streamed
    place = f"{wire.welcome['epoch']}.v1"
    assert stream.bye is not None
    assert (stream.bye.id, stream.bye.data["code"]) == (place, "shutdown")
    closed = await ended
    assert closed.code == 4001
    assert closed.bye is not None
    assert (closed.bye["code"], closed.bye["resume"]) == ("shutdown", {"s": place})
    message = await silent.receive(timeout=30)
    assert message.data == 4001
    idle.close()


async def _stream_to_its_end(http: aiohttp.ClientSession, url: str) -> SseReader:
    async with SseReader.open(http, f"{url}/v1/sessions/s/events", Follower()) as stream:
        while await stream.step():
            pass
    return stream
