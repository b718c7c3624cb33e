"""A message while it is being streamed: started, written to, and completed or aborted, whatever happens."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from ..domain.errors import StenogramError
from ..domain.ids import new_id
from ..domain.parts import Part, StreamedKind
from .arguments import drop_none
from .errors import ClientError, reason_of
from .session_port import SessionPort
from .transport.command_queue import Answer, unawaited
from .transport.text_stream import WINDOW_S, TextStream, refuse_surrogates

ABORT_TIMEOUT_S = 5.0
logger = logging.getLogger("stenogram.client")


class MessageStream:
    """Use it with `async with`; `id` names the message.

    Leaving the block completes the message and returns when everything is committed. An exception inside aborts it
    and is raised on: what had been written stays in the record, with the reason (the detail of a Stenogram error,
    `cancelled`, or the name of the exception's class; to say more, call `abort`). So does cancellation.

    `parts` are appended when the message is completed. `usage` (tokens, costs) and `metadata` are recorded with its
    end, however it ends.
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
        self.metadata: dict[str, Any] | None = None
        self._session = session
        self._start = start
        self._text = TextStream(session.commands, session.id, "message.delta", {"message": self.id}, window)
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
        refuse_surrogates(text)
        await self._text.wait_for_room()
        self._raise_if_ended()  # again: it may have been refused, or stopped by a signal, during the wait
        self._text.put(text, **drop_none(part=part))

    async def abort(self, reason: str | None = None) -> None:
        """End the message early; what was written is kept. Leaving the block does nothing more then."""
        self._raise_if_ended()
        await self._abort_now(reason)

    def stop_here(self) -> None:
        """Send what was written, and nothing more; something else than this stream ends the message."""
        self._text.flush()
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
        self.stop_here()
        data = {"message": self.id, "deltas": self._text.count, "parts": list(self.parts), **self._reports()}
        try:
            # Waited for: `deltas` must be true when the message is completed, and a delta may yet be sent again.
            await self._text.settled()
            await self._session.do("message.complete", data)
        except asyncio.CancelledError:
            self._abort_cancelled()
            raise
        except StenogramError as error:
            self.usage = self.metadata = None  # what is refused may be just these
            await self._abort_quietly(reason_of(error))
            raise

    def _reports(self) -> dict[str, Any]:
        return drop_none(usage=self.usage, metadata=self.metadata)

    def _abort_now(self, reason: str | None) -> Answer:
        """Send what was written and the abort behind it. The answer may be waited for, or let go."""
        self.stop_here()
        data = drop_none(message=self.id, reason=reason, **self._reports())
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

    def _raise_if_ended(self) -> None:
        self._text.raise_refusal()
        if self._finished:
            raise ClientError(f"Message {self.id!r} is finished; start another.")
