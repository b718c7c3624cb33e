"""The connection: kept up where that makes sense, given up where it does not, and closed without a trace."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest
from aiohttp import web

from stenogram.client import Backoff, Client, ClientClosed, Unreachable
from stenogram.client.transport import websocket
from stenogram.client.transport.outbox import Outbox
from stenogram.client.transport.websocket import WebSocketLink
from stenogram.domain.errors import (
    ConfigurationError,
    Forbidden,
    Invalid,
    Refused,
    StenogramError,
    TooLarge,
    Unauthenticated,
)

if TYPE_CHECKING:
    from unit.client.conftest import FakeGateway

Eventually = Callable[..., Any]


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 4000, 4001, 4002, 4008, 4010, 4499])
async def test_these_closes_lead_to_another_connection(
    gateway: FakeGateway, client: Client, eventually: Eventually, code: int
) -> None:
    await gateway.peer.close(code)
    await eventually(lambda: len(gateway.peers) == 2 and client.connected)
    await client.do("trip", "x", {})


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (1009, TooLarge),
        (4500, Invalid),
        (4501, Unauthenticated),
        (4503, Forbidden),
        (4777, Refused),
    ],
)
async def test_these_closes_are_final(
    gateway: FakeGateway, client: Client, code: int, error: type[StenogramError]
) -> None:
    gateway.hold = []
    command = asyncio.create_task(client.do("trip", "x", {}))
    events = client.session("trip").events()
    await asyncio.sleep(0.01)
    await gateway.peer.close(code, "because")
    with pytest.raises(error, match="because"):
        await command
    with pytest.raises(error, match="because"):
        await _collect(events)
    with pytest.raises(error, match="because"):
        await client.do("trip", "x", {})
    assert not client.connected
    assert len(gateway.peers) == 1


async def test_a_bad_token_is_told_at_once(gateway: FakeGateway) -> None:
    def refuse(peer: Any, hello: dict[str, Any]) -> None:
        peer.send({"frame": "refused", "error": {"code": "unauthenticated", "detail": "It has expired."}})
        closing.append(asyncio.create_task(peer.close(4501, "expired")))

    closing: list[asyncio.Task[None]] = []
    gateway.greet = refuse
    with pytest.raises(Unauthenticated, match=r"It has expired\."):
        async with Client(gateway.url, token="bad"):
            pass


async def test_bye_says_how_long_to_wait(gateway: FakeGateway, client: Client, eventually: Eventually) -> None:
    gateway.peer.send({"frame": "bye", "code": "shutdown", "reason": "Going.", "retry_after": 0.3, "resume": {}})
    began = time.monotonic()
    await gateway.peer.close(4001)
    await eventually(lambda: len(gateway.peers) == 2)
    assert time.monotonic() - began > 0.25, "the backoff alone is far shorter"


async def test_bye_without_a_time_is_for_good(gateway: FakeGateway, client: Client) -> None:
    gateway.peer.send({"frame": "bye", "code": "forbidden", "reason": "Not you.", "resume": {}})
    await gateway.peer.close(4001)
    with pytest.raises(Forbidden, match=r"Not you\."):
        await client.do("trip", "x", {})


@pytest.mark.parametrize(("status", "error"), [(401, Unauthenticated), (403, Forbidden), (404, Invalid)])
async def test_a_refused_handshake_is_final(gateway: FakeGateway, status: int, error: type[StenogramError]) -> None:
    gateway.status = status
    with pytest.raises(error):
        await Client(gateway.url, participant="me").connect()


async def test_a_gateway_that_is_not_there_yet_is_waited_for(
    make_gateway: type[FakeGateway], serving: Callable[..., Any], held_port: int
) -> None:
    gateway = make_gateway()
    client = Client(f"http://127.0.0.1:{held_port}", participant="me", backoff=Backoff(0.01, 0.02))
    connecting = asyncio.create_task(client.connect())
    await asyncio.sleep(0.05)
    assert not connecting.done()
    async with serving(gateway, held_port):
        await asyncio.wait_for(connecting, 30)
        assert client.connected
        await client.aclose()


async def test_waiting_for_the_first_connection_can_be_limited(unused_tcp_port: int) -> None:
    client = Client(f"http://127.0.0.1:{unused_tcp_port}", participant="me", connect_timeout=2)
    with pytest.raises(Unreachable, match="Connection refused"):
        await client.connect()


async def test_cancelling_the_first_connection_leaves_nothing(unused_tcp_port: int) -> None:
    connecting = asyncio.create_task(Client(f"http://127.0.0.1:{unused_tcp_port}", participant="me").connect())
    await asyncio.sleep(0.02)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting


async def test_a_token_is_fetched_for_every_connection(gateway: FakeGateway, eventually: Eventually) -> None:
    hellos: list[str] = []

    def note(peer: Any, hello: dict[str, Any]) -> None:
        hellos.append(hello["token"])
        gateway.welcome(peer, hello)

    async def token() -> str:
        return f"token-{len(hellos)}"

    gateway.greet = note
    async with Client(gateway.url, token=token, backoff=Backoff(0.001, 0.01)):
        await gateway.peer.close(4010)
        await eventually(lambda: len(hellos) == 2)
    assert hellos == ["token-0", "token-1"]


async def test_a_token_that_cannot_be_had_now_is_asked_for_again(gateway: FakeGateway) -> None:
    asked: list[int] = []

    def token() -> str:
        asked.append(1)
        if len(asked) < 3:
            raise OSError("the identity provider is down")
        return "good"

    async with Client(gateway.url, token=token, backoff=Backoff(0.001, 0.01)) as client:
        assert client.connected


async def test_heartbeats_are_sent_when_nothing_else_is(
    gateway: FakeGateway, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "DEAD_AFTER_HEARTBEATS", 1_000)  # a slow machine may miss some
    gateway.heartbeat = 0.08
    async with Client(gateway.url, participant="me"):
        await eventually(lambda: len(gateway.peer.asked("heartbeat")) >= 3)
        assert len(gateway.peers) == 1


async def test_a_gateway_that_fell_silent_is_left(gateway: FakeGateway, eventually: Eventually) -> None:
    gateway.heartbeat = 0.08
    gateway.answers_heartbeats = False
    async with Client(gateway.url, participant="me", backoff=Backoff(0.001, 0.01)) as client:
        began = time.monotonic()
        await eventually(lambda: len(gateway.peers) == 2)
        assert time.monotonic() - began > 0.15
        await client.do("trip", "x", {})


async def test_its_states_can_be_watched(gateway: FakeGateway, eventually: Eventually) -> None:
    called: list[str] = []
    watched: list[str] = []

    async def watch(client: Client) -> None:
        async for state in client.states():
            watched.append(state)

    async with Client(gateway.url, participant="me", backoff=Backoff(0.02, 0.02), on_state=called.append) as client:
        watching = asyncio.create_task(watch(client))
        await asyncio.sleep(0)
        gateway.peer.cut()
        await eventually(lambda: len(gateway.peers) == 2 and client.connected)
    await watching
    assert called == watched == ["connected", "reconnecting", "connected", "closed"]


async def test_a_callback_that_fails_harms_nobody(gateway: FakeGateway) -> None:
    def fail(state: str) -> None:
        raise ValueError(state)

    async with Client(gateway.url, participant="me", on_state=fail) as client:
        await client.do("trip", "x", {})


async def test_closing_ends_a_connecting_that_has_hardly_begun(gateway: FakeGateway) -> None:
    for turns in range(5):
        client = Client(gateway.url, participant="me")
        connecting = asyncio.create_task(client.connect())
        for _ in range(turns):
            await asyncio.sleep(0)
        await client.aclose()
        if turns:
            with pytest.raises(ClientClosed):
                await asyncio.wait_for(connecting, 30)
        else:  # it had not been asked to connect yet
            await connecting
            await client.aclose()


async def test_closing_twice_and_at_once_is_closing_once(gateway: FakeGateway, client: Client) -> None:
    await asyncio.gather(client.aclose(), client.aclose())
    await client.aclose()
    assert not client.connected
    with pytest.raises(ClientClosed):
        await client.show("trip")
    await asyncio.wait_for(gateway.peer.gone.wait(), 30)


async def test_closing_ends_streams(client: Client) -> None:
    events = client.session("trip").events()
    following = asyncio.create_task(_collect(events))
    await asyncio.sleep(0.01)
    await client.aclose()
    assert await following == []


async def test_closing_does_not_wait_for_a_dead_gateway() -> None:
    async def stall(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(autoclose=False)
        await ws.prepare(request)
        await ws.receive()
        await ws.send_json({"frame": "welcome", "protocol": 1, "epoch": "e", "heartbeat": 15, "participant": "me"})
        assert request.transport is not None
        request.transport.pause_reading()
        await done.wait()
        return ws

    done = asyncio.Event()
    app = web.Application()
    app.router.add_get("/v1/ws", stall)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    client = Client(f"http://127.0.0.1:{runner.addresses[0][1]}", participant="me")
    await client.connect()
    stuck = [asyncio.create_task(client.do("trip", "x", {"text": "a" * 1_000_000})) for _ in range(14)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(30):
        await client.aclose()
    results = await asyncio.gather(*stuck, return_exceptions=True)
    assert all(isinstance(result, ClientClosed) for result in results)
    done.set()
    await runner.cleanup()


async def test_frames_that_make_no_sense_end_the_connection_not_the_client(
    gateway: FakeGateway, client: Client, eventually: Eventually
) -> None:
    gateway.peer.send({"frame": "of a later version"})
    gateway.peer.send({"frame": "ack", "id": "nobody's", "session": "trip", "versions": [], "positions": []})
    await client.do("trip", "x", {})
    assert len(gateway.peers) == 1
    gateway.peer.send({"frame": "ack"})
    await eventually(lambda: len(gateway.peers) == 2)
    await client.do("trip", "x", {})


async def test_another_protocol_is_refused(gateway: FakeGateway) -> None:
    gateway.greet = lambda peer, hello: peer.send({"frame": "welcome", "protocol": 2, "epoch": "e"})
    with pytest.raises(Invalid, match="speaks protocol 2"):
        await Client(gateway.url, participant="me").connect()


@pytest.mark.parametrize("url", ["127.0.0.1:8600", "ftp://gateway", "http://", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Client(url, participant="me")


def test_a_client_is_someone() -> None:
    with pytest.raises(ConfigurationError, match="either a token or a participant"):
        Client("http://localhost")
    with pytest.raises(ConfigurationError, match="either a token or a participant"):
        Client("http://localhost", token="t", participant="p")


def test_delays_double_up_to_the_cap_and_keep_the_floor() -> None:
    backoff = Backoff(1.0, 4.0)
    assert all(backoff.next() <= ceiling for ceiling in (1, 2, 4, 4, 4))
    assert backoff.next(floor=9.0) >= 9.0
    backoff.reset()
    assert backoff.next() <= 1


async def _collect(events: Any) -> list[Any]:
    return [event async for event in events]


async def test_closing_while_the_connection_is_being_lost_is_not_forgotten() -> None:
    lost = asyncio.Event()

    class Socket:
        close_code = 1006

        async def receive(self) -> aiohttp.WSMessage:
            await lost.wait()
            return aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None)

        def exception(self) -> None:
            return None

    link = WebSocketLink(cast(Any, Socket()), Outbox(), lambda frame, cost: None, lambda: 1.0)
    serving = asyncio.create_task(link.serve())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    lost.set()
    serving.cancel()
    await asyncio.wait([serving])
    assert serving.cancelled()
