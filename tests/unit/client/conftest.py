"""A scripted gateway: it speaks the protocol over real sockets and misbehaves as it is told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import WSMsgType, web

from stenogram.client import Backoff, Client

Wire = dict[str, Any]


class Peer:
    """One connection, seen from the gateway."""

    def __init__(self, gateway: FakeGateway, ws: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self.heard: list[Wire] = []
        self.gone = asyncio.Event()
        self._gateway = gateway
        self._ws = ws
        self._transport = transport
        self._subs: dict[str, Wire] = {}
        self._queue: asyncio.Queue[Wire] = asyncio.Queue()
        self._left = gateway.cuts.pop(0) if gateway.cuts else None

    def send(self, frame: Wire) -> None:
        """Send a frame after those that wait."""
        self._queue.put_nowait(frame)

    async def close(self, code: int, reason: str = "") -> None:
        """Close the WebSocket when everything before it was sent."""
        await self._queue.join()
        await self._ws.close(code=code, message=reason.encode())

    def cut(self) -> None:
        """Cut the connection, or, when told so, in the middle of a frame."""
        if self._gateway.cut_in_frames:
            self._transport.write(b"\x81\x7e\x40\x00" + b'{"frame":"events","sub":"trip')
            self._transport.close()
        else:
            self._transport.abort()

    def asked(self, kind: str) -> list[Wire]:
        """The frames of a kind that came on this connection."""
        return [frame for frame in self.heard if frame["frame"] == kind]

    async def serve(self) -> None:
        """Answer until the client goes."""
        sender = asyncio.create_task(self._sender())
        try:
            async for message in self._ws:
                if message.type is WSMsgType.TEXT:
                    content = orjson.loads(message.data)
                    for frame in content if isinstance(content, list) else [content]:
                        self.heard.append(frame)
                        self._on_frame(frame)
        finally:
            sender.cancel()
            self.gone.set()

    def pump(self) -> None:
        """Send every subscription what it lacks, in batches that overlap as the gateway was told."""
        for sub in list(self._subs.values()):
            log = self._gateway.log_of(sub)
            ordinal = "version" if "session" in sub else "position"
            while log and sub["at"] < log[-1][ordinal]:
                first = max(0, sub["at"] - self._gateway.overlap)
                events = log[first : sub["at"] + self._gateway.batch]
                sub["at"] = events[-1][ordinal]
                self.send(self._events(sub, events))
            if not sub["told"]:
                sub["told"] = True
                place = {"version": sub["at"]} if "session" in sub else {"to": self._gateway.cursor(sub["at"])}
                self.send({"frame": "caught_up", "sub": sub["sub"], **place, "position": sub["at"]})

    def _events(self, sub: Wire, events: list[Wire]) -> Wire:
        wanted = sub.get("types")
        kept = [each for each in events if wanted is None or _wanted(each["type"], wanted)]
        frame = {"frame": "events", "sub": sub["sub"], "events": kept}
        if "session" in sub:
            return {**frame, "to": sub["at"]}
        cursors = [self._gateway.cursor(each["position"]) for each in kept]
        return {**frame, "to": self._gateway.cursor(sub["at"]), "cursors": cursors}

    def _on_frame(self, frame: Wire) -> None:
        gateway = self._gateway
        match frame["frame"]:
            case "hello":
                gateway.on_hello(self, frame)
            case "subscribe":
                self._subscribe(frame)
            case "unsubscribe":
                self._subs.pop(frame["sub"], None)
            case "command":
                gateway.on_command(self, frame)
            case "heartbeat" if gateway.answers_heartbeats:
                self.send({"frame": "heartbeat"})

    def _subscribe(self, frame: Wire) -> None:
        problem = self._gateway.refuse_subscription(frame)
        if problem is not None:
            self.send({"frame": "refused", "sub": frame["sub"], "error": problem})
            return
        log = self._gateway.log_of(frame)
        after = frame["after"]
        gateway = self._gateway
        at = len(log) if after == "end" else after if isinstance(after, int) else gateway.place_of(after)
        self._subs[frame["sub"]] = {**frame, "at": at, "told": False}
        for gap in self._gateway.gaps:
            self.send({"frame": "gap", "sub": frame["sub"], **gap})
        self.pump()

    async def _sender(self) -> None:
        while True:
            frame = await self._queue.get()
            if self._left == 0:
                self.cut()
                return
            if self._left is not None:
                self._left -= 1
            await self._ws.send_str(orjson.dumps(frame).decode())
            self._queue.task_done()


class FakeGateway:
    """Does every command as one event, once per id. Its attributes say how it misbehaves."""

    def __init__(self) -> None:
        self.url = ""
        self.epoch = "e1"
        self.heartbeat = 15.0
        self.answers_heartbeats = True
        self.limits: Wire = {}
        self.batch = 10
        self.overlap = 0
        self.cuts: list[int] = []
        """After how many frames each connection is cut; the rest are not."""
        self.cut_in_frames = False
        self.gaps: list[Wire] = []
        self.hold: list[Callable[[], None]] | None = None
        """Answers to commands wait here when it is a list."""
        self.withholds_events = False
        self.status: int | None = None
        self.peers: list[Peer] = []
        self.commands: list[Wire] = []
        self.greet: Callable[[Peer, Wire], None] = self.welcome
        self.refuse: Callable[[Wire], Wire | None] = lambda frame: None
        self.refuse_subscription: Callable[[Wire], Wire | None] = lambda frame: None
        self._logs: dict[str, list[Wire]] = defaultdict(list)
        self._all: list[Wire] = []
        self._done: dict[tuple[str, str], Wire] = {}

    @property
    def peer(self) -> Peer:
        """The newest connection."""
        return self.peers[-1]

    def log_of(self, sub: Wire) -> list[Wire]:
        """The events that a subscription is about."""
        return self._logs[sub["session"]] if "session" in sub else self._all

    def cursor(self, position: int) -> str:
        """What the gateway gives out for a position: nothing that a client could compute with."""
        return f"{(position * 7_919 + 4) % 1_000_003}~{self.epoch}"

    def place_of(self, cursor: str) -> int:
        """The position that a cursor means."""
        number, _, epoch = cursor.partition("~")
        assert epoch == self.epoch
        return (int(number) - 4) * pow(7_919, -1, 1_000_003) % 1_000_003

    def write(self, session: str, type: str, data: Wire, actor: str = "someone") -> Wire:
        """Append an event and send it to whom it concerns."""
        log = self._logs[session]
        event = {
            "position": len(self._all) + 1,
            "session": session,
            "version": len(log) + 1,
            "id": f"e{len(self._all) + 1}",
            "type": type,
            "time": "2026-01-31T09:30:00.000000Z",
            "actor": actor,
            "data": data,
        }
        log.append(event)
        self._all.append(event)
        if not self.withholds_events:
            self.deliver()
        return event

    def deliver(self) -> None:
        """Send everyone what they lack."""
        self.withholds_events = False
        for peer in self.peers:
            peer.pump()

    def fill(self, session: str, count: int) -> None:
        """Append many events, numbered on."""
        for _ in range(count):
            self.write(session, "x.number", {"number": len(self._logs[session]) + 1})

    def welcome(self, peer: Peer, hello: Wire) -> None:
        """Answer a hello."""
        peer.send(
            {
                "frame": "welcome",
                "protocol": 1,
                "epoch": self.epoch,
                "participant": hello.get("participant", "someone"),
                "kind": "agent",
                "heartbeat": self.heartbeat,
                "limits": self.limits,
            }
        )

    def on_hello(self, peer: Peer, hello: Wire) -> None:
        """A connection begins."""
        self.greet(peer, hello)

    def on_command(self, peer: Peer, frame: Wire) -> None:
        """Do a command, once, and answer, perhaps later."""
        self.commands.append(frame)
        place = {"id": frame["id"], "session": frame["session"]}
        problem = self.refuse(frame)
        if problem is not None:
            answer = {"frame": "refused", **place, "error": problem}
        else:
            key = (frame["session"], frame["id"])
            repeated = {"repeated": True} if key in self._done else {}
            if key not in self._done:
                self._done[key] = self.write(frame["session"], *_event_of(frame))
            event = self._done[key]
            answer = {
                "frame": "ack",
                **place,
                "versions": [event["version"]],
                "positions": [event["position"]],
                **repeated,
            }
        if self.hold is None:
            peer.send(answer)
        else:
            self.hold.append(lambda: peer.send(answer))

    def release(self) -> None:
        """Send the answers that were held back, and hold no more."""
        held, self.hold = self.hold or [], None
        for send in held:
            send()

    def done(self, do: str) -> list[Wire]:
        """The commands of a name that came, in order, repeats included."""
        return [frame for frame in self.commands if frame["do"] == do]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One connection."""
        if self.status is not None:
            return web.Response(status=self.status)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        peer = Peer(self, ws, transport)
        self.peers.append(peer)
        await peer.serve()
        return ws


def _wanted(type: str, wanted: list[str]) -> bool:
    return any(type == each or (each.endswith("*") and type.startswith(each[:-1])) for each in wanted)


def _event_of(frame: Wire) -> tuple[str, Wire, str]:
    data = frame["data"]
    match frame["do"]:
        case "session.open":
            return "session.opened", data, "me"
        case "presence.join":
            return "presence.joined", {"participant": "me", "kind": "agent", **data}, "me"
        case "presence.status":
            return "presence.status", {"participant": "me", **data}, "me"
        case "presence.leave":
            return "presence.left", {"participant": "me"}, "me"
        case "state.merge":
            return "state.merged", {"patch": data["patch"], "keys": [f"/{name}" for name in data["patch"]]}, "me"
        case _:
            return "x.done", {"command": frame["id"]}, "me"


@asynccontextmanager
async def serving(gateway: FakeGateway, port: int = 0) -> AsyncIterator[FakeGateway]:
    """Let a scripted gateway listen."""
    app = web.Application()
    app.router.add_get("/v1/ws", gateway.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    gateway.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield gateway
    finally:
        for peer in gateway.peers:
            peer.cut()
        await runner.cleanup()


@pytest.fixture(name="serving")
def serving_fixture() -> Callable[..., Any]:
    """Lets a scripted gateway listen, for tests that need it to come and go, or more than one."""
    return serving


@pytest.fixture
def make_gateway() -> type[FakeGateway]:
    """Makes scripted gateways."""
    return FakeGateway


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    """A scripted gateway that listens and behaves, until it is told otherwise."""
    async with serving(FakeGateway()) as listening:
        yield listening


@pytest.fixture
async def client(gateway: FakeGateway) -> AsyncIterator[Client]:
    """A client of the scripted gateway that comes back quickly."""
    async with Client(gateway.url, participant="me", backoff=Backoff(0.001, 0.01), connect_timeout=30) as connected:
        yield connected


@pytest.fixture(autouse=True)
async def nothing_left_running() -> AsyncIterator[None]:
    """The client leaves no task."""
    before = asyncio.all_tasks()
    yield
    left = {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}
    assert not left, f"Tasks were left running: {left}"


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Waits until something is so."""

    async def wait(test: Callable[[], object], within: float = 30.0) -> None:
        async with asyncio.timeout(within):
            while not test():  # noqa: ASYNC110  (any condition at all)
                await asyncio.sleep(0.002)

    return wait
