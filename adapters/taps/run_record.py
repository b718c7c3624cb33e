"""A run of a framework's agents, as it is told by the modules for frameworks. Nothing here waits, raises or talks."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ...client.arguments import drop_none
from ...client.errors import MAX_REASON_CHARS
from ...domain.ids import new_id
from .backlog import Backlog, Room
from .steps import Called, Ended, Finished, Pieces, Read, Returned, Speaker, Started, Step, StreamedText, chars_in
from .values import Value

MAX_ERROR_CHARS = 10_000
logger = logging.getLogger("stenogram.adapters.taps")


class RunRecord:
    """One run; it may be used from any thread. `stop` ends the run in the program, where the framework has a way; it is
    called from the tap's thread, and more than once. `steerable`: the run gets instructions, by `steer`, which is
    called from there, too, or by asking for `instructions`."""

    def __init__(self, room: Room, title: str, input: Any, holder: str, steerable: bool = False) -> None:
        self.id = new_id()
        self.task = f"run.{self.id}"
        self.title = title
        self.holder = holder
        """The agent that the run begins with."""
        self.input = Value(input)
        self.stop: Callable[[], None] | None = None
        self.steerable = steerable
        self.steer: Callable[[Any], None] | None = None
        self.stopping = False
        """Whether a signal has stopped it."""
        self.left_out = 0
        """How many messages and calls were dropped whole."""
        self.ended = False
        self.backlog = Backlog(room)
        self._open: dict[str, MessageRecord | CallRecord] = {}
        self._lock = threading.Lock()
        self._instructions: dict[str, Any] = {}
        self._read: dict[str, Any] = {}

    def message(self, speaker: Speaker, **metadata: Any) -> "MessageRecord":
        """An agent begins to speak."""
        message = MessageRecord(self, speaker, drop_none(**metadata))
        self._begin(message, Started(message))
        return message

    def call(
        self, speaker: Speaker, tool: str, arguments: Any, message: "MessageRecord | None" = None, **metadata: Any
    ) -> "CallRecord":
        """An agent calls a tool; `message` is that in which it said so."""
        value = Value(arguments)
        call = CallRecord(self, speaker, tool, message, drop_none(**metadata))
        self._begin(call, Called(call, value))
        return call

    def say(self, speaker: Speaker, text: str, **metadata: Any) -> None:
        """An agent has said something, all at once."""
        self.message(speaker, **metadata).end([("text", text)])

    def end(self, output: Any = None, error: str | None = None, *, cancelled: bool = False) -> None:
        """The run is over, and with it all that is still open. Idempotent."""
        with self._lock:
            if self.ended:
                return
            self.ended = True
            left = list(self._open.values())
        for each in left:
            each.interrupt(error or ("cancelled" if cancelled else "The run ended."))
        value = None if output is None else Value(output)
        reason = None if error is None else error[:MAX_REASON_CHARS]
        if not self.backlog.put(Finished(value, reason, cancelled)):
            self.backlog.put(Finished(None, reason, cancelled), must=True)

    def request_stop(self) -> None:
        """A signal stops it."""
        self.stopping = True
        try:
            if self.stop is not None:
                self.stop()
        except Exception:
            logger.exception("Run %s could not be stopped", self.id)

    def instruct(self, signal: str, instruction: Any) -> None:
        """Somebody steers the run."""
        with self._lock:
            if signal in self._read or signal in self._instructions:
                return
            self._instructions[signal] = instruction
        if self.steer is not None:
            try:
                self.steer(instruction)
            except Exception:
                logger.exception("Run %s could not be told something", self.id)
            else:
                self.instructions()

    def instructions(self, *, all: bool = True) -> list[Any]:
        """What the run was told by steering, all or what is new; that counts as read."""
        with self._lock:
            new, self._instructions = self._instructions, {}
            self._read |= new
            told = list((self._read if all else new).values())
        for signal in new:
            self.backlog.put(Read(signal), must=True)
        return told

    def unread(self) -> list[str]:
        """Signals whose instructions nobody has read."""
        with self._lock:
            return list(self._instructions)

    def _begin(self, what: "MessageRecord | CallRecord", step: Step) -> None:
        with self._lock:
            if self.ended:
                what.kept = False
                return
            self._open[what.id] = what
        what.kept = self.backlog.put(step)
        if not what.kept:
            self.left_out += 1
            self.over(what)

    def over(self, what: "MessageRecord | CallRecord") -> bool:
        """It is not open any more; false if it was not before."""
        with self._lock:
            return self._open.pop(what.id, None) is not None


def by_flag() -> None:
    """A `stop` that does nothing: the module looks at `stopping`."""


class MessageRecord:
    """What an agent says, while it says it."""

    def __init__(self, run: RunRecord, speaker: Speaker, metadata: Mapping[str, Any]) -> None:
        self.id = new_id()
        self.run = run
        self.speaker = speaker
        self.metadata = metadata
        self.kept = True
        self._ended = False
        self._written = self._dropped = 0
        self._part = "text"
        self._gathered: list[str] = []
        self._pieces = Pieces(self, "text", self._gathered)
        self._backlog = run.backlog

    def write(self, text: str, part: str = "text") -> None:
        """The next piece; `reasoning` for what is thought."""
        if not (text and self.kept) or self._ended:
            return
        if part != self._part:
            self._part, self._gathered = part, []
            self._pieces = Pieces(self, part, self._gathered)
        # After a hole nothing more: what is kept of a text is its beginning, and the end may fill in the rest.
        if self._dropped or not self._backlog.put_piece(text, self._gathered, self._pieces):
            self._dropped += len(text)
        else:
            self._written += len(text)

    def end(
        self,
        whole: Sequence[StreamedText] | None = None,
        *,
        usage: Mapping[str, Any] | None = None,
        **metadata: Any,
    ) -> None:
        """It is said. `whole`: all of it, where that is known; what was not streamed of it is added. Idempotent."""
        self._end(whole, usage, drop_none(**metadata), None)

    def interrupt(self, reason: str) -> None:
        """It ends early. Idempotent."""
        self._end(None, None, {}, reason[:MAX_REASON_CHARS])

    def _end(self, whole: Any, usage: Any, metadata: Mapping[str, Any], reason: str | None) -> None:
        self._ended = True
        if not self.run.over(self) or not self.kept:
            return
        put, ended = self._backlog.put, partial(Ended, self, usage=usage, metadata=metadata, reason=reason)
        if whole is not None:
            if put(ended(whole=whole, dropped=0)):
                return
            self._dropped = max(self._dropped, chars_in(whole) - self._written)
        put(ended(whole=None, dropped=self._dropped), must=True)


class CallRecord:
    """A call of a tool."""

    def __init__(
        self,
        run: RunRecord,
        speaker: Speaker,
        tool: str,
        message: MessageRecord | None,
        metadata: Mapping[str, Any],
    ) -> None:
        self.id = new_id()
        self.run = run
        self.speaker = speaker
        self.tool = tool
        self.message = message
        self.metadata = metadata
        self.kept = True

    def end(self, result: Any = None, error: str | None = None) -> None:
        """It returned; an `error`: what failed. Idempotent."""
        if not self.run.over(self) or not self.kept:
            return
        value = None if result is None else Value(result)
        error = None if error is None else error[:MAX_ERROR_CHARS]
        if not self.run.backlog.put(Returned(self, value, error, False)):
            self.run.backlog.put(Returned(self, None, error, value is not None), must=True)

    def interrupt(self, reason: str) -> None:
        """It does not return. Idempotent."""
        self.end(error=reason)
