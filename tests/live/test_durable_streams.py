"""Durable Streams where the protocol leaves it to the server: sessions as streams, who may do and see what, several
gateways, what is refused, and how it is switched off."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import orjson
import pytest
from support.open_requests import until_open
from support.wire import Wire
from yarl import URL

from stenogram.api.access.principal import Principal
from stenogram.api.access.tokens import ANONYMOUS
from stenogram.api.durable_streams import readable, reading
from stenogram.api.server import Gateway
from stenogram.domain.ids import SessionId
from stenogram.log.log import Log

Start = Callable[..., Awaitable[Gateway]]
Open = Callable[..., Awaitable[Wire]]
SECRET = "a secret of at least thirty-two bytes"
TEXT = {"Content-Type": "text/plain"}
BLOCK = re.compile(rb"event: data\ndata:(\[.*?\])\n\n\r\n[0-9a-f]+\r\nevent: control\ndata:(\{.*?\})\n\n")


class Streams:
    """A client of the protocol, raw."""

    def __init__(self, http: aiohttp.ClientSession, gateway: Gateway, **claims: Any) -> None:
        self._http, self._url = http, f"{gateway.url}/v1/stream"
        self.headers = {}
        if claims:
            token = jwt.encode({"exp": time.time() + 600, **claims}, SECRET, "HS256")
            self.headers["Authorization"] = f"Bearer {token}"

    async def ask(self, method: str, path: str, body: bytes | str | None = None, /, **headers: str) -> "Answer":
        """One request; `_` in the names of headers is a hyphen."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {**self.headers, **(TEXT if isinstance(body, str) else {}), **given}
        url, skip = f"{self._url}/{path}", ("Content-Type",)  # what aiohttp would say of no body
        async with self._http.request(method, url, data=body, headers=sent, skip_auto_headers=skip) as response:
            return Answer(response, await response.read())

    async def follow(self, path: str, until: bytes | None = None) -> bytes:
        """What comes of a live read, up to these bytes, or to its end."""
        said = b""
        async with self._http.get(f"{self._url}/{path}", headers=self.headers) as response, asyncio.timeout(30):
            assert response.status == 200, await response.text()
            while (until is None or until not in said) and not response.content.at_eof():
                said += await response.content.readany()
            assert until is None or until in said
        return said


class Answer:
    """Status, headers and body."""

    def __init__(self, response: aiohttp.ClientResponse, body: bytes) -> None:
        self.status, self.headers, self.body = response.status, response.headers, body

    @property
    def offset(self) -> str:
        """Where to read on."""
        return self.headers["Stream-Next-Offset"]

    @property
    def code(self) -> str:
        """Of a problem."""
        assert self.headers["Content-Type"] == "application/problem+json"
        return str(orjson.loads(self.body)["code"])


@pytest.fixture
def streams(http: aiohttp.ClientSession, gateway: Gateway) -> Streams:
    return Streams(http, gateway)


# -- sessions


async def test_a_session_is_a_stream_of_its_events(
    streams: Streams, wire: Wire, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    for number in range(5):
        await wire.command("s", "message.post", {"message": f"m{number}", "text": "Hello."})
    read = await streams.ask("GET", "s")
    async with http.get(f"{gateway.url}/v1/sessions/s/events") as response:
        native = await response.json()
    assert orjson.loads(read.body) == native["events"]
    assert read.offset == f"{native['to']:016d}_{native['resume'].partition('.')[0]}"
    assert (await streams.ask("HEAD", "s")).offset == read.offset
    rest = await streams.ask("GET", f"s?offset={native['resume'].replace('v6', 'v4')}")  # as native routes say it
    assert [each["version"] for each in orjson.loads(rest.body)] == [5, 6]
    followed = await streams.follow("s?offset=-1&live=sse", b"upToDate")
    (data,) = [line for line in followed.splitlines() if line.startswith(b"data:[")]
    assert orjson.loads(data[5:]) == native["events"]


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
async def test_a_session_is_written_by_its_own_commands_alone(streams: Streams, wire: Wire, method: str) -> None:
    refused = await streams.ask(method, "s", b"{}" if method != "DELETE" else None, Content_Type="application/json")
    assert refused.status == (409 if method == "PUT" else 405)
    assert orjson.loads((await streams.ask("GET", "s")).body)[-1]["version"] == 1


async def test_what_is_appended_is_an_event_like_any_other(streams: Streams, connect: Open) -> None:
    wire = await connect("maya", "user")
    await wire.subscribe("f", session="chat:7")
    await streams.ask("PUT", "chat/7", "Hello. ")
    await streams.ask("POST", "chat/7", b"\xff\x00", Content_Type="text/plain", Stream_Closed="true")
    events = (await wire.reach("f", 5)).events
    assert [each["type"] for each in events] == [
        *("session.opened", "stream.created", "stream.appended", "stream.appended", "stream.closed")
    ]
    assert [each["data"] for each in events[2:4]] == [{"text": "Hello. "}, {"base64": "/wA="}]
    assert (await streams.ask("GET", "chat/7")).body == b"Hello. \xff\x00"


async def test_native_commands_write_to_streams_too(streams: Streams, connect: Open) -> None:
    wire = await connect()
    await wire.command("n", "stream.create", {"content_type": "application/json"})
    await wire.command("n", "stream.append", {"content": {"messages": [{"a": [1, 2.5]}, "b"]}})
    assert orjson.loads((await streams.ask("GET", "n")).body) == [{"a": [1, 2.5]}, "b"]


# -- who may


async def test_rights_are_those_of_the_commands(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(jwt_secret=SECRET)
    owner = Streams(http, gateway, sub="ada", scopes=["read:*", "session:chat:*", "speak:chat:*"])
    assert (await owner.ask("PUT", "chat/7", "Hello.")).status == 201
    assert (await owner.ask("PUT", "other", "Hello.")).code == "forbidden"
    writer = Streams(http, gateway, sub="bob", scopes=["speak:*"])
    assert (await writer.ask("POST", "chat/7", " More.")).status == 204
    assert (await writer.ask("GET", "chat/7")).code == "forbidden"
    assert (await writer.ask("DELETE", "chat/7")).code == "forbidden"
    reader = Streams(http, gateway, sub="eve", scopes=["read:chat:*"])
    assert (await reader.ask("GET", "chat/7")).body == b"Hello. More."
    assert (await reader.ask("POST", "chat/7", "!")).code == "forbidden"
    stranger = Streams(http, gateway, sub="eve", scopes=["read:other"])
    for method in ("GET", "HEAD"):
        assert (await stranger.ask(method, "chat/7")).status == 403
    assert (await Streams(http, gateway).ask("GET", "chat/7")).status == 401
    other = Streams(http, gateway, sub="ada", scopes=["read:*", "write:*"], tenant="another")
    assert (await other.ask("GET", "chat/7")).code == "not_found"


async def test_who_may_not_see_a_stream_finds_none_nor_what_forks_have_of_it(
    http: aiohttp.ClientSession, start: Start
) -> None:
    gateway = await start(jwt_secret=SECRET)
    everything = ["read:*", "write:*"]
    agent = Streams(http, gateway, sub="hotels", kind="agent", scopes=everything)
    person = Streams(http, gateway, sub="maya", kind="user", scopes=everything)
    token = agent.headers["Authorization"].removeprefix("Bearer ")
    wire = await Wire.open(http, gateway.url, token=token)
    await wire.command("plans", "stream.create", {"content_type": "text/plain", "audience": ["agents"]})
    assert (await agent.ask("POST", "plans", "Quiet.")).status == 204
    assert (await agent.ask("PUT", "fork", Stream_Forked_From="/v1/stream/plans")).status == 201
    for path in ("plans", "fork"):
        assert (await agent.ask("GET", path)).body == b"Quiet."
        for method in ("GET", "HEAD", "DELETE"):
            assert (await person.ask(method, path)).status == 404
        assert (await person.ask("POST", path, "!")).status == 404
        assert (await person.ask("PUT", path)).code == "conflict"  # the name is taken, as for the native command
    assert (await person.ask("PUT", "mine", Stream_Forked_From="/v1/stream/plans")).status == 404
    unread = Streams(http, gateway, sub="rooms", kind="agent", scopes=["read:mine", "write:mine"])
    assert (await unread.ask("PUT", "mine", Stream_Forked_From="/v1/stream/plans")).code == "forbidden"


async def test_pages_of_other_origins_may_use_it_where_they_are_let_in(
    http: aiohttp.ClientSession, start: Start
) -> None:
    streams = Streams(http, await start(origins=("https://app.example",)))
    origin = {"Origin": "https://app.example"}
    asked = await streams.ask(
        "OPTIONS", "a", Access_Control_Request_Method="PUT", Access_Control_Request_Headers="stream-ttl", **origin
    )
    assert "PUT" in asked.headers["Access-Control-Allow-Methods"]
    assert "Stream-TTL" in asked.headers["Access-Control-Allow-Headers"]
    made = await streams.ask("PUT", "a", "x", **origin)
    assert made.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Stream-Next-Offset" in made.headers["Access-Control-Expose-Headers"]
    assert (await streams.ask("PUT", "b", "x", Origin="https://evil.example")).code == "forbidden"


async def test_a_page_that_was_appended_does_not_run_as_the_gateways_own(streams: Streams) -> None:
    await streams.ask("PUT", "a", b"<script>steal()</script>", Content_Type="text/html")
    read = await streams.ask("GET", "a")
    assert read.headers["Content-Type"] == "text/html"
    assert "sandbox" in read.headers["Content-Security-Policy"]
    assert read.headers["X-Content-Type-Options"] == "nosniff"


# -- places


async def test_a_stream_of_the_same_name_is_another_one(streams: Streams) -> None:
    made = await streams.ask("PUT", "a", "old")
    followed = asyncio.create_task(streams.follow(f"a?offset={made.offset}&live=sse"))
    polled = asyncio.create_task(streams.ask("GET", f"a?offset={made.offset}&live=long-poll"))
    await asyncio.sleep(0.1)
    await streams.ask("DELETE", "a")
    assert b"streamClosed" not in await followed  # it ends; what comes under the name then is another stream's
    assert (await polled).code == "not_found"
    await streams.ask("PUT", "a", "new")
    assert (await streams.ask("GET", f"a?offset={made.offset}")).code == "gone"
    assert (await streams.ask("GET", "a?offset=-1")).body == b"new"


async def test_an_offset_of_another_log_is_refused(streams: Streams) -> None:
    made = await streams.ask("PUT", "a", "one")
    foreign = made.offset.partition("_")[0] + "_0123456789abcdef"
    for place in (foreign, "9" * 16, "end", "0" * 20, "1_"):
        assert (await streams.ask("GET", f"a?offset={place}")).status == 400
    assert (await streams.ask("GET", f"a?offset={'0' * 16}_{'0' * 16}")).body == b"one"


async def test_a_stream_survives_a_restart_with_its_producers(
    http: aiohttp.ClientSession, serve: Callable[..., Awaitable[Any]], tmp_path: Path
) -> None:
    log = str(tmp_path / "log.db")
    first = await serve(log=log, views="none")
    streams = Streams(http, first)
    await streams.ask("PUT", "a", Content_Type="text/plain")
    number = {"Producer-Id": "p", "Producer-Epoch": "0", "Producer-Seq": "0"}
    sent = await streams.ask("POST", "a", "one", **number)
    await first.kill()
    streams = Streams(http, await serve(log=log, views="none"))
    again = await streams.ask("POST", "a", "one", **number)
    assert (sent.status, again.status, again.offset) == (200, 204, sent.offset)
    assert (await streams.ask("GET", "a")).body == b"one"
    assert (await streams.ask("GET", f"a?offset={sent.offset}")).headers["Stream-Up-To-Date"] == "true"


@pytest.mark.slow
@pytest.mark.thorough
async def test_reads_keep_a_stream_alive_and_are_on_record_now_and_then(
    streams: Streams, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    await streams.ask("PUT", "a", "x", Stream_TTL="4")
    for _ in range(12):
        await asyncio.sleep(0.45)
        assert (await streams.ask("GET", "a")).status == 200
    async with http.get(f"{gateway.url}/v1/sessions/a/events") as response:
        types = [each["type"] for each in (await response.json())["events"]]
    assert 5 <= types.count("stream.renewed") <= 12
    await asyncio.sleep(4.5)
    assert (await streams.ask("HEAD", "a")).status == 404


# -- live reads


async def test_a_live_read_follows_a_fork_through_what_it_inherits(streams: Streams) -> None:
    await streams.ask("PUT", "a", "a1 ")
    await streams.ask("POST", "a", "a2 ")
    await streams.ask("PUT", "b", "b1 ", Stream_Forked_From="/v1/stream/a")
    await streams.ask("POST", "a", "a3 ")
    followed = asyncio.create_task(streams.follow("b?offset=-1&live=sse", b"streamClosed"))
    await asyncio.sleep(0.1)
    await streams.ask("POST", "b", "b2 ", Stream_Closed="true")
    said = [line[5:] for line in (await followed).split(b"\n") if line.startswith(b"data:") and b"{" not in line]
    assert b"".join(each if each.endswith(b" ") else each + b" " for each in said) == b"a1 a2 b1 b2 "


async def test_a_reader_that_is_cut_anywhere_goes_on_without_loss_or_repeat(streams: Streams, gateway: Gateway) -> None:
    await streams.ask("PUT", "a", Content_Type="application/json")
    for number in range(60):
        body = orjson.dumps({"n": number, "pad": "x" * 2_000})
        await streams.ask("POST", "a", body, Content_Type="application/json", Stream_Closed=str(number == 59))
    chance, offset, found, closed = random.Random(3), "-1", list[int](), False
    while not closed:
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(gateway.url).port)
        writer.write(f"GET /v1/stream/a?offset={offset}&live=sse HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        said, most = b"", chance.randint(1, 100_000)
        while len(said) < most and (more := await reader.read(4_096)):
            said += more
        writer.transport.abort()
        for data, control in BLOCK.findall(said):
            found += [each["n"] for each in orjson.loads(data)]
            about = orjson.loads(control)
            offset, closed = about["streamNextOffset"], about.get("streamClosed", False)
    assert found == list(range(60))


async def test_forks_of_forks_keep_what_was_deleted_and_no_longer(streams: Streams) -> None:
    await streams.ask("PUT", "f0", "x")
    for number in range(12):
        forked = await streams.ask("PUT", f"f{number + 1}", Stream_Forked_From=f"/v1/stream/f{number}")
        assert forked.status == 201
    for number in range(12):
        await streams.ask("DELETE", f"f{number}")
    assert (await streams.ask("GET", "f12")).body == b"x"
    assert [(await streams.ask("GET", f"f{number}")).status for number in (0, 6, 11)] == [410] * 3
    await streams.ask("DELETE", "f12")
    assert [(await streams.ask("GET", f"f{number}")).status for number in (0, 6, 12)] == [404] * 3
    assert (await streams.ask("PUT", "f0", "again")).status == 201


async def test_a_long_poll_is_woken_by_its_own_stream_alone(streams: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    async def find_readable(log: Log, session: SessionId, principal: Principal) -> readable.Readable:
        looked.append(session)
        return await readable.find_readable(log, session, principal)

    monkeypatch.setattr(reading, "find_readable", find_readable)
    for path in ("a", "b"):
        await streams.ask("PUT", path, "x")
    polled = asyncio.create_task(streams.ask("GET", "a?offset=now&live=long-poll"))
    async with asyncio.timeout(30):
        while len(looked) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for _ in range(5):
        await streams.ask("POST", "b", "y")
    assert looked == ["a"] * 2
    await streams.ask("POST", "a", "y")
    assert (await polled).body == b"y"
    assert looked == ["a"] * 3


@pytest.mark.postgres
async def test_two_gateways_are_one_server(
    http: aiohttp.ClientSession, start: Start, fresh_log: Callable[[], str]
) -> None:
    log = fresh_log()
    here, there = [Streams(http, await start(log=log)) for _ in range(2)]
    await here.ask("PUT", "a", Content_Type="application/json")
    followed = asyncio.create_task(there.follow("a?offset=-1&live=sse", b"streamClosed"))
    polled = asyncio.create_task(there.ask("GET", "a?offset=-1&live=long-poll"))

    async def produce(streams: Streams, seq: int) -> int:
        number = {"Producer-Id": "p", "Producer-Epoch": "0", "Producer-Seq": str(seq)}
        sent = await streams.ask("POST", "a", f"[{seq}]".encode(), Content_Type="application/json", **number)
        return sent.status

    for seq in range(10):  # each by both, at once: one is written
        statuses = await asyncio.gather(produce(here, seq), produce(there, seq))
        assert sorted(statuses) == [200, 204]
    await here.ask("POST", "a", Stream_Closed="true")
    said = await followed
    lines = [line[5:] for line in said.split(b"\n") if line.startswith(b"data:[")]
    assert [each for line in lines for each in orjson.loads(line)] == list(range(10))
    assert orjson.loads((await polled).body)[0] == 0
    for streams in (here, there):
        assert orjson.loads((await streams.ask("GET", "a")).body) == list(range(10))


async def test_a_drain_lets_nobody_wait(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(durable_streams_poll=600)
    streams = Streams(http, gateway)
    made = await streams.ask("PUT", "a", "x")
    polled = asyncio.create_task(streams.ask("GET", f"a?offset={made.offset}&live=long-poll"))
    followed = asyncio.create_task(streams.follow(f"a?offset={made.offset}&live=sse", b"upToDate"))
    await followed
    await until_open(gateway, ANONYMOUS)
    await gateway.drain()
    assert (await asyncio.wait_for(polled, 30)).status == 204


# -- how it is switched off


async def test_it_can_be_switched_off(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(durable_streams=False)
    assert (await Streams(http, gateway).ask("PUT", "a", "x")).code == "not_found"
    async with http.get(f"{gateway.url}/openapi.json") as response:
        assert not any(path.startswith("/v1/stream/") for path in (await response.json())["paths"])
