"""Commands on their way: sent in order, kept until they are answered, and sent again after a lost connection.

A command that was not answered may or may not have been done; since its id makes it idempotent, it is simply sent again
with the same id, before any newer one, and answered with its first result. So a command is done at most once, and
commands of one client are handled in the order in which they were given, whatever happens to the connection.
"""

import asyncio
from collections.abc import Mapping
from math import isfinite
from typing import Any, NamedTuple

from ...domain.errors import Invalid, StenogramError, TooDeep, TooLarge
from ...domain.ids import Position, Version, new_id
from ..errors import from_problem
from .outbox import Outbox, Outgoing, encode


class Ack(NamedTuple):
    """Where a command's events are: their versions in the session, and their positions in the log. `repeated` when the
    gateway had accepted the command before (a producer's repeat has no places then)."""

    versions: tuple[Version, ...]
    positions: tuple[Position, ...]
    repeated: bool = False


Answer = asyncio.Future[Ack]
Data = Mapping[str, Any]
MAX_DEPTH = 62
"""The gateway reads JSON nested up to 64 deep, of which a command's frame takes two."""


class _Pending(Outgoing):
    """A command without an answer; several may wait for it, when an id was given twice."""

    __slots__ = ("answers", "key")

    def __init__(self, key: tuple[str, str], frame: bytes) -> None:
        super().__init__(frame)
        self.key = key
        self.answers: list[Answer] = []


class CommandQueue:
    """At most `window` commands of `window_bytes` together are on their way; `do` waits for room."""

    def __init__(self, outbox: Outbox, window: int = 1_000, window_bytes: int = 16 * 1024 * 1024) -> None:
        self.frame_bytes = 1_048_576
        self._outbox = outbox
        self._window = window
        self._window_bytes = window_bytes
        self._pending: dict[tuple[str, str], _Pending] = {}
        self._bytes = 0
        self._turn = asyncio.Lock()  # first come, first served: a large command is not overtaken by small ones
        self._freed = asyncio.Event()
        self._error: StenogramError | None = None

    async def do(
        self,
        session: str,
        do: str,
        data: Data,
        *,
        id: str | None = None,
        expect: Mapping[str, int] | None = None,
        under: Data | None = None,
        cause: str | None = None,
    ) -> Ack:
        """Have a command done and wait for the answer. Raises the refusal, and ClientClosed. `under` names a task and
        its attempt, `expect` the versions of subjects, `cause` the event or command that this follows from.

        When cancelled, a command that was not sent yet is withdrawn; one that was sent is done or not, unobserved.
        """
        id = id or new_id()
        frame = self._encode(session, do, data, id, expect=expect, under=under, cause=cause)
        await self.wait_for_room(len(frame))
        pending, answer = self._add((session, id), frame)
        try:
            return await answer
        except asyncio.CancelledError:
            self._withdraw(pending, answer)
            raise

    def submit(
        self,
        session: str,
        do: str,
        data: Data,
        *,
        id: str | None = None,
        under: Data | None = None,
        producer: Data | None = None,
        cause: str | None = None,
    ) -> Answer:
        """Send a command at once, without waiting for room; the caller bounds how many. The answer is a future whose
        exception the caller must look at."""
        id = id or new_id()
        frame = self._encode(session, do, data, id, under=under, producer=producer, cause=cause)
        return self._add((session, id), frame)[1]

    async def wait_for_room(self, size: int = 0) -> None:
        """Wait until the window has room; first come, first served. Raises when the client is closed."""
        async with self._turn:
            while self._error is None and self._full(size):
                # Cleared in the turn in which it was full: an answer that comes before the wait sets it again.
                self._freed.clear()
                await self._freed.wait()
        if self._error is not None:
            raise self._error.with_traceback(None)

    def unanswered(self) -> list[Outgoing]:
        """What to send at the beginning of a connection, oldest first."""
        return list(self._pending.values())

    def on_ack(self, frame: Mapping[str, Any]) -> None:
        """An `ack` came; one that nobody waits for is passed over."""
        ack = Ack(tuple(frame["versions"]), tuple(frame["positions"]), bool(frame.get("repeated")))
        for answer in self._settle(frame["session"], frame["id"]):
            answer.set_result(ack)

    def on_refused(self, frame: Mapping[str, Any]) -> None:
        """A `refused` came for a command."""
        session = frame.get("session")
        if session is None:
            session = next((key[0] for key in self._pending if key[1] == frame["id"]), "")
        for answer in self._settle(session, frame["id"]):
            answer.set_exception(from_problem(frame["error"]))

    def limit(self, frame_bytes: int) -> None:
        """The gateway announced how large a frame may be: refuse what is larger here, before it ends the connection."""
        self.frame_bytes = frame_bytes
        for pending in list(self._pending.values()):
            if len(pending.frame) > frame_bytes:
                for answer in self._settle(*pending.key):
                    answer.set_exception(self._too_large(len(pending.frame)))

    def fail(self, error: StenogramError) -> None:
        """The client is closed: fail all that waits and all that comes."""
        self._error = error  # before the answers: who is woken by one must not submit another
        for pending in list(self._pending.values()):
            for answer in self._settle(*pending.key):
                answer.set_exception(error)
        self._freed.set()  # also with nothing pending: those who wait for room must find the error

    def _encode(self, session: str, do: str, data: Data, id: str, **more: Mapping[str, Any] | str | None) -> bytes:
        _refuse_unwritable(data, MAX_DEPTH)
        frame = {"frame": "command", "id": id, "session": session, "do": do, "data": data}
        encoded = encode({**frame, **{name: value for name, value in more.items() if value is not None}})
        if len(encoded) > self.frame_bytes:
            raise self._too_large(len(encoded))
        return encoded

    def _too_large(self, size: int) -> TooLarge:
        return TooLarge(f"The command has {size} bytes; the gateway takes at most {self.frame_bytes}.")

    def _add(self, key: tuple[str, str], frame: bytes) -> tuple[_Pending, Answer]:
        if self._error is not None:
            raise self._error.with_traceback(None)
        answer: Answer = asyncio.get_running_loop().create_future()
        pending = self._pending.get(key)
        if pending is None:  # otherwise the id was given twice, and one answer serves both
            pending = self._pending[key] = _Pending(key, frame)
            self._bytes += len(frame)
            self._outbox.put(pending)
        pending.answers.append(answer)
        return pending, answer

    def _settle(self, session: str, id: str) -> list[Answer]:
        """Forget a command; who waits for its answer."""
        pending = self._pending.pop((session, id), None)
        if pending is None:
            return []
        self._bytes -= len(pending.frame)
        self._freed.set()
        return [answer for answer in pending.answers if not answer.done()]

    def _withdraw(self, pending: _Pending, answer: Answer) -> None:
        # Only the last who waits withdraws it: another one with the same id still wants it done.
        pending.answers.remove(answer)
        if answer.done() and not answer.cancelled():
            answer.exception()  # it came together with the cancellation
        if not pending.answers and pending.key in self._pending and self._outbox.withdraw(pending):
            self._settle(*pending.key)

    def _full(self, size: int) -> bool:
        return bool(self._pending) and (len(self._pending) >= self._window or self._bytes + size > self._window_bytes)


def unawaited(answer: Answer) -> Answer:
    """An answer that nobody needs to wait for: its exception counts as retrieved, so that asyncio does not log it."""
    answer.add_done_callback(lambda done: done.cancelled() or done.exception())
    return answer


def _refuse_unwritable(value: object, levels: int) -> None:
    """Refuse what is nested too deeply, and numbers that JSON does not have: they would be written as null, which means
    something else."""
    if isinstance(value, float) and not isfinite(value):
        raise Invalid(f"This cannot be sent as JSON: there is no number {value}.")
    if isinstance(value, Mapping | list | tuple):
        if levels == 0:
            raise TooDeep(f"The data of a command is nested at most {MAX_DEPTH} deep.")
        for each in value.values() if isinstance(value, Mapping) else value:
            _refuse_unwritable(each, levels - 1)
