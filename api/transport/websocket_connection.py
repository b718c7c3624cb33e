"""One WebSocket past its hello: frames are handled in the order in which they come."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

import orjson
from aiohttp import WSMsgType

from ...domain.errors import Busy, Invalid, LogFailed, StenogramError, TooLarge
from ...domain.model import Command
from ...domain.unchecked import new_unchecked
from ...log.commit.requests import Execute, Outcome
from ...log.commit.rest import Stopwatch
from ...log.records import Appended
from ..access.principal import Principal
from ..access.rate_limit import LONG_MESSAGE_BYTES, TokenBucket
from ..access.rights import TAKE_PART
from ..delivery.websocket_encoder import WEBSOCKET, WebSocketEncoder, text_frame
from ..protocol.client_frames import (
    Heartbeat,
    Subscribe,
    Unsubscribe,
    is_command,
    name_of,
    parse_command_frame,
    parse_control,
    read_frames,
    read_frames_one_by_one,
)
from ..protocol.close_codes import NOT_UTF8, SERVER_ERROR, SLOW_CONSUMER, CloseCode, close_code_for
from ..protocol.unreadable import UnreadableFrame, is_utf8
from ..settings import Settings
from ..telemetry.telemetry import Telemetry
from ..tenants.tenant import Tenant
from .inbox import InboxResponse, Message
from .pending_commands import PendingCommands
from .replies import Replies
from .slow_consumers import LINGER_S
from .subscribing import follow_documents, follow_events
from .transport_sink import TransportSink
from .turn_at_reading import TurnAtReading

MAX_UNREADABLE_FRAMES = 100
PROTOCOL = 1
_CONTENT = (WSMsgType.TEXT, WSMsgType.BINARY)
_ENDED = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED)


class WebSocketConnection(TransportSink):
    """A connection of an authenticated participant.

    `close_with_bye` ends it, from anywhere; the one task that serves it stops reading then, and closes the transport.
    (aiohttp does not wait for a peer's close frame when one task closes while another reads; the peer could then lose
    what it has yet to read.)
    """

    def __init__(
        self,
        ws: InboxResponse,
        transport: asyncio.Transport,
        tenant: Tenant,
        principal: Principal,
        settings: Settings,
        telemetry: Telemetry,
        run: str | None = None,
        encoder: WebSocketEncoder = WEBSOCKET,
    ) -> None:
        super().__init__(transport)
        self.principal = principal
        self._ws = ws
        self.tenant = tenant
        self._settings = settings
        self._telemetry = telemetry
        self._actor = principal.actor
        self._run_of_actor = run
        self._encoder = encoder
        self._replies = Replies(self, tenant.tick, encoder.max_bytes)
        self._execute = tenant.log.execute
        self._clock = tenant.log.clock
        self._began = time.monotonic()
        self._commands = 0
        self._read_frames = partial(read_frames, depth=settings.depth, batch=settings.batch)
        self._heard_at = time.monotonic()
        self._draining = False
        self._pending = PendingCommands()
        self._unreadable = 0
        self._fault: Exception | None = None
        self._serve_timeout: asyncio.Timeout | None = None
        self._close_code: CloseCode | None = None
        self._token_bucket = TokenBucket(settings.commands_per_second, self._heard_at)
        self._turn = TurnAtReading(tenant.tick)
        ws.on_close = self.end_all
        self.attach(ws.parse)

    def welcome(self) -> None:
        """Answer the hello, before anything else is written."""
        settings, principal = self._settings, self.principal
        reads = {} if self.tenant.log.engine.writable else {"read_only": True}
        self._replies.add(
            {
                "frame": "welcome",
                "protocol": PROTOCOL,
                "epoch": self.tenant.log.epoch,
                "participant": principal.participant,
                "kind": principal.kind,
                **reads,
                "heartbeat": settings.heartbeat,
                "limits": {
                    "frame_bytes": settings.frame_bytes,
                    "sent_frame_bytes": self._encoder.max_bytes,
                    "batch": settings.batch,
                    "subscriptions": settings.subscriptions,
                    "depth": settings.depth,
                    "commands_per_second": settings.commands_per_second,
                },
            }
        )
        # Not at the end of the turn: what follows from the frames behind the hello may be written before that.
        self._replies.flush()

    @property
    def heard_at(self) -> float:
        """When anything came last, on the clock of `time.monotonic`."""
        return self._heard_at

    async def serve(self, frames: list[Any], size: int) -> None:
        """Handle the frames that came with the hello, then messages, until the connection ends or is ended. Raises
        Invalid when too many cannot be read."""
        self.tenant.last_seen.attach(self.principal.participant, self, self._run_of_actor)
        try:
            with contextlib.suppress(TimeoutError):
                # `close_with_bye` lets this time out. To cancel the task instead would cancel aiohttp's handler, which
                # then cuts the connection: the bye would be lost with it.
                async with asyncio.timeout(None) as self._serve_timeout:
                    await self._handle(frames, size)
                    await self._serve()
        finally:
            self._serve_timeout = None
            self.tenant.last_seen.detach(self.principal.participant, self, self._run_of_actor)

    async def _handle(self, frames: list[Any], size: int) -> None:
        """Handle frames that came in one message of `size` bytes."""
        share = size // max(1, len(frames))
        for frame in frames:
            if is_command(frame):
                await self._turn.next_command()
            else:
                await self._turn.other_frame(share)
            if self._draining or self.closed:  # also when that came during the wait
                return
            if is_command(frame) and share > LONG_MESSAGE_BYTES:
                watch = Stopwatch()
                self._submit(frame, self._clock.now(self._heard_at), share)
                self._turn.took(watch.lap())
            elif is_command(frame):
                self._submit(frame, self._clock.now(self._heard_at), share)
            elif isinstance(frame, UnreadableFrame) and "id" in frame.about:  # a command, and answered like one
                self._refuse(frame.error, **frame.about)
            elif isinstance(frame, UnreadableFrame):
                self._refuse_unreadable(frame.error, frame.about)
            else:
                await self._control(frame)

    def silent_for(self, now: float) -> float:
        """Seconds since anything came; 0 while nothing is read, because the client does not read its replies, has too
        many commands on their way, or rests."""
        is_read = self.drained.is_set() and not self._pending.is_waited_for and not self._turn.rests
        return now - self._heard_at if is_read else 0.0

    async def drain(self) -> None:
        """Accept no more commands (they come again elsewhere), and wait until those accepted are answered."""
        self._draining = True
        await self._pending.none()
        self._replies.flush()

    def close_with_bye(self, close_code: CloseCode, reason: str, retry_after: float = 0.0) -> None:
        """Say why the connection ends and where to resume, and write nothing more; `close_transport` does the rest."""
        if self._close_code is not None:
            return
        self._close_code = close_code
        frame: dict[str, Any] = {"frame": "bye", "code": close_code.name, "reason": reason}
        if not close_code.final:
            frame["retry_after"] = retry_after
        # Acks first: `end_all` discards what is written later, and those commands would be sent again for nothing.
        self._replies.flush()
        # Before `end_all`, which forgets the subscriptions: `resume` must say where each of them has come to.
        bye = orjson.dumps({**frame, "resume": self.resume_places()})
        self.write(text_frame(bye if len(bye) <= self._encoder.max_bytes else orjson.dumps(frame)))
        self.end_all()
        if self._serve_timeout is not None:
            self._serve_timeout.reschedule(0.0)

    async def close_transport(self) -> None:
        """Close, if the client was told `bye`; a peer that does not answer is cut off."""
        if self._close_code is None:
            return
        close = self._ws.close_unread if self._ws.too_large else self._ws.close
        within = LINGER_S if self._ws.too_large or self._close_code is SLOW_CONSUMER else self._settings.drain / 2
        try:
            async with asyncio.timeout(within):
                await close(code=self._close_code.code, message=self._close_code.name.encode())
        except (TimeoutError, ConnectionError, RuntimeError):
            self.abort()

    def report_end(self, remote: str | None) -> None:
        """Say that it has ended, for those who look after the gateway."""
        code = "closed_by_client" if self._close_code is None else self._close_code.name
        seconds = round(time.monotonic() - self._began, 3)
        about = {"run": self._run_of_actor, "remote": remote, "seconds": seconds, "commands": self._commands}
        self._telemetry.connection_ended("websocket", code, self.principal, **about)

    def fail(self, error: BaseException) -> None:
        """Something that was followed cannot be read: the client resumes on a new connection."""
        problem = error if isinstance(error, StenogramError) else LogFailed(f"Reading the log failed: {error!r}.")
        self.close_with_bye(SERVER_ERROR, problem.detail, 1.0)

    async def _serve(self) -> None:
        while True:
            message = await self._ws.receive_unhandled(self._try_handle)
            if message.type in _ENDED:
                return
            # What `_try_handle` met within the parser's call, where raising would have gone to aiohttp.
            if self._fault is not None:
                raise self._fault
            self._heard_at = time.monotonic()
            if message.type is WSMsgType.ERROR and self._ws.too_large:
                raise TooLarge(f"A message to this gateway has at most {self._settings.frame_bytes} bytes.")
            if message.type in _CONTENT:
                # Before the message is handled: its commands would exceed the bound, and its acks pile up in memory.
                await self._wait_for_room()
                await self._handle_message(message)
            else:
                await self._turn.other_frame(0)
                if message.type is WSMsgType.PING:
                    await self._ws.pong(message.data)
            if await self._turn.rest():
                self._heard_at = time.monotonic()  # nothing was read meanwhile

    def _try_handle(self, message: Message) -> bool:
        """Handle a message within the parser's call, if it holds nothing but commands and there is room for them: then
        there is nothing to wait for. False: it is left to the task."""
        if message.type not in _CONTENT or self._draining or self.closed or not self._has_room:
            return False
        content = message.data
        if len(content) > LONG_MESSAGE_BYTES or self._turn.is_over:
            return False
        try:
            frames = self._read_frames(content)
            if not all(map(is_command, frames)):
                return False
            self._turn.commands(len(frames))
        except StenogramError:
            return False
        self._heard_at = time.monotonic()
        now, share = self._clock.now(self._heard_at), len(content) // (len(frames) or 1)
        try:
            for frame in frames:
                self._submit(frame, now, share)
        except Exception as fault:  # the task that serves this connection knows what to do about it
            self._fault = fault
        # After a fault the message goes to the task all the same: nothing else would wake it.
        return self._fault is None

    @property
    def _has_room(self) -> bool:
        return self.drained.is_set() and not self._pending.are_many

    async def _wait_for_room(self) -> None:
        """Wait while the client does not read its replies, or has too many commands on their way."""
        if self._has_room:
            return
        await self.drained.wait()
        await self._pending.fewer()
        # It was not silent meanwhile, it was not read; it would be ended as silent in the moment it goes on.
        self._heard_at = time.monotonic()

    async def _handle_message(self, message: Message) -> None:
        content = message.data if isinstance(message.data, bytes) else message.data.encode()
        watch = Stopwatch()
        frames = self._read_each(content)
        self._turn.took(watch.lap())
        bad = message.type is WSMsgType.TEXT and any(isinstance(each, UnreadableFrame) for each in frames)
        if bad and not is_utf8(content):  # RFC 6455 §8.1
            self.close_with_bye(NOT_UTF8, "A text message must be UTF-8.")
        else:
            await self._handle(frames, len(content))

    def _read_each(self, content: bytes) -> list[Any]:
        try:
            return read_frames_one_by_one(content, self._settings.depth, self._settings.batch)
        except Invalid as error:
            return [UnreadableFrame(error, {})]

    def _refuse_unreadable(self, error: StenogramError, about: Mapping[str, object]) -> None:
        self._refuse(error, **about)
        self._unreadable += 1
        if self._unreadable > MAX_UNREADABLE_FRAMES:
            raise Invalid(f"{self._unreadable} frames in a row could not be read; this client is not speaking ours.")

    def _submit(self, members: dict[str, Any], now: datetime, size: int) -> None:
        answered: Callable[[Execute, Outcome], None] = self._on_outcome
        try:
            self._token_bucket.spend(self._heard_at)
            frame, id, session, data = parse_command_frame(members)
            self.principal.require_command(data, session)
            if frame is None:
                about = (id, session, self._actor, now, data, None, None, self._run_of_actor, None, False)
                command = new_unchecked(Command, about)
                if self._telemetry.tracing is not None:
                    answered = self._traced(command)
                self._execute(command, answered, size, sender=self)
            else:
                command = frame.command(self._actor, now, data)._replace(run=self._run_of_actor)
                producer, expect = frame.parsed_producer(self.principal.participant), frame.parsed_expect()
                if self._telemetry.tracing is not None:
                    answered = self._traced(command)
                self._execute(command, answered, size, expect, producer, self)
        except StenogramError as error:
            self._refuse(error, members.get("do"), id=members.get("id"), session=members.get("session"))
        else:
            self._unreadable = 0
            self._pending.add(size)
            self._commands += 1

    def _traced(self, command: Command) -> Callable[[Execute, Outcome], None]:
        assert self._telemetry.tracing is not None
        return self._telemetry.tracing.traced(command, self.tenant.name, self.tenant.log.stats, self._on_outcome)

    def _refuse(self, error: StenogramError, do: object = None, **about: Any) -> None:
        """Say that a frame was not carried out; `about` names it, as far as that could be read."""
        self._replies.refuse(error, **about)
        self._telemetry.refused(error, self.principal, do=do, session=about.get("session"))

    def _on_outcome(self, request: Execute, outcome: Outcome) -> None:
        self._pending.remove(request.size)
        command = request.command
        if isinstance(outcome, Appended):
            self._replies.ack(command.id, command.session, outcome)
        else:
            self._refuse(outcome, command.data.do, id=command.id, session=command.session)

    async def _control(self, members: Any) -> None:
        about = {name: members.get(name) for name in ("id", "sub")} if isinstance(members, dict) else {}
        watch = Stopwatch()
        try:
            frame = parse_control(members)
            self._turn.took(watch.lap())
            if isinstance(frame, Subscribe):
                await self._subscribe(frame)
            elif isinstance(frame, Unsubscribe):
                if not self.end(frame.sub):
                    raise Invalid(f"There is no subscription {frame.sub!r}.")
            else:
                self._heartbeat(frame)
                self._turn.took(watch.lap())
        except Invalid as error:
            self._refuse_unreadable(error, about)
        except StenogramError as error:
            self._refuse(error, name_of(members), **about)
        else:
            self._unreadable = 0

    def _heartbeat(self, frame: Heartbeat) -> None:
        for session in frame.progress or ():
            self.principal.require(TAKE_PART, session)
        self.tenant.progressed(self.principal.participant, frame.progress or {})
        self._replies.add({"frame": "heartbeat"})

    async def _subscribe(self, frame: Subscribe) -> None:
        if frame.name not in self.subscriptions and len(self.subscriptions) >= self._settings.subscriptions:
            raise Busy(f"A connection has at most {self._settings.subscriptions} subscriptions; end one first.")
        follow = follow_documents if frame.views else follow_events
        self.begin(frame.name, await follow(frame, self, self.principal, self.tenant, self._encoder))


async def refuse_and_close(ws: InboxResponse, error: StenogramError) -> None:
    """End a connection that got no further than its hello."""
    close_code = close_code_for(error)
    with contextlib.suppress(ConnectionError):
        await ws.send_str(orjson.dumps({"frame": "refused", "error": error.problem()}).decode())
        close = ws.close_unread if ws.too_large else ws.close
        await close(code=close_code.code, message=close_code.name.encode())
