"""Deltas of one message on their way to the gateway: pipelined, in order, and sent again when the gateway was busy.

A delta does not wait for the one before it to be committed. When one is refused for a while (`busy`, or `log_failed`
where the database is away), those behind it are refused too, as coming too early; once all have been answered they are
sent again, from that one on, after the time that the gateway asked for. Any other refusal ends the pipeline.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from ...domain.errors import Conflict, StenogramError
from ...domain.parts import StreamedKind
from .command_queue import Answer, CommandQueue

MAX_UNANSWERED = 64


class _Delta(NamedTuple):
    number: int
    text: str
    part: StreamedKind | None


class DeltaPipeline:
    """Sends pieces of text with ascending indexes. `count` is how many were sent; `error` what ended it."""

    def __init__(self, commands: CommandQueue, session: str, message: str, on_change: Callable[[], None]) -> None:
        self.count = 0
        self.error: StenogramError | None = None
        self._on_change = on_change
        self._commands = commands
        self._session = session
        self._message = message
        self._kept: deque[_Delta] = deque()
        self._unanswered = 0
        self._retry_after: float | None = None

    @property
    def full(self) -> bool:
        """Whether so many are on their way that new text had better wait and be joined."""
        return len(self._kept) >= MAX_UNANSWERED

    @property
    def idle(self) -> bool:
        """Whether all that was sent has been committed, or nothing more will be."""
        return not self._kept or self.error is not None

    def send(self, text: str, part: StreamedKind | None) -> None:
        """Send the next piece, unless the pipeline has ended."""
        if self.error is None:
            self._kept.append(_Delta(self.count, text, part))
            self.count += 1
            if self._retry_after is None:
                self._submit(self._kept[-1])

    def _submit(self, delta: _Delta) -> None:
        data = {"message": self._message, "index": delta.number, "text": delta.text}
        if delta.part is not None:
            data["part"] = delta.part
        try:
            answer = self._commands.submit(self._session, "message.delta", data)
        except StenogramError as error:
            self._fail(error)
        else:
            self._unanswered += 1
            answer.add_done_callback(self._answered)

    def _answered(self, answer: Answer) -> None:
        self._unanswered -= 1
        error = None if answer.cancelled() else answer.exception()
        if error is None:
            if self._kept:
                self._kept.popleft()
        elif isinstance(error, StenogramError) and "retry_after" in error.extra:
            self._retry_after = float(error.extra["retry_after"])
        elif not (self._retry_after is not None and isinstance(error, Conflict)):
            self._fail(error if isinstance(error, StenogramError) else StenogramError(repr(error)))
        if self._retry_after is not None and not self._unanswered and self.error is None:
            asyncio.get_running_loop().call_later(self._retry_after, self._again)
        self._on_change()

    def _again(self) -> None:
        self._retry_after = None
        for delta in list(self._kept):
            self._submit(delta)

    def _fail(self, error: StenogramError) -> None:
        self.error = self.error or error
        self._kept.clear()
        self._on_change()
