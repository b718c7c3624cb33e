"""A raw WebSocket client. It has no task of its own: to wait for something is to read until it has come."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any, Self

import aiohttp
import orjson

from support.wire.follower import Follower, Frame

Key = tuple[str, str | None]


class Closed(Exception):
    """The gateway closed the connection; `bye` is the frame that it sent before, if it did."""

    def __init__(self, code: int | None, reason: str, bye: Frame | None) -> None:
        super().__init__(f"closed with {code} {reason}")
        self.code = code
        self.reason = reason
        self.bye = bye


class Wire:
    """One connection. `frames` holds what answered nothing in particular: refusals without an id, heartbeats."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.welcome: Frame = {}
        self.answers: dict[str, Frame] = {}
        self.followers: dict[Key, Follower] = {}
        self.frames: list[Frame] = []
        self.bye: Frame | None = None
        self._ended: set[str] = set()

    @classmethod
    async def open(
        cls, http: aiohttp.ClientSession, url: str, *, headers: dict[str, str] | None = None, **hello: Any
    ) -> Self:
        """Connect, say hello, wait for the welcome. Raises Closed when the hello is refused."""
        wire = cls(await http.ws_connect(f"{url}/v1/ws", headers=headers, max_msg_size=0))
        await wire.send({"frame": "hello", "protocol": 1, **hello})
        await wire.until(lambda: bool(wire.welcome))
        return wire

    async def send(self, *frames: Any) -> None:
        """Send frames as one message: one as it is, several as an array."""
        await self.raw(orjson.dumps(frames[0] if len(frames) == 1 else frames))

    async def raw(self, message: bytes | str) -> None:
        """Send a text message of any content."""
        content = message.encode() if isinstance(message, str) else message
        await self.ws.send_frame(content, aiohttp.WSMsgType.TEXT)

    async def subscribe(self, sub: str | None = None, *, dense: bool = True, at: int = 0, **members: Any) -> Follower:
        """Subscribe; returns the follower of the session (of several, the first), or of the log. `at` is the position
        of a cursor in `after`."""
        sessions = members.get("sessions") or {members.get("session"): members.get("after", 0)}
        name = sub or members.get("session") or "*"
        made = {}
        for session, after in sessions.items():
            begin = after if isinstance(after, int) else at
            made[name, session] = Follower(begin, dense=dense, whole=session is None)
        self.follow(name, made)
        await self.send({"frame": "subscribe", **({"sub": sub} if sub else {}), **members})
        return next(iter(made.values()))

    async def unsubscribe(self, sub: str) -> None:
        """End a subscription; what of it is still on its way is dropped."""
        self.follow(sub, {})
        self._ended.add(sub)
        await self.send({"frame": "unsubscribe", "sub": sub})

    def follow(self, sub: str, followers: dict[Key, Follower]) -> None:
        """Hand what comes under this name to these followers from now on."""
        self._ended.discard(sub)
        for key in [key for key in self.followers if key[0] == sub]:
            del self.followers[key]
        self.followers.update(followers)

    async def command(self, session: str, do: str, data: Any, *, id: str | None = None, **members: Any) -> Frame:
        """Send a command and wait for its answer: `ack` or `refused`."""
        id = id or str(uuid.uuid4())
        self.answers.pop(id, None)
        await self.send({"frame": "command", "id": id, "session": session, "do": do, "data": data, **members})
        await self.until(lambda: id in self.answers)
        return self.answers[id]

    async def reach(self, sub: str, place: int, session: str | None = None) -> Follower:
        """Read until the subscription is at `place`."""
        follower = self.followers[sub, session] if session else self._of(sub)
        await self.until(lambda: follower.at >= place)
        return follower

    async def catch_up(self, sub: str) -> Follower:
        """Read until the subscription has delivered what there was."""
        await self.until(lambda: all(each.caught_up for key, each in self.followers.items() if key[0] == sub))
        return self._of(sub)

    async def until(self, done: Callable[[], bool], timeout: float = 40.0) -> None:
        """Read until `done`. Raises Closed, or TimeoutError."""
        async with asyncio.timeout(timeout):
            while not done():
                await self.step()

    async def step(self) -> None:
        """Read one message and take its frames over. Raises Closed at the end."""
        message = await self.ws.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            reason = message.extra or ""
            raise Closed(self.ws.close_code, str(reason), self.bye)
        content = orjson.loads(message.data)
        for frame in content if isinstance(content, list) else [content]:
            self._take(frame)

    async def refusal(self) -> Frame:
        """The next refusal that names no command."""
        await self.until(lambda: any(each["frame"] == "refused" for each in self.frames))
        found = next(each for each in self.frames if each["frame"] == "refused")
        self.frames.remove(found)
        return found

    async def closed(self, timeout: float = 40.0) -> Closed:
        """Read until the gateway closes."""
        try:
            await self.until(lambda: False, timeout)
        except Closed as closed:
            return closed
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Close, politely."""
        await self.ws.close()

    def cut(self) -> None:
        """Cut the connection without a word."""
        connection = self.ws._response.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()

    def _of(self, sub: str) -> Follower:
        return next(each for key, each in self.followers.items() if key[0] == sub)

    def _take(self, frame: Frame) -> None:
        assert self.bye is None, f"{frame['frame']} came after bye"
        match frame["frame"]:
            case "welcome":
                assert not self.welcome, "welcome came twice"
                self.welcome = frame
            case "events" | "caught_up" | "gap" if frame["sub"] in self._ended:
                pass
            case "events" | "caught_up" | "gap":
                self.followers[frame["sub"], frame.get("session")].receive(frame)
            case "ack":
                self.answers[frame["id"]] = frame
            case "refused" if "id" in frame:
                self.answers[frame["id"]] = frame
            case "bye":
                self.bye = frame
            case _:
                self.frames.append(frame)
