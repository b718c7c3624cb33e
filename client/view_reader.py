"""Reading the gateway's views: as they are, as they were, in pages, and live."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from ..domain.envelope import timestamp
from .transport.document_stream import DocumentStream, ViewDocument
from .transport.http import Http
from .transport.subscription_registry import SubscriptionRegistry

Moment = int | datetime
"""A version of the session, or a time, with its zone."""


class ViewRows(NamedTuple):
    """A page of rows or documents. `next` is what to ask for the page after it with; None: there is none."""

    rows: list[Any]
    position: int
    next: str | None = None


class ViewReader:
    """Reads one view, under one key or as a whole; made by `Session.view` and `Client.view`. Each call is one HTTP
    request, without a retry: raises Unreachable, or the gateway's refusal.

    `min_position` asks for a view that is as new as that position (from an `Ack`), `wait` (seconds) to wait for it.
    """

    def __init__(self, http: Http, subscriptions: SubscriptionRegistry, view: str, key: str | None) -> None:
        self._http = http
        self._subscriptions = subscriptions
        self._view = view
        self._key = key
        self._path = f"/v1/views/{view}" if key is None else f"/v1/views/{view}/{quote(key, safe='')}"

    async def get(self, at: Moment | None = None, *, min_position: int = 0, wait: float = 0.0) -> ViewDocument:
        """The document, now or at a moment. Raises NotFound where there is none."""
        found = await self._http.get(self._path, _query(at=at, min_position=min_position or None, wait=wait or None))
        return ViewDocument(found["value"], found["position"], found.get("version"))

    async def rows(
        self,
        at: Moment | None = None,
        *,
        where: Mapping[str, Any] | None = None,
        order: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        min_position: int = 0,
        wait: float = 0.0,
    ) -> ViewRows:
        """A page of rows (of a view of documents: of objects with `key` and `value`) whose fields equal `where`."""
        asked = _query(at=at, order=order, after=after, limit=limit)
        arriving = _query(min_position=min_position or None, wait=wait or None)
        found = await self._http.get(self._path, {**asked, **arriving, **_where(where or {})})
        return ViewRows(found["rows"] if "rows" in found else found["documents"], found["position"], found.get("next"))

    async def difference(self, since: Moment, to: Moment | None = None) -> Sequence[dict[str, Any]]:
        """What changed in a document between two moments, the second by default now: a JSON Patch (RFC 6902). Of rows:
        in an object that has each under its key without the session (several columns: as a JSON array)."""
        found = await self._http.get(f"{self._path}/difference", _query(to=to) | {"from": _text(since)})
        patch: list[dict[str, Any]] = found["patch"]
        return patch

    def follow(self) -> DocumentStream:
        """The document as it changes, over all connections: what `get` returns, again and again; see DocumentStream. Of
        rows its value is an object with the newest thousand of the session, each under its key without the session. It
        takes a subscription."""
        return DocumentStream(self._subscriptions, self._view, self._key or "")


def _query(**members: Any) -> dict[str, Any]:
    return {name: _text(value) for name, value in members.items() if value is not None}


def _where(fields: Mapping[str, Any]) -> dict[str, str]:
    return {f"where.{name}": _text(value) for name, value in fields.items()}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return timestamp(value) if isinstance(value, datetime) else str(value)
