"""The page that tells how coding agents share a board: what one copies from it works."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import jwt
import orjson
import pytest
from mcp import Client as McpClient
from mcp import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from support.mcp_programs import pinned_versions

if TYPE_CHECKING:
    from live.adapters.conftest import StartBoard

SECRET = "a secret of at least thirty-two bytes"
PAGE = (Path(__file__).parents[3] / "docs/how-to/share-a-board.md").read_text()
DOCUMENTED = re.compile(r"http://127\.0\.0\.1:8600|https://board\.example\.com")


def _blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found
    return found


def _servers() -> list[dict[str, Any]]:
    """The servers of the page, as Claude Code, Codex and Cursor read them."""
    configured = [orjson.loads(block)["mcpServers"] for block in _blocks("json")]
    configured += [tomllib.loads(block)["mcp_servers"] for block in _blocks("toml")]
    added = re.findall(r"^\$ claude mcp add (\w+) -- (\w+) (.*)$", PAGE, re.MULTILINE)
    configured += [{name: {"command": command, "args": args.split()}} for name, command, args in added]
    return [each["board"] for each in configured]


def _expanded(text: str, url: str, token: str) -> str:
    """As a client expands variables, at another gateway."""
    text = text.replace("${STENOGRAM_TOKEN}", token)
    return DOCUMENTED.sub(url, re.sub(r"\$\{\w+:-(.*?)\}", r"\1", text))


@pytest.mark.parametrize("server", _servers(), ids=lambda each: each.get("url") or " ".join(each["args"]))
async def test_each_configuration_joins_a_session(start_board: StartBoard, server: dict[str, Any]) -> None:
    secret = SECRET if "headers" in server else None
    url = (await start_board(jwt_secret=secret)).url
    token = jwt.encode({"sub": "claude-1", "kind": "agent", "exp": 9_999_999_999}, SECRET, "HS256")
    headers = {name: _expanded(value, url, token) for name, value in server.get("headers", {}).items()}
    async with httpx2.AsyncClient(headers=headers) as http:
        if "command" in server:
            assert server["command"] == "stenogram"
            args = [_expanded(each, url, token) for each in server["args"]]
            given = {"STENOGRAM_URL": url}
            client = McpClient(
                StdioServerParameters(command=sys.executable, args=["-m", "stenogram", *args], env=given)
            )
        else:
            client = McpClient(streamable_http_client(_expanded(server["url"], url, token), http_client=http))
        async with client:
            joined = await client.call_tool("join", {"session": "website", "lease": 1200})
            assert not joined.is_error
            tools = {tool.name for tool in (await client.list_tools()).tools}
    table = re.findall(r"^\| (`.*?) \|", PAGE[PAGE.index("## The tools") :], re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(table))) == tools
    rules = set(re.findall(r"`([a-z_]+)`", _blocks("markdown")[0]))
    assert rules <= tools | {"board", "website", "lease", "wait", "needs", "signals", "fenced"}


def test_the_versions_that_are_tested_are_said() -> None:
    said = re.findall(r"^\| \[.*?\]\(https://github\.com/(\S+)\)[^|]*\| (\S+) \|", PAGE, re.MULTILINE)
    assert {f"@{name}": version for name, version in said} == pinned_versions()
