"""One WebSocket: hello, then frames in the order in which they come; answers of one turn of the loop share a frame."""

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from .. import __version__
from ..domain.errors import Busy, HansardError, Invalid, LogFailed, TooLarge
from ..domain.ids import SessionId
from ..domain.model import Command
from ..log.records import Appended
from .delivery.cursor import Cursor, GroupKey
from .delivery.encoding import SOCKET, text_frame
from .delivery.lens import EVERY, Lens
from .frames import Subscribe, Unsubscribe, log_place, parse_command_frame, parse_control, session_place
from .house import House
from .json_input import read_json
from .principal import Principal
from .settings import Settings
from .sink import TransportSink

MAX_UNREADABLE = 100
PROTOCOL = 1


class Socket(TransportSink):
    """A connection past its hello."""

    def __init__(
        self,
        ws: web.WebSocketResponse,
        transport: asyncio.Transport,
        house: House,
        principal: Principal,
        settings: Settings,
    ) -> None:
        super().__init__(transport, house.feed)
        self.principal = principal
        self.heard = time.monotonic()
        self.leaving = False
        self.ws = ws
        self._loop = asyncio.get_running_loop()
        self._house = house
        self._settings = settings
        self._answers: list[bytes] = []
        self._pending = 0
        self._idle = asyncio.Event()
        self._unreadable = 0
        self._allowance = float(settings.commands_per_second)
        self._refilled = self.heard

    def welcome(self) -> None:
        """Answer the hello."""
        settings, principal = self._settings, self.principal
        self._answer(
            {
                "frame": "welcome",
                "protocol": PROTOCOL,
                "server": f"hansard/{__version__}",
                "epoch": self._house.log.epoch,
                "participant": principal.participant,
                "kind": principal.kind,
                "heartbeat": settings.heartbeat,
                "limits": {
                    "frame_bytes": settings.frame_bytes,
                    "batch": settings.batch,
                    "depth": settings.depth,
                    "subscriptions": settings.subscriptions,
                    "commands_per_second": settings.commands_per_second,
                },
            }
        )

    async def serve(self) -> None:
        """Handle messages until the connection ends. Reading stops while the client does not take its answers."""
        async for message in self.ws:
            self.heard = time.monotonic()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                continue
            if not self.drained.is_set():
                await self.drained.wait()
            await self._message(message.data)
            if self._unreadable > MAX_UNREADABLE:
                raise Invalid(f"More than {MAX_UNREADABLE} frames could not be read; this client is not speaking ours.")

    async def settle(self) -> None:
        """Take no more commands (they come again elsewhere), and wait until those taken are answered."""
        self.leaving = True
        while self._pending:
            self._idle.clear()
            await self._idle.wait()
        self._send_answers()

    def bye(self, code: str, reason: str, retry_after: float | None) -> None:
        """Say why the connection ends and where to resume; then end its subscriptions."""
        frame: dict[str, Any] = {"frame": "bye", "code": code, "reason": reason, "resume": self.resume_places()}
        if retry_after is not None:
            frame["retry_after"] = retry_after
        self._send_answers()
        self.write(text_frame(orjson.dumps(frame)))
        self.end_all()

    def fail(self, error: BaseException) -> None:
        """A page cannot be read: tell every subscription, by ending the connection."""
        problem = error if isinstance(error, HansardError) else LogFailed(f"Reading the log failed: {error!r}.")
        self.bye(problem.code, problem.detail, 1.0)
        self._transport.close()

    async def _message(self, raw: bytes | str) -> None:
        if self.leaving:
            return
        try:
            members = read_json(raw if isinstance(raw, bytes) else raw.encode(), self._settings.depth)
            frames = members if isinstance(members, list) else [members]
            if len(frames) > self._settings.batch:
                raise TooLarge(f"A message holds at most {self._settings.batch} frames, not {len(frames)}.")
        except HansardError as error:
            self._unreadable += 1
            self._refuse(error)
            return
        now = datetime.now(UTC)
        share = len(raw) // len(frames) if frames else 0
        for frame in frames:
            if isinstance(frame, dict) and frame.get("frame") == "command":
                self._command(frame, now, share)
            else:
                await self._control(frame)

    def _command(self, members: dict[str, Any], now: datetime, size: int) -> None:
        id, session = members.get("id"), members.get("session")
        try:
            self._spend()
            frame, id, session, data = parse_command_frame(members)
            self.principal.require("write", session)
            command = Command(id, session, self.principal.actor, now, data)
            if frame is None:
                answer = self._house.log.submit(command, size=size)
            else:
                answer = self._house.log.submit(
                    command, expect=frame.parsed_expect(), producer=frame.parsed_producer(), size=size
                )
        except HansardError as error:
            self._refuse(error, id=id, session=session)
        else:
            self._pending += 1
            answer.add_done_callback(partial(self._answered, id, session))

    def _answered(self, id: str, session: str, answer: "asyncio.Future[Appended]") -> None:
        self._pending -= 1
        if not self._pending:
            self._idle.set()
        error = answer.exception()
        if isinstance(error, HansardError):
            self._refuse(error, id=id, session=session)
            return
        if error is not None:
            self._refuse(HansardError("The command failed inside the gateway."), id=id, session=session)
            return
        versions, positions, repeated = answer.result()
        if len(versions) == 1 and not repeated:
            self._queue_answer(
                b'{"frame":"ack","id":"%s","session":"%s","versions":[%d],"positions":[%d]}'
                % (id.encode(), session.encode(), versions[0], positions[0])
            )
            return
        more = {"repeated": True} if repeated else {}
        self._answer(
            {"frame": "ack", "id": id, "session": session, "versions": versions, "positions": positions, **more}
        )

    async def _control(self, members: Any) -> None:
        sub = members.get("sub") if isinstance(members, dict) else None
        try:
            if not isinstance(members, dict):
                raise Invalid("A frame is a JSON object with a member `frame`.")
            frame = parse_control(members)
            if isinstance(frame, Subscribe):
                await self._subscribe(frame)
            elif isinstance(frame, Unsubscribe):
                if not self.end(frame.sub):
                    raise Invalid(f"There is no subscription {frame.sub!r}.")
            else:
                self._answer({"frame": "heartbeat"})
        except HansardError as error:
            self._unreadable += isinstance(error, Invalid)
            self._refuse(error, sub=sub)

    async def _subscribe(self, frame: Subscribe) -> None:
        if frame.name not in self.subscriptions and len(self.subscriptions) >= self._settings.subscriptions:
            raise Busy(f"A connection has at most {self._settings.subscriptions} subscriptions; end one first.")
        log = self._house.log
        if frame.epoch is not None and frame.epoch != log.epoch:
            log_place(f"{frame.epoch}.0", log.epoch)
        places: dict[SessionId | None, int | str]
        if frame.all:
            places = {None: log_place(frame.after, log.epoch)}
        elif frame.sessions is not None:
            places = {session: session_place(after) for session, after in frame.sessions.items()}
        else:
            assert frame.session is not None
            places = {frame.session: session_place(frame.after)}
        self.begin(frame.name, await self._follow(frame, places))

    async def _follow(
        self, frame: Subscribe, places: dict[SessionId | None, int | str]
    ) -> dict[SessionId | None, Cursor]:
        principal = self.principal
        for session in places:
            if session is not None:
                principal.require("read", session)
        cursors: dict[SessionId | None, Cursor] = {}
        try:
            for session, after in places.items():
                lens = Lens(frame.reading, frame.types, EVERY if session is not None else principal.read)
                key = GroupKey(frame.name, SOCKET, lens)
                cursors[session] = await self.feed.follow(session, after, key, principal.viewer(session), self)
        except BaseException:
            for cursor in cursors.values():
                self.feed.end(cursor)
            raise
        return cursors

    def _spend(self) -> None:
        """Take one command off the allowance, which refills evenly."""
        rate = self._settings.commands_per_second
        if self._allowance < 1:
            self._allowance = min(float(rate), self._allowance + (self.heard - self._refilled) * rate)
            self._refilled = self.heard
            if self._allowance < 1:
                raise Busy(f"More than {rate} commands in a second.", retry_after=round(1 / rate + 0.05, 3))
        self._allowance -= 1

    def _refuse(self, error: HansardError, **about: Any) -> None:
        told = {name: value for name, value in about.items() if isinstance(value, str)}
        self._answer({"frame": "refused", **told, "error": error.problem()})

    def _answer(self, frame: dict[str, Any]) -> None:
        self._queue_answer(orjson.dumps(frame))

    def _queue_answer(self, frame: bytes) -> None:
        if not self._answers:
            self._loop.call_soon(self._send_answers)
        self._answers.append(frame)

    def _send_answers(self) -> None:
        answers, self._answers = self._answers, []
        if len(answers) == 1:
            self.write(text_frame(answers[0]))
        elif answers:
            self.write(text_frame(b"[%s]" % b",".join(answers)))


async def close(socket: Socket, code: int, reason: str, within: float) -> None:
    """Close the WebSocket; give up on a peer that does not answer in time."""
    with contextlib.suppress(TimeoutError, ConnectionError, RuntimeError):
        async with asyncio.timeout(within):
            await socket.ws.close(code=code, message=reason.encode()[:123])
            return
    transport = socket._transport
    transport.abort()
