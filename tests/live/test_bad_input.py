"""Whatever is sent: it gets its documented error, the connection survives where it should, nothing is written."""

import asyncio
import contextlib
import gzip
import io
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.wire import Wire

from stenogram.api.protocol.unreadable import is_utf8
from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.domain.commands import COMMANDS

Open = Callable[..., Awaitable[Wire]]

COMMAND = '{"frame":"command","id":"c","session":"s","do":%s,"data":%s}'
DEEP = "[" * 1_000 + "]" * 1_000

MESSAGES: dict[str, tuple[str | bytes, str]] = {
    "no JSON": ("nonsense", "invalid"),
    "half of it": ('{"frame":', "invalid"),
    "nothing": ("", "invalid"),
    "white space": ("  ", "invalid"),
    "two documents": ("{} {}", "invalid"),
    "a number": ("7", "invalid"),
    "a text": ('"hello"', "invalid"),
    "null": ("null", "invalid"),
    "null among frames": ("[null]", "invalid"),
    "frames in frames": ('[[{"frame":"heartbeat"}]]', "invalid"),
    "no frame": ("{}", "invalid"),
    "unknown frame": ('{"frame":"goodbye"}', "invalid"),
    "frame is a list": ('{"frame":["command"]}', "invalid"),
    "frame is null": ('{"frame":null}', "invalid"),
    "hello again": ('{"frame":"hello"}', "invalid"),
    "a server's frame": ('{"frame":"ack","id":"x","session":"s","versions":[1],"positions":[1]}', "invalid"),
    "heartbeat with more": ('{"frame":"heartbeat","at":1}', "invalid"),
    "1,000 deep": (DEEP, "too_deep"),
    "1,000 deep in a command": (COMMAND % ('"state.merge"', f'{{"patch":{{"a":{DEEP}}}}}'), "too_deep"),
    "65 deep": ("[" * 65 + "]" * 65, "too_deep"),
    "deep without an end": ("[" * 100_000, "too_deep"),
    "257 frames": ("[" + ",".join(['{"frame":"heartbeat"}'] * 257) + "]", "too_large"),
    "NaN": (COMMAND % ('"state.merge"', '{"patch":{"a":NaN}}'), "invalid"),
    "Infinity": (COMMAND % ('"state.merge"', '{"patch":{"a":1e999}}'), "invalid"),
    "a huge number": (COMMAND % ('"state.merge"', '{"patch":{"n":' + "9" * 400 + "}}"), "invalid"),
    "invalid UTF-8": (b'{"frame":"heartbeat","a":"\xff\xfe"}', "invalid"),
    "an overlong NUL": (b'{"frame":"heartbeat","a":"\xc0\x80"}', "invalid"),
    "a surrogate as UTF-8": (b'{"frame":"heartbeat","a":"\xed\xa0\x80"}', "invalid"),
    "a lone surrogate": (COMMAND % ('"message.post"', '{"message":"m","text":"\\ud800"}'), "invalid"),
    "a byte order mark": ('\ufeff{"frame":"heartbeat"}', "invalid"),
    "a control character": ('{"frame":"heart\nbeat"}', "invalid"),
}

COMMANDS_REFUSED: dict[str, tuple[str, str]] = {
    "unknown command": (COMMAND % ('"message.shout"', "{}"), "unknown_command"),
    "do is a number": (COMMAND % ("7", "{}"), "invalid"),
    "do is missing": ('{"frame":"command","id":"c","session":"s","data":{}}', "invalid"),
    "do is missing, expect is there": ('{"frame":"command","id":"c","session":"s","data":{},"expect":{}}', "invalid"),
    "data is missing": ('{"frame":"command","id":"c","session":"s","do":"session.close"}', "invalid"),
    "data is a list": (COMMAND % ('"session.close"', "[]"), "invalid"),
    "data is null": (COMMAND % ('"session.close"', "null"), "invalid"),
    "an unknown member": (COMMAND % ('"session.close"', '{"whatever":1}'), "invalid"),
    "text is a number": (COMMAND % ('"message.post"', '{"message":"m","text":7}'), "invalid"),
    "text is empty": (COMMAND % ('"message.post"', '{"message":"m","text":""}'), "invalid"),
    "neither text nor parts": (COMMAND % ('"message.post"', '{"message":"m"}'), "invalid"),
    "an index that is true": (COMMAND % ('"message.delta"', '{"message":"m","index":true,"text":"x"}'), "invalid"),
    "an index that is 1.5": (COMMAND % ('"message.delta"', '{"message":"m","index":1.5,"text":"x"}'), "invalid"),
    "a huge index": (
        COMMAND % ('"message.delta"', '{"message":"open","index":' + "9" * 40 + ',"text":"x"}'),
        "invalid",
    ),
    "a message without a start": (COMMAND % ('"message.delta"', '{"message":"m","index":0,"text":"x"}'), "not_found"),
    "a delta for a completed message": (
        COMMAND % ('"message.delta"', '{"message":"done","index":1,"text":"x"}'),
        "conflict",
    ),
    "a delta too far": (COMMAND % ('"message.delta"', '{"message":"open","index":7,"text":"x"}'), "conflict"),
    "another's message": (COMMAND % ('"message.delta"', '{"message":"theirs","index":0,"text":"x"}'), "forbidden"),
    "a patch on a missing path": (
        COMMAND % ('"state.patch"', '{"patch":[{"op":"replace","path":"/no/such","value":1}]}'),
        "patch_failed",
    ),
    "a patch that half applies": (
        COMMAND % ('"state.patch"', '{"patch":[{"op":"add","path":"/x","value":1},{"op":"remove","path":"/no"}]}'),
        "patch_failed",
    ),
    "a path that is none": (COMMAND % ('"state.patch"', '{"patch":[{"op":"add","path":"x","value":1}]}'), "invalid"),
    "an empty patch": (COMMAND % ('"state.patch"', '{"patch":[]}'), "invalid"),
    "a huge increment": (COMMAND % ('"state.increment"', '{"path":"/n","by":1e300}'), "invalid"),
    "an increment of true": (COMMAND % ('"state.increment"', '{"path":"/n","by":true}'), "invalid"),
    "an expectation below 0": (
        '{"frame":"command","id":"c","session":"s","do":"session.close","data":{},"expect":{"":-1}}',
        "invalid",
    ),
    "an expectation of true": (
        '{"frame":"command","id":"c","session":"s","do":"session.close","data":{},"expect":{"":true}}',
        "invalid",
    ),
    "an expectation from the future": (
        '{"frame":"command","id":"c","session":"s","do":"session.close","data":{},"expect":{"":9007199254740991}}',
        "conflict",
    ),
    "an expectation of a NUL": (
        '{"frame":"command","id":"c","session":"s","do":"session.close","data":{},"expect":{"a\\u0000b":1}}',
        "conflict",
    ),
    "a producer of epoch 0": (
        '{"frame":"command","id":"c","session":"s","do":"session.close","data":{},'
        '"producer":{"id":"p","epoch":0,"seq":0}}',
        "invalid",
    ),
    "an audience of nobody": (COMMAND % ('"message.post"', '{"message":"m","text":"x","audience":[]}'), "invalid"),
    "no session of that name": (
        '{"frame":"command","id":"c","session":"t","do":"session.close","data":{}}',
        "not_found",
    ),
    "no name": ('{"frame":"command","id":"c","session":"a/b","do":"session.open","data":{}}', "invalid"),
    "a name with a line break": (
        '{"frame":"command","id":"c","session":"s\\n","do":"session.open","data":{}}',
        "invalid",
    ),
    "a name of 129 letters": (
        '{"frame":"command","id":"c","session":"%s","do":"session.open","data":{}}' % ("s" * 129),
        "invalid",
    ),
    "a title of 501 letters": (
        '{"frame":"command","id":"c","session":"t","do":"session.open","data":{"title":"%s"}}' % ("s" * 501),
        "invalid",
    ),
}


@pytest.fixture
async def prepared(wire: Wire, connect: Open) -> Wire:
    """A session with messages in every state, and a connection to it."""
    for do, data in (
        ("message.start", {"message": "open"}),
        ("message.start", {"message": "done"}),
        ("message.delta", {"message": "done", "index": 0, "text": "x"}),
        ("message.complete", {"message": "done"}),
    ):
        assert (await wire.command("s", do, data))["frame"] == "ack"
    other = await connect("other")
    await other.command("s", "message.start", {"message": "theirs"})
    return wire


async def send(wire: Wire, message: bytes | str) -> None:
    """Send a message as text; one that cannot be text, as bytes."""
    content = message.encode() if isinstance(message, str) else message
    kind = aiohttp.WSMsgType.TEXT if is_utf8(content) else aiohttp.WSMsgType.BINARY
    await wire.ws.send_frame(content, kind)


@pytest.mark.parametrize("case", MESSAGES)
async def test_a_message_that_cannot_be_read_is_refused(case: str, prepared: Wire, gateway: Gateway) -> None:
    (message, code), named = MESSAGES[case], {"c", "x"}
    before = gateway.tenants.open[""].log.position
    await send(prepared, message)
    await prepared.until(lambda: bool(prepared.frames) or not named.isdisjoint(prepared.answers))
    (refused,) = prepared.frames or [prepared.answers[id] for id in named & prepared.answers.keys()]
    assert (refused["frame"], refused["error"]["code"]) == ("refused", code)
    ack = await prepared.command("s", "message.post", {"message": "after", "text": "still here"})
    assert (ack["frame"], ack["positions"]) == ("ack", [before + 1])


@pytest.mark.parametrize("case", COMMANDS_REFUSED)
async def test_a_command_that_cannot_be_done_is_refused(
    case: str, prepared: Wire, gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    message, code = COMMANDS_REFUSED[case]
    before = gateway.tenants.open[""].log.position
    await prepared.raw(message)
    await prepared.until(lambda: "c" in prepared.answers)
    refused = prepared.answers["c"]
    assert (refused["frame"], refused["error"]["code"]) == ("refused", code)
    ack = await prepared.command("s", "message.post", {"message": "after", "text": "still here"})
    assert (ack["frame"], ack["positions"]) == ("ack", [before + 1])
    if orjson.loads(message)["session"] == "s":
        body = message.replace('"frame":"command",', "").replace('"session":"s",', "")
        url = f"{gateway.url}/v1/sessions/s/commands?participant=hotels&kind=agent"
        async with http.post(url, data=body) as response:
            assert (await response.json(content_type=None))["code"] == code
            assert response.status == refused["error"]["status"]


async def test_an_empty_array_of_frames_is_no_error(prepared: Wire) -> None:
    await prepared.raw("[]")
    await prepared.send({"frame": "heartbeat"})
    await prepared.until(lambda: bool(prepared.frames))
    assert prepared.frames == [{"frame": "heartbeat"}]


async def test_of_a_member_that_stands_twice_the_last_counts(prepared: Wire) -> None:
    await prepared.raw(COMMAND % ('"session.close","do":"session.describe"', '{"title":"a","title":"b"}'))
    await prepared.until(lambda: "c" in prepared.answers)
    assert prepared.answers["c"]["frame"] == "ack"


@pytest.mark.parametrize("kind", [aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY])
async def test_a_message_of_10_megabytes_ends_the_connection(
    kind: aiohttp.WSMsgType, prepared: Wire, gateway: Gateway
) -> None:
    """The gateway does not read it all, so its close frame may be lost behind what was still being sent."""
    before = gateway.tenants.open[""].log.position
    message = COMMAND % ('"message.post"', '{"message":"m","text":"%s"}' % ("x" * 10_000_000))
    with contextlib.suppress(ConnectionError):
        await prepared.ws.send_frame(message.encode(), kind)
    assert (await prepared.closed()).code in (1009, 1006)
    assert gateway.tenants.open[""].log.position == before
    prepared.cut()
    await prepared.close()


async def test_a_message_over_its_limit_is_told_before_the_end(prepared: Wire) -> None:
    await prepared.raw(COMMAND % ('"message.post"', '{"message":"m","text":"%s"}' % ("x" * 1_100_000)))
    assert (await prepared.closed()).code == 1009


async def test_a_body_of_10_megabytes_is_refused(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with http.post(f"{gateway.url}/v1/sessions/s/commands", data=io.BytesIO(b"x" * 10_000_000)) as response:
        assert (response.status, (await response.json(content_type=None))["code"]) == (413, "too_large")


async def test_what_takes_long_to_read_holds_nobody_up(prepared: Wire, connect: Open) -> None:
    """A megabyte of the worst that a reader of JSON can meet."""
    other = await connect("other")
    worst = [
        "[" * 1_000_000,
        '"' + "\\" * 999_998 + '"',
        "[" * 70 + '"' + "\\[" * 400_000,
        '{"a":' * 190_000,
        "[{" * 500_000,
    ]
    for message in worst:
        await prepared.raw(message)
        began = time.process_time()  # what this process computes: other programs may have the machine
        await other.send({"frame": "heartbeat"})
        await other.until(lambda: bool(other.frames))
        other.frames.clear()
        assert time.process_time() - began < 0.5
        assert (await prepared.refusal())["error"]["code"] in ("invalid", "too_deep")


async def test_refusals_do_not_carry_whole_documents(prepared: Wire) -> None:
    """A thousand conflicts over a document of a megabyte would be a gigabyte of answers."""
    ack = await prepared.command("s", "state.merge", {"patch": {"big": "x" * 900_000}})
    refused = await prepared.command("s", "state.merge", {"patch": {"big": 1}, "if_version": ack["versions"][0] - 1})
    assert refused["error"]["code"] == "conflict"
    assert "value" not in refused["error"]
    assert refused["error"]["version"] == ack["versions"][0]


# -- anything at all

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["s", "t", "open", "done", "theirs", "m", "a b", "", "c" * 129])
MEMBER_NAMES = (
    "id session sessions do data sub all after types reading epoch expect producer message text index parts patch path "
    "by type participant token frame"
)
MEMBERS = st.dictionaries(st.sampled_from(MEMBER_NAMES.split()), JSON | NAMES, max_size=6)
FRAMES = st.builds(
    lambda kind, members: {**members, "frame": kind},
    st.sampled_from(["hello", "subscribe", "unsubscribe", "command", "heartbeat", "events", ""]),
    MEMBERS,
)
SUBSCRIBES = st.builds(
    lambda sub, session, after, rest: {"frame": "subscribe", "sub": sub, "session": session, "after": after, **rest},
    st.sampled_from(["x", "y"]),
    st.sampled_from(["s", "t"]),
    st.sampled_from([0, 1, 3, "end", "1"]) | JSON,
    st.dictionaries(st.sampled_from(["types", "reading", "epoch"]), JSON, max_size=1),
)
PAYLOADS = st.dictionaries(
    st.sampled_from(sorted({name for model in COMMANDS.values() for name in model.model_fields})),
    JSON | NAMES,
    max_size=5,
)
COMMAND_FRAMES = st.builds(
    lambda id, do, data: {"frame": "command", "id": id, "session": "s", "do": do, "data": data},
    st.integers(0, 10**9).map(lambda number: f"f{number}"),
    st.sampled_from(sorted(COMMANDS)),
    PAYLOADS,
)
ANY_FRAME = FRAMES | SUBSCRIBES | COMMAND_FRAMES | JSON
ANY_MESSAGE = (
    st.binary(max_size=200)
    | ANY_FRAME.map(orjson.dumps)
    | st.lists(ANY_FRAME, max_size=6).map(orjson.dumps)
    | st.builds(lambda raw, at: raw[: at % (len(raw) + 1)], ANY_FRAME.map(orjson.dumps), st.integers(0, 10**6))
)


class Fuzzed:
    """A gateway on a loop of its own, since hypothesis calls plain functions."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._running = self._run()
        self.gateway, self.http = self.loop.run_until_complete(anext(self._running))

    async def _run(self) -> AsyncIterator[tuple[Gateway, aiohttp.ClientSession]]:
        async with running(Settings(log="memory:", port=0, drain=0.2)) as gateway, aiohttp.ClientSession() as http:
            yield gateway, http

    def end(self) -> None:
        """End it."""
        self.loop.run_until_complete(self._running.aclose())  # type: ignore[attr-defined]
        self.loop.close()

    async def send(self, messages: list[bytes]) -> None:
        """Send anything; the connection ends as documented, or answers a heartbeat afterwards."""
        wire = await Wire.open(self.http, self.gateway.url, participant="hotels", kind="agent")
        allowed = {"welcome", "events", "caught_up", "gap", "ack", "refused", "heartbeat", "bye"}
        for message in messages:
            await send(wire, message)
        await wire.send(
            {"frame": "heartbeat"}, {"frame": "command", "id": "last", "session": "s", "do": "x", "data": {}}
        )
        while True:
            content = await wire.ws.receive(timeout=30)
            assert content.type is aiohttp.WSMsgType.TEXT, f"{content} after {messages}"
            read = orjson.loads(content.data)
            for frame in read if isinstance(read, list) else [read]:
                assert frame["frame"] in allowed
                error = frame.get("error", {})
                assert error.get("status", 400) < 500, f"{error} after {messages}"
                if frame.get("id") == "last":
                    await wire.close()
                    return


@pytest.fixture(scope="module")
def fuzzed() -> Any:
    """One for all examples."""
    fuzzed = Fuzzed()
    wire = fuzzed.loop.run_until_complete(
        Wire.open(fuzzed.http, fuzzed.gateway.url, participant="hotels", kind="agent")
    )
    fuzzed.loop.run_until_complete(wire.command("s", "session.open", {}))
    yield fuzzed
    fuzzed.loop.run_until_complete(wire.close())
    fuzzed.end()


@given(messages=st.lists(ANY_MESSAGE, min_size=1, max_size=8))
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_no_message_whatever_it_is_harms_the_gateway(fuzzed: Fuzzed, messages: list[bytes]) -> None:
    fuzzed.loop.run_until_complete(fuzzed.send(messages))


@given(first=st.binary(max_size=100) | ANY_FRAME.map(orjson.dumps))
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_no_first_message_whatever_it_is_harms_the_gateway(fuzzed: Fuzzed, first: bytes) -> None:
    async def send() -> None:
        async with fuzzed.http.ws_connect(f"{fuzzed.gateway.url}/v1/ws") as ws:
            await ws.send_frame(first, aiohttp.WSMsgType.TEXT)
            answer = orjson.loads((await ws.receive(timeout=30)).data)
            if answer["frame"] == "refused":
                assert answer["error"]["status"] in (400, 401)
                await ws.receive(timeout=30)
                assert ws.close_code in (4500, 4501)
            else:
                assert answer["frame"] == "welcome"

    fuzzed.loop.run_until_complete(send())


@pytest.mark.parametrize("seed", range(20))
async def test_bytes_that_are_no_protocol_at_all_harm_nobody(seed: int, gateway: Gateway, wire: Wire) -> None:
    """Raw bytes on the socket, before and after the handshake."""
    chance = random.Random(seed)
    host, _, port = gateway.url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    if seed % 2:
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        writer.write(
            f"GET /v1/ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        hello = b'{"frame":"hello"}'
        writer.write(bytes([0x81, 0x80 | len(hello)]) + bytes(4) + hello)
    for _ in range(5):
        writer.write(chance.randbytes(chance.choice((1, 10, 1_000))))
    writer.write_eof()
    async with asyncio.timeout(30):
        await reader.read()
    writer.close()
    assert (await wire.command("s", "message.post", {"message": "m", "text": "x"}))["frame"] == "ack"


async def test_what_begins_no_websocket_is_told_how_one_begins(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}  # without version and key
    async with http.get(f"{gateway.url}/v1/ws", headers=headers) as response:
        problem = await response.json(content_type=None)
    assert (response.status, problem["code"]) == (400, "invalid")
    assert "send Connection: Upgrade, Sec-WebSocket-Version: 13, and a Sec-WebSocket-Key" in problem["detail"]


async def test_a_body_is_never_unpacked(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    """Neither what only says that it is packed, nor what would fill the memory."""
    for body in (b'{"id":"c1"}', gzip.compress(b" " * 100_000_000)):
        url = f"{gateway.url}/v1/sessions/s/commands"
        async with http.post(url, data=body, headers={"Content-Encoding": "gzip"}) as response:
            assert (response.status, (await response.json(content_type=None))["code"]) == (400, "invalid")


async def test_a_client_that_goes_away_in_the_midst_of_a_body_is_no_fault(gateway: Gateway, wire: Wire) -> None:
    host, _, port = gateway.url.removeprefix("http://").rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST /v1/sessions/s/commands HTTP/1.1\r\nHost: {host}\r\nContent-Length: 50\r\n\r\n{{".encode())
    await writer.drain()
    await wire.command("s", "message.post", {"message": "m", "text": "x"})
    writer.transport.abort()
    assert (await wire.command("s", "message.post", {"message": "n", "text": "x"}))["frame"] == "ack"
