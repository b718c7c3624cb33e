"""The inspector of the Model Context Protocol's makers, over each transport, in the protocol of 2025 and of 2026."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import jwt
import pytest
from support.mcp_programs import Inspector

if TYPE_CHECKING:
    from live.adapters.conftest import StartBoard

    from stenogram.api.server import Gateway

pytestmark = [pytest.mark.thorough, pytest.mark.web, pytest.mark.slow, pytest.mark.timeout(600)]

SECRET = "a secret of at least thirty-two bytes"
VERSIONS = {"legacy": "2025-11-25", "modern": "2026-07-28"}
TEMPLATES = ["{?prefix}", "/{session}", "/{session}/transcript", "/{session}/board"]


def _over_stdio(url: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "stenogram", "mcp", "--url", url, "--as", "claude-1")


def _over_http(url: str) -> tuple[str, ...]:
    return ("--transport", "http", "--server-url", f"{url}/mcp?participant=claude-1")


@pytest.mark.parametrize("era", VERSIONS)
@pytest.mark.parametrize("server", [_over_stdio, _over_http], ids=["stdio", "http"])
async def test_it_finds_what_is_there_and_takes_part(
    board: Gateway, node: str, server: Callable[[str], tuple[str, ...]], era: str, tmp_path: Path
) -> None:
    inspector = Inspector(node, server(board.url), era, tmp_path)
    assert (await inspector.ask("initialize"))["protocolVersion"] == VERSIONS[era]
    tools = await inspector.ask("tools/list", "--strict")
    assert {"join", "claim", "complete", "leave"} < {each["name"] for each in tools["tools"]}
    (listed,) = (await inspector.ask("resources/list"))["resources"]
    assert listed["uri"] == "stenogram://sessions"
    templates = (await inspector.ask("resources/templates/list"))["resourceTemplates"]
    assert [each["uriTemplate"].removeprefix("stenogram://sessions") for each in templates] == TEMPLATES
    assert (await inspector.ask("prompts/list"))["prompts"] == []
    joined = await inspector.ask("tools/call", "--tool-name", "join", "--tool-arg", "session=web")
    assert joined["structuredContent"]["you"] == "claude-1"
    for uri in ("stenogram://sessions", "stenogram://sessions/web"):
        (read,) = (await inspector.ask("resources/read", "--uri", uri))["contents"]
        assert read["mimeType"] == "application/json"
        assert '"session":"web"' in read["text"]


@pytest.mark.parametrize("era", VERSIONS)
async def test_what_is_not_there_is_said_to_be_unknown(board: Gateway, node: str, era: str, tmp_path: Path) -> None:
    inspector = Inspector(node, _over_http(board.url), era, tmp_path)
    done = await inspector.run("prompts/get", "--prompt-name", "nothing")
    assert (done.code, "Unknown prompt: nothing" in done.err) == (1, True), done
    done = await inspector.run("resources/read", "--uri", "stenogram://sessions/nowhere")
    assert (done.code, "not_found" in done.err) == (1, True), done
    done = await inspector.run("tools/call", "--tool-name", "look", "--tool-arg", "handle=nothing")
    assert done.code != 0
    assert json.loads(json.loads(done.out)["result"]["content"][0]["text"])["code"] == "invalid"


async def test_a_token_says_who_calls(start_board: StartBoard, node: str, tmp_path: Path) -> None:
    board = await start_board(jwt_secret=SECRET)
    token = jwt.encode({"sub": "claude-1", "kind": "agent", "exp": 9_999_999_999}, SECRET, "HS256")
    address = ("--transport", "http", "--server-url", f"{board.url}/mcp")
    inspector = Inspector(node, (*address, "--header", f"Authorization: Bearer {token}"), "legacy", tmp_path)
    joined = await inspector.ask("tools/call", "--tool-name", "join", "--tool-arg", "session=web")
    assert joined["structuredContent"]["you"] == "claude-1"
    nobody = Inspector(node, (*address, "--stored-auth-only"), "legacy", tmp_path)
    assert (await nobody.run("tools/list")).code != 0
