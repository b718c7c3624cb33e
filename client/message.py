"""A message while it is being streamed: started, written to, and completed or aborted, whatever happens."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from ..domain.errors import Invalid, StenogramError
from ..domain.ids import new_id
from ..domain.parts import Part, StreamedKind
from .errors import ClientError, reason_of
from .session_port import SessionPort
from .transport.command_pipeline import CommandPipeline
from .transport.command_queue import Answer, unawaited

WINDOW_S = 0.025
"""Pieces that follow one another within this time are sent together."""
MAX_BUFFERED_CHARS = 65_536
MAX_DELTA_CHARS = 65_536
ABORT_TIMEOUT_S = 5.0
logger = logging.getLogger("stenogram.client")


class MessageStream:
    """Use it with `async with`; `id` names the message.

    Leaving the block completes the message and returns when everything is committed. An exception inside aborts it
    and is raised on: what had been written stays in the record, with the reason (the detail of a Stenogram error,
    `cancelled`, or the name of the exception's class; to say more, call `abort`). So does cancellation.

    `parts` are appended when the message is completed, and `usage` (tokens, costs) is recorded with it.
    """

    def __init__(
        self,
        session: SessionPort,
        start: dict[str, Any],
        *,
        message: str | None = None,
        window: float = WINDOW_S,
    ) -> None:
        self.id = message or new_id()
        self.parts: Sequence[Part] = ()
        self.usage: dict[str, Any] | None = None
        self._session = session
        self._start = start
        self._window = window
        self._changed = asyncio.Event()
        self._pipeline = CommandPipeline(session.commands, session.id, "message.delta", self._on_change)
        self._unsent: list[str] = []
        self._unsent_chars = 0
        self._part: StreamedKind | None = None
        self._sent_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._finished = False

    async def __aenter__(self) -> Self:
        try:
            await self._session.do("message.start", {"message": self.id, **self._start})
        except asyncio.CancelledError:
            self._abort_cancelled()
            raise
        return self

    async def write(self, text: str, part: StreamedKind | None = None) -> None:
        """Write the next piece; `part="reasoning"` for what is thought rather than said.

        The first piece goes at once. Pieces within `window` seconds of the last that went are joined and go together at
        its end. Returns without waiting for the commit, except when too much is on its way already. Raises the refusal
        of an earlier piece; then nothing more is sent.
        """
        self._raise_if_ended()
        _refuse_surrogates(text)
        await self._wait_for_room()
        self._raise_if_ended()  # again: it may have been refused, or stopped by a signal, during the wait
        if part != self._part:
            self._send()
            self._part = part
        if text:
            self._unsent.append(text)
            self._unsent_chars += len(text)
            self._send_when_due()

    async def abort(self, reason: str | None = None) -> None:
        """End the message early; what was written is kept. Leaving the block does nothing more then."""
        self._raise_if_ended()
        await self._abort_now(reason)

    def stop_here(self) -> None:
        """Send what was written, and nothing more; something else than this stream ends the message."""
        self._send()
        self._finished = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if self._finished:
            return None
        if error is None:
            await self._complete()
        else:
            await self._abort_quietly(reason_of(error))
        return None

    async def _complete(self) -> None:
        """Commit everything; what cannot be completed is aborted."""
        self._send()
        self._finished = True
        data: dict[str, Any] = {"message": self.id, "deltas": self._pipeline.count, "parts": list(self.parts)}
        if self.usage is not None:
            data["usage"] = self.usage
        try:
            # Waited for: `deltas` must be true when the message is completed, and a delta may yet be sent again.
            await self._settled()
            await self._session.do("message.complete", data)
        except asyncio.CancelledError:
            self._abort_cancelled()
            raise
        except StenogramError as error:
            await self._abort_quietly(reason_of(error))
            raise

    async def _settled(self) -> None:
        """Wait until every piece has been committed. Raises what prevents it."""
        while not self._pipeline.idle:
            self._changed.clear()  # looked at in this turn: an answer cannot come between the look and the wait
            await self._changed.wait()
        if self._pipeline.error is not None:
            raise self._pipeline.error

    async def _wait_for_room(self) -> None:
        """Wait until there is room for more."""
        while (self._unsent_chars >= MAX_BUFFERED_CHARS or self._pipeline.full) and self._pipeline.error is None:
            self._changed.clear()
            await self._changed.wait()
        if self._pipeline.error is None:
            await self._session.commands.wait_for_room()

    def _abort_now(self, reason: str | None) -> Answer:
        """Send what was written and the abort behind it. The answer may be waited for, or let go."""
        self.stop_here()
        data = {"message": self.id} if reason is None else {"message": self.id, "reason": reason}
        return unawaited(self._session.commands.submit(self._session.id, "message.abort", data))

    def _abort_cancelled(self) -> None:
        """Abort without waiting; a client that was closed meanwhile must not hide the cancellation."""
        with contextlib.suppress(StenogramError):
            self._abort_now("cancelled")

    async def _abort_quietly(self, reason: str) -> None:
        """Abort because of another error, which must not be hidden by one of this."""
        try:
            async with asyncio.timeout(ABORT_TIMEOUT_S):
                await self._abort_now(reason)
        except (StenogramError, TimeoutError) as error:
            logger.warning("Message %s could not be aborted: %s", self.id, error)

    def _on_change(self) -> None:
        self._changed.set()
        self._send_when_due()

    def _send_when_due(self) -> None:
        """Send the text that waits when the window is over and not too much is on its way; or see to it later."""
        if not self._unsent or self._pipeline.full:
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= self._sent_at + self._window:
            self._send()
        elif self._timer is None:
            self._timer = loop.call_at(self._sent_at + self._window, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._send_when_due()

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()  # or it would cut the next window short
            self._timer = None
        if self._unsent:
            text = "".join(self._unsent)
            self._unsent.clear()
            self._unsent_chars = 0
            self._sent_at = asyncio.get_running_loop().time()
            for start in range(0, len(text), MAX_DELTA_CHARS):
                piece = text[start : start + MAX_DELTA_CHARS]
                delta = {"message": self.id, "index": self._pipeline.count, "text": piece}
                self._pipeline.send(delta if self._part is None else {**delta, "part": self._part})

    def _raise_if_ended(self) -> None:
        if self._pipeline.error is not None:
            raise self._pipeline.error
        if self._finished:
            raise ClientError(f"Message {self.id!r} is finished; start another.")


def _refuse_surrogates(text: str) -> None:
    """Half a character cannot be sent; better to say so where it is written."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Invalid(f"The text is not valid Unicode: {error.reason} at {error.start}.") from None
