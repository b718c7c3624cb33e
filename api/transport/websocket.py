"""One WebSocket past its hello: frames are handled in the order in which they come."""

import asyncio
import contextlib
import time
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from aiohttp import WSMsgType

from ...domain.audience import Viewer
from ...domain.concepts.lifecycle import ForkSession
from ...domain.errors import Busy, Invalid, LogFailed, StenogramError
from ...domain.ids import SessionId
from ...domain.model import Command
from ...domain.unchecked import new_unchecked
from ...log.commit.requests import Execute, Outcome
from ...log.records import Appended
from ..access.principal import Principal
from ..access.rate_limit import TokenBucket
from ..delivery.cursor import Cursor, GroupKey
from ..delivery.encoding import SOCKET, text_frame
from ..delivery.event_filter import EVERY_SESSION, EventFilter
from ..loop.clock import CLOCK
from ..loop.lazy_event import LazyEvent
from ..protocol.client_frames import (
    Heartbeat,
    Subscribe,
    Unsubscribe,
    Watched,
    parse_command_frame,
    parse_control,
    read_frames,
)
from ..protocol.close_codes import SERVER_ERROR, SLOW_CONSUMER, CloseCode, close_code_for
from ..settings import Settings
from ..tenants import Tenant
from ..views.access import viewer_of
from ..views.document_follower import DocumentFollower
from .inbox import InboxResponse, Message
from .replies import Replies
from .sink import Subscription, TransportSink

MAX_UNREADABLE = 100
MAX_PENDING = 4_096
"""Commands of one connection that may wait for their commit; beyond that nothing more is read from it."""
LINGER = 60.0
"""Seconds in which a slow client may still find out where to resume. It costs what its transport holds, and no more."""
PROTOCOL = 1
_WAITED_FOR = (0, MAX_PENDING // 2)
_CONTENT = (WSMsgType.TEXT, WSMsgType.BINARY)
_ENDED = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED)


class WebSocketResponse(InboxResponse):
    """Tells its socket before it closes, for whatever reason: nothing may be written behind the close frame."""

    socket: "WebSocketConnection | None" = None

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = True) -> bool:
        """Close once."""
        if self.socket is not None:
            self.socket.end_all()
        return await super().close(code=code, message=message, drain=drain)


class WebSocketConnection(TransportSink):
    """A connection of an authenticated participant.

    Whoever wants it to end calls `dismiss`; the one task that serves it stops reading then, and takes leave of the
    client. (aiohttp does not wait for a peer's close frame when one task closes while another reads; the peer could
    then lose what it has yet to read.)
    """

    def __init__(
        self,
        ws: WebSocketResponse,
        transport: asyncio.Transport,
        tenant: Tenant,
        principal: Principal,
        settings: Settings,
        run: str | None = None,
    ) -> None:
        super().__init__(transport, tenant)
        self.principal = principal
        self._ws = ws
        self._tenant = tenant
        self._settings = settings
        self._actor = principal.actor
        self._run_of_actor = run
        self._answers = Replies(self, tenant.turn)
        self._execute = tenant.log.execute
        self._read = partial(read_frames, depth=settings.depth, batch=settings.batch)
        self._heard = time.monotonic()
        self._leaving = False
        self._pending = 0
        self._fewer = LazyEvent()
        self._unreadable = 0
        self._fault: Exception | None = None
        self._serving: asyncio.Timeout | None = None
        self._closing: CloseCode | None = None
        self._token_bucket = TokenBucket(settings.commands_per_second, self._heard)
        ws.socket = self
        self.attach(ws.parse)

    def welcome(self) -> None:
        """Answer the hello, before anything else is written."""
        settings, principal = self._settings, self.principal
        reads = {} if self._tenant.log.engine.writable else {"read_only": True}
        self._answers.add(
            {
                "frame": "welcome",
                "protocol": PROTOCOL,
                "epoch": self._tenant.log.epoch,
                "participant": principal.participant,
                "kind": principal.kind,
                **reads,
                "heartbeat": settings.heartbeat,
                "limits": {
                    "frame_bytes": settings.frame_bytes,
                    "batch": settings.batch,
                    "subscriptions": settings.subscriptions,
                    "depth": settings.depth,
                    "commands_per_second": settings.commands_per_second,
                },
            }
        )
        self._answers.flush()

    @property
    def heard(self) -> float:
        """When anything came last, on the clock of `time.monotonic`."""
        return self._heard

    async def serve(self, frames: list[Any], size: int) -> None:
        """Handle the frames that came with the hello, then messages, until the connection ends or is dismissed.
        Raises Invalid when too many cannot be read."""
        self._tenant.last_seen.attach(self.principal.participant, self)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None) as self._serving:
                    await self.handle(frames, size)
                    await self._serve()
        finally:
            self._serving = None
            self._tenant.last_seen.detach(self.principal.participant, self)

    async def handle(self, frames: list[Any], size: int) -> None:
        """Handle frames that came in one message of `size` bytes."""
        share = size // max(1, len(frames))
        for frame in frames:
            if self._leaving or self.closed:
                return
            if _is_command(frame):
                self._command(frame, CLOCK.now(self._heard), share)
            else:
                await self._control(frame)

    def silent_for(self, now: float) -> float:
        """Seconds since anything came; 0 while it is the client that does not take its answers."""
        return now - self._heard if self.drained.is_set() else 0.0

    async def settle(self) -> None:
        """Take no more commands (they come again elsewhere), and wait until those taken are answered."""
        self._leaving = True
        while self._pending:
            self._fewer.clear()
            await self._fewer.wait()
        self._answers.flush()

    def dismiss(self, closing: CloseCode, reason: str, retry_after: float = 0.0) -> None:
        """Say why the connection ends and where to resume, and write nothing more; `leave` does the rest."""
        if self._closing is not None:
            return
        self._closing = closing
        frame: dict[str, Any] = {"frame": "bye", "code": closing.name, "reason": reason}
        if not closing.final:
            frame["retry_after"] = retry_after
        self._answers.flush()
        self.write(text_frame(orjson.dumps({**frame, "resume": self.resume_places()})))
        self.end_all()
        if self._serving is not None:
            self._serving.reschedule(0.0)

    async def leave(self) -> None:
        """Close, if the client was dismissed; a peer that does not answer is cut off."""
        if self._closing is None:
            return
        within = LINGER if self._closing is SLOW_CONSUMER else self._settings.drain / 2
        try:
            async with asyncio.timeout(within):
                await self._ws.close(code=self._closing.code, message=self._closing.name.encode())
        except (TimeoutError, ConnectionError, RuntimeError):
            self.abort()

    def fail(self, error: BaseException) -> None:
        """Something that was followed cannot be read: the client resumes on a new connection."""
        problem = error if isinstance(error, StenogramError) else LogFailed(f"Reading the log failed: {error!r}.")
        self.dismiss(SERVER_ERROR, problem.detail, 1.0)

    async def _serve(self) -> None:
        while True:
            message = await self._ws.receive_or_take(self._take)
            if message.type in _ENDED:
                return
            if self._fault is not None:
                raise self._fault
            self._heard = time.monotonic()
            if message.type in _CONTENT:
                await self._room()
                await self._message(message.data)

    def _take(self, message: Message) -> bool:
        """Handle a message in passing, if it holds nothing but commands and there is room for them: then there is
        nothing to wait for."""
        if message.type not in _CONTENT or self._leaving or self.closed or not self._has_room:
            return False
        try:
            content = message.data
            frames = self._read(content)
            if not all(map(_is_command, frames)):
                return False
        except StenogramError:
            return False
        self._heard = time.monotonic()
        now, share = CLOCK.now(self._heard), len(content) // (len(frames) or 1)
        try:
            for frame in frames:
                self._command(frame, now, share)
        except Exception as fault:  # the task that serves this connection knows what to do about it
            self._fault = fault
        return self._fault is None

    @property
    def _has_room(self) -> bool:
        return self.drained.is_set() and self._pending < MAX_PENDING

    async def _room(self) -> None:
        """Wait while the client does not take its answers, or has too many commands on their way."""
        if self._has_room:
            return
        await self.drained.wait()
        while self._pending >= MAX_PENDING:
            self._fewer.clear()
            await self._fewer.wait()
        self._heard = time.monotonic()

    async def _message(self, raw: bytes | str) -> None:
        content = raw if isinstance(raw, bytes) else raw.encode()
        try:
            frames = self._read(content)
        except StenogramError as error:
            self._misunderstood(error)
        else:
            await self.handle(frames, len(content))

    def _misunderstood(self, error: StenogramError, sub: object = None) -> None:
        self._answers.refuse(error, sub=sub)
        self._unreadable += 1
        if self._unreadable > MAX_UNREADABLE:
            raise Invalid(f"{self._unreadable} frames in a row could not be read; this client is not speaking ours.")

    def _command(self, members: dict[str, Any], now: datetime, size: int) -> None:
        try:
            self._token_bucket.spend(self._heard)
            frame, id, session, data = parse_command_frame(members)
            self.principal.require("write", session)
            if type(data) is ForkSession:
                self.principal.require("read", data.origin)
            if frame is None:
                command = new_unchecked(Command, (id, session, self._actor, now, data, None, None, self._run_of_actor))
                self._execute(command, self._answered, size)
            else:
                command = frame.command(self._actor, now, data)._replace(run=self._run_of_actor)
                producer = frame.parsed_producer(self.principal.participant)
                self._execute(command, self._answered, size, frame.parsed_expect(), producer)
        except StenogramError as error:
            self._answers.refuse(error, id=members.get("id"), session=members.get("session"))
        else:
            self._unreadable = 0
            self._pending += 1

    def _answered(self, request: Execute, outcome: Outcome) -> None:
        self._pending -= 1
        if self._pending in _WAITED_FOR:
            self._fewer.set()
        id, session = request.command[:2]
        if isinstance(outcome, Appended):
            self._answers.ack(id, session, outcome)
        else:
            self._answers.refuse(outcome, id=id, session=session)

    async def _control(self, members: Any) -> None:
        sub = members.get("sub") if isinstance(members, dict) else None
        try:
            frame = parse_control(members)
            if isinstance(frame, Subscribe):
                await self._subscribe(frame)
            elif isinstance(frame, Unsubscribe):
                if not self.end(frame.sub):
                    raise Invalid(f"There is no subscription {frame.sub!r}.")
            else:
                self._beat(frame)
        except Invalid as error:
            self._misunderstood(error, sub)
        except StenogramError as error:
            self._answers.refuse(error, sub=sub)
        else:
            self._unreadable = 0

    def _beat(self, frame: Heartbeat) -> None:
        for session in frame.progress or ():
            self.principal.require("write", session)
        self._tenant.progressed(self.principal.participant, frame.progress or {})
        self._answers.add({"frame": "heartbeat"})

    async def _subscribe(self, frame: Subscribe) -> None:
        if frame.name not in self.subscriptions and len(self.subscriptions) >= self._settings.subscriptions:
            raise Busy(f"A connection has at most {self._settings.subscriptions} subscriptions; end one first.")
        watchers = [await self._watcher(frame.name, each) for each in frame.views or ()]
        self.begin(frame.name, Subscription({} if watchers else await self._follow(frame), watchers))

    async def _watcher(self, sub: str, wanted: Watched) -> DocumentFollower:
        projection = self._tenant.views.document(wanted.view)
        viewer = await viewer_of(self.principal, self._tenant.log, projection, wanted.key)
        return DocumentFollower(projection, wanted.key, viewer, self, sub, SOCKET, wanted.known)

    async def _follow(self, frame: Subscribe) -> dict[SessionId | None, Cursor]:
        principal, places = self.principal, frame.places(self._tenant.log.epoch)
        for session in places:
            if session is not None:
                principal.require("read", session)
        cursors: dict[SessionId | None, Cursor] = {}
        try:
            for session, after in places.items():
                filter = EventFilter(
                    frame.reading, frame.types, EVERY_SESSION if session is not None else principal.read
                )
                key = GroupKey(frame.name, SOCKET, filter)
                viewer = await self._viewer(session)
                cursors[session] = await self.feed.follow(session, after, key, viewer, self)
        except BaseException:
            for cursor in cursors.values():
                self.feed.end(cursor)
            raise
        return cursors

    async def _viewer(self, session: SessionId | None) -> Viewer:
        principal = self.principal
        return principal.log_viewer if session is None else await principal.viewer(self._tenant.log, session)


def _is_command(frame: Any) -> bool:
    return isinstance(frame, dict) and frame.get("frame") == "command"


async def turn_away(ws: WebSocketResponse, error: StenogramError) -> None:
    """End a connection that got no further than its hello."""
    closing = close_code_for(error)
    with contextlib.suppress(ConnectionError):
        await ws.send_str(orjson.dumps({"frame": "refused", "error": error.problem()}).decode())
        await ws.close(code=closing.code, message=closing.name.encode())
