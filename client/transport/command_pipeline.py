"""Commands of one kind on their way to the gateway: pipelined, in order, and sent again when the gateway was busy.

A command does not wait for the one before it to be committed. Each carries its number (a delta its index, a producer's
command its `seq`), and the gateway refuses one that comes before its turn. So when one is refused for a while (`busy`,
or `log_failed` where the database is away), those behind it are refused too; once all have been answered they are sent
again, from that one on, after the time that the gateway asked for. Any other refusal ends the pipeline.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ...domain.errors import Conflict, StenogramError
from .command_queue import Answer, CommandQueue

MAX_UNANSWERED = 64


class _Sent(NamedTuple):
    data: Mapping[str, Any]
    more: Mapping[str, Any]  # `under`, `producer`, `cause`


class CommandPipeline:
    """`count` is how many were sent; `repeated`, how many of them the gateway had before; `error`, what ended it.
    `on_change` is called whenever one was answered, and at the end."""

    def __init__(self, commands: CommandQueue, session: str, do: str, on_change: Callable[[], None]) -> None:
        self.count = 0
        self.repeated = 0
        self.error: StenogramError | None = None
        self._on_change = on_change
        self._commands = commands
        self._session = session
        self._do = do
        self._uncommitted: deque[_Sent] = deque()
        self._unanswered = 0
        self._retry_after: float | None = None

    @property
    def full(self) -> bool:
        """Whether so many are on their way that the next one should wait."""
        return len(self._uncommitted) >= MAX_UNANSWERED

    @property
    def committed(self) -> int:
        """How many of those that were sent have been committed."""
        return self.count - len(self._uncommitted)

    @property
    def idle(self) -> bool:
        """Whether all that was sent has been committed, or nothing more will be."""
        return not self._uncommitted or self.error is not None

    def send(self, data: Mapping[str, Any], **more: Any) -> None:
        """Send the next one, unless the pipeline has ended; `more` are further members of its frame."""
        if self.error is None:
            self._uncommitted.append(_Sent(data, more))
            self.count += 1
            # While a retry is due, it waits with the others: sent now, it would only be refused as out of turn.
            if self._retry_after is None:
                self._submit(self._uncommitted[-1])

    def _submit(self, sent: _Sent) -> None:
        try:
            answer = self._commands.submit(self._session, self._do, sent.data, **sent.more)
        except StenogramError as error:
            self._fail(error)
        else:
            self._unanswered += 1
            answer.add_done_callback(self._answered)

    def _answered(self, answer: Answer) -> None:
        self._unanswered -= 1
        error = None if answer.cancelled() else answer.exception()
        if error is None:
            # Answers come in the order of the commands, and none behind a refused one succeeds: it is the first.
            if self._uncommitted:
                self._uncommitted.popleft()
            self.repeated += not answer.cancelled() and answer.result().repeated
        elif isinstance(error, StenogramError) and "retry_after" in error.extra:
            self._retry_after = float(error.extra["retry_after"])
        elif not (self._retry_after is not None and isinstance(error, Conflict)):
            self._fail(error if isinstance(error, StenogramError) else StenogramError(repr(error)))
        # Not before the last answer: a command that is still on its way could be accepted behind the ones sent again.
        if self._retry_after is not None and not self._unanswered and self.error is None:
            asyncio.get_running_loop().call_later(self._retry_after, self._send_again)
        self._on_change()

    def _send_again(self) -> None:
        self._retry_after = None
        for sent in list(self._uncommitted):
            self._submit(sent)

    def _fail(self, error: StenogramError) -> None:
        self.error = self.error or error
        self._uncommitted.clear()
        self._on_change()
