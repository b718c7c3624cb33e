"""What an MCP client can put before its model without a tool: sessions, what was said in one, its board."""

from typing import Any
from urllib.parse import quote

import orjson
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError
from mcp.types import Resource

from ...domain.concepts.messages import MessageCompleted, MessagePosted
from ...domain.errors import NotFound, StenogramError
from ...domain.model import Event
from .seat import Seats
from .task_tools import board

LAST_MESSAGES = 500
JSON, MARKDOWN = "application/json", "text/markdown"
SESSIONS = Resource(
    uri="stenogram://sessions", name="sessions", mime_type=JSON, description="The sessions that you may read."
)
"""The resource whose address needs no variable: clients that show no templates list it."""


class Resources:
    """Reads as the participant who asks."""

    def __init__(self, seats: Seats) -> None:
        self._seats = seats

    def add_to(self, server: MCPServer) -> None:
        """Offer them."""
        one = f"{SESSIONS.uri}/{{session}}"
        for uri, name, read, type, about in (
            (f"{SESSIONS.uri}{{?prefix}}", SESSIONS.name, self.sessions, JSON, SESSIONS.description),
            (one, "session", self.session, JSON, "A session as it is now."),
            (f"{one}/transcript", "transcript", self.transcript, MARKDOWN, "What was said in a session, last."),
            (f"{one}/board", "board", self.board, JSON, "The unfinished tasks of a session."),
        ):
            server.resource(uri, name=name, mime_type=type, description=about)(read)

    async def sessions(self, ctx: Context[Any, Any], prefix: str = "") -> str:
        """The first thousand sessions whose ids begin so, by id."""
        return _json(await self._get(ctx, "/v1/sessions", {"limit": 1_000, "prefix": prefix or None}))

    async def session(self, session: str, ctx: Context[Any, Any]) -> str:
        """A session as it is now."""
        return _json(await self._show(ctx, session))

    async def board(self, session: str, ctx: Context[Any, Any]) -> str:
        """The unfinished tasks of a session."""
        return _json(board(await self._show(ctx, session)))

    async def transcript(self, session: str, ctx: Context[Any, Any]) -> str:
        """What was said last in a session."""
        await self._show(ctx, session)  # an id that there is not is an error, and not silence
        http = self._seats.http(self._seats.caller(ctx.request_context.request))
        query: dict[str, Any] = {"last": LAST_MESSAGES, "reading": "folded", "types": ["message.*"]}
        try:
            page = await http.page(quote(session, safe=""), query)
        except StenogramError as error:
            raise _as_resource_error(error) from None
        said = [text for event in page.events if (text := _said(event))]
        return "\n\n".join(said) or "Nothing was said yet."

    async def _show(self, ctx: Context[Any, Any], session: str) -> dict[str, Any]:
        return await self._get(ctx, f"/v1/sessions/{quote(session, safe='')}", {})

    async def _get(self, ctx: Context[Any, Any], path: str, query: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._seats.http(self._seats.caller(ctx.request_context.request)).get(path, query)
        except StenogramError as error:
            raise _as_resource_error(error) from None


def _as_resource_error(error: StenogramError) -> ResourceError:
    kind = ResourceNotFoundError if isinstance(error, NotFound) else ResourceError
    return kind(f"{error.code}: {error.detail}")


def _said(event: Event) -> str:
    data = event.data
    if not isinstance(data, MessagePosted | MessageCompleted):
        return ""
    text = "".join(getattr(part, "text", "") for part in data.parts)
    return f"**{event.actor}** ({event.time:%Y-%m-%d %H:%M}): {text}" if text else ""


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
