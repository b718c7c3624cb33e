"""The suite that servers of the Model Context Protocol share, at `/mcp` of a running gateway.

It is written for a server made for it, with tools, resources and prompts of given names. What it asks of any server
must hold here; what it asks of that one is listed below, with the reason.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import INTERNAL_ERROR
from support.mcp_models import over_http_2025
from support.mcp_programs import conformance

from stenogram.api.access.origin import OriginCheck

if TYPE_CHECKING:
    from live.adapters.conftest import StartBoard

    from stenogram.api.server import Gateway

pytestmark = [pytest.mark.thorough, pytest.mark.web, pytest.mark.slow, pytest.mark.timeout(400)]

SECRET = "a secret of at least thirty-two bytes"
CHECKS = {
    "server-initialize": 1,
    "ping": 1,
    "tools-list": 1,
    "resources-list": 1,
    "prompts-list": 1,
    "dns-rebinding-protection": 2,
}
"""The scenarios that any server must pass, and the number of their checks."""
TOOL = "calls a tool of the server that the suite was written for"
RESOURCE = "reads a resource of the server that the suite was written for"
PROMPT = "gets a prompt of the server that the suite was written for; there are none here"
SESSIONS = "needs the transport's own sessions; there are none here, so that any gateway can take any call"
UNDECLARED = "needs a capability that this server does not declare"
NOT_FOR_US = {
    "logging-set-level": UNDECLARED,
    "completion-complete": UNDECLARED,
    "resources-subscribe": UNDECLARED,
    "resources-unsubscribe": UNDECLARED,
    "server-sse-polling": SESSIONS,
    "server-sse-multiple-streams": SESSIONS,
    "tools-call-simple-text": TOOL,
    "tools-call-image": TOOL,
    "tools-call-audio": TOOL,
    "tools-call-embedded-resource": TOOL,
    "tools-call-mixed-content": TOOL,
    "tools-call-with-logging": TOOL,
    "tools-call-error": TOOL,
    "tools-call-with-progress": TOOL,
    "tools-call-sampling": TOOL,
    "tools-call-elicitation": TOOL,
    "json-schema-2020-12": TOOL,
    "elicitation-sep1034-defaults": TOOL,
    "elicitation-sep1330-enums": TOOL,
    "resources-read-text": RESOURCE,
    "resources-read-binary": RESOURCE,
    "resources-templates-read": RESOURCE,
    "prompts-get-simple": PROMPT,
    "prompts-get-with-args": PROMPT,
    "prompts-get-embedded-resource": PROMPT,
    "prompts-get-with-image": PROMPT,
}
WITH_KEYS = {
    "dns-rebinding-protection": (
        "a page of a foreign host has no token, but the suite hands it one in the address; with keys a gateway answers "
        "to any name, such as that of a proxy"
    )
}
"""What else is not for a gateway with keys."""


@pytest.mark.parametrize("secret", [None, SECRET], ids=["open", "keys"])
async def test_what_is_asked_of_any_server_holds(
    start_board: StartBoard, node: str, secret: str | None, tmp_path: Path
) -> None:
    board = await start_board(jwt_secret=secret)
    token = jwt.encode({"sub": "claude-1", "kind": "agent", "exp": 9_999_999_999}, SECRET, "HS256")
    who = f"token={token}" if secret else "participant=claude-1"
    found = await conformance(node, f"{board.url}/mcp?{who}", tmp_path / "found", "--suite", "all")
    assert {*found} == {*CHECKS, *NOT_FOR_US}
    assert {*_wrong(found)} == (set(WITH_KEYS) if secret else set()), _wrong(found)
    assert {name: len(found[name]) for name in CHECKS} == CHECKS


async def test_what_is_not_declared_is_not_there(board: Gateway) -> None:
    async with over_http_2025(board.url, "claude-1") as client:
        declared = client.server_capabilities
    assert declared is not None
    assert declared.logging is None
    assert declared.completions is None
    assert declared.resources is not None
    assert not declared.resources.subscribe


async def test_it_finds_that_a_page_of_a_foreign_host_is_let_in_and_that_prompts_cannot_be_listed(
    board: Gateway, node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: MCPServer) -> None:
        raise MCPError(INTERNAL_ERROR, "There are none.")

    monkeypatch.setattr(OriginCheck, "check", lambda *_: None)
    monkeypatch.setattr(MCPServer, "list_prompts", refuse)
    found = await conformance(node, f"{board.url}/mcp?participant=claude-1", tmp_path / "found", "--suite", "all")
    assert {*_wrong(found)} == {"dns-rebinding-protection", "prompts-list"}


def _wrong(found: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """The scenarios for any server of which a check did not succeed, and why."""
    checks = ((name, check) for name in CHECKS for check in found[name])
    return {name: check.get("errorMessage", check["status"]) for name, check in checks if check["status"] != "SUCCESS"}
