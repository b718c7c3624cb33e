"""Every frame of the protocol, both ways, over a real WebSocket."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from support.wire import Closed, Wire

from stenogram.api.server import Gateway

Open = Callable[..., Awaitable[Wire]]
Start = Callable[..., Awaitable[Gateway]]


async def post(wire: Wire, message: str, session: str = "s", **data: Any) -> dict[str, Any]:
    """Post a message; its ack."""
    return await wire.command(session, "message.post", {"message": message, "text": message, **data})


def opening(id: str) -> dict[str, Any]:
    """The frame of a command that opens `s`."""
    return {"frame": "command", "id": id, "session": "s", "do": "session.open", "data": {}}


# -- hello and welcome


async def test_the_welcome_says_who_one_is_and_what_the_limits_are(connect: Open) -> None:
    wire = await connect("hotels", "agent")
    welcome = wire.welcome
    assert (welcome["participant"], welcome["kind"], welcome["protocol"]) == ("hotels", "agent", 1)
    assert welcome["limits"] == {
        "frame_bytes": 1_048_576,
        "sent_frame_bytes": 16_777_216,
        "batch": 256,
        "subscriptions": 100,
        "depth": 64,
        "commands_per_second": 20_000,
    }


async def test_hello_and_what_follows_it_may_come_in_one_message(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    ws = await http.ws_connect(f"{gateway.url}/v1/ws")
    wire = Wire(ws)
    await wire.send(
        {"frame": "hello", "participant": "a"},
        opening("c1"),
    )
    await wire.until(lambda: "c1" in wire.answers)
    assert wire.answers["c1"]["versions"] == [1]


async def test_whoever_says_no_hello_is_told_and_closed(
    http: aiohttp.ClientSession, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stenogram.api.transport.websocket_server.HELLO_TIMEOUT_S", 0.05)
    wire = Wire(await http.ws_connect(f"{gateway.url}/v1/ws"))
    closed = await wire.closed()
    assert (closed.code, wire.frames[0]["error"]["code"]) == (4500, "invalid")


@pytest.mark.parametrize(
    "first",
    [
        {"frame": "heartbeat"},
        {"frame": "hello", "protocol": 2},
        {"frame": "hello", "protocol": True},
        {"frame": "hello", "more": 1},
        {"frame": "hello", "participant": ""},
        {"frame": "hello", "participant": "a b"},
        {"frame": "hello", "kind": "robot"},
        [],
        None,
        7,
    ],
)
async def test_a_first_frame_that_is_no_hello_ends_the_connection(
    first: Any, http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    wire = Wire(await http.ws_connect(f"{gateway.url}/v1/ws"))
    await wire.send(first)
    closed = await wire.closed()
    assert (closed.code, closed.reason) == (4500, "protocol_error")
    assert wire.frames[0]["error"]["code"] == "invalid"


# -- commands


async def test_an_ack_comes_after_the_commit_with_its_places(wire: Wire, gateway: Gateway) -> None:
    ack = await post(wire, "m1")
    assert ack == {"frame": "ack", "id": ack["id"], "session": "s", "versions": [2], "positions": [2]}
    (record,) = await gateway.tenants.open[""].log.engine.read_session("s", 1, 10)
    assert record.position == 2


async def test_a_command_that_is_repeated_gets_its_first_answer(wire: Wire) -> None:
    first = await post(wire, "m1")
    await post(wire, "m2")
    again = await wire.command("s", "message.post", {"message": "m1", "text": "m1"}, id=first["id"])
    assert again == {**first, "repeated": True}


async def test_frames_of_one_message_are_answered_in_one_message(wire: Wire) -> None:
    commands = [
        {
            "frame": "command",
            "id": f"c{n}",
            "session": "s",
            "do": "message.post",
            "data": {"message": f"m{n}", "text": "x"},
        }
        for n in range(20)
    ]
    await wire.send(*commands)
    await wire.step()
    assert [wire.answers[f"c{n}"]["versions"] for n in range(20)] == [[n + 2] for n in range(20)]


async def test_a_command_may_expect_where_its_subjects_stand(wire: Wire) -> None:
    first = await wire.command("s", "message.post", {"message": "a", "text": "x"}, expect={"message:a": 0, "": 1})
    assert first["frame"] == "ack"
    refused = await wire.command("s", "message.post", {"message": "b", "text": "x"}, expect={"": 1})
    assert (refused["frame"], refused["error"]["code"], refused["error"]["version"]) == ("refused", "conflict", 2)


async def test_a_producer_needs_no_ids(wire: Wire) -> None:
    async def score(seq: int, epoch: int = 1) -> dict[str, Any]:
        data = {"type": "x.score", "data": {"value": seq}}
        return await wire.command("s", "custom.record", data, producer={"id": "scores", "epoch": epoch, "seq": seq})

    assert (await score(0))["versions"] == [2]
    assert (await score(1))["versions"] == [3]
    assert (await score(1)).items() >= {"versions": [], "positions": [], "repeated": True}.items()
    assert (await score(5))["error"]["code"] == "conflict"
    assert (await score(0, epoch=2))["versions"] == [4]
    assert (await score(2))["error"]["code"] == "stale_producer"


async def test_a_producer_belongs_to_its_participant(wire: Wire, connect: Open) -> None:
    """Two agents that both call theirs `main` do not swallow each other's events, nor fence one another."""

    async def score(wire: Wire, epoch: int, seq: int) -> Any:
        producer = {"id": "main", "epoch": epoch, "seq": seq}
        answer = await wire.command("s", "custom.record", {"type": "x.score", "data": {}}, producer=producer)
        return answer.get("versions")

    other = await connect("other")
    assert await score(wire, 1, 0) == [2]
    assert await score(other, 7, 0) == [3]
    assert await score(wire, 1, 1) == [4]


async def test_a_refusal_is_a_problem_and_names_what_it_answers(wire: Wire) -> None:
    refused = await wire.command("s", "message.complete", {"message": "nothing"}, id="c9")
    assert set(refused) == {"frame", "id", "session", "error"}
    assert refused["error"].keys() >= {"type", "title", "status", "code", "detail"}
    assert refused["error"]["type"] == f"urn:stenogram:error:{refused['error']['code']}"
    await wire.send({"frame": "unsubscribe", "sub": "nothing"})
    assert (await wire.refusal())["sub"] == "nothing"
    await wire.raw("{")
    assert set(await wire.refusal()) == {"frame", "error"}


async def test_more_commands_than_the_rate_are_refused(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(commands_per_second=5)
    wire = await Wire.open(http, gateway.url, participant="a")
    commands = [opening(f"c{number}") for number in range(60)]
    await wire.send(*commands)  # at once: one by one, a slow machine may stay within the rate
    await wire.until(lambda: len(wire.answers) == len(commands))
    busy = [each for each in wire.answers.values() if each.get("error", {}).get("code") == "busy"]
    assert busy
    assert busy[0]["error"]["retry_after"] > 0


# -- heartbeats and time


async def test_a_heartbeat_is_answered(wire: Wire) -> None:
    await wire.send({"frame": "heartbeat"})
    await wire.until(lambda: {"frame": "heartbeat"} in wire.frames)


async def test_a_silent_client_is_told_and_closed(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(heartbeat=1.0)
    wire = await Wire.open(http, gateway.url, participant="a")
    assert wire.welcome["heartbeat"] == 1.0
    await wire.subscribe(session="s")
    closed = await wire.closed()
    assert closed.code == 4002
    assert closed.bye is not None
    assert closed.bye.items() >= {"code": "silent", "resume": {"s": f"{wire.welcome['epoch']}.v0"}}.items()


async def test_a_client_that_sends_heartbeats_stays(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(heartbeat=1.0)  # so it may be silent for longer than a gateway stands still unnoticed
    wire = await Wire.open(http, gateway.url, participant="a")
    for _ in range(8):
        await wire.send({"frame": "heartbeat"})
        await asyncio.sleep(0.4)
    assert (await wire.command("s", "session.open", {}))["frame"] == "ack"


# -- what messages are made of


async def test_binary_messages_are_read_like_text(wire: Wire) -> None:
    await wire.ws.send_bytes(b'{"frame":"heartbeat"}')
    await wire.until(lambda: {"frame": "heartbeat"} in wire.frames)


async def test_a_message_in_fragments_is_one_message(wire: Wire) -> None:
    transport = wire.ws._writer.transport
    assert transport is not None
    first, second = b'{"frame":', b'"heartbeat"}'
    transport.write(bytes([0x01, 0x80 | len(first)]) + bytes(4) + first)
    transport.write(bytes([0x80, 0x80 | len(second)]) + bytes(4) + second)
    await wire.until(lambda: bool(wire.frames))


async def test_too_many_frames_that_cannot_be_read_end_the_connection(wire: Wire) -> None:
    for _ in range(101):
        await wire.raw("nonsense")
    closed = await wire.closed()
    assert (closed.code, closed.reason) == (4500, "protocol_error")
    assert closed.bye is not None
    assert closed.bye["code"] == "protocol_error"
    assert "retry_after" not in closed.bye


async def test_a_good_frame_between_makes_bad_ones_forgiven(wire: Wire) -> None:
    for _ in range(3):
        for _ in range(60):
            await wire.raw("nonsense")
        await wire.send({"frame": "heartbeat"})
    assert (await post(wire, "m1"))["frame"] == "ack"


# -- the handshake


async def test_pages_of_other_origins_may_not_connect(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(origins=("https://app.example.com",))
    for origin in ("https://evil.example.com", "null", "https://app.example.com.evil"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await Wire.open(http, gateway.url, headers={"Origin": origin}, participant="a")
        assert refused.value.status == 403
    for origin in ("https://app.example.com", gateway.url):
        wire = await Wire.open(http, gateway.url, headers={"Origin": origin}, participant="a")
        await wire.close()


async def test_a_page_from_elsewhere_may_read_what_it_asked_for(http: aiohttp.ClientSession, start: Start) -> None:
    """With answers, refusals and streams; asked beforehand or not. Other pages learn nothing."""
    app = {"Origin": "https://app.example.com"}
    gateway = await start(origins=("https://app.example.com",))
    for path, accept in (("/v1/sessions", "*/*"), ("/v1/sessions/none", "*/*"), ("/v1/events", "text/event-stream")):
        async with http.get(gateway.url + path, headers={**app, "Accept": accept}) as response:
            assert response.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
            assert response.headers["Vary"] == "Origin"
    url = f"{gateway.url}/v1/sessions/s/commands"
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with http.options(url, headers={**app, **asking}) as response:
        assert (response.status, response.headers["Access-Control-Allow-Methods"]) == (
            204,
            "GET, HEAD, POST, PUT, DELETE",
        )
        allowed = {
            name for name in response.headers["Access-Control-Allow-Headers"].split(", ") if not _of_streams(name)
        }
        assert {
            "Authorization",
            "Content-Type",
            "If-None-Match",
            "Last-Event-ID",
            "Stenogram-Run",
            "X-Run-Id",
        } == allowed
    for headers in ({"Origin": "https://evil.example.com"}, {}):
        async with http.options(url, headers={**headers, **asking}) as response:
            assert "Access-Control-Allow-Origin" not in response.headers


def _of_streams(header: str) -> bool:
    """Whether the Durable Streams protocol names it."""
    return header.startswith(("Stream-", "Producer-"))


async def test_a_name_that_is_rebound_to_this_machine_opens_nothing(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    port = gateway.url.rpartition(":")[2]
    rebound = {"Origin": f"http://evil.example.com:{port}", "Host": f"evil.example.com:{port}"}
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await Wire.open(http, gateway.url, headers=rebound, participant="a")
    assert refused.value.status == 403
    async with http.get(f"{gateway.url}/v1/sessions", headers={"Host": "evil.example.com"}) as response:
        assert response.status == 403


@pytest.mark.parametrize("header", ["Forwarded", "X-Forwarded-For", "x-forwarded-proto", "X-Real-IP"])
async def test_an_open_gateway_answers_nothing_that_a_proxy_forwards(
    http: aiohttp.ClientSession, gateway: Gateway, header: str
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await Wire.open(http, gateway.url, headers={header: "203.0.113.7"}, participant="a")
    assert refused.value.status == 403
    async with http.get(f"{gateway.url}/v1/sessions", headers={header: "203.0.113.7"}) as response:
        problem = await response.json(content_type=None)
        assert (response.status, problem["code"]) == (403, "forbidden")
        assert header.lower() in problem["detail"].lower()
        assert "stenogram keys new" in problem["detail"]


async def test_a_gateway_with_keys_stands_behind_a_proxy(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start(jwt_secret="a secret of at least thirty-two bytes")
    async with http.get(f"{gateway.url}/health", headers={"X-Forwarded-For": "203.0.113.7"}) as response:
        assert response.status == 200


async def test_pages_of_other_origins_may_not_send_commands_over_http(
    http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    body = '{"id":"c1","do":"session.open","data":{}}'
    headers = {"Origin": "https://evil.example.com", "Content-Type": "text/plain"}
    async with http.post(f"{gateway.url}/v1/sessions/s/commands", data=body, headers=headers) as response:
        assert (response.status, (await response.json(content_type=None))["code"]) == (403, "forbidden")


async def test_whoever_closes_is_answered(connect: Open) -> None:
    wire = await connect()
    await wire.ws.close(code=1000)
    assert wire.ws.close_code == 1000
    with pytest.raises(Closed):
        await wire.step()
