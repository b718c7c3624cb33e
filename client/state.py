"""The shared state of a session, as one of its participants uses it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..domain.concepts.document import Document
from ..domain.errors import NoChange
from ..domain.json.pointer import resolve
from .arguments import To, drop_none, names
from .session_port import SessionPort
from .transport.command_queue import Ack

Unchanged = Mapping[str, int]
"""JSON Pointers, each with the version since which nothing at, above or below it may have changed."""


class SharedState:
    """The shared state of a session (`session.state`): one JSON document, changed by agents and people alike.

    Reads are local: `value` is the document at `version`, folded from the session's events. Writes return when the
    gateway has committed them *and* `value` shows them. A write may be made conditional, on the whole document
    (`if_version`) or on paths (`if_unchanged`); then the `extra` of a `Conflict` says how it is: `path`, `value` and
    `version`. A refused write has changed nothing. `to` is who may see the names at the top that a write creates.
    """

    def __init__(self, session: SessionPort) -> None:
        self._session = session

    @property
    def value(self) -> dict[str, Any]:
        """The document. Do not change it in place: its parts are shared with what the client folds from."""
        return self._document.value

    @property
    def version(self) -> int:
        """The version of the last change; pass it as `if_version`, or in `if_unchanged`."""
        return self._document.version

    def get(self, path: str, default: Any = None) -> Any:
        """The value at a JSON Pointer."""
        return resolve(self.value, path, default)

    async def patch(
        self,
        operations: Sequence[Mapping[str, Any]],
        *,
        if_version: int | None = None,
        if_unchanged: Unchanged | None = None,
        to: To | None = None,
    ) -> Ack:
        """Apply a JSON Patch (RFC 6902), whole or not at all. Raises Conflict and PatchFailed."""
        data = drop_none(patch=list(operations), audience=names(to))
        return await self._write("state.patch", data, if_version, if_unchanged)

    async def merge(
        self,
        patch: Mapping[str, Any],
        *,
        if_version: int | None = None,
        if_unchanged: Unchanged | None = None,
        to: To | None = None,
    ) -> Ack:
        """Apply a merge patch (RFC 7386): null removes. Where the state is so already, nothing is written, and the Ack
        names no place. Raises Conflict."""
        data = drop_none(patch=dict(patch), audience=names(to))
        try:
            return await self._write("state.merge", data, if_version, if_unchanged)
        except NoChange:
            return Ack((), ())

    async def increment(self, path: str, by: float = 1, *, to: To | None = None) -> Ack:
        """Add to the number at `path`, from 0 where there is none. Never conflicts."""
        return await self._write("state.increment", drop_none(path=path, by=by, audience=names(to)), None, None)

    async def wait(self, predicate: Callable[[dict[str, Any]], object], timeout: float | None = None) -> dict[str, Any]:
        """Wait for a value for which `predicate` is true, and return it. Every value that the document has from now on
        is shown to it, be it for a moment only. Raises TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            found = await self._session.live.until(lambda: self._matching(predicate))
        return found[0]

    def _matching(self, predicate: Callable[[dict[str, Any]], object]) -> list[dict[str, Any]]:
        """The value in a list, which is true even when the value is empty."""
        value = self.value
        return [value] if predicate(value) else []

    @property
    def _document(self) -> Document:
        return self._session.live.state.document

    async def _write(
        self, do: str, data: dict[str, Any], if_version: int | None, if_unchanged: Unchanged | None
    ) -> Ack:
        if if_version is not None:
            data["if_version"] = if_version
        if if_unchanged is not None:
            data["if_unchanged"] = dict(if_unchanged)
        ack = await self._session.do(do, data)
        if self._session.followed and ack.versions:
            await self._session.live.reached(ack.versions[-1])
        return ack
