"""A tool call: recorded when it begins, and when it ends, whatever happens."""

import asyncio
import contextlib
import logging
from types import TracebackType
from typing import Any, Self

from ..domain.errors import StenogramError
from ..domain.ids import new_id
from .errors import reason_of
from .session_port import SessionPort
from .transport.command_queue import unawaited

RETURN_TIMEOUT_S = 5.0
logger = logging.getLogger("stenogram.client")


class ToolCall:
    """Use it with `async with`; set `result` (any JSON value), or `error` (a sentence), before leaving the block.

    An exception inside is recorded as the call's error (the detail of a Stenogram error, `cancelled`, or the name of
    the exception's class; set `error` to say more) and raised on. So is the refusal of a result that cannot
    be recorded.
    """

    def __init__(self, session: SessionPort, data: dict[str, Any], call: str | None = None) -> None:
        self.id = call or new_id()
        self.result: Any = None
        self.error: str | None = None
        self._session = session
        self._data = data

    async def __aenter__(self) -> Self:
        try:
            await self._session.do("tool.call", {"call": self.id, **self._data})
        except asyncio.CancelledError:  # it may have been recorded all the same, and must not stay open
            with contextlib.suppress(StenogramError):
                self._return("cancelled")
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            await self._return_quietly(self.error or reason_of(error))
            return
        try:
            await self._return(self.error)
        except StenogramError as refusal:
            await self._return_quietly(reason_of(refusal))
            raise

    async def _return_quietly(self, reason: str) -> None:
        """Return with an error because of another one, which must not be hidden by one of this."""
        try:
            async with asyncio.timeout(RETURN_TIMEOUT_S):
                await self._return(reason)
        except (StenogramError, TimeoutError) as failure:
            logger.warning("The end of tool call %s could not be recorded: %s", self.id, failure)

    def _return(self, error: str | None) -> "asyncio.Future[Any]":
        data: dict[str, Any] = {"call": self.id}
        if error is not None:
            data["error"] = error
        elif self.result is not None:
            data["result"] = self.result
        return unawaited(self._session.commands.submit(self._session.id, "tool.return", data))
