"""MCP clients as models use them: the SDK's own, over each transport."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp import Client as McpClient
from mcp import StdioServerParameters


class Model:
    """What a model is to an MCP client: it calls tools, and reads what they answer."""

    def __init__(self, client: McpClient, handle: str = "") -> None:
        self.client = client
        self.handle = handle

    async def call(self, tool: str, handle: str = "", **arguments: Any) -> dict[str, Any]:
        """Call a tool with a handle, by default the one from `join`; its answer, which must be no error."""
        result = await self.client.call_tool(tool, {"handle": handle or self.handle, **arguments})
        assert not result.is_error, result.content
        answer: dict[str, Any] | None = result.structured_content
        assert answer is not None
        return answer

    async def refused(self, tool: str, handle: str = "", **arguments: Any) -> dict[str, Any]:
        """The same, of a call that must be refused; the refusal."""
        result = await self.client.call_tool(tool, {"handle": handle or self.handle, **arguments})
        assert result.is_error
        answer: dict[str, Any] | None = result.structured_content
        assert answer is not None
        assert answer["code"]
        assert answer["detail"]
        assert answer["what_to_do"]
        return answer

    async def join(self, session: str = "web", **how: Any) -> dict[str, Any]:
        """Join a session."""
        answer = await self.call("join", session=session, **how)
        self.handle = answer["handle"]
        return answer


def over_stdio(url: str, participant: str) -> McpClient:
    """A client that starts `stenogram mcp`."""
    command = ["-m", "stenogram", "mcp", "--url", url, "--as", participant]
    return McpClient(StdioServerParameters(command=sys.executable, args=command))


def over_http(url: str, participant: str) -> McpClient:
    """A client of the protocol of 2026: each call stands alone."""
    return McpClient(f"{url}/mcp?participant={participant}")


def over_http_2025(url: str, participant: str) -> McpClient:
    """A client of the protocol of 2025, which begins with a handshake."""
    return McpClient(f"{url}/mcp?participant={participant}", mode="legacy")


TRANSPORTS = {"stdio": over_stdio, "http": over_http, "http-2025": over_http_2025}


@asynccontextmanager
async def model(
    url: str, participant: str, transport: str = "http", session: str | None = "web"
) -> AsyncIterator[Model]:
    """A model whose client has joined a session."""
    async with TRANSPORTS[transport](url, participant) as client:
        joined = Model(client)
        if session is not None:
            await joined.join(session)
        yield joined
