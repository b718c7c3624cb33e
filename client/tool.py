"""A tool call: recorded when it begins, and when it ends, whatever happens."""

import asyncio
import contextlib
import logging
from types import TracebackType
from typing import Any, Self

from ..domain.concepts.tools import MAX_OUTPUT_BYTES
from ..domain.errors import StenogramError
from ..domain.ids import new_id
from .arguments import drop_none
from .errors import reason_of
from .session_port import SessionPort
from .transport.command_queue import Answer, unawaited
from .transport.text_stream import TextStream, refuse_surrogates

RETURN_TIMEOUT_S = 5.0
logger = logging.getLogger("stenogram.client")


class ToolCall:
    """Use it with `async with`; set `result` (any JSON value), `error` (a sentence), or both, before leaving the block.

    What the tool puts out while it works can be streamed with `write`; it is returned with the call. `usage` (tokens,
    costs) and `metadata` are recorded with the end.

    An exception inside is recorded as the call's error (the detail of a Stenogram error, `cancelled`, or the name of
    the exception's class; set `error` to say more) and raised on. So is the refusal of a result that cannot
    be recorded.
    """

    def __init__(self, session: SessionPort, data: dict[str, Any], call: str | None = None) -> None:
        self.id = call or new_id()
        self.result: Any = None
        self.error: str | None = None
        self.usage: dict[str, Any] | None = None
        self.metadata: dict[str, Any] | None = None
        self.truncated = False
        """Whether more was written than is kept."""
        self._session = session
        self._data = data
        self._output = TextStream(session.commands, session.id, "tool.output", {"call": self.id})
        self._bytes_left = MAX_OUTPUT_BYTES

    async def __aenter__(self) -> Self:
        try:
            await self._session.do("tool.call", {"call": self.id, **self._data})
        except asyncio.CancelledError:  # it may have been recorded all the same, and must not stay open
            self._return_cancelled()
            raise
        return self

    async def write(self, text: str) -> None:
        """Stream what the tool puts out: the next piece. Pieces that follow one another closely are joined.

        A call keeps 1,000,000 bytes: what is written beyond them is left out, and `truncated` is true. Returns without
        waiting for the commit, except when too much is on its way already. Raises the refusal of an earlier piece; then
        nothing more is sent.
        """
        self._output.raise_refusal()
        refuse_surrogates(text)
        await self._output.wait_for_room()
        self._output.raise_refusal()
        self._output.put(self._fitting(text))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._output.flush()
        if error is not None:
            await self._return_quietly(self._ending(self.error or reason_of(error)))
            return
        try:
            await self._output.settled()
            await self._return(drop_none(**self._ending(self.error), deltas=self._output.count or None))
        except asyncio.CancelledError:
            self._return_cancelled()
            raise
        except StenogramError as refusal:
            await self._return_quietly({"error": reason_of(refusal)})  # what was refused may be any of the rest
            raise

    def _fitting(self, text: str) -> str:
        """As much of the text as is kept."""
        encoded = text.encode()
        if len(encoded) > self._bytes_left:
            self.truncated = True
            encoded = encoded[: self._bytes_left]
            text = encoded.decode(errors="ignore")
        self._bytes_left -= len(encoded)
        return text

    def _ending(self, error: str | None) -> dict[str, Any]:
        return drop_none(error=error, result=self.result, usage=self.usage, metadata=self.metadata)

    def _return_cancelled(self) -> None:
        """Return without waiting; a client that was closed meanwhile must not hide the cancellation."""
        with contextlib.suppress(StenogramError):
            self._return({"error": "cancelled"})

    async def _return_quietly(self, ending: dict[str, Any]) -> None:
        """Return with an error because of another one, which must not be hidden by one of this."""
        try:
            async with asyncio.timeout(RETURN_TIMEOUT_S):
                await self._return(ending)
        except (StenogramError, TimeoutError) as failure:
            logger.warning("The end of tool call %s could not be recorded: %s", self.id, failure)

    def _return(self, ending: dict[str, Any]) -> Answer:
        data = {"call": self.id, **ending}
        return unawaited(self._session.commands.submit(self._session.id, "tool.return", data))
