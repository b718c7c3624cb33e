"""A document of a view, followed over all connections: always the newest, never all that lay between.

At a new connection it subscribes with the `etag` of the document that it has, so that only what is new is sent. A patch
that does not fit what is here would be a fault; then it subscribes again, without.
"""

import asyncio
from typing import Any, NamedTuple, Self

from ...domain.errors import Busy, PatchFailed, StenogramError
from ...domain.json.patch import apply_patch
from ..errors import from_problem
from .outbox import Outgoing, Wire, encode
from .subscription_registry import SubscriptionRegistry


class ViewDocument(NamedTuple):
    """A document, read or followed: its value, and up to where the log was folded for it. `version` is the session's,
    where a moment was asked for."""

    value: Any
    position: int
    version: int | None = None


class DocumentStream:
    """An async iterator over a document, to be entered with `async with`: as it is at first (its value is None while
    there is none), then whenever it has changed. A slow consumer gets the newest only. Do not change values in place:
    they share parts with the ones before.

    Iteration raises the gateway's refusal; it ends when the stream is left or the client is closed."""

    def __init__(self, registry: SubscriptionRegistry, view: str, key: str) -> None:
        self.label = f"{view}/{key}"
        self.name = self.label
        self.value: Any = None
        self.position = 0
        self._registry = registry
        self._view = view
        self._key = key
        self._etag = ""
        self._open = True
        self._error: StenogramError | None = None
        self._new = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._registry.add(self)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._open:
            self._open = False
            self._registry.drop(self, unsubscribe=True)
            self._new.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ViewDocument:
        """The newest that was not returned yet."""
        await self._new.wait()
        if not self._open:
            if self._error is not None:
                raise self._error.with_traceback(None)
            raise StopAsyncIteration
        self._new.clear()  # in the turn in which the value is read: one that comes later sets it again
        return ViewDocument(self.value, self.position)

    def frame(self) -> Outgoing:
        """Subscribe to what is new."""
        known = {"known": self._etag} if self._etag else {}
        wanted = {"view": self._view, "key": self._key, **known}
        return Outgoing(encode({"frame": "subscribe", "sub": self.name, "views": [wanted]}))

    def on_frame(self, frame: Wire, _: int) -> None:
        """A frame came for it."""
        if frame["frame"] == "refused":
            self._on_refused(frame)
        elif frame["frame"] == "view":
            self._on_view(frame)

    def end(self, error: StenogramError | None) -> None:
        """Nothing more will come."""
        self._open, self._error = False, error
        self._new.set()

    def _on_view(self, frame: Wire) -> None:
        if "value" in frame:
            self.value = frame["value"]
        elif "patch" in frame:
            try:
                self.value = apply_patch(self.value, frame["patch"], bounded=False).value
            except PatchFailed:
                self._etag = ""
                self._registry.renew(self, 0.1)
                return
        elif not frame["etag"]:
            self.value = None
        first = not self.position
        self.position = frame["position"]
        if first or frame["etag"] != self._etag:
            self._new.set()
        self._etag = frame["etag"]

    def _on_refused(self, frame: Wire) -> None:
        error = from_problem(frame["error"])
        self._registry.drop(self)
        if isinstance(error, Busy) and "retry_after" in error.extra:
            self._registry.renew(self, error.extra["retry_after"])
        else:
            self.end(error)
